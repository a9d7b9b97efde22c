"""Training of a network whose inputs are texts or categories: they become numbers before every step."""

from __future__ import annotations

from collections.abc import Mapping

from ..front import Front
from ..inputs import check_inputs
from ..network import Array
from ..training.learner import Learner, OuterLearner


class FrontedLearner(OuterLearner):
    """A learner of the core behind a front, as a learner of the whole network. Nothing in a front learns."""

    def __init__(self, front: Front, core: Learner, id_limits: Mapping[str, int]) -> None:
        super().__init__(core)
        self.front = front
        self.id_limits = id_limits

    def handed_on(self, inputs: Mapping[str, Array]) -> tuple[Learner, Mapping[str, Array]]:
        tensors = self.front.run(inputs)
        given = {one.name: tensors[one.ref] for one in self.front.core_inputs}
        return self.inner, check_inputs(given, self.front.core_inputs, self.id_limits)
