"""Text convolutions, Keras' side: package descriptions by section, without any recurrence.

    python scripts/convolutions_keras.py [FOLDER]

Two networks read the same words. `convolutions_pooled`: Embedding → Conv1D(100, 4, same, relu) → MaxPooling1D(4) →
Dense(softmax). `convolutions_parallel`: plain convolutions of 2, 3 and 4 words (Kim, 2014), a dilated one, and two that
skip chosen places of their window, side by side; the largest value of each over the text, joined → Dense(softmax).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from convolutions_layer import SkippingConv1D
from sequences_data import DATA, FIRST_WORD, SAVED, common_words, labelled, pad_to, to_ids

import porting

FOLDER = SAVED
KERAS = DATA / "convolutions_keras.npz"
WORDS, WIDTH, LENGTH = 2000, 24, 40


def embedded() -> tuple[keras.KerasTensor, keras.KerasTensor]:
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    return ids, keras.layers.Embedding(WORDS + FIRST_WORD, WIDTH, name="words")(ids)


def pooled(classes: int) -> keras.Model:
    layers = keras.layers
    ids, x = embedded()
    x = layers.Conv1D(100, 4, padding="same", activation="relu", name="convolution")(x)
    x = layers.Flatten(name="flatten")(layers.MaxPooling1D(4, name="pooling")(x))
    x = layers.Dropout(0.5, name="dropout")(x)
    return keras.Model(ids, layers.Dense(classes, activation="softmax", name="section")(x), name="convolutions_pooled")


def parallel(classes: int) -> keras.Model:
    layers = keras.layers
    ids, x = embedded()
    side_by_side = [
        *(layers.Conv1D(32, size, activation="relu", name=f"words_{size}") for size in (2, 3, 4)),
        layers.Conv1D(32, 3, dilation_rate=2, padding="same", activation="relu", name="dilated"),
        SkippingConv1D(32, 4, [1, 2], activation="relu", name="skipping_two"),
        SkippingConv1D(32, 5, [1, 3], activation="relu", name="skipping_each_second"),
    ]
    largest = [layers.GlobalMaxPooling1D(name=f"{one.name}_largest")(one(x)) for one in side_by_side]
    x = layers.Dropout(0.5, name="dropout")(layers.Concatenate(name="joined")(largest))
    return keras.Model(
        ids, layers.Dense(classes, activation="softmax", name="section")(x), name="convolutions_parallel"
    )


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    vocabulary = common_words(WORDS)
    texts, classes, sections = labelled("train")
    ids, target = pad_to(to_ids(texts, vocabulary), LENGTH), np.array(classes)
    held_out, wanted, _ = labelled("test")
    held_out_ids = pad_to(to_ids(held_out, vocabulary), LENGTH)
    probabilities = {}
    for build in (pooled, parallel):
        model = build(len(sections))
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(ids, target, batch_size=32, epochs=12, verbose=0)
        probabilities[model.name] = model.predict(held_out_ids, verbose=0)
        right = (probabilities[model.name].argmax(-1) == np.array(wanted)).mean()
        network = porting.save(
            model, folder / model.name, samples=held_out_ids[:8], overwrite=True, whole=["SkippingConv1D"]
        )
        print(f"{model.name}: {right:.0%} of held-out texts right; saved {len(network.calls)} layers")
    np.savez_compressed(KERAS, **probabilities)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
