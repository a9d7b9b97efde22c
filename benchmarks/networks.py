"""The networks of benchmarks/inference.py: made in Keras, fed by numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

WORDS, WIDTH, STEPS = 5000, 64, 200
# How much of a ragged batch is words: a fifth.
SHARE = 0.2


def texts(rows: int, ragged: bool) -> Any:
    """Ids; ragged rows are padded behind by zeros."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, WORDS, (rows, STEPS)).astype(np.int32)
    if ragged:
        lengths = np.clip(rng.lognormal(np.log(SHARE * STEPS * 0.8), 0.7, rows), 1, STEPS).astype(int)
        ids[np.arange(STEPS) >= lengths[:, None]] = 0
    return ids


def pictures(size: int) -> Callable[[int, bool], Any]:
    def made(rows: int, ragged: bool) -> Any:
        coarse = np.random.default_rng(0).normal(size=(rows, 4, 4, 3)).repeat(size // 4, 1).repeat(size // 4, 2)
        return (0.5 * coarse + 0.2 * np.random.default_rng(1).normal(size=coarse.shape)).astype(np.float32)

    return made


def recurrent(class_name: str, layers_deep: int, both_ways: bool, masked: bool) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        layers = keras.layers
        ids = keras.Input((None,), dtype="int32", name="ids")
        x = layers.Embedding(WORDS, WIDTH, mask_zero=masked)(ids)
        for at in range(layers_deep):
            layer = getattr(layers, class_name)(WIDTH, return_sequences=at + 1 < layers_deep)
            x = layers.Bidirectional(layer)(x) if both_ways else layer(x)
        return keras.Model(ids, layers.Dense(1, activation="sigmoid")(x))

    return build


def text_cnn(keras: Any) -> Any:
    layers = keras.layers
    ids = keras.Input((STEPS,), dtype="int32", name="ids")
    x = layers.Embedding(WORDS, WIDTH)(ids)
    parts = [layers.GlobalMaxPooling1D()(layers.Conv1D(64, width, activation="relu")(x)) for width in (3, 4, 5)]
    return keras.Model(ids, layers.Dense(1, activation="sigmoid")(layers.Concatenate()(parts)))


def transformer(keras: Any) -> Any:
    layers = keras.layers
    ids = keras.Input((STEPS,), dtype="int32", name="ids")
    x = layers.Embedding(WORDS, WIDTH)(ids)
    for _ in range(2):
        attended = layers.MultiHeadAttention(4, WIDTH // 4)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, attended]))
        inner = layers.Dense(WIDTH)(layers.Dense(4 * WIDTH, activation="gelu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, inner]))
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(ids, layers.Dense(1, activation="sigmoid")(x))


def small_cnn(keras: Any) -> Any:
    layers = keras.layers
    x = given = keras.Input((64, 64, 3), name="pictures")
    for filters in (16, 32, 64):
        x = layers.MaxPooling2D()(layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(given, layers.Dense(10, activation="softmax")(x))


def application(name: str, size: int) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=100)
        model.layers[0].name = "pictures"
        return model

    return build


Build, Feed = Callable[[Any], Any], Callable[[int, bool], Any]
# By name: how it is made, what it is fed, and how many rows.
NETWORKS: dict[str, tuple[Build, Feed, int]] = {
    "masked bidirectional LSTM": (recurrent("LSTM", 1, True, True), texts, 1024),
    "masked GRU, two layers": (recurrent("GRU", 2, False, True), texts, 1024),
    "bidirectional LSTM": (recurrent("LSTM", 1, True, False), texts, 256),
    "text CNN": (text_cnn, texts, 256),
    "Transformer, two blocks": (transformer, texts, 128),
    "small CNN": (small_cnn, pictures(64), 256),
    "MobileNetV2": (application("MobileNetV2", 224), pictures(224), 32),
    "ResNet50": (application("ResNet50", 224), pictures(224), 16),
}
RAGGED = [name for name in NETWORKS if name.startswith("masked")]
