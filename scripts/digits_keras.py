"""Digits, Keras' side: an autoencoder with a second head, pretrained on images without labels.

    python scripts/digits_keras.py [FOLDER]

8×8 images → two convolutions → 32 numbers, the code → one head draws the image again, the other names the digit. Only
the drawing is trained here. The images are the digits that scikit-learn bundles.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from digits_data import CODE, DIGITS, FOLDER, split
from sklearn.datasets import load_digits

import porting


def build() -> keras.Model:
    layers = keras.layers
    x = images = keras.Input((8, 8, 1), name="images")
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="conv_1")(x)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="conv_2")(x)
    code = layers.Dense(CODE, name="code")(layers.Flatten(name="flat")(x))
    x = layers.Dense(128, activation="relu", name="up")(code)
    x = layers.Reshape((2, 2, 32), name="small")(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu", name="grow_1")(x)
    drawing = layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid", name="drawing")(x)
    digit = layers.Dense(10, activation="softmax", name="digit")(layers.ReLU(name="code_relu")(code))
    return keras.Model(images, {"digit": digit, "drawing": drawing, "code": code}, name="digits")


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    digits = load_digits()
    np.savez_compressed(DIGITS, images=digits.images.astype(np.uint8), digits=digits.target.astype(np.uint8))
    (x, _), (held_out, _) = split()
    model = build()
    drawer = keras.Model(model.input, model.output["drawing"])
    drawer.compile(keras.optimizers.Adam(2e-3), "mse")
    drawer.fit(x, x, batch_size=64, epochs=30, verbose=2)
    print(f"held-out drawing error: {drawer.evaluate(held_out, held_out, verbose=0):.4f}")
    network = porting.save(model, folder, samples=held_out[:8], overwrite=True)
    print(f"saved {len(network.calls)} layers and {len(network.cases)} reference cases to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
