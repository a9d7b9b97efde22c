"""Memory and time of networks with a table of a gigabyte and more: saved, loaded, built, checked, predicted, stored.

    nox -s bench -- memory

The network is Embedding(rows, 64) → LSTM(32) → Dense(4) on ids of 40 steps. Keras makes and saves the one with a
table of 1 GiB. That with a table of 2.5 GiB, beyond what a protobuf holds, is written by
`porting.archive.write_network` from a small one that Keras saved: its first rows are Keras' and more rows follow, so
Keras' references hold for it.

Every step runs in a process of its own. The peak is that process's largest resident memory (VmHWM of Linux), Python and
its libraries included, and as a multiple of the network's weights. Of `hold` and `save`, time and peak begin anew once
the model is made, and its table comes from numpy: of what Keras' own initializer takes, TensorFlow keeps three tables
for later, and they would hide what saving takes.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import turns

WIDTH, UNITS, SMALL = 64, 32, 100
GIB = 1 << 30
SIZES = {"1 GiB": GIB, "2.5 GiB": 5 * GIB // 2}
MADE_BY_KERAS = "1 GiB"


def rows_of(size: int) -> int:
    return size // (4 * WIDTH)


def inputs(rows: int) -> Any:
    return np.random.default_rng(0).integers(0, rows, (256, 40)).astype(np.int32)


class Meter:
    """Seconds and peak of resident memory, of the process or since the last restart."""

    def __init__(self) -> None:
        self.started = time.perf_counter()

    def restart(self) -> None:
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM becomes VmRSS, see proc(5)
        self.started = time.perf_counter()

    def read(self) -> dict[str, float]:
        seconds = time.perf_counter() - self.started
        (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
        return {"seconds": seconds, "peak": int(peak.split()[1]) << 10}


METER = Meter()


# ---- steps: each is a process


def keras_model(rows: int, initializer: Any = "uniform") -> Any:
    import keras

    keras.utils.set_random_seed(0)
    given = keras.Input((None,), dtype="int32")
    table = keras.layers.Embedding(rows, WIDTH, initializer, name="embedding")(given)
    outputs = keras.layers.Dense(4)(keras.layers.LSTM(UNITS)(table))
    return keras.Model(given, outputs, name="large")


def random_table(shape: tuple[int, int], dtype: Any = None) -> Any:
    table = np.empty(shape, np.float32)
    generator = np.random.default_rng(1)
    for start in range(0, len(table), 1 << 16):
        part = table[start : start + (1 << 16)]
        part[...] = generator.random(part.shape, np.float32)
    return table


def make(folder: str, rows: str) -> None:
    """Keras alone: making the model, to compare with."""
    keras_model(int(rows))


def hold(folder: str, rows: str) -> Any:
    """The model that was made, alone."""
    model = keras_model(int(rows), random_table)
    METER.restart()
    return model


def save(folder: str, rows: str) -> None:
    import porting

    model = keras_model(int(rows), random_table)
    METER.restart()
    porting.save(model, folder)


def grow(folder: str, rows: str, small: str) -> None:
    """The small network with a longer table."""
    from porting.archive import read_network, write_network

    network = read_network(small)
    layer = network.layers["embedding"]
    table = random_table((int(rows), WIDTH))
    table[:SMALL] = layer.weights["embeddings"]
    longer = replace(layer, config={**layer.config, "input_dim": len(table)}, weights={"embeddings": table})
    write_network(replace(network, layers={**network.layers, "embedding": longer}), folder)


def load(folder: str, engine: str) -> Any:
    import porting

    return porting.load(folder, engine=engine)


def predict(folder: str, engine: str) -> None:
    net = load(folder, engine)
    net.predict(inputs(net.network.layers["embedding"].config["input_dim"]), threads=1)


def check(folder: str, engine: str) -> None:
    load(folder, engine).check().raise_if_bad()


def weights(folder: str, engine: str) -> None:
    load(folder, engine).weights()


def store(folder: str, engine: str, path: str) -> None:
    load(folder, engine).store(path)


def predict_stored(folder: str, engine: str, path: str) -> None:
    import porting

    net = porting.load(path)
    net.predict(inputs(net.engine.id_limits["input_layer"]), threads=1)


STEPS: dict[str, Callable[..., Any]] = {
    step.__name__: step for step in (make, hold, save, grow, load, predict, check, weights, store, predict_stored)
}


def run_step(name: str, *arguments: str) -> None:
    made = STEPS[name](*arguments)
    print(json.dumps(METER.read()))
    del made


# ---- the table


def measured(side: str, name: str, *arguments: object) -> dict[str, float]:
    environment = {**os.environ, **turns.QUIET}
    command = [turns.python_of(side), "-W", "ignore", __file__, name, *map(str, arguments)]
    ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def main(room: Path) -> None:
    small = room / "small"
    measured("keras", "save", small, SMALL)
    for name, size in SIZES.items():
        folder, stored, rows = room / "large", room / "large.neoml", rows_of(size)
        steps = [("load", "neoml", ("neoml",)), ("predict", "neoml", ("neoml",)), ("check", "neoml", ("neoml",))]
        steps += [("weights", "neoml", ("neoml",))]
        if size < 2 * GIB:  # what NeoML's archives hold
            steps += [("store", "neoml", ("neoml", stored)), ("predict_stored", "neoml", ("neoml", stored))]
        steps += [("load", "numpy", ("numpy",)), ("predict", "numpy", ("numpy",)), ("check", "numpy", ("numpy",))]
        if name == MADE_BY_KERAS:
            steps = [(step, "keras", (rows,)) for step in ("make", "hold", "save")] + steps
        else:
            steps = [("grow", "neoml", (rows, small)), *steps]
        for step, side, more in steps:
            got = measured(side, step, folder, *more)
            times = got["peak"] / size
            print(f"| {name} | {step.replace('_', ' ')} | {side} | {got['seconds']:.1f} | "
                  f"{got['peak'] / GIB:.2f} | {times:.2f} |", flush=True)  # fmt: skip
        shutil.rmtree(folder)
        for path in (stored, stored.with_name(stored.name + ".json")):
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_step(*sys.argv[1:])
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
