"""Normalisation of each row, on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np

from ..operations import Weight
from .values import Value, floating

__all__ = ["ScalingOperations"]


class ScalingOperations:
    """`porting.operations.ScalingOperations` on arrays."""

    def normalize(
        self, x: Value, axes: Sequence[int], epsilon: float, gamma: Optional[Weight], beta: Optional[Weight]
    ) -> Value:
        values = floating(x)
        over = tuple(axis % values.ndim for axis in axes)
        mean = values.mean(axis=over, keepdims=True)
        centered = values - mean
        variance = np.square(centered).mean(axis=over, keepdims=True)
        with np.errstate(all="ignore"):
            result = centered / np.sqrt(variance + np.float32(epsilon))
        order = np.argsort(over)
        shape = [size if axis in over else 1 for axis, size in enumerate(values.shape)]
        if gamma is not None:
            result = result * gamma.value.transpose(order).reshape(shape)
        if beta is not None:
            result = result + beta.value.transpose(order).reshape(shape)
        return Value(result)
