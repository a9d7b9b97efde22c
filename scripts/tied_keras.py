"""Tied embeddings, Keras' side: a small language model over package descriptions whose softmax is its word table.

    python scripts/tied_keras.py [FOLDER]

Word ids (0 is padding, and masked) → ReversibleEmbedding → LSTM → Dense → the same table, transposed → softmax: the
next word. There is one table (Press and Wolf, 2016), and there must be one after the port.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sequences_data import DATA, FIRST_WORD, SAVED, common_words, labelled, to_ids, unlabelled

import porting

FOLDER = SAVED / "tied"
KERAS = DATA / "tied_keras.npz"
WORDS, WIDTH = 2000, 48
TRAINING_TEXTS = 12000


def build() -> keras.Model:
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    words = layers.ReversibleEmbedding(WORDS + FIRST_WORD, WIDTH, mask_zero=True, name="words")
    x = layers.Dropout(0.2, name="dropout")(words(ids))
    x = layers.LSTM(96, return_sequences=True, name="lstm")(x)
    x = layers.Dense(WIDTH, name="dense")(layers.Dropout(0.2, name="dropout_2")(x))
    return keras.Model(ids, layers.Softmax(name="next")(words(x, reverse=True)), name="tied")


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    vocabulary = common_words(WORDS)
    texts = np.random.default_rng(0).choice(unlabelled(), TRAINING_TEXTS, replace=False)
    ids = to_ids(list(texts), vocabulary)
    model = build()
    model.compile(keras.optimizers.Adam(4e-3), "sparse_categorical_crossentropy")
    model.fit(
        ids[:, :-1], ids[:, 1:], sample_weight=(ids[:, 1:] != 0).astype("float32"), batch_size=64, epochs=5, verbose=2
    )
    held_out = to_ids(labelled("test")[0], vocabulary)
    probabilities = model.predict(held_out[:, :-1], verbose=0)
    true = np.take_along_axis(probabilities, held_out[:, 1:, None], -1)[..., 0]
    np.savez_compressed(KERAS, true=true, best=probabilities.argmax(-1).astype(np.int32))
    nats = -np.log(true[held_out[:, 1:] != 0]).mean()
    print(f"held-out perplexity {np.exp(nats):.0f} of {WORDS} words")
    network = porting.save(model, folder, samples=held_out[:8, :-1], overwrite=True)
    print(f"saved {len(network.calls)} layers and {len(network.cases)} reference cases to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
