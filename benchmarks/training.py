"""Time of one training step: NeoML through porting against Keras' train_on_batch, each on one thread.

    nox -s bench -- training          writes the table of benchmarks/training.md

Beside it stands the bare net: what of a step is spent in NeoML's own run forth and back, without the losses in between,
the optimizer and whatever else is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import turns

# Behind the name of a network, for the bare net.
BARE = " bare"
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


def steps(step: Callable[[], Any]) -> float:
    """Milliseconds of processor time of a step, in the best of several runs of ten."""

    def run() -> None:
        for _ in range(STEPS):
            step()

    return turns.smallest(run, REPEATS) / STEPS


def bare_steps(step: Callable[[], Any]) -> float:
    """Milliseconds of a step that pass in NeoML's own run forth and back."""
    import neoml

    from porting.neoml_side.learning.loss_bridge import HeadLoss

    net = neoml.Dnn.Dnn
    parts = [(net, "learn", 1), (net, "run_and_backward", 1), (HeadLoss, "calc", -1)]
    return turns.smallest_within(parts, lambda: [step() for _ in range(STEPS)], REPEATS) / STEPS


def keras_side(scratch: Path, threads: int) -> turns.Numbers:
    import keras
    import tensorflow as tf

    import porting

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    found = {}
    for name, build in NETS.items():
        keras.utils.set_random_seed(0)
        model = build(keras)
        model.compile("adam", "binary_crossentropy")
        if not (scratch / name).exists():
            porting.save(model, scratch / name)
        found[name] = steps(partial(model.train_on_batch, *batch(name)))
    return found


def neoml_side(scratch: Path, threads: int) -> turns.Numbers:
    import porting

    found = {}
    for name in NETS:
        net = porting.load(scratch / name, engine="neoml")
        net.compile("adam", "binary_crossentropy")
        step = partial(net.train_on_batch, *batch(name))
        found[name] = steps(step)
        found[name + BARE] = bare_steps(step)
    return found


def report(best: turns.Best) -> None:
    lines = [f"Milliseconds a step of Adam, {BATCH} rows, one thread. {turns.machine()}.\n"]
    lines += [
        "| network | Keras | NeoML | the bare net | NeoML / Keras | bare / Keras |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in NETS:
        keras, neoml, bare = best["keras", 1][name], best["neoml", 1][name], best["neoml", 1][name + BARE]
        times = " | ".join(f"{value:.2f}" for value in (keras, neoml, bare, neoml / keras, bare / keras))
        lines.append(f"| {name.replace('_', ' ')} | {times} |")
    turns.write_figures(Path(__file__).with_suffix(".md"), "\n".join(lines))


if __name__ == "__main__":
    turns.main(__file__, {"keras": keras_side, "neoml": neoml_side}, report)
