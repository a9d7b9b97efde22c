"""Axes that move, join, end or are added up, in the proof that padding changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, prod
from typing import Any, Optional

import numpy as np

from ..network import Array
from ..numpy_side.values import Value
from ..operations import Weight
from .base import MANY, ReaderBase, as_fact, largest, without
from .facts import Entry, Fact, Place, Steps


class ShapeReader(ReaderBase):
    """Facts of values whose axes change."""

    # ---- axes that stay what they are

    def reshape(self, x: Fact, shape: Sequence[Optional[int]]) -> Fact:
        made = self.numpy.reshape(x.made, shape)
        moved = _kept_axes(x, made.value.shape, [None, *shape])
        if x.why or moved is None:
            return self._spoilt(made, "counts padded steps among the numbers of a row", [x])
        return x.at(made, moved)

    def transpose(self, x: Fact, axes: Sequence[int]) -> Fact:
        x = self._by_rows(x, [] if axes[0] == 0 else [0])
        order = [axis % x.rank for axis in axes]
        return x.at(self.numpy.transpose(x.made, axes), {axis: order.index(axis) for axis in range(x.rank)})

    def expand_dims(self, x: Fact, axis: int) -> Fact:
        new = axis % (x.rank + 1)
        x = self._by_rows(x, [] if new else [0])
        return x.at(self.numpy.expand_dims(x.made, axis), {at: at + (at >= new) for at in range(x.rank)})

    def squeeze(self, x: Fact, axis: int) -> Fact:
        x = self._by_rows(x, [axis])
        gone = axis % x.rank
        made = self.numpy.squeeze(x.made, axis)
        if gone in x.steps:
            return self._spoilt(made, "takes padded steps for one")
        return x.at(made, {at: at - (at > gone) for at in range(x.rank)})

    def repeat(self, x: Fact, times: int, axis: int) -> Fact:
        x = self._by_rows(x, [axis])
        made = self.numpy.repeat(x.made, times, axis)
        if x.why or axis % x.rank in x.steps:
            return self._spoilt(made, "repeats padded steps", [x])
        return x.at(made, {at: at for at in range(x.rank)})

    def concatenate(self, xs: Sequence[Fact], axis: int) -> Fact:
        made = self.numpy.concatenate([x.made for x in xs], axis)
        joined = axis % made.value.ndim
        xs = [self._by_rows(x, [joined]) for x in xs]
        if any(joined in x.steps for x in xs):
            return self._spoilt(made, "puts others behind padded steps", xs)
        met = self._meet(made, [x.one_wide(joined) for x in xs])
        if any(at not in x.steps for x in xs for at in met.steps):
            return self._spoilt(made, "puts steps of which padding is left out beside others", xs)

        def padding(at: int) -> Optional[float]:
            found = {x.padding_at(at) for x in xs}
            return next(iter(found)) if len(found) == 1 else None

        only = frozenset.intersection(*(x.only for x in xs))
        return self._with_padding(met, padding, only=only, most=max(x.most for x in xs))

    def flip(self, x: Fact, axis: int) -> Fact:
        x = self._by_rows(x, [axis])
        turned = axis % x.rank
        made = x.at(self.numpy.flip(x.made, axis), {at: at for at in range(x.rank)})
        steps = {at: replace(one, at_front=one.at_front != (at == turned)) for at, one in x.steps.items()}
        return replace(made, steps=steps, place=None, always=made.always if made.diagonal is None else None)

    def slice(self, x: Fact, axis: int, start: Optional[int], stop: Optional[int], step: int = 1) -> Fact:
        x = self._by_rows(x, [axis])
        at = axis % x.rank
        made = self.numpy.slice(x.made, axis, start, stop, step)
        if at not in x.steps:
            return self._spoilt(made, "", [x]) if x.why else x.at(made, {one: one for one in range(x.rank)})
        if (start or None, stop, abs(step)) == (None, None, 1):
            return x if step == 1 else self.flip(x, axis)
        first, last = (start or 0, stop) == (0, 1), (start, stop) == (-1, None)
        if step != 1 or not (first or last):
            return self._spoilt(made, "takes steps by their numbers")
        return self._one_step(x, made, at, first)

    def _one_step(self, x: Fact, made: Value, axis: int, first: bool) -> Fact:
        """The first or last step of an axis: a step that is never cut off, or one of those that are."""
        steps = x.steps[axis]
        asks = set(x.asks)
        if first == steps.at_front:
            if not steps.even:
                return self._spoilt(made, "takes a padded step")
            asks.add(("step", steps.of))
        asks.update(("first", name) for at, name in x.loose if at == axis)
        rest = {at: one for at, one in x.steps.items() if at != axis}
        return Fact(made, rest, without(x.loose, [axis]), without(x.only, [axis]), most=x.most, asks=frozenset(asks))

    # ---- over axes

    def reduce(self, x: Fact, name: str, axes: Sequence[int], keepdims: bool = False) -> Fact:
        x = self._by_rows(x, axes)
        made = self.numpy.reduce(x.made, name, axes, keepdims)
        over = sorted(axis % x.rank for axis in axes)
        if x.why:
            return self._spoilt(made, "", [x])
        if x.differs and (name, over, made.value.ndim) == ("any", [2], 2):
            return self._mask(x, made)
        asks, loose = set(x.asks), set(x.loose)
        for axis in over:
            found = _reduced(x, name, axis, self.learns)
            if found is None:
                return self._spoilt(made, f"takes the {name} over padded steps")
            asks |= {("step", one) for one in found[0]}
            loose |= found[1]
        moved = {at: at if keepdims else at - sum(one < at for one in over) for at in range(x.rank)}
        steps = {at: _reduced_steps(one, name) for at, one in x.steps.items() if at not in over}
        terms = prod(MANY if axis in x.steps else x.size(axis) for axis in over) if name == "sum" else 1
        left = Fact(
            x.made,
            steps,
            without(frozenset(loose), over),
            without(x.only, over),
            most=x.most * terms if x.most < inf else inf,
            asks=frozenset(asks),
        )
        return left.at(made, moved)

    @staticmethod
    def _mask(x: Fact, made: Value) -> Fact:
        """Whether any number of a step differs from padding."""
        entry = frozenset({(1, x.differs)})
        steps = {1: replace(x.steps[1], padding=0.0, even=True)} if 1 in x.steps else {}
        return Fact(made, steps, only=entry, always=entry, most=1.0, asks=x.asks) if steps else Fact(made)

    def softmax(self, x: Fact, axes: Sequence[int], log: bool = False) -> Fact:
        x = self._by_rows(x, axes)
        made = self.numpy.softmax(x.made, axes, log)
        over = [axis % x.rank for axis in axes]
        if x.why:
            return self._spoilt(made, "", [x])
        steps = {at: replace(one, padding=None) for at, one in x.steps.items()}
        whole = Fact(made, steps, x.loose, most=inf if log else 1.0, asks=x.asks)
        if not any(axis in x.steps for axis in over):
            return whole
        axis = over[0]
        more = _never_empty(x, axis)
        shown = x.shown
        if len(over) > 1 or log or more is None or shown is None or any(at == axis for at, _ in x.loose):
            return self._spoilt(made, "weighs padded steps")
        steps[axis] = replace(steps[axis], padding=0.0, even=True)
        only = frozenset(one for one in shown.only if one[0] == axis)
        return replace(whole, steps=steps, loose=x.loose | more, only=only)

    def cumsum(self, x: Fact, axis: int, reverse: bool = False) -> Fact:
        x = self._by_rows(x, [axis])
        made = self.numpy.cumsum(x.made, axis, reverse)
        at = axis % x.rank
        if x.why or at not in x.steps:
            return self._plain(made, [x], "adds up numbers step by step")
        steps = x.steps[at]
        forward = reverse == steps.at_front
        if any(one == at for one, _ in x.loose) or not (forward or steps.padding == 0):
            return self._spoilt(made, "adds up padded steps")
        others = {one: replace(rest, padding=None, even=False) for one, rest in x.steps.items() if one != at}
        ended = replace(steps, padding=None if forward else 0.0, even=steps.padding == 0)
        return Fact(made, {**others, at: ended}, x.loose, asks=x.asks)

    def argmax(self, x: Fact, axis: int) -> Fact:
        x = self._by_rows(x, [axis])
        made = self.numpy.argmax(x.made, axis)
        gone = axis % x.rank
        if x.why or gone in x.steps:
            return self._spoilt(made, "looks for the largest among padded steps", [x])
        steps = {at: replace(one, padding=None) for at, one in x.steps.items()}
        left = Fact(x.made, steps, x.loose, asks=x.asks)
        return left.at(made, {at: at - (at > gone) for at in range(x.rank)})

    # ---- places

    def constant(self, value: Array) -> Fact:
        return as_fact(Weight("", np.asarray(value)))

    def full_like(self, x: Fact, value: float) -> Fact:
        made = self.numpy.full_like(x.made, value)
        if x.why:
            return self._spoilt(made, "", [x])
        steps = {at: replace(one, padding=value, even=True) for at, one in x.steps.items()}
        return Fact(made, steps, most=abs(value), upper=value, asks=x.asks)

    def positions(self, x: Fact, axis: int) -> Fact:
        made = self.numpy.positions(x.made, axis)
        at = axis % x.rank
        if x.why or at not in x.steps:
            return self._spoilt(made, "", [x]) if x.why else Fact(made)
        if x.steps[at].at_front:
            return self._spoilt(made, "numbers steps behind padding")
        return Fact(made, {at: Steps(x.steps[at].of)}, place=Place((at,)), asks=x.asks)

    def table(self, values: Weight, like: Fact, places: Sequence[Any]) -> Fact:
        taken = [(many if isinstance(many, int) else (many[0].made, many[1]), *rest) for many, *rest in places]
        made = self.numpy.table(values, like.made, taken)
        if like.why:
            return self._spoilt(made, "", [like])
        steps: dict[int, Steps] = {}
        axis = 1
        for (many, which, start), rows in zip(places, values.shape):
            of = None if isinstance(many, int) else many[0].steps.get(many[1] % many[0].rank)
            if not isinstance(many, int) and (many[0].why or (of and (which != "first" or of.at_front))):
                return self._spoilt(made, "looks entries up by how many steps there are", [many[0]])
            if of is not None:
                steps[axis] = Steps(of.of)
                self.limits[of.of] = min(self.limits.get(of.of, rows - start), rows - start)
            axis += which != "at"
        return Fact(made, steps, most=largest(values), asks=like.asks)


def _kept_axes(x: Fact, sizes: Sequence[int], shape: Sequence[Optional[int]]) -> Optional[dict[int, int]]:
    """Where the steps of a value stand after it was reshaped; None where they are no axis of their own any more.

    `sizes` are those of the reference, `shape` what was asked for: steps stand where no number was given.
    """
    before, after = 1, 1
    moved: dict[int, int] = {}
    for axis in sorted(x.steps):
        wanted = prod(x.made.value.shape[before:axis])
        fitting = (
            at
            for at in range(after, len(sizes))
            if shape[at] in (None, -1) and sizes[at] == x.size(axis) and prod(sizes[after:at]) == wanted
        )
        found = next(fitting, None)
        if found is None:
            return None
        moved[axis] = found
        before, after = axis + 1, found + 1
    return moved if prod(x.made.value.shape[before:]) == prod(sizes[after:]) else None


def _reduced(x: Fact, name: str, axis: int, learns: bool) -> Optional[tuple[set[str], frozenset[Entry]]]:
    """What a reduction over an axis asks for: padded steps that stay, and where it is loose; None: it sees padding.

    Largest numbers that are equal share the gradient: there it counts how many there are.
    """
    if axis not in x.steps:
        return set(), frozenset()
    steps = x.steps[axis]
    if any(at == axis for at, _ in x.loose):
        return None
    neutral = {"sum": 0.0, "any": 0.0, "all": 1.0}.get(name)
    if neutral is not None and steps.padding == neutral:
        return set(), frozenset()
    if name in (("any", "all") if learns else ("max", "min", "any", "all")) and steps.even:
        return {steps.of}, frozenset()
    if name == "max":
        more = _never_empty(x, axis)
        return None if more is None else (set(), more)
    return None


def _reduced_steps(steps: Steps, name: str) -> Steps:
    """The steps of an axis, reduced along another: sums keep nothing but 0."""
    return replace(steps, padding=None if name == "sum" and steps.padding != 0 else steps.padding)


def _never_empty(x: Fact, axis: int) -> Optional[frozenset[Entry]]:
    """Where a row may be without a step that counts along an axis, among numbers far below; None: anywhere."""
    shown = x.shown
    if shown is None or shown.always is None or shown.loose or not any(at == axis for at, _ in shown.only):
        return None
    here = {name for at, name in shown.always if at == axis}
    rest = without(shown.always, [axis])
    if shown.diagonal is None:
        return rest if len(here) <= 1 else None
    if axis not in shown.diagonal:
        return None
    other = sum(shown.diagonal) - axis
    alike = other in x.steps and (x.steps[other].of, x.steps[other].at_front) == (
        x.steps[axis].of,
        x.steps[axis].at_front,
    )
    return rest | frozenset((other, name) for name in here) if alike else None
