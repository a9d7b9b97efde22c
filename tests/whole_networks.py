"""Save networks of keras.applications with weights under which their outputs depend on the image. Keras environment.

A freshly built deep network hardly tells images apart. Here BatchNormalization's statistics are those of real
activations (one pass over varied images with momentum 0), and its gamma and beta are random.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np

import porting
from tests.arguments import folders_and_names
from tests.parallel import in_processes

# By name, the side of the square image: small, but no smaller than the network takes.
SIZES = {
    "MobileNetV2": 96,
    "ResNet50": 64,
    "EfficientNetB0": 64,
    "DenseNet121": 64,
    "InceptionV3": 128,
    "Xception": 96,
    "NASNetMobile": 96,
    "VGG16": 64,
    "ConvNeXtTiny": 64,
}
CLASSES = 20


def images(count: int, size: int, seed: int) -> Any:
    """Pictures that differ in colour, contrast and coarse and fine structure; values 0 … 255."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(count, 4, 4, 3)).repeat(-(-size // 4), 1).repeat(-(-size // 4), 2)[:, :size, :size]
    fine = rng.normal(size=(count, size, size, 3)) * rng.uniform(0.1, 1.0, (count, 1, 1, 1))
    colour = rng.normal(size=(count, 1, 1, 3))
    return np.clip(128 + 40 * (coarse + fine + colour), 0, 255).astype("float32")


def build(name: str) -> tuple[Any, Any]:
    """A network with its weights set, and images as it wants them."""
    keras.utils.set_random_seed(7)
    size = SIZES[name]
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=CLASSES)
    pictures = images(24, size, 1)
    if name not in ("EfficientNetB0", "ConvNeXtTiny"):  # these rescale by themselves
        pictures = pictures / 127.5 - 1
    rng = np.random.default_rng(3)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    randomise_plain(model, rng)
    if norms:
        model(np.concatenate([pictures, noise(12, size, rng)]), training=True)
    return model, pictures


def noise(count: int, size: int, rng: Any) -> Any:
    """What `porting.save` invents where it is given no samples: the statistics must cover it too."""
    return rng.normal(size=(count, size, size, 3)).astype("float32") * np.resize([1, 3, 0.3, 6], (count, 1, 1, 1))


def randomise_plain(model: Any, rng: Any) -> None:
    """Kernels that see how their inputs differ and not what they share; biases and scales away from their beginnings.

    Behind a ReLU everything is positive. A kernel that does not sum to zero adds up what all images share, and the
    normalisation behind it then subtracts it again, with all the rounding errors of a large number.
    """
    for weight in model.weights:
        kind = weight.path.rpartition("/")[2]
        if kind == "kernel" and len(weight.shape) == 4 and weight.shape[2] > 1 and "depthwise" not in weight.path:
            values = rng.normal(size=weight.shape) * np.sqrt(2 / np.prod(weight.shape[:3]))
            weight.assign(values - values.mean((0, 1, 2)))
        if kind == "kernel" and len(weight.shape) == 2:
            weight.assign(rng.normal(size=weight.shape) * np.sqrt(2 / weight.shape[0]))
        if kind in ("bias", "beta"):
            weight.assign(rng.normal(size=weight.shape) * 0.1)
        if kind == "gamma":
            weight.assign(rng.uniform(0.3, 0.7, weight.shape))


def save(folder: Path, name: str) -> str:
    keras.utils.clear_session()
    model, pictures = build(name)
    porting.save(model, folder / name, samples=pictures[:3], overwrite=True, name=name)
    return f"{name} varies by {np.ptp(model.predict(pictures[:4], verbose=0), axis=0).max()}"


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for line in in_processes(partial(save, folder), names or list(SIZES)):
        print(line, flush=True)


if __name__ == "__main__":
    (target,), chosen = folders_and_names(__spec__, __doc__, ["folder"], "network", SIZES)
    main(target, chosen)
