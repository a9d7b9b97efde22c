"""Sequence to sequence, Keras' side: restore the vowels of words, with two networks.

    python scripts/seq2seq_keras.py

seq2seq: an LSTM reads the word with stars for vowels, its states start the LSTM that writes the word.
seq2seq_attention: a bidirectional GRU reads, a GRU writes and looks at what was read (Attention) for each letter.
Both learn from the true word one letter late (teacher forcing). What is read is masked where it is padded.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from seq2seq_data import DATA, LETTERS, SAVED, START, STOP, split_words, to_letters, with_stars

import porting

KERAS = DATA / "seq2seq_keras.npz"
WIDTH, UNITS = 24, 96


def by_states() -> keras.Model:
    layers = keras.layers
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target"))
    table = layers.Embedding(len(LETTERS), WIDTH, mask_zero=True, name="letters")
    _, *states = layers.LSTM(UNITS, return_state=True, name="encoder")(table(source))
    written, _, _ = layers.LSTM(UNITS, return_sequences=True, return_state=True, name="decoder")(
        table(target), initial_state=states
    )
    outputs = layers.Dense(len(LETTERS), activation="softmax", name="letter")(written)
    return keras.Model([source, target], outputs, name="seq2seq")


def by_attention() -> keras.Model:
    layers = keras.layers
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target"))
    table = layers.Embedding(len(LETTERS), WIDTH, mask_zero=True, name="letters")
    read = layers.Bidirectional(layers.GRU(UNITS // 2, return_sequences=True), name="encoder")(table(source))
    written = layers.GRU(UNITS, return_sequences=True, name="decoder")(table(target))
    seen = layers.Attention(name="attention")([written, read])
    x = layers.Dense(UNITS, activation="relu", name="dense")(layers.Concatenate(name="joined")([written, seen]))
    outputs = layers.Dense(len(LETTERS), activation="softmax", name="letter")(x)
    return keras.Model([source, target], outputs, name="seq2seq_attention")


def examples(words: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The inputs, and the letter to be written at every step."""
    source = to_letters([with_stars(word) for word in words])
    return {"source": source, "target": to_letters(words, before=LETTERS[START])}, to_letters(
        words, after=LETTERS[STOP]
    )


def main() -> None:
    train, held_out = split_words()
    inputs, letters = examples(train)
    held_inputs, held_letters = examples(held_out)
    kept = {}
    for build in (by_states, by_attention):
        keras.utils.set_random_seed(0)
        model = build()
        model.compile(keras.optimizers.Adam(4e-3), "sparse_categorical_crossentropy")
        model.fit(inputs, letters, sample_weight=(letters != 0).astype("float32"), batch_size=128, epochs=30, verbose=0)
        probabilities = model.predict(held_inputs, verbose=0)
        word = held_letters != 0
        right = np.mean((probabilities.argmax(-1) == held_letters)[word])
        print(
            f"{model.name}: {right:.1%} of the letters of {len(held_out)} held-out words right, the ones before given"
        )
        kept[model.name] = probabilities
        samples = {name: array[:8] for name, array in held_inputs.items()}
        network = porting.save(model, SAVED / model.name, samples=samples, overwrite=True)
        print(f"saved {len(network.calls)} calls and {len(network.cases)} reference cases")
    np.savez_compressed(KERAS, **kept)


if __name__ == "__main__":
    main()
