"""Keras' operations that draw pictures anew: warped, or scaled and moved, by numbers that are fixed in the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import is_float
from ..network import Array
from ..operations import Operations, Tensor, Weight
from .convolutions import as_configured, channels_last
from .operation_kinds import as_float, known, operation
from .resizing import height_and_width
from .rule import LayerView

# A warp is a matrix of pixels by pixels.
MOST_PIXELS = 4096
CONSTANT = "with numbers that are fixed, of floats, up to 64 × 64 pixels"
NEAREST = "nearest"
OTHER_GRADIENT = (
    "has in TensorFlow the gradient of the inverse transform, which is another than that of the pixels drawn",
    "warp the pictures before they are fed, or train in Keras",
)


@operation("AffineTransform", note=CONSTANT, learns="no")
def affine_transform(layer: LayerView, images: Tensor, transform: Any, ops: Operations) -> Tensor:
    if ops.training:
        raise layer.refuse(*OTHER_GRADIENT)
    if not isinstance(transform, Weight) or transform.value.reshape(-1).shape != (8,):
        raise layer.refuse("a transform for each picture, or one that the network computes", "give one, as an array")
    return warped(layer, images, transform.value.reshape(-1), layer.config["fill_mode"], ops)


@operation("PerspectiveTransform", note=CONSTANT, learns="no")
def perspective_transform(
    layer: LayerView, images: Tensor, start_points: Any, end_points: Any, ops: Operations
) -> Tensor:
    if ops.training:
        raise layer.refuse(*OTHER_GRADIENT)
    if not all(isinstance(one, Weight) and one.value.size == 8 for one in (start_points, end_points)):
        raise layer.refuse("points for each picture, or ones that the network computes", "give them as arrays")
    start, end = (one.value.reshape(4, 2).astype(np.float32) for one in (start_points, end_points))
    return warped(layer, images, homography(start, end), "constant", ops)


def homography(start: Array, end: Array) -> Array:
    """The eight numbers of the transform that takes four points of the result, (4, 2), to those of the picture."""
    x, y = end.T
    none, one = np.zeros_like(x), np.ones_like(x)
    rows = [
        np.stack([x, y, one, none, none, none, -start[:, 0] * x, -start[:, 0] * y], 1),
        np.stack([none, none, none, x, y, one, -start[:, 1] * x, -start[:, 1] * y], 1),
    ]
    numbers: Array = np.linalg.solve(np.stack(rows, 1).reshape(8, 8), start.reshape(8))
    return numbers


def warped(layer: LayerView, images: Tensor, transform: Array, fill_mode: str, ops: Operations) -> Tensor:
    """Every pixel drawn from where the transform takes it, see tf.raw_ops.ImageProjectiveTransformV3."""
    nearest = layer.config["interpolation"] == NEAREST
    if not (nearest or is_float(images.dtype)):
        raise layer.refuse("bilinear of whole numbers, which TensorFlow cuts off", "make them floats, or use nearest")
    x = channels_last(layer, images, ops)
    height, width = height_and_width(x)
    if height * width > MOST_PIXELS:
        raise layer.refuse(f"a warp of more than {MOST_PIXELS} pixels is not handled", "resize the pictures before it")
    matrix, outside = warp(transform.astype(np.float32), height, width, nearest, fill_mode)
    flat = ops.resample(ops.reshape(as_float(x, ops), (height * width, known(x, 3))), 1, matrix)
    drawn = ops.scale_and_shift(flat, None, outside * np.float32(layer.config["fill_value"]), 1)
    drawn = ops.cast(ops.reshape(drawn, (height, width, known(x, 3))), images.dtype)
    return as_configured(layer, drawn, ops)


def warp(transform: Array, height: int, width: int, nearest: bool, fill_mode: str) -> tuple[Array, Array]:
    """The matrix (pixels, pixels) of a warp, and how much of each pixel is filled in from outside."""
    y, x = (one.reshape(-1).astype(np.float32) for one in np.mgrid[:height, :width])
    first, second, third = (row[0] * x + row[1] * y for row in np.append(transform, np.float32(1)).reshape(3, 3))
    depth = third + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        places = [(second + transform[5]) / depth, (first + transform[2]) / depth]
    row, column = (within(place, size, fill_mode) for place, size in zip(places, (height, width)))
    matrix = np.zeros((height * width, height * width), np.float32)
    outside = np.zeros(height * width, np.float32)
    for at_row, at_column, share in corners(row, column, nearest):
        inside = (depth != 0) & (at_row >= 0) & (at_row < height) & (at_column >= 0) & (at_column < width)
        pixel = np.flatnonzero(inside)
        drawn_from = (at_row[inside] * width + at_column[inside]).astype(np.int64)
        np.add.at(matrix, (pixel, drawn_from), share[inside])
        outside += np.where(inside | (depth == 0), np.float32(0), share)
    outside[depth == 0] = 1
    return matrix, outside


def corners(row: Array, column: Array, nearest: bool) -> list[tuple[Array, Array, Array]]:
    """The pixels that a place between them is drawn from, and the share of each."""
    if nearest:
        return [(halves_away(row), halves_away(column), np.ones_like(row))]
    above, left = np.floor(row), np.floor(column)
    down, right = row - above, column - left
    return [
        (above, left, (1 - down) * (1 - right)),
        (above, left + 1, (1 - down) * right),
        (above + 1, left, down * (1 - right)),
        (above + 1, left + 1, down * right),
    ]


def halves_away(x: Array) -> Array:
    """Rounded as C++ rounds."""
    return np.copysign(np.floor(np.abs(x) + np.float32(0.5)), x)


def within(place: Array, size: int, fill_mode: str) -> Array:
    """Places beyond an axis as the fill mode brings them back, in TensorFlow's arithmetic."""
    if fill_mode == "constant":
        return place
    last = np.float32(size - 1)
    back = place
    if size == 1:
        back = np.zeros_like(place)
    elif fill_mode == "wrap":
        back = np.where(place < 0, place + size * (np.trunc(-place / last) + 1), place)
        back = np.where(place > last, place - size * np.trunc(place / last), back)
    elif fill_mode == "reflect":
        around = np.float32(2 * size)
        low = np.where(place < around, around * np.trunc(-place / around) + place, place)
        low = np.where(low < -size, low + around, -low - 1)
        high = place - around * np.trunc(place / around)
        high = np.where(high >= size, around - high - 1, high)
        back = np.where(place < 0, low, np.where(place > last, high, place))
    return np.clip(back, 0, last).astype(np.float32)


