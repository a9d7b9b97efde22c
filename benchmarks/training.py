"""Time of one training step: NeoML through porting against Keras' train_on_batch, each on one thread.

    python benchmarks/training.py keras FOLDER     in the Keras environment: saves the networks, times Keras
    python benchmarks/training.py neoml FOLDER     in the NeoML environment: times the same networks

Run them in turn, a few times: each keeps the smallest time of all its runs in the folder, and the second prints both.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
os.environ.update(ONE_THREAD, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import numpy as np

BATCH = 32
TIME = 50
STEPS = 10
REPEATS = 6


def bilstm(units: int, masked: bool) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        layers = keras.layers
        ids = keras.Input((TIME,), dtype="int32")
        x = layers.Embedding(2000, 64, mask_zero=masked)(ids)
        x = layers.Bidirectional(layers.LSTM(units))(x)
        return keras.Model(ids, layers.Dense(1, activation="sigmoid")(x))

    return build


def dense(width: int, normalized: bool = False) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        layers = keras.layers
        x = given = keras.Input((128,))
        for _ in range(3):
            x = layers.Dense(width, activation="relu")(x)
            x = layers.BatchNormalization()(x) if normalized else x
        return keras.Model(given, layers.Dense(1, activation="sigmoid")(x))

    return build


def gru(units: int) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        layers = keras.layers
        ids = keras.Input((TIME,), dtype="int32")
        x = layers.GRU(units)(layers.Embedding(2000, 64)(ids))
        return keras.Model(ids, layers.Dense(1, activation="sigmoid")(x))

    return build


def text_cnn(keras: Any) -> Any:
    layers = keras.layers
    ids = keras.Input((TIME,), dtype="int32")
    x = layers.Embedding(2000, 64)(ids)
    parts = [layers.GlobalMaxPooling1D()(layers.Conv1D(64, width, activation="relu")(x)) for width in (3, 4, 5)]
    return keras.Model(ids, layers.Dense(1, activation="sigmoid")(layers.Concatenate()(parts)))


def images(normalized: bool) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        layers = keras.layers
        x = given = keras.Input((32, 32, 3))
        for filters, strides in ((16, 1), (32, 2), (64, 2)):
            x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=not normalized)(x)
            x = layers.BatchNormalization()(x) if normalized else x
            x = layers.ReLU()(x)
        x = layers.GlobalAveragePooling2D()(x)
        return keras.Model(given, layers.Dense(1, activation="sigmoid")(x))

    return build


NETS: dict[str, Callable[[Any], Any]] = {
    "dense_128": dense(128),
    "dense_512": dense(512),
    "bilstm_64": bilstm(64, False),
    "bilstm_128": bilstm(128, False),
    "masked_bilstm_64": bilstm(64, True),
    "masked_bilstm_128": bilstm(128, True),
    "gru_64": gru(64),
    "text_cnn": text_cnn,
    "dense_512_normalized": dense(512, True),
    "images": images(False),
    "images_normalized": images(True),
}


def batch(name: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (BATCH, 1)).astype(np.float32)
    if name.startswith("dense"):
        return rng.normal(size=(BATCH, 128)).astype(np.float32), y
    if name.startswith("images"):
        return rng.normal(size=(BATCH, 32, 32, 3)).astype(np.float32), y
    ids = rng.integers(1, 2000, (BATCH, TIME)).astype(np.int32)
    if name.startswith("masked"):
        for row in range(BATCH):
            ids[row, rng.integers(5, TIME + 1) :] = 0
    return ids, y


def best(step: Callable[[], Any]) -> float:
    """Milliseconds of processor time of a step, in the best of several runs: other programs do not count."""
    for _ in range(5):
        step()
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        for _ in range(STEPS):
            step()
        times.append((time.process_time() - began) / STEPS * 1e3)
    return min(times)


def keep(folder: Path, side: str, name: str, took: float) -> float:
    """The smallest time of this and earlier runs."""
    path = folder / f"{side}.json"
    times = json.loads(path.read_text()) if path.exists() else {}
    times[name] = min(took, times.get(name, took))
    path.write_text(json.dumps(times, indent=1))
    return times[name]


def time_keras(folder: Path) -> None:
    import keras
    import tensorflow as tf

    import porting

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for name, build in NETS.items():
        model = build(keras)
        model.compile("adam", "binary_crossentropy")
        porting.save(model, folder / name, overwrite=True)
        x, y = batch(name)
        took = keep(folder, "keras", name, best(lambda model=model, x=x, y=y: model.train_on_batch(x, y)))
        print(f"{name:20} Keras {took:8.2f} ms", flush=True)


def time_neoml(folder: Path) -> None:
    import porting

    keras = json.loads((folder / "keras.json").read_text())
    print(f"{'Adam, batch 32':20} {'Keras':>10} {'NeoML':>10} {'ratio':>7}")
    for name in NETS:
        net = porting.load(folder / name, engine="neoml")
        net.compile("adam", "binary_crossentropy")
        x, y = batch(name)
        took = keep(folder, "neoml", name, best(lambda net=net, x=x, y=y: net.train_on_batch(x, y)))
        print(f"{name:20} {keras[name]:7.2f} ms {took:7.2f} ms {took / keras[name]:7.2f}", flush=True)


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("side", choices=["keras", "neoml"], help="which environment this is")
    parser.add_argument("folder", type=Path, help="where the networks and the times are kept")
    if not words:
        parser.print_help()
        parser.exit()
    given = parser.parse_args(words)
    if given.side == "neoml" and not (given.folder / "keras.json").exists():
        parser.error(f"{given.folder} holds no networks yet: run the keras side first")
    return given


if __name__ == "__main__":
    given = parsed(sys.argv[1:])
    given.folder.mkdir(parents=True, exist_ok=True)
    time_keras(given.folder) if given.side == "keras" else time_neoml(given.folder)
