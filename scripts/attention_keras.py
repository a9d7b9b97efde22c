"""Attention weights beside the score, Keras' side: train on package descriptions and save.

    python scripts/attention_keras.py [FOLDER]

Word ids (0 is padding, and masked) → Embedding → Bidirectional(LSTM) → WordAttention → Dense(softmax). The model has
two outputs, the sections' probabilities and the words' weights, so one pass gives both. The attention layer is a class
of our own (attention_layer.py); it is saved like any other.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from attention_layer import WordAttention
from sequences_data import DATA, FIRST_WORD, SAVED, common_words, labelled, pad_to, to_ids

import porting

FOLDER = SAVED / "attention"
KERAS = DATA / "attention_keras.npz"
WORDS, WIDTH, LENGTH = 4000, 32, 20


def build(classes: int) -> keras.Model:
    layers = keras.layers
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    x = layers.Embedding(WORDS + FIRST_WORD, WIDTH, mask_zero=True, name="embedding")(ids)
    x = layers.Dropout(0.4, name="dropout")(x)
    x = layers.Bidirectional(layers.LSTM(24, return_sequences=True), name="bidirectional")(x)
    text, weights = WordAttention(return_attention=True, name="attention")(x)
    sections = layers.Dense(classes, activation="softmax", name="sections")(layers.Dropout(0.4, name="dropout_2")(text))
    return keras.Model(ids, [sections, weights], name="attention")


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    vocabulary = common_words(WORDS)
    texts, classes, names = labelled("train")
    held_out, truth, _ = labelled("test")
    model = build(len(names))
    scored = keras.Model(model.inputs, model.outputs[0])
    scored.compile(keras.optimizers.Adam(4e-3), "sparse_categorical_crossentropy")
    scored.fit(pad_to(to_ids(texts, vocabulary), LENGTH), classes, batch_size=64, epochs=9, verbose=2)
    ids = pad_to(to_ids(held_out, vocabulary), LENGTH)
    probabilities, weights = model.predict(ids, verbose=0)
    print(f"{np.mean(probabilities.argmax(axis=1) == truth):.1%} of the held-out texts right")
    np.savez_compressed(KERAS, probabilities=probabilities, weights=weights[..., 0])
    network = porting.save(model, folder, samples=ids[:8], overwrite=True, whole=["WordAttention"])
    print(f"saved {len(network.calls)} layers and {len(network.cases)} reference cases to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
