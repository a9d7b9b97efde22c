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

# Sums of exponentials that are neither lost in float32 nor beyond it, nor is any of them that counts.
TAME = (1e-6, 1e30)


def softmax(x: Array, axis: Union[int, tuple[int, ...]] = -1) -> Array:
    """exp(x), of which the sum is 1 over some axes; x less its maximum, where the sums would not be tame."""
    y = np.empty_like(x)
    over = tuple(np.atleast_1d(axis) % x.ndim)
    for rows in cached_rows(x, over):
        part, given = y[rows], x[rows]
        with np.errstate(over="ignore"):
            total = sums(np.exp(given, out=part), over)
        if not is_tame(total):
            np.subtract(given, given.max(axis=over, keepdims=True), out=part)
            total = sums(np.exp(part, out=part), over)
        part /= total  # and so 1 of one number, and of one far above the rest
    return y


def cached_rows(x: Array, axes: tuple[int, ...]) -> list[slice]:
    """Rows of a batch that fit the cache; all of them, where the axes that are gone over hold that of the batch."""
    return [slice(None)] if 0 in axes else pieces(len(x), math.prod(x.shape[1:]))


def is_tame(total: Array) -> bool:
    """Whether these are sums of exponentials as they should be; of float16s none are."""
    wide = total.size > 0 and total.itemsize >= np.float32().itemsize
    return wide and bool(total.min() >= TAME[0] and total.max() <= TAME[1])


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
    y = np.empty_like(x)
    for rows in cached_rows(x, axes):
        part = np.subtract(x[rows], sums(x[rows], axes) / count, out=y[rows])
        variance = sums(np.square(part), axes) / count
        part /= np.sqrt(variance + np.float32(epsilon))
        if gamma is not None:
            part *= gamma
        if beta is not None:
            part += beta
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
