"""A binary classifier over ragged texts, Keras' side: train LSTM and bidirectional LSTM, and save both.

    python scripts/sentiment_keras.py

Word ids (0 is padding, and masked) → Embedding(64) → LSTM(64) or Bidirectional(LSTM(64)) → Dense(64, relu) → Dense(1,
sigmoid): is a description that of a program for science or for the net? Texts keep their own lengths, 1 to 20 words.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sequences_data import DATA, FIRST_WORD, SAVED, by_section, common_words, to_ids

import porting

KERAS = DATA / "sentiment_keras.npz"
SECTIONS = ("net", "science")
WORDS = 3000


def build(name: str) -> keras.Model:
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(WORDS + FIRST_WORD, 64, mask_zero=True, name="embedding")(ids)
    x = layers.Dropout(0.5, name="dropout")(x)
    lstm = layers.LSTM(64, name="lstm")
    x = (layers.Bidirectional(lstm, name="bidirectional") if name == "sentiment_both_ways" else lstm)(x)
    x = layers.Dense(64, activation="relu", name="dense")(x)
    return keras.Model(ids, layers.Dense(1, activation="sigmoid", name="score")(x), name=name)


def main() -> None:
    vocabulary = common_words(WORDS)
    texts, classes = by_section("train", *SECTIONS)
    held_out, truth = by_section("test", *SECTIONS)
    ids, held_ids = to_ids(texts, vocabulary), to_ids(held_out, vocabulary)
    predictions = {}
    for name in ("sentiment", "sentiment_both_ways"):
        keras.utils.set_random_seed(0)
        model = build(name)
        model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy")
        model.fit(ids, classes, batch_size=32, epochs=6, verbose=0)
        predictions[name] = model.predict(held_ids, verbose=0)
        right = np.mean((predictions[name][:, 0] > 0.5) == truth)
        larger = max(np.bincount(truth)) / len(truth)
        print(f"{name}: {right:.1%} of {len(truth)} held-out texts right; the larger class has {larger:.1%}")
        network = porting.save(model, SAVED / name, samples=held_ids[:8], overwrite=True)
        print(f"saved {len(network.calls)} layers and {len(network.cases)} reference cases")
    np.savez_compressed(KERAS, **predictions)


if __name__ == "__main__":
    main()
