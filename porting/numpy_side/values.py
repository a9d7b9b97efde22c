"""Arrays on their way through the numpy engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Union

import numpy as np

from ..network import Array, Shape
from ..operations import Weight

__all__ = ["Operand", "Value", "array_of", "floating"]


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
        return str(self.value.dtype.name)

    def with_mask(self, mask: Optional[Value]) -> Value:
        return replace(self, mask=mask)


Operand = Union[Value, Weight, float]


def array_of(x: Operand, like: Optional[Operand] = None) -> Array:
    """The array behind an operand; a number takes the dtype of its partner."""
    if isinstance(x, (Value, Weight)):
        return x.value
    partner = like.value.dtype if isinstance(like, (Value, Weight)) else np.dtype(np.float32)
    if partner.kind != "f" and not float(x).is_integer():
        partner = np.dtype(np.float32)
    return np.asarray(x, partner)


def floating(x: Value) -> Array:
    """The array as float32, where it is not yet floating."""
    return x.value if x.value.dtype.kind == "f" else x.value.astype(np.float32)
