"""Russian texts, Keras' side: does this describe a library? Raw text in, padding masked.

    python scripts/russian_keras.py [FOLDER]

TextVectorization (4000 words, rows padded to the longest) → Embedding(64, mask_zero) → Bidirectional(LSTM(64)) →
Dense(64, relu) → Dense(1, sigmoid).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from raw_text import SAVED, f1, kept, russian

import porting

WORDS = 4000


def column(texts: list[str]) -> Any:
    """Texts as Keras takes them: a tensor of one column."""
    return keras.ops.convert_to_tensor([[text] for text in texts], dtype="string")


def build(texts: list[str]) -> keras.Model:
    layers = keras.layers
    vectorize = layers.TextVectorization(max_tokens=WORDS)
    vectorize.adapt(texts)
    text = keras.Input((1,), dtype="string", name="text")
    x = layers.Embedding(WORDS, 64, mask_zero=True)(vectorize(text))
    x = layers.Dropout(0.5)(x)
    x = layers.Bidirectional(layers.LSTM(64))(x)
    x = layers.Dense(64, activation="relu")(x)
    return keras.Model(text, layers.Dense(1, activation="sigmoid")(x), name="russian")


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    texts, classes = russian("train")
    held_out, truth = russian("test")
    model = build(texts)
    model.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy")
    model.fit(column(texts), classes, batch_size=32, epochs=6, verbose=2)
    scores = model.predict(column(held_out), batch_size=32, verbose=0)
    print(f"F1 {f1(scores, truth):.4f} on {len(held_out)} held-out texts")
    np.savez_compressed(kept("russian"), scores=scores)
    network = porting.save(model, folder, samples=held_out[:8], overwrite=True)
    print(f"saved {len(network.calls)} layers and {len(network.cases)} reference cases to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAVED / "russian")
