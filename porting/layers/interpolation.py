"""Resizing along one axis as a fixed matrix (new size, size), for each interpolation of ``keras.ops.image.resize``.

The formulas are those of TensorFlow's kernels (half-pixel centres; ``resize_bilinear``, ``resize_bicubic``,
``resize_area``, ``scale_and_translate``), their float32 arithmetic kept where it decides which pixels are read.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor

import numpy as np

from ..network import Array
from .rule import Refusal

CUBIC_STEPS = 1024


def nearest(size: int, target: int) -> Array:
    matrix = np.zeros((target, size), np.float32)
    scale = np.float32(size) / np.float32(target)
    for at in range(target):
        matrix[at, min(floor(np.float32(np.float32(at + 0.5) * scale)), size - 1)] = 1
    return matrix


def bilinear(size: int, target: int) -> Array:
    matrix = np.zeros((target, size), np.float32)
    scale = np.float32(size) / np.float32(target)
    for at in range(target):
        place = np.float32(np.float32(at + 0.5) * scale) - np.float32(0.5)
        low = floor(place)
        part = np.float32(place - low)
        matrix[at, max(low, 0)] += 1 - part
        matrix[at, min(ceil(place), size - 1)] += part
    return matrix


def area(size: int, target: int) -> Array:
    matrix = np.zeros((target, size), np.float32)
    scale = size / target
    for at in range(target):
        start, end = at * scale, (at + 1) * scale
        for place in range(floor(start), min(ceil(end), size)):
            matrix[at, place] = (min(place + 1, end) - max(place, start)) / scale
    return matrix


def keys_cubic(x: float) -> float:
    """Keys' cubic convolution with a = −0.5."""
    if x >= 2:
        return 0.0
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x >= 1 else ((1.5 * x - 2.5) * x) * x + 1


def bicubic(size: int, target: int) -> Array:
    """TensorFlow looks its weights up in a table of 1024 steps, and drops those outside the image."""
    matrix = np.zeros((target, size), np.float32)
    scale = np.float32(size) / np.float32(target)
    for at in range(target):
        place = np.float32(np.float32(at + 0.5) * scale) - np.float32(0.5)
        low = floor(place)
        part = round(float(np.float32(np.float32(place - low) * CUBIC_STEPS))) / CUBIC_STEPS
        weights = {low + step: keys_cubic(abs(part - step)) for step in (-1, 0, 1, 2)}
        inside = {where: weight for where, weight in weights.items() if 0 <= where < size}
        total = sum(inside.values())
        for where, weight in inside.items():
            matrix[at, where] += weight / total if abs(total) >= 1000 * np.finfo(np.float32).tiny else weight
    return matrix


def lanczos(radius: int) -> Callable[[float], float]:
    def kernel(x: float) -> float:
        if x > radius:
            return 0.0
        return 1.0 if x <= 1e-3 else radius * np.sin(np.pi * x) * np.sin(np.pi * x / radius) / (np.pi * x) ** 2

    return kernel


def spans(size: int, target: int, radius: int, kernel: Callable[[float], float], antialias: bool) -> Array:
    """A kernel around each output's centre, widened when shrinking with `antialias`, cut at the edges, of sum 1."""
    matrix = np.zeros((target, size), np.float32)
    scale = size / target
    widened = max(scale, 1.0) if antialias else 1.0
    for at in range(target):
        centre = (at + 0.5) * scale
        first = max(ceil(centre - radius * widened - 0.5), 0)
        last = min(floor(centre + radius * widened - 0.5), size - 1)
        weights = np.array([kernel(abs(place + 0.5 - centre) / widened) for place in range(first, last + 1)])
        matrix[at, first : last + 1] = weights / weights.sum()
    return matrix


def triangle(x: float) -> float:
    return max(1 - x, 0.0)


def interpolation_matrix(method: str, size: int, target: int, antialias: bool = False) -> Array:
    """The matrix (target, size) that resizes an axis.

    Raises:
        Refusal: a method that Keras on TensorFlow does not have.
    """
    if size == target:
        return np.eye(size, dtype=np.float32)
    if method == "nearest":
        return nearest(size, target)
    if method == "area":
        return area(size, target)
    if method == "bilinear":
        return spans(size, target, 1, triangle, True) if antialias else bilinear(size, target)
    if method == "bicubic":
        return spans(size, target, 2, keys_cubic, True) if antialias else bicubic(size, target)
    if method in ("lanczos3", "lanczos5"):
        radius = int(method[-1])
        return spans(size, target, radius, lanczos(radius), antialias)
    raise Refusal(f"interpolation {method!r} is not handled", "use nearest, bilinear, bicubic, lanczos3 or lanczos5")
