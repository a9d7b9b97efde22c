"""How close is close enough: a tensor of a network against its reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Optional

import numpy as np

from ..layers import Rule
from ..network import Array, Call, Case, Network, TensorRef
from .noise import Moves, larger
from .tolerance import TOLERANCE, Allowance, Outcome, allowance_alone, allowance_in_chain, compare
from .witness import Witness

Compare = Callable[[Array, Array, Allowance], Outcome]


class Judge:
    """Compares tensors with their references.

    Attributes:
        tolerance: what is allowed everywhere; None: what float32 can hold.
        witness: measures noise where the references hold none.
    """

    def __init__(self, network: Network, rules: Mapping[str, Rule], tolerance: Optional[float]) -> None:
        self.network = network
        self.tolerance = tolerance
        self.witness = Witness(network, rules)
        self._rules = rules
        self._calls = {call.name: call for call in network.calls}
        self._moves: dict[str, dict[TensorRef, Optional[Moves]]] = {}  # by case

    def alone(self, call: Call, case: Case, ref: TensorRef, got: Array) -> Outcome:
        """An output of a call on Keras' own inputs."""
        (got, want), noise = comparable(case, ref, got), case.noise.get(ref)
        if noise is not None and self.tolerance is None:
            return compare(got, want, allowance_alone(self.network.layers[call.layer], noise.alone))
        outcome = self._plainly(got, want)
        return outcome if self._is_final(outcome) else self._forgiven(got, want, self.witness.alone(call, case, ref))

    def chain(self, case: Case, ref: TensorRef, got: Array, compare: Compare = compare) -> Outcome:
        """A tensor that the network made of the case's inputs; `measure` it where it is known how much that tells."""
        (got, want), noise = comparable(case, ref, got), self._recorded(case, ref)
        if noise is not None and self.tolerance is None:
            return compare(got, want, allowance_in_chain(noise))
        outcome = self._plainly(got, want)
        return outcome if self._is_final(outcome) else self._forgiven(got, want, self.witness.chain(case, ref))

    def allowed(self, case: Case, ref: TensorRef) -> Array:
        """By how much each value of a tensor that the network made may differ."""
        want, noise = case.outputs[ref], self._recorded(case, ref)
        if noise is not None:
            return allowance_in_chain(noise).of(want)
        measured = allowance_in_chain(self.witness.chain(case, ref)).of(want)
        return np.maximum(Allowance(TOLERANCE).of(want), measured) if want.dtype.kind == "f" else measured

    def _recorded(self, case: Case, ref: TensorRef) -> Optional[Moves]:
        """How far a tensor moves in Keras' chain; one that holds others' values, as far as those do."""
        found = self._moves.setdefault(case.name, {})
        if ref not in found:  # what is cut in parts and joined again is met by many ways
            noise, call = case.noise.get(ref), self._calls.get(ref.call)
            if noise is None or call is None:
                found[ref] = None
            else:
                rule = self._rules.get(self.network.layers[call.layer].class_name)
                read = call.reads() if rule is not None and rule.hands_on else ()
                behind = [moves for one in read if (moves := self._recorded(case, one)) is not None]
                found[ref] = reduce(larger, behind, larger(noise.chain, noise.alone))
        return found[ref]

    def remarks(self) -> list[str]:
        """What is to be said of the noise."""
        if not self.witness.asked:
            return []
        what = f"where more than {TOLERANCE:.0e} was needed, it was measured in numpy"
        return [f"references that hold no noise ({self.witness.asked} tensors): {what}"]

    def _plainly(self, got: Array, want: Array) -> Outcome:
        return compare(got, want, Allowance(TOLERANCE if self.tolerance is None else self.tolerance))

    def _is_final(self, outcome: Outcome) -> bool:
        return self.tolerance is not None or outcome.agrees or not np.isfinite(outcome.needed)

    def _forgiven(self, got: Array, want: Array, noise: tuple[float, float]) -> Outcome:
        return compare(got, want, allowance_in_chain(noise))


def comparable(case: Case, ref: TensorRef, got: Array) -> tuple[Array, Array]:
    """An output and its reference: the whole, or the places of it that were kept."""
    sampled = case.sampled.get(ref)
    if sampled is None:
        return got, case.outputs[ref]
    return (sampled.same_of(got), sampled.values) if got.shape == sampled.shape else (got, case.stand_in(ref))
