"""What the parts of `NeomlOperations` share: each part is a class of its own that the whole inherits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

from ...network import Array
from ...operations import MovingStatistics, Weight
from ..graph import Graph, Port
from ..values import Wire

__all__ = ["BatchMoments", "Operand", "Part"]

Operand = Union[Wire, Weight, float]


@dataclass(frozen=True, eq=False)
class BatchMoments:
    """A tensor whose mean and variance over all axes but one move stored statistics in every step.

    Attributes:
        x, axis, mask, by_steps: see `porting.operations.ImageOperations.normalize_batch`.
        statistics: what moves.
    """

    x: Wire
    axis: int
    mask: Optional[Wire]
    statistics: MovingStatistics
    by_steps: bool = False


class Part(ABC):
    """The operations that parts may use of the whole; `NeomlOperations` gives them."""

    graph: Graph
    in_training: bool
    moments: list[BatchMoments]

    @abstractmethod
    def _floating(self, x: Wire) -> Wire: ...

    @abstractmethod
    def _wire(self, x: Operand) -> Wire: ...

    @abstractmethod
    def _parameter(self, weight: Weight, layout: str) -> Port: ...

    @abstractmethod
    def constant(self, value: Array) -> Wire: ...

    @abstractmethod
    def cast(self, x: Operand, dtype: str) -> Wire: ...

    @abstractmethod
    def dense(self, x: Wire, kernel: Weight, bias: Any = None) -> Wire: ...

    @abstractmethod
    def add(self, a: Operand, b: Operand) -> Wire: ...

    @abstractmethod
    def subtract(self, a: Operand, b: Operand) -> Wire: ...

    @abstractmethod
    def multiply(self, a: Operand, b: Operand) -> Wire: ...

    @abstractmethod
    def power(self, x: Wire, exponent: float) -> Wire: ...

    @abstractmethod
    def compare(self, a: Operand, b: Operand, name: str) -> Wire: ...

    @abstractmethod
    def where(self, condition: Wire, a: Operand, b: Operand) -> Wire: ...

    @abstractmethod
    def filled(self, x: Wire, value: float) -> Wire: ...

    @abstractmethod
    def reduce(self, x: Wire, name: str, axes: Sequence[int], keepdims: bool = False) -> Wire: ...

    @abstractmethod
    def resample(self, x: Wire, axis: int, matrix: Array) -> Wire: ...

    @abstractmethod
    def reshape(self, x: Wire, shape: Sequence[Optional[int]]) -> Wire: ...

    @abstractmethod
    def transpose(self, x: Wire, axes: Sequence[int]) -> Wire: ...

    @abstractmethod
    def expand_dims(self, x: Wire, axis: int) -> Wire: ...

    @abstractmethod
    def squeeze(self, x: Wire, axis: int) -> Wire: ...

    @abstractmethod
    def repeat(self, x: Wire, times: int, axis: int) -> Wire: ...

    @abstractmethod
    def matmul(self, a: Operand, b: Operand, transpose_b: bool = False) -> Wire: ...
