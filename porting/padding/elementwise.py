"""Operations number by number, in the proof that padding changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import exp, inf
from typing import Any, Optional

import numpy as np

from ..numpy_side.values import Value
from .base import Operand, ReaderBase, are_bounded, as_fact, number_in
from .facts import Entry, Fact, Place

Compute = Callable[[list[Any]], Value]

# What the results of functions stay within: 1, or what goes in.
WITHIN_ONE = frozenset(
    {"tanh", "sigmoid", "hard_sigmoid", "hard_tanh", "softsign", "sparse_sigmoid", "sin", "cos", "sign", "erf"}
)
NO_FARTHER = frozenset(
    {"linear", "relu", "relu6", "elu", "gelu", "silu", "hard_silu", "leaky_relu", "mish", "abs", "negative", "celu"}
)
# Below all scores by so much that the exponential is 0, where scores are within `SCORES`.
FAR_BELOW, SCORES = -5e8, 1e8


class ElementwiseReader(ReaderBase):
    """Facts of sums, products, comparisons and functions of numbers."""

    # ---- in general

    def _pointwise(
        self,
        compute: Compute,
        operands: Sequence[Operand],
        *,
        only: frozenset[Entry] = frozenset(),
        loose: Optional[frozenset[Entry]] = None,
        **facts: Any,
    ) -> Fact:
        """A function of numbers that stand at the same place."""
        made = compute([self._made(one) for one in operands])
        parts = [as_fact(one).widened(made.value.ndim) for one in operands]
        met = self._meet(made, parts)
        if loose is not None and not met.why:
            met = replace(met, loose=loose)
        if met.why:
            return met

        def padding(axis: int) -> Optional[float]:
            return self._computed_at(compute, operands, [one.padding_at(axis) for one in parts])

        return self._with_padding(met, padding, only=only | self._still_zero(compute, operands, parts), **facts)

    @staticmethod
    def _computed_at(
        compute: Compute, operands: Sequence[Operand], values: Sequence[Optional[float]]
    ) -> Optional[float]:
        """What is made of one number for each operand, where all are known."""
        given: list[Any] = []
        for operand, value in zip(operands, values):
            known = number_in(operand)
            if known is None and value is None:
                return None
            given.append(operand if known is not None else Value(np.asarray(value, as_fact(operand).dtype)))
        with np.errstate(all="ignore"):
            made = float(compute(given).value)
        return made if np.isfinite(made) else None

    def _still_zero(self, compute: Compute, operands: Sequence[Operand], parts: Sequence[Fact]) -> frozenset[Entry]:
        """Where a function of one value and of numbers is 0 as the value is."""
        values = [part for operand, part in zip(operands, parts) if number_in(operand) is None]
        if len(values) != 1 or not values[0].only:
            return frozenset()
        made = self._computed_at(compute, operands, [0.0] * len(operands))
        return values[0].only if made == 0 else frozenset()

    # ---- functions of one value

    def cast(self, x: Operand, dtype: str) -> Fact:
        one = as_fact(x)
        made = self._pointwise(lambda xs: self.numpy.cast(xs[0], dtype), [x], most=max(one.most, 1.0))
        if made.why or dtype in ("uint8", "uint16", "uint32", "uint64", "int8", "int16"):
            return replace(made, most=inf, upper=inf)
        if one.dtype != "bool" and dtype != "bool":
            return made if dtype in ("float32", "float64") else replace(made, always=None)
        return replace(made, always=one.always, diagonal=one.diagonal)

    def activation(self, x: Fact, name: str, **arguments: Any) -> Fact:
        return self._pointwise(
            lambda xs: self.numpy.activation(xs[0], name, **arguments), [x], most=_most(name, x.most, arguments)
        )

    def unary(self, x: Fact, name: str) -> Fact:
        made = self._pointwise(lambda xs: self.numpy.unary(xs[0], name), [x], most=_most(name, x.most, {}))
        apart = name == "abs" and x.place is not None and len(x.place.axes) == 2
        return replace(made, place=x.place) if apart and not made.why else made

    def power(self, x: Fact, exponent: float) -> Fact:
        most = max(x.most, 1.0) ** exponent if 0 < exponent <= 4 and x.most < 1e9 else inf
        return self._pointwise(lambda xs: self.numpy.power(xs[0], exponent), [x], most=most)

    # ---- of two

    def _both(self, compute: Callable[[Any, Any], Value], a: Operand, b: Operand, most: float, **facts: Any) -> Fact:
        left, right = as_fact(a), as_fact(b)
        rank = max(left.rank, right.rank)
        both = left.widened(rank).only & right.widened(rank).only
        return self._pointwise(lambda xs: compute(*xs), [a, b], only=both, most=most, **facts)

    def add(self, a: Operand, b: Operand) -> Fact:
        left, right = as_fact(a), as_fact(b)
        return self._both(self.numpy.add, a, b, left.most + right.most, upper=left.upper + right.upper)

    def subtract(self, a: Operand, b: Operand) -> Fact:
        left, right = as_fact(a), as_fact(b)
        known = number_in(b)
        upper = left.upper - known if known is not None else left.upper + right.most
        made = self._both(self.numpy.subtract, a, b, left.most + right.most, upper=upper)
        if made.why or left.place is None or right.place is None:
            return made
        axes = (*left.widened(made.rank).place.axes, *right.widened(made.rank).place.axes)  # type: ignore[union-attr]
        return replace(made, place=Place(axes)) if len(axes) == 2 else made

    def maximum(self, a: Operand, b: Operand) -> Fact:
        return self._both(self.numpy.maximum, a, b, max(as_fact(a).most, as_fact(b).most))

    def minimum(self, a: Operand, b: Operand) -> Fact:
        return self._both(self.numpy.minimum, a, b, max(as_fact(a).most, as_fact(b).most))

    def multiply(self, a: Operand, b: Operand) -> Fact:
        """A product with 0 is 0, whatever the other number, as long as that is finite."""
        left, right = as_fact(a), as_fact(b)
        rank = max(left.rank, right.rank)
        left, right = left.widened(rank), right.widened(rank)
        most = left.most * right.most if are_bounded(left, right) else inf
        if not are_bounded(left, right):
            return self._pointwise(lambda xs: self.numpy.multiply(*xs), [a, b], most=most)
        loose = (left.loose - (right.only - right.loose)) | (right.loose - (left.only - left.loose))
        made = self._pointwise(
            lambda xs: self.numpy.multiply(*xs), [a, b], only=left.only | right.only, loose=loose, most=most
        )

        def padding(axis: int) -> Optional[float]:
            return 0.0 if 0 in (left.padding_at(axis), right.padding_at(axis)) else made.steps[axis].padding

        return self._with_padding(made, padding)

    def divide(self, a: Operand, b: Operand) -> Fact:
        known = number_in(b)
        most = as_fact(a).most / abs(known) if known else inf
        return self._pointwise(lambda xs: self.numpy.divide(*xs), [a, b], most=most)

    def whole_division(self, a: Operand, b: Operand, name: str) -> Fact:
        made = self.numpy.whole_division(self._made(a), self._made(b), name)
        return self._plain(made, [a, b], "divides whole numbers")

    # ---- truths

    def compare(self, a: Operand, b: Operand, name: str) -> Fact:
        made = self._pointwise(lambda xs: self.numpy.compare(xs[0], xs[1], name), [a, b], most=1.0)
        known = number_in(b)
        if made.why or not isinstance(a, Fact):
            return made
        if known is not None and a.source:
            return self._of_input(made, a, known, name)
        if known is not None and a.place is not None and len(a.place.axes) == 2:
            near = (name == "less" and known > 0) or (name == "less_equal" and known >= 0)
            return self._on_diagonal(made, a.place.axes) if near else made
        if isinstance(b, Fact) and a.place is not None and b.place is not None:
            axes = (*a.widened(made.rank).place.axes, *b.widened(made.rank).place.axes)  # type: ignore[union-attr]
            return self._on_diagonal(made, axes) if name in ("greater_equal", "less_equal", "equal") else made
        return made

    def _of_input(self, made: Fact, x: Fact, known: float, name: str) -> Fact:
        """A mask: what an input's numbers differ from is its padding."""
        if name == "not_equal" and x.rank in (2, 3):
            self.padding.setdefault(x.source, known)
        padding = self.padding.get(x.source)
        if padding is None or not x.steps or getattr(np, name)(padding, known):
            return made
        if x.rank > 2:
            return replace(made, differs=x.source if name == "not_equal" and padding == known else "")
        entry = frozenset({(1, x.source)})
        exactly = name == "not_equal" and padding == known
        return replace(made, only=entry, always=entry if exactly else None)

    @staticmethod
    def _on_diagonal(made: Fact, axes: Sequence[int]) -> Fact:
        if len(axes) != 2 or any(axis not in made.steps for axis in axes):
            return made
        return replace(made, always=frozenset(), diagonal=(axes[0], axes[1]))

    def logical_and(self, a: Fact, b: Fact) -> Fact:
        rank = max(a.rank, b.rank)
        left, right = a.widened(rank), b.widened(rank)
        made = self._pointwise(lambda xs: self.numpy.logical_and(*xs), [a, b], only=left.only | right.only, most=1.0)
        if made.why:
            return made
        diagonals = {one.diagonal for one in (left, right) if one.diagonal}
        known = left.always is not None and right.always is not None and len(diagonals) <= 1
        always = (left.always or frozenset()) | (right.always or frozenset()) if known else None
        made = replace(made, always=always, diagonal=next(iter(diagonals), None) if known else None)

        def padding(axis: int) -> Optional[float]:
            return 0.0 if 0 in (left.padding_at(axis), right.padding_at(axis)) else made.steps[axis].padding

        return self._with_padding(made, padding)

    def logical_or(self, a: Fact, b: Fact) -> Fact:
        made = self._both(self.numpy.logical_or, a, b, 1.0)
        if made.why:
            return made
        either = next((one for one in (a, b) if one.always is not None and one.rank == made.rank), None)
        return made if either is None else replace(made, always=either.always, diagonal=either.diagonal)

    def logical_not(self, a: Fact) -> Fact:
        return self._pointwise(lambda xs: self.numpy.logical_not(xs[0]), [a], most=1.0)

    def where(self, condition: Fact, a: Operand, b: Operand) -> Fact:
        """What is not chosen does not count."""
        made = self.numpy.where(*map(self._made, (condition, a, b)))
        chosen, yes, no = (as_fact(one).widened(made.value.ndim) for one in (condition, a, b))
        met = self._meet(made, [chosen, yes, no])
        if met.why:
            return met
        loose = chosen.loose | (yes.loose - (chosen.only - chosen.loose)) | no.loose
        only = chosen.only | yes.only if number_in(b) == 0 else yes.only & no.only
        met = replace(met, loose=loose, steps=_evenly(met, chosen, yes, no))

        def padding(axis: int) -> Optional[float]:
            first = number_in(a) if number_in(a) is not None else yes.padding_at(axis)
            second = number_in(b) if number_in(b) is not None else no.padding_at(axis)
            takes = chosen.padding_at(axis)
            return (first if first == second else None) if takes is None else first if takes else second

        far_below = no.upper <= FAR_BELOW and yes.most <= SCORES and not chosen.loose
        return self._with_padding(
            met,
            padding,
            only=only,
            most=max(yes.most, no.most),
            upper=max(yes.upper, no.upper),
            shown=chosen if far_below else None,
        )


def _evenly(met: Fact, chosen: Fact, yes: Fact, no: Fact) -> dict[int, Any]:
    """The steps of a choice: where it always falls on one side, that side's evenness counts."""
    steps = {}
    for axis, one in met.steps.items():
        takes = chosen.padding_at(axis)
        side = None if takes is None else yes if takes else no
        steps[axis] = one if side is None else replace(one, even=side.even_at(axis))
    return steps


def _most(name: str, most: float, arguments: Any) -> float:
    """What the results of a function of keras.activations or of numpy stay within, given what goes in."""
    if name in WITHIN_ONE and most < inf:
        return 1.0
    if name in NO_FARTHER and all(abs(value or 0) <= 1 for key, value in arguments.items() if key != "max_value"):
        return max(most, 6.0) if name == "relu6" else most
    if name in ("softplus", "selu", "sqrt"):
        return 2 * max(most, 1.0)
    if name == "square":
        return most * most if most < 1e15 else inf
    if name in ("exp", "exponential"):
        return exp(most) if most < 60 else inf
    return inf
