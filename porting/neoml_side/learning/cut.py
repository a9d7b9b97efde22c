"""Training without the padding that all rows of a batch share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...network import Array
from ...padded import Padding
from ...training.learner import Learner, OuterLearner
from .net import LearningNet


class CutLearner(OuterLearner):
    """`porting.engine.Learner` of a net whose losses, statistics and gradients do not see padding.

    Args:
        net: for inputs of any length.
        padding: what may be left out, proved for a net that learns.
        least: by input, the least sizes that the net takes.
    """

    def __init__(self, net: LearningNet, padding: Padding, least: Mapping[str, Sequence[int]]) -> None:
        super().__init__(net)
        self.net = net
        self.padding = padding
        self.least = least

    def handed_on(self, inputs: Mapping[str, Array]) -> tuple[Learner, Mapping[str, Array]]:
        # With room for whole batches a net is never built anew, which would begin its random numbers anew.
        self.net.make_room(inputs)
        padding, lengths = self.padding.best_for(inputs, self.least)
        return self.net, padding.cut(inputs, lengths)
