"""The contract of nets that learn: what the loop of training asks of any engine's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Protocol

from ..network import Array, TensorRef
from .gradients import Gradient
from .optimizers import Optimizer
from .parameters import Theta


class Learner(Protocol):
    """A net that gives gradients and takes steps.

    Attributes:
        theta: the weights that learn; see `porting.training.parameters.Theta`.
    """

    theta: Theta

    @property
    def is_random(self) -> bool:
        """Whether something in it draws random numbers in training."""

    @property
    def reached(self) -> set[str]:
        """The weights that a gradient reaches."""

    def activation_of(self, ref: TensorRef) -> Optional[str]:
        """The last activation that an output is read before, if it is."""

    def gradients(self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any]) -> dict[str, Gradient]:
        """By weight, the gradient of the losses whose derivatives by the outputs are computed in the middle."""

    def step(
        self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any], optimizer: Optimizer
    ) -> Optional[dict[str, Gradient]]:
        """A step by the engine's own solver, and the gradients of the tables, which `Optimizer.finish` moves then.

        None where the engine has no solver that does what the optimizer does.
        """

    def outputs(self, inputs: Mapping[str, Array]) -> dict[TensorRef, tuple[Array, Optional[Array]]]:
        """Outputs and their masks, at inference."""

    def reseed(self, seed: int) -> None:
        """Draw from this seed on."""


class OuterLearner:
    """A learner whose work others do, which are given its inputs in a form of their own."""

    def __init__(self, inner: Learner) -> None:
        self.inner = inner
        self.theta = inner.theta
        self.is_random = inner.is_random

    def handed_on(self, inputs: Mapping[str, Array]) -> tuple[Learner, Mapping[str, Array]]:
        """Who learns from inputs, and what it is given of them."""
        return self.inner, inputs

    @property
    def reached(self) -> set[str]:
        return self.inner.reached

    def activation_of(self, ref: TensorRef) -> Optional[str]:
        return self.inner.activation_of(ref)

    def gradients(self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any]) -> dict[str, Gradient]:
        learner, given = self.handed_on(inputs)
        return learner.gradients(given, derivatives)

    def step(
        self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any], optimizer: Optimizer
    ) -> Optional[dict[str, Gradient]]:
        learner, given = self.handed_on(inputs)
        return learner.step(given, derivatives, optimizer)

    def outputs(self, inputs: Mapping[str, Array]) -> dict[TensorRef, tuple[Array, Optional[Array]]]:
        learner, given = self.handed_on(inputs)
        return learner.outputs(given)

    def reseed(self, seed: int) -> None:
        self.inner.reseed(seed)
