"""What the parts of `NeomlOperations` share: each part is a class of its own that the whole inherits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional, Union

from ...network import Array
from ...operations import EngineOperations, MovingStatistics, TrainingOperations, Weight
from ..graph import Graph, Port
from ..values import Wire

Operand = Union[Wire, Weight, float]


@dataclass(frozen=True, eq=False)
class BatchMoments:
    """A tensor whose mean and variance over all axes but one move stored statistics in every step.

    Attributes:
        x, axis, mask, by_steps: see `porting.operations.ImageOperations.normalize_batch`.
        statistics: what moves.
        objects: the tensor with each place along the axis as an object; None with a mask or by steps.
    """

    x: Wire
    axis: int
    mask: Optional[Wire]
    statistics: MovingStatistics
    by_steps: bool = False
    objects: Optional[Port] = None


@dataclass(frozen=True)
class Compaction:
    """The 0/1 matrices of one mask: (batch, compact step, step).

    Attributes:
        keep: zero in masked columns: `keep` · x brings the valid steps together.
        spread: masked columns name the valid step before them.
    """

    keep: Port
    spread: Port


class Part(EngineOperations[Wire], TrainingOperations[Wire]):
    """The operations over a `Graph`, as its parts use one another's, and what they share beside the contract.

    Attributes:
        graph: where the nodes go.
        in_training: build for learning: only layers whose gradients are right.
        moments: the tensors that moving statistics follow.
        compactions: what recurrent layers made of a mask, by the mask and the direction.
    """

    graph: Graph
    in_training: bool
    moments: list[BatchMoments]
    compactions: dict[tuple[int, int, bool], Compaction]

    @property
    def training(self) -> Optional[Part]:
        """See `porting.operations.EngineOperations.training`."""
        return self if self.in_training else None

    @abstractmethod
    def _floating(self, x: Wire) -> Wire: ...

    @abstractmethod
    def _wire(self, x: Operand) -> Wire: ...

    @abstractmethod
    def _parameter(self, weight: Weight, layout: str) -> Port: ...

    @abstractmethod
    def _data(self, value: Array, layout: str, dtype: str = "float32") -> Port: ...

    @abstractmethod
    def _spread_pair(self, left: Wire, right: Wire) -> tuple[Wire, Wire]: ...

    @abstractmethod
    def whole_cumsum(self, x: Wire, axis: int, port: Port, reverse: bool) -> Wire: ...

    @abstractmethod
    def filled(self, x: Wire, value: float) -> Wire: ...

    @abstractmethod
    def plain_reduce(self, x: Wire, name: str, axes: Sequence[int], keepdims: bool = False) -> Wire: ...
