"""Training of a network whose inputs are texts or categories: they become numbers before every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ..front import Front
from ..inputs import check_inputs
from ..network import Array, TensorRef
from ..training.gradients import Gradient
from ..training.learner import Learner
from ..training.optimizers import Optimizer

__all__ = ["FrontedLearner"]


class FrontedLearner:
    """A learner of the core behind a front, as a learner of the whole network. Nothing in a front learns."""

    def __init__(self, front: Front, core: Learner, id_limits: Mapping[str, int]) -> None:
        self.front = front
        self.core = core
        self.id_limits = id_limits
        self.theta = core.theta
        self.is_random = core.is_random

    @property
    def reached(self) -> set[str]:
        return self.core.reached

    def activation_of(self, ref: TensorRef) -> Optional[str]:
        return self.core.activation_of(ref)

    def gradients(self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any]) -> dict[str, Gradient]:
        return self.core.gradients(self._core_inputs(inputs), derivatives)

    def step(self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any], optimizer: Optimizer) -> bool:
        return self.core.step(self._core_inputs(inputs), derivatives, optimizer)

    def outputs(self, inputs: Mapping[str, Array]) -> dict[TensorRef, tuple[Array, Optional[Array]]]:
        return self.core.outputs(self._core_inputs(inputs))

    def reseed(self, seed: int) -> None:
        self.core.reseed(seed)

    def _core_inputs(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        tensors = self.front.run(inputs)
        given = {one.name: tensors[one.ref] for one in self.front.core_inputs}
        return check_inputs(given, self.front.core_inputs, self.id_limits)
