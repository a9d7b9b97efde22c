"""A filter of short texts, Keras' side: is this package a game? Raw text in, score out.

    python scripts/filter_keras.py [FOLDER]

TextVectorization (1000 words, 100 a text) → Embedding(40) → GlobalAveragePooling1D → Dense(6, relu) →
Dense(1, sigmoid).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from raw_text import SAVED, english, f1, kept

import porting

WORDS, LENGTH = 1000, 100


def column(texts: list[str]) -> Any:
    """Texts as Keras takes them: a tensor of one column."""
    return keras.ops.convert_to_tensor([[text] for text in texts], dtype="string")


def build(texts: list[str]) -> keras.Model:
    layers = keras.layers
    vectorize = layers.TextVectorization(max_tokens=WORDS, output_sequence_length=LENGTH)
    vectorize.adapt(texts)
    text = keras.Input((1,), dtype="string", name="text")
    x = layers.Embedding(WORDS, 40)(vectorize(text))
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(6, activation="relu")(x)
    return keras.Model(text, layers.Dense(1, activation="sigmoid")(x), name="filter")


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    texts, classes = english("train")
    held_out, truth = english("test")
    model = build(texts)
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    model.fit(column(texts), classes, batch_size=32, epochs=20, verbose=0)
    scores = model.predict(column(held_out), verbose=0)
    print(f"F1 {f1(scores, truth):.4f} on {len(held_out)} held-out texts")
    np.savez_compressed(kept("filter"), scores=scores)
    network = porting.save(model, folder, samples=held_out[:8], overwrite=True)
    print(f"saved {len(network.calls)} layers and {len(network.cases)} reference cases to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAVED / "filter")
