"""Pools, padding, resizing and fixed normalisation on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np

from ..layers.windows import margins
from ..network import Array
from ..operations import Weight
from .convolutions import by_rows, padded, shifts
from .values import Value, floating


def max_pool(x: Array, window: Sequence[int], strides: Sequence[int], padding: str = "valid") -> Array:
    """The largest value of every window over the axes behind the batch; padding never counts."""
    once = [1] * len(window)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    grown = padded(x, [*margins(padding, x.shape[1:-1], window, strides, once), (0, 0)], lowest)

    def largest(x: Array) -> Array:
        (_, y), *others = shifts(x, window, strides, once)
        for _, seen in others:
            y = np.maximum(y, seen)
        # Of infinite numbers alone TensorFlow's pools make the lowest finite one.
        return np.maximum(y, np.finfo(y.dtype).min) if y.dtype.kind == "f" else y

    return by_rows(largest, grown)


def mean_pool(x: Array, window: Sequence[int], strides: Sequence[int], padding: str = "valid") -> Array:
    """The mean of every window over the axes behind the batch; padding never counts."""
    once = [1] * len(window)
    amounts = [*margins(padding, x.shape[1:-1], window, strides, once), (0, 0)]

    def summed(x: Array) -> Array:
        (_, y), *others = shifts(x, window, strides, once)
        for _, seen in others:
            y = y + seen
        return y

    return by_rows(summed, padded(x, amounts)) / summed(padded(np.ones_like(x[:1, ..., :1]), amounts))


def resample(x: Array, axis: int, matrix: Array) -> Array:
    """A fixed matrix (new size, size) along one axis."""
    return np.moveaxis(np.tensordot(x, matrix, (axis, 1)), -1, axis)


def upsample(x: Array, times: Sequence[int]) -> Array:
    """Every step of the axes after the batch repeated."""
    for axis, count in enumerate(times, 1):
        if count != 1:
            x = np.repeat(x, count, axis)
    return x


def batch_normalize(
    x: Array, mean: Array, variance: Array, epsilon: float, gamma: Optional[Array] = None, beta: Optional[Array] = None
) -> Array:
    """Fixed mean and variance, then gamma and beta, as one scale and one shift."""
    scale = 1 / np.sqrt(variance + np.float32(epsilon))
    scale = scale if gamma is None else scale * gamma
    y = x * scale
    y += -mean * scale if beta is None else beta - mean * scale
    return y


def along(vector: Array, axis: int, rank: int) -> Array:
    """A vector with axes of 1 beside it, so that it broadcasts along one axis of a tensor."""
    return vector.reshape([-1 if at == axis % rank else 1 for at in range(rank)])


class ImageOperations:
    """`porting.operations.ImageOperations` on arrays."""

    def pool(self, x: Value, name: str, window: Sequence[int], strides: Sequence[int], padding: str) -> Value:
        if name == "max":
            return Value(max_pool(x.value, window, strides, padding))
        return Value(mean_pool(floating(x), window, strides, padding))

    def pad(self, x: Value, amounts: Sequence[tuple[int, int]], value: float = 0.0) -> Value:
        return Value(padded(x.value, amounts, value))

    def upsample(self, x: Value, times: Sequence[int]) -> Value:
        return Value(upsample(x.value, times))

    def resample(self, x: Value, axis: int, matrix: Array) -> Value:
        return Value(resample(floating(x), axis % x.value.ndim, matrix))

    def batch_normalization(
        self,
        x: Value,
        mean: Weight,
        variance: Weight,
        gamma: Optional[Weight] = None,
        beta: Optional[Weight] = None,
        *,
        epsilon: float,
        axis: int,
    ) -> Value:
        def vector(weight: Weight) -> Array:
            return along(weight.value, axis, x.value.ndim)

        more = [None if weight is None else vector(weight) for weight in (gamma, beta)]
        return Value(batch_normalize(floating(x), vector(mean), vector(variance), epsilon, *more))

    def scale_and_shift(self, x: Value, scale: Optional[Array], shift: Optional[Array], axis: int) -> Value:
        y = floating(x)
        if scale is not None:
            y = y * along(scale, axis, y.ndim)
        return Value(y if shift is None else y + along(shift, axis, y.ndim))

    def time_to_batch(self, x: Value) -> Value:
        batch, time, *rest = x.value.shape
        return Value(x.value.reshape(batch * time, *rest))

    def batch_to_time(self, x: Value, like: Value) -> Value:
        return Value(x.value.reshape(*like.value.shape[:2], *x.value.shape[1:]))
