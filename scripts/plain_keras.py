"""Plain dense networks, Keras' side: the input is wider than the first layer, or narrower.

    python scripts/plain_keras.py [FOLDER]

`plain`: Dense(10, softmax) on 32 features. `plain_deep`: Dense(48, relu) → Dense(10, softmax) on the same. The numbers
are points around ten centres, made from a fixed seed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from plain_data import CLASSES, FEATURES, points

import porting

FOLDER = Path(__file__).parent.parent / "saved_weights"
KERAS = Path(__file__).parent / "data" / "plain_keras.npz"


def build(name: str, hidden: tuple[int, ...]) -> keras.Model:
    dense = [keras.layers.Dense(units, activation="relu", name=f"dense_{units}") for units in hidden]
    last = keras.layers.Dense(CLASSES, activation="softmax", name="classes")
    return keras.Sequential([keras.Input((FEATURES,), name="features"), *dense, last], name=name)


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    features, classes = points(2000, seed=1)
    held_out, wanted = points(500, seed=2)
    probabilities = {}
    for name, hidden in (("plain", ()), ("plain_deep", (48,))):
        model = build(name, hidden)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(features, classes, batch_size=32, epochs=10, verbose=0)
        probabilities[name] = model.predict(held_out, verbose=0)
        porting.save(model, folder / name, samples=held_out[:8], overwrite=True)
        print(f"{name}: {(probabilities[name].argmax(-1) == wanted).mean():.0%} right")
    np.savez_compressed(KERAS, **probabilities)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
