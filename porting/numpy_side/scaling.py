"""Softmax and normalisation of each row, on arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional, Union

import numpy as np

from ..network import Array
from ..operations import Weight
from .convolutions import pieces
from .values import OverRows, Value, floating

# Exponentials of numbers up to this size, and sums of them, are far from the ends of float32.
TAME = 50


def softmax(x: Array, axis: Union[int, tuple[int, ...]] = -1) -> Array:
    """exp(x), of which the sum is 1 over some axes; over rows that fit the cache, where they are apart."""
    y = np.empty_like(x)
    over = tuple(np.atleast_1d(axis) % x.ndim)
    for rows in [slice(None)] if 0 in over else pieces(len(x), math.prod(x.shape[1:])):
        part, moved = y[rows], x[rows]
        if not is_tame(moved):
            moved = np.subtract(moved, moved.max(axis=over, keepdims=True), out=part)
        np.exp(moved, out=part)
        part /= sums(part, over)  # and so 1 of one number, and of one far above the rest
    return y


def is_tame(x: Array) -> bool:
    """Whether exponentials may be taken of these float32s as they are."""
    return x.size > 0 and x.itemsize >= np.float32().itemsize and x.min() >= -TAME and x.max() <= TAME


def sums(x: Array, axes: tuple[int, ...]) -> Array:
    """Sums over axes, which stay as 1; over the last one alone by a product, which is quicker."""
    if axes == (x.ndim - 1,) and x.dtype == np.float32:
        total: Array = x @ np.ones((x.shape[-1], 1), np.float32)
        return total
    return x.sum(axis=axes, keepdims=True)


def log_softmax(x: Array, axis: Union[int, tuple[int, ...]] = -1) -> Array:
    moved = x - x.max(axis=axis, keepdims=True)
    return moved - np.log(np.exp(moved).sum(axis=axis, keepdims=True))


def normalize(
    x: Array, axes: tuple[int, ...], epsilon: float, gamma: Optional[Array] = None, beta: Optional[Array] = None
) -> Array:
    """Mean 0 and variance 1 over axes of each row, then gamma and beta."""
    count = x.dtype.type(math.prod(x.shape[axis] for axis in axes))
    y = x - sums(x, axes) / count
    variance = sums(np.square(y), axes) / count
    y /= np.sqrt(variance + np.float32(epsilon))
    if gamma is not None:
        y *= gamma
    if beta is not None:
        y += beta
    return y


class ScalingOperations(OverRows):
    """`porting.operations.ScalingOperations` on arrays."""

    def normalize(
        self, x: Value, axes: Sequence[int], epsilon: float, gamma: Optional[Weight], beta: Optional[Weight]
    ) -> Value:
        values = floating(self.over(x, *axes))
        over = tuple(axis % values.ndim for axis in axes)
        order = np.argsort(over)
        shape = [size if axis in over else 1 for axis, size in enumerate(values.shape)]
        given = [None if one is None else one.value.transpose(order).reshape(shape) for one in (gamma, beta)]
        return Value(normalize(values, over, epsilon, *given))

    def softmax(self, x: Value, axes: Sequence[int], log: bool = False) -> Value:
        return Value((log_softmax if log else softmax)(self.over(x, *axes).value, tuple(axes)))
