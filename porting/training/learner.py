"""The contract of nets that learn: what the loop of training asks of any engine's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Protocol

from ..network import Array, TensorRef
from .gradients import Gradient
from .optimizers import Optimizer
from .parameters import Theta

__all__ = ["Learner"]


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

    def step(self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any], optimizer: Optimizer) -> bool:
        """A whole step by the engine's own solver; False where it has none that does what the optimizer does."""

    def outputs(self, inputs: Mapping[str, Array]) -> dict[TensorRef, tuple[Array, Optional[Array]]]:
        """Outputs and their masks, at inference."""

    def reseed(self, seed: int) -> None:
        """Draw from this seed on."""
