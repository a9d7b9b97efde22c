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


def softmax(x: Array, axis: Union[int, tuple[int, ...]] = -1) -> Array:
    """exp(x), of which the sum is 1 over some axes; over rows that fit the cache, where they are apart."""
    y = np.empty_like(x)
    apart = 0 not in np.atleast_1d(axis) % x.ndim
    for rows in pieces(len(x), math.prod(x.shape[1:])) if apart else [slice(None)]:
        part = np.subtract(x[rows], x[rows].max(axis=axis, keepdims=True), out=y[rows])
        np.exp(part, out=part)
        part /= part.sum(axis=axis, keepdims=True)
    return y


def log_softmax(x: Array, axis: Union[int, tuple[int, ...]] = -1) -> Array:
    moved = x - x.max(axis=axis, keepdims=True)
    return moved - np.log(np.exp(moved).sum(axis=axis, keepdims=True))


def normalize(
    x: Array, axes: tuple[int, ...], epsilon: float, gamma: Optional[Array] = None, beta: Optional[Array] = None
) -> Array:
    """Mean 0 and variance 1 over axes of each row, then gamma and beta."""
    y = x - x.mean(axis=axes, keepdims=True)
    variance = np.square(y).mean(axis=axes, keepdims=True)
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