# ---- along axes

Kernel = Callable[[Array], Array]


def triangle(x: Array) -> Array:
    return np.maximum(0, 1 - x)


def keys_cubic(x: Array) -> Array:
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x >= 2, 0, np.where(x >= 1, far, near))


def lanczos(radius: float) -> Kernel:
    def kernel(x: Array) -> Array:
        waves = radius * np.sin(np.pi * x) * np.sin(np.pi * x / radius)
        inner = np.where(x > 1e-3, waves / np.where(x != 0, np.pi**2 * x**2, 1), 1)
        return np.where(x > radius, 0, inner)

    return kernel


KERNELS: dict[str, Kernel] = {
    **dict.fromkeys(("linear", "bilinear", "trilinear", "triangle"), triangle),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), keys_cubic),
    "lanczos3": lanczos(3.0),
    "lanczos5": lanczos(5.0),
}


@operation("ScaleAndTranslate", note="by fixed numbers, of floats")
def scale_and_translate(
    layer: LayerView, images: Tensor, output_shape: Any, scale: Any, translation: Any, ops: Operations
) -> Tensor:
    if not all(isinstance(one, Weight) for one in (scale, translation)):
        raise layer.refuse("a scale or a translation that the network computes", "give both as arrays")
    if not is_float(images.dtype):
        raise layer.refuse("scale_and_translate of whole numbers, which Keras rounds", "make them floats first")
    for at, axis in enumerate(layer.config["spatial_dims"]):
        axis %= len(images.shape)
        sizes = known(images, axis), int(output_shape[axis])
        numbers = float(scale.value[at]), float(translation.value[at])
        matrix = scaling_matrix(layer.config["method"], *sizes, *numbers, bool(layer.config["antialias"]))
        images = ops.resample(images, axis, matrix)
    return images


def scaling_matrix(method: str, size: int, target: int, scale: float, translation: float, antialias: bool) -> Array:
    """(target, size): a kernel around where each output comes from; nothing where that is outside."""
    inverse = np.float32(1) / np.float32(scale)
    spread = np.maximum(inverse, np.float32(1)) if antialias else np.float32(1)
    centres = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * inverse
    centres = centres - np.float32(translation) * inverse - np.float32(0.5)
    apart = np.abs(centres[:, None] - np.arange(size, dtype=np.float32)) / spread
    weights = KERNELS[method](apart)
    total = weights.sum(1, keepdims=True)
    heavy = np.abs(total) > 1000 * np.finfo(np.float32).eps
    weights = np.where(heavy, weights / np.where(total != 0, total, 1), 0)
    inside = (centres >= -0.5) & (centres <= size - 0.5)
    return np.where(inside[:, None], weights, 0).astype(np.float32)
