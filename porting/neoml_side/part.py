"""What the parts of `NeomlOperations` share: each part is a class of its own that the whole inherits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional, Union

from ..network import Array
from ..operations import Weight
from .graph import Graph, Port
from .wires import Wire

__all__ = ["Operand", "Part"]

Operand = Union[Wire, Weight, float]


class Part:
    """The operations that parts may use of the whole; `NeomlOperations` gives them."""

    graph: Graph
    training: bool

    def _floating(self, x: Wire) -> Wire:
        raise NotImplementedError

    def _wire(self, x: Operand) -> Wire:
        raise NotImplementedError

    def _parameter(self, weight: Weight, layout: str) -> Port:
        raise NotImplementedError

    def constant(self, value: Array) -> Wire:
        raise NotImplementedError

    def cast(self, x: Operand, dtype: str) -> Wire:
        raise NotImplementedError

    def dense(self, x: Wire, kernel: Weight, bias: Any = None) -> Wire:
        raise NotImplementedError

    def add(self, a: Operand, b: Operand) -> Wire:
        raise NotImplementedError

    def multiply(self, a: Operand, b: Operand) -> Wire:
        raise NotImplementedError

    def filled(self, x: Wire, value: float) -> Wire:
        raise NotImplementedError

    def reduce(self, x: Wire, name: str, axes: Sequence[int], keepdims: bool = False) -> Wire:
        raise NotImplementedError

    def reshape(self, x: Wire, shape: Sequence[Optional[int]]) -> Wire:
        raise NotImplementedError

    def transpose(self, x: Wire, axes: Sequence[int]) -> Wire:
        raise NotImplementedError

    def expand_dims(self, x: Wire, axis: int) -> Wire:
        raise NotImplementedError

    def squeeze(self, x: Wire, axis: int) -> Wire:
        raise NotImplementedError

    def repeat(self, x: Wire, times: int, axis: int) -> Wire:
        raise NotImplementedError

    def matmul(self, a: Operand, b: Operand, transpose_b: bool = False) -> Wire:
        raise NotImplementedError
