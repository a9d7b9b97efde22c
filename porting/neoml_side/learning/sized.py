"""Training of a network that hangs on open sizes: a net for each that comes, all over the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional, Protocol

from ...network import Array, Network
from ...training.learner import Learner, OuterLearner
from ...training.parameters import Theta
from ..sized import BySize, Sizes, bytes_of, planned, planned_at, sizes_of
from .net import LearningNet


class Make(Protocol):
    """Makes a net that learns, over weights of another where they are given; a seed of its own where one is."""

    def __call__(self, network: Network, theta: Optional[Theta] = None, seed: int = ..., /) -> LearningNet: ...


def learner_of(network: Network, make: Make) -> Learner:
    """A net that learns from inputs of every size; where there is none, one for each size that comes.

    Raises:
        Unsupported: with every problem that is there at the references' sizes too.
    """
    net, hangs_on_sizes = planned(network, make)
    return net if hangs_on_sizes is None else SizedLearner(network, net, make)


class SizedLearner(OuterLearner):
    """`porting.engine.Learner` over nets for one size each.

    What a net has learnt by itself is fetched before another goes on.
    """

    def __init__(self, network: Network, first: LearningNet, make: Make) -> None:
        super().__init__(first)
        self._network = network
        self._make = make
        self._seed = first.seed
        self._last = self._first = first
        self._nets = BySize(self._net, _bytes)

    def _net(self, sizes: Sizes) -> LearningNet:
        if sizes == tuple(one.shape[1:] for one in self._first.network.inputs):
            return self._first
        return planned_at(self._network, sizes, lambda it: self._make(it, self.theta, self._seed))

    def handed_on(self, inputs: Mapping[str, Array]) -> tuple[Learner, Mapping[str, Array]]:
        net = self._nets[sizes_of(self._network, inputs)]
        if net is not self._last:
            self.theta.settle()
        self._last = net
        return net, inputs

    def reseed(self, seed: int) -> None:
        """See `LearningNet.reseed`; holds for the nets that are still to come too."""
        self._seed = seed
        for net in {id(one): one for one in (self._first, *self._nets)}.values():
            net.reseed(seed)


def _bytes(net: LearningNet) -> int:
    return bytes_of(net.network, (wire.shape for wire in net.plan.tensors.values()))
