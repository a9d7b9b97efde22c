"""Time per batch of recurrent layers with and without masks: Keras, NeoML's fused layers, archive cells, numpy.

    python benchmarks/masks.py          from the repository's root; calls both environments that nox makes

Every side runs the same saved networks on the same batches of 32 rows, on one thread, warmed up. The sides take turns,
so that what else the machine does meets all of them; the figure is the smallest of all turns, in milliseconds of
processor time (one thread's wall time on a machine that does nothing else). Keras runs as a compiled graph
(tf.function with jit off) that is called with a tensor, without predict's own costs; NeoML and numpy run through
PortedNetwork.predict, copies in and out included. Masked batches are padded on the right to 60 % on average;
`predict` is not allowed to group rows by length here, so the padding is computed by all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
PYTHONS = {side: ROOT / ".nox" / f"env-{side}" / "bin" / "python" for side in ("keras", "neoml")}
BATCH, FEATURES, UNITS = 32, 64, 64
LENGTHS = (50, 200)
TURNS, RUNS = 5, 8
# name: class, settings, both ways
LAYERS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "LSTM": ("LSTM", {}, False),
    "Bidirectional(LSTM)": ("LSTM", {}, True),
    "GRU, reset_after=False": ("GRU", {"reset_after": False}, False),
    "GRU": ("GRU", {}, False),
}
COLUMNS = ("Keras", "NeoML, fused", "NeoML, archive cell", "numpy")


def batch(length: int) -> np.ndarray:
    """Rows of numbers; where a mask is made, steps of zeros are padding."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(BATCH, length, FEATURES)).astype("float32")
    for row, kept in enumerate(rng.integers(length // 5, length + 1, BATCH)):
        values[row, kept:] = 0.0
    return values


def smallest(run: Callable[[Any], Any], values: Any) -> float:
    """Milliseconds of processor time of the quickest of some runs, after two to warm up."""
    run(values)
    run(values)
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        run(values)
        times.append(time.process_time() - start)
    return min(times) * 1e3


def cases() -> list[tuple[str, int, bool]]:
    return [(name, length, masked) for name in LAYERS for length in LENGTHS for masked in (False, True)]


def folder_of(scratch: Path, name: str, masked: bool) -> Path:
    return scratch / f"{name}{' masked' if masked else ''}".replace(" ", "_")


# ---- in the Keras environment


def keras_side(scratch: Path) -> dict[str, float]:
    """Make the networks, save those that are not saved yet, and time Keras."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    import keras
    import tensorflow as tf

    import porting

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    found = {}
    for name, length, masked in cases():
        class_name, settings, both_ways = LAYERS[name]
        keras.utils.set_random_seed(0)
        given = keras.Input((None, FEATURES))
        x = keras.layers.Masking()(given) if masked else given
        layer = getattr(keras.layers, class_name)(UNITS, **settings)
        model = keras.Model(given, (keras.layers.Bidirectional(layer) if both_ways else layer)(x))
        if not folder_of(scratch, name, masked).exists():
            porting.save(model, folder_of(scratch, name, masked))
        compiled = tf.function(model, jit_compile=False)
        found[key("Keras", name, length, masked)] = smallest(compiled, tf.constant(batch(length)))
    return found


# ---- in the NeoML environment


def neoml_side(scratch: Path) -> dict[str, float]:
    import porting
    from porting.neoml_side.lowering import recurrence

    fused = recurrence.is_native
    found = {}
    for name, length, masked in cases():
        columns = {"numpy": "numpy", "NeoML, fused": "neoml", "NeoML, archive cell": "neoml"}
        for column, engine in columns.items():
            if (name, column) == ("GRU", "NeoML, fused"):
                continue  # NeoML has no such layer
            # The same layer, written as a cell into the archive.
            recurrence.is_native = fused if column == "NeoML, fused" else _never
            net = porting.load(folder_of(scratch, name, masked), engine=engine)
            predict = partial(net.predict, batch_size=BATCH, threads=1)
            found[key(column, name, length, masked)] = smallest(predict, batch(length))
    return found


def _never(*ignored: Any) -> bool:
    return False


# ---- the table


def key(column: str, name: str, length: int, masked: bool) -> str:
    return json.dumps([column, name, length, masked])


def run_side(side: str, scratch: Path) -> dict[str, float]:
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [str(PYTHONS[side]), __file__, side, str(scratch)]
    made = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **limits}
    )
    return dict(json.loads(made.stdout.splitlines()[-1]))


def main() -> None:
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(TURNS):
            for side in PYTHONS:
                print(f"turn {turn + 1} of {TURNS}, {side}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
                for one, value in run_side(side, Path(scratch)).items():
                    best[one] = min(value, best.get(one, value))
    print(f"milliseconds a batch of {BATCH} rows, {FEATURES} features, {UNITS} units, one thread\n")
    print("| layer | steps | mask | " + " | ".join(COLUMNS) + " |")
    print("|---|---|---|" + "---:|" * len(COLUMNS))
    for name, length, masked in cases():
        values = (best.get(key(column, name, length, masked)) for column in COLUMNS)
        cells = " | ".join("–" if value is None else f"{value:.1f}" for value in values)
        print(f"| {name} | {length} | {'yes' if masked else 'no'} | {cells} |")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sides = {"keras": keras_side, "neoml": neoml_side}
        print(json.dumps(sides[sys.argv[1]](Path(sys.argv[2]))))
    else:
        main()
