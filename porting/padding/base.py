"""What every operation of the proof is made of: numpy's own result, and facts of operands that meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf, isfinite
from typing import Any, Optional, Union

import numpy as np

from ..numpy_side.operations import NumpyOperations
from ..numpy_side.values import Value
from ..operations import Weight
from .facts import Ask, Entry, Fact, Steps

Operand = Union[Fact, Weight, float]
# More steps than an input has, and numbers whose product with 0 is 0 and whose sums are finite.
MANY, BOUNDED = 1 << 20, 1e30


def largest(weight: Optional[Weight]) -> float:
    """The largest number of a weight, either side of 0; infinite where one is not finite."""
    if weight is None or not weight.value.size:
        return 0.0
    found = max(-float(weight.value.min()), float(weight.value.max()))  # without a copy: tables may be large
    return found if isfinite(found) else inf


def are_bounded(*facts: Fact) -> bool:
    """Whether 0 times any of these numbers is 0."""
    return all(one.most < BOUNDED for one in facts)


def as_fact(x: Operand) -> Fact:
    if isinstance(x, Fact):
        return x
    if isinstance(x, Weight):
        return Fact(Value(x.value), most=largest(x))
    return Fact(Value(np.asarray(x)), most=abs(float(x)), upper=float(x))


def number_in(x: Operand) -> Optional[float]:
    """The number that an operand is, wherever it stands."""
    return None if isinstance(x, (Fact, Weight)) else float(x)


def without(entries: frozenset[Entry], axes: Sequence[int]) -> frozenset[Entry]:
    """Entries but for those of some axes."""
    return frozenset(one for one in entries if one[0] not in axes)


class ReaderBase:
    """Facts of values that meet.

    Attributes:
        scope: the layer whose rule is being applied, in words.
        padding: by input that may be cut, the number of a padded step; found while the rules are read.
        groups: by input that may be cut, the sequences that it is cut with.
        meetings: sequences that met values as long as they are: ``(sequences, other)``, the other being sequences or
            a size.
        limits: by sequences, how many steps tables hold.
        learns: the rules are read as for a net that learns: gradients must not change either.
        followed: values whose statistics a net that learns follows.
    """

    learns = False

    def __init__(self, padding: Mapping[str, Optional[float]], groups: Mapping[str, str]) -> None:
        self.numpy = NumpyOperations()
        self.scope = ""
        self.padding = dict(padding)
        self.groups = dict(groups)
        self.meetings: set[tuple[str, Union[str, int]]] = set()
        self.limits: dict[str, int] = {}
        self.followed: list[Fact] = []

    @staticmethod
    def _made(x: Any) -> Any:
        """Operands, or lists of them, as numpy's operations take them."""
        if isinstance(x, Fact):
            return x.made
        return [ReaderBase._made(part) for part in x] if isinstance(x, (list, tuple)) else x

    def _spoilt(self, made: Value, what: str, parts: Sequence[Fact] = ()) -> Fact:
        """A value that padding changes; the first reason counts."""
        why = next((one.why for one in parts if one.why), f"{self.scope} {what}")
        return Fact(made, why=why)

    def _by_rows(self, x: Fact, axes: Sequence[int]) -> Fact:
        """A value that is computed along axes; along the first one rows would no longer be rows of their own."""
        if 0 in (axis % max(x.rank, 1) for axis in axes) and not x.why:
            return self._spoilt(x.made, "mixes rows")
        return x

    def _plain(self, made: Value, parts: Sequence[Operand], what: str, most: float = inf) -> Fact:
        """What nothing is known of, which is nothing new where no part is as long as an input."""
        facts = [as_fact(one) for one in parts]
        if any(one.steps or one.why for one in facts):
            return self._spoilt(made, what, facts)
        return Fact(made, most=most, asks=self._asks(facts))

    @staticmethod
    def _asks(facts: Sequence[Fact]) -> frozenset[Ask]:
        return frozenset().union(*(one.asks for one in facts))

    def _meet(self, made: Value, facts: Sequence[Fact]) -> Fact:
        """Values spread over each other: where they are as long as inputs, and where they may differ.

        `facts` have the rank of what is made. What they hold is left to the caller.
        """
        if any(one.why for one in facts):
            return self._spoilt(made, "", facts)
        steps: dict[int, Steps] = {}
        for axis in range(made.value.ndim):
            found = [one.steps[axis] for one in facts if axis in one.steps]
            if not found:
                continue
            if not self._fit(found[0], axis, facts):
                return self._spoilt(made, "meets steps of which padding is left out with others")
            even = all(one.even_at(axis) for one in facts)
            steps[axis] = replace(found[0], padding=None, even=even)
        loose = frozenset().union(*(one.loose for one in facts))
        return Fact(made, steps, loose, asks=self._asks(facts))

    def _fit(self, steps: Steps, axis: int, facts: Sequence[Fact]) -> bool:
        """Whether all values along an axis are cut alike, or are the same at every step."""
        fit = True
        for one in facts:
            other = one.steps.get(axis)
            if other is None and one.size(axis) != 1:
                self.meetings.add((steps.of, one.size(axis)))
                fit = False
            elif other is not None and (other.of, other.at_front) != (steps.of, steps.at_front):
                self.meetings.add((steps.of, other.of))
                fit = False
        return fit

    def _with_padding(self, met: Fact, values: Callable[[int], Optional[float]], **facts: Any) -> Fact:
        """What met, with the one number that is known to be where steps are cut off, by axis."""
        if met.why:
            return met
        steps = {}
        for axis, one in met.steps.items():
            known = values(axis)
            steps[axis] = one if known is None else replace(one, padding=known, even=True)
        return replace(met, steps=steps, **facts)
