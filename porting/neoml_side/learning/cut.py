"""Training without the padding that all rows of a batch share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ...network import Array, TensorRef
from ...padded import Padding
from ...training.gradients import Gradient
from ...training.optimizers import Optimizer
from .net import LearningNet

__all__ = ["CutLearner"]


class CutLearner:
    """`porting.engine.Learner` of a net whose losses, statistics and gradients do not see padding.

    Args:
        net: for inputs of any length.
        padding: what may be left out, proved for a net that learns.
        least: by input, the least sizes that the net takes.
    """

    def __init__(self, net: LearningNet, padding: Padding, least: Mapping[str, Sequence[int]]) -> None:
        self.net = net
        self.padding = padding
        self.least = least
        self.theta = net.theta
        self.is_random = net.is_random

    @property
    def reached(self) -> set[str]:
        return self.net.reached

    def activation_of(self, ref: TensorRef) -> Optional[str]:
        return self.net.activation_of(ref)

    def gradients(self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any]) -> dict[str, Gradient]:
        return self.net.gradients(self._cut(inputs), derivatives)

    def step(self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any], optimizer: Optimizer) -> bool:
        return self.net.step(self._cut(inputs), derivatives, optimizer)

    def outputs(self, inputs: Mapping[str, Array]) -> dict[TensorRef, tuple[Array, Optional[Array]]]:
        return self.net.outputs(self._cut(inputs))

    def reseed(self, seed: int) -> None:
        self.net.reseed(seed)

    def _cut(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        # With room for whole batches a net is never built anew, which would begin its random numbers anew.
        self.net.make_room(inputs)
        padding, lengths = self.padding.best_for(inputs, self.least)
        return padding.cut(inputs, lengths)
