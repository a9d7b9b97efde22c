"""The tutorial network, Keras' side: train it a little, save it with references of every layer.

    python scripts/tutorial_keras.py [FOLDER]

ids (batch, time) → Embedding(5, 5) → Dense(2, tanh) → Bidirectional(LSTM(3)); the outputs are the dense layer, the
sequence, and the forward and backward cell states.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import porting

FOLDER = Path(__file__).parent.parent / "saved_weights" / "tutorial"
WORDS = 5


def build() -> keras.Model:
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedded = keras.layers.Embedding(WORDS, 5, name="embedding")(ids)
    dense = keras.layers.Dense(2, activation="tanh", name="dense")(embedded)
    lstm = keras.layers.LSTM(3, return_sequences=True, return_state=True)
    sequence, _, forward_c, _, backward_c = keras.layers.Bidirectional(lstm, name="bidirectional")(dense)
    return keras.Model(ids, [dense, sequence, forward_c, backward_c], name="tutorial")


def train(model: keras.Model, steps: int = 24) -> float:
    """Teach the sequence to tell how often each step's word came before it, so that every weight has moved."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, WORDS, (256, 8))
    earlier = np.stack([(ids[:, : t + 1] == ids[:, t : t + 1]).sum(axis=1) - 1 for t in range(ids.shape[1])], axis=1)
    head = keras.layers.Dense(1, name="count")(model.outputs[1])
    trained = keras.Model(model.inputs, head)
    trained.compile(keras.optimizers.Adam(0.02), "mse")
    history = trained.fit(ids, earlier[..., None].astype("float32"), epochs=steps // 8, batch_size=32, verbose=0)
    return float(history.history["loss"][-1])


def main(folder: Path) -> None:
    keras.utils.set_random_seed(1)
    model = build()
    print(f"trained to a mean squared error of {train(model):.3f}")
    sample = np.array([[0, 1], [2, 3], [4, 1]], np.int32)
    network = porting.save(model, folder, samples=sample, overwrite=True)
    print(f"saved {len(network.calls)} layers and {len(network.cases)} reference cases to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
