"""Arrays on their way through the numpy engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Optional, Union

import numpy as np

from ..network import Array, Shape
from ..operations import Weight, promoted_type


@cache
def name_of(dtype: np.dtype[Any]) -> str:
    return str(dtype.name)


@dataclass(frozen=True, eq=False)
class Value:
    """An array and its mask."""

    value: Array
    mask: Optional[Value] = None

    @property
    def shape(self) -> Shape:
        return tuple(self.value.shape)

    @property
    def dtype(self) -> str:
        return name_of(self.value.dtype)

    def with_mask(self, mask: Optional[Value]) -> Value:
        return replace(self, mask=mask)


Operand = Union[Value, Weight, float]


class OverRows:
    """What operations share: they note where rows of the batch meet.

    Attributes:
        rows_meet: an operation went over the axis of the batch, moved it, or multiplied over it.
    """

    rows_meet = False

    def over(self, x: Value, *axes: int) -> Value:
        """The tensor, of which an operation goes over these axes."""
        # What a rule gives for several axes, or for all of them, may hold that of the batch.
        if any(not isinstance(axis, (int, np.integer)) or axis in (0, -x.value.ndim) for axis in axes):
            self.rows_meet = True
        return x


def array_in(x: Operand, dtype: str) -> Array:
    """The array behind an operand, in a dtype; a number that does not fit wraps, as in Keras."""
    array = x.value if isinstance(x, (Value, Weight)) else np.asarray(x)
    return array.astype(dtype, copy=False)


def alike(*operands: Operand, numbers: str = "weak") -> list[Array]:
    """The arrays behind operands, in the dtype that Keras brings them to."""
    dtype = promoted_type(*operands, numbers=numbers)
    return [array_in(one, dtype) for one in operands]


def floating(x: Value) -> Array:
    """The array as float32, in which Keras' layers compute."""
    return x.value.astype(np.float32, copy=False)
