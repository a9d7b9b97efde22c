"""A pretrained encoder under a text CNN, Keras' side: the encoder learns one task, the CNN on it is still fresh.

    python scripts/encoder_keras.py [FOLDER]

The encoder (embedding, bidirectional LSTM) learns to tell three sections of package descriptions apart. Then its
vectors feed a text CNN for three other sections (Kim, 2014), which nothing has trained yet; that network is saved.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from encoder_data import FIRST_TASK, FOLDER, LENGTH, SECOND_TASK, WORDS, inputs_of
from sequences_data import FIRST_WORD

import porting

WIDTH, UNITS = 32, 24


def build_encoder() -> keras.Model:
    layers = keras.layers
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    x = layers.Embedding(WORDS + FIRST_WORD, WIDTH, mask_zero=True, name="words")(ids)
    x = layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True), name="bilstm")(x)
    return keras.Model(ids, x, name="encoder")


def build(encoder: keras.Model) -> keras.Model:
    layers = keras.layers
    ids = keras.Input((LENGTH,), dtype="int32", name="texts")
    vectors = encoder(ids)
    parts = [
        layers.GlobalMaxPooling1D(name=f"pool_{width}")(
            layers.Conv1D(24, width, activation="relu", name=f"width_{width}")(vectors)
        )
        for width in (2, 3, 4)
    ]
    x = layers.Dropout(0.3, name="dropout")(layers.Concatenate(name="joined")(parts))
    return keras.Model(ids, layers.Dense(len(SECOND_TASK), activation="softmax", name="section")(x), name="encoder_cnn")


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    encoder = build_encoder()
    pooled = keras.layers.GlobalAveragePooling1D()(encoder.output)
    classifier = keras.Model(encoder.input, keras.layers.Dense(len(FIRST_TASK), activation="softmax")(pooled))
    classifier.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    classifier.fit(*inputs_of("train", FIRST_TASK), batch_size=32, epochs=4, verbose=2)
    right = classifier.evaluate(*inputs_of("test", FIRST_TASK), verbose=0)[1]
    print(f"first task, {', '.join(FIRST_TASK)}: {right:.1%} of the held-out texts right")
    network = porting.save(build(encoder), folder, samples=inputs_of("test", SECOND_TASK)[0][:8], overwrite=True)
    print(f"saved {len(network.calls)} layers and {len(network.cases)} reference cases to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
