"""Sums of products, in the proof that padding changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, prod
from typing import Optional

from ..numpy_side.values import Value
from ..operations import Weight
from .base import MANY, Operand, ReaderBase, are_bounded, as_fact, largest
from .facts import Entry, Fact, Steps

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class ProductReader(ReaderBase):
    """Facts of dense layers, lookups and products along axes."""

    def dense(self, x: Fact, kernel: Weight, bias: Optional[Weight] = None) -> Fact:
        made = self.numpy.dense(x.made, kernel, bias)
        if x.why or x.rank - 1 in x.steps:
            return self._spoilt(made, "multiplies padded steps by weights of their own", [x])
        met = self._meet(made, [x.one_wide(-1)])
        most = x.most * largest(kernel) * kernel.shape[0] + largest(bias)

        def padding(axis: int) -> Optional[float]:
            return 0.0 if bias is None and x.steps[axis].padding == 0 else None

        return self._with_padding(met, padding, only=x.only if bias is None else frozenset(), most=most)

    def embedding(self, ids: Fact, table: Weight) -> Fact:
        made = self.numpy.embedding(ids.made, table)
        if ids.why:
            return self._spoilt(made, "", [ids])
        asks = frozenset(one for one in ids.asks if one[0] != "small")
        return Fact(made, dict(_unknown(ids.steps)), ids.loose, most=largest(table), asks=asks)

    def matmul(self, a: Operand, b: Operand, transpose_b: bool = False) -> Fact:
        made = self.numpy.matmul(self._made(a), self._made(b), transpose_b)
        left, right = as_fact(a), as_fact(b)
        rank = max(left.rank, right.rank)
        apart = right.rank > 2 or isinstance(b, Weight)
        if not apart or (left.rank < rank and isinstance(a, Fact)) or (right.rank < rank and isinstance(b, Fact)):
            return self._spoilt(made, "mixes rows", [left, right])
        batch = LETTERS[: rank - 2]
        a_letters = batch[rank - left.rank :] + "xy"
        b_letters = batch[rank - right.rank :] + ("zy" if transpose_b else "yz")
        return self._product(made, left, right, a_letters, b_letters, batch + "xz")

    def einsum(self, equation: str, operands: Sequence[Operand]) -> Fact:
        made = self.numpy.einsum(equation, [self._made(one) for one in operands])
        given, _, output = equation.replace(" ", "").partition("->")
        letters = given.split(",")
        plain = all(one.isalpha() and len(set(one)) == len(one) for one in (*letters, output))
        if len(operands) != 2 or not plain:
            return self._plain(made, operands, "adds products along padded steps")
        if any(isinstance(one, Fact) and at[:1] != output[:1] for one, at in zip(operands, letters)):
            return self._spoilt(made, "mixes rows", [as_fact(one) for one in operands])
        left, right = map(as_fact, operands)
        return self._product(made, left, right, letters[0], letters[1], output)

    def _product(self, made: Value, a: Fact, b: Fact, a_letters: str, b_letters: str, output: str) -> Fact:
        """The product of two values whose axes have letters, added up along those that the output lacks."""
        if a.why or b.why:
            return self._spoilt(made, "", [a, b])
        places = [dict(zip(a_letters, range(a.rank))), dict(zip(b_letters, range(b.rank)))]
        kept = [
            one.at(one.made, {axis: output.index(letter) for letter, axis in at.items() if letter in output})
            for one, at in zip(_without_axes(a, b, places, output), places)
        ]
        for letter in sorted(set(a_letters + b_letters)):
            steps = [one.steps.get(at[letter]) if letter in at else None for one, at in zip((a, b), places)]
            if steps == [None, None]:
                continue
            if not self._alike(letter, (a, b), places):
                return self._spoilt(made, "multiplies steps of which padding is left out with others")
            if letter not in output and not _adds_nothing(a, b, places[0][letter], places[1][letter]):
                return self._spoilt(made, "adds up what padded steps hold")
        return self._made_of(made, kept, prod(_sizes(a, places[0], output)))

    def _alike(self, letter: str, facts: Sequence[Fact], places: Sequence[Mapping[str, int]]) -> bool:
        """Whether two values are cut alike along an axis, or one has no such axis or is the same at every step."""
        found = [(one, one.steps.get(at[letter]), at[letter]) for one, at in zip(facts, places) if letter in at]
        if len(found) == 1:
            return True
        (one, steps, axis), (other, others, other_axis) = found
        if steps is None or others is None:
            is_one = (one if steps is None else other).size(axis if steps is None else other_axis) == 1
            known = steps or others
            if not is_one and known is not None:
                self.meetings.add((known.of, other.size(other_axis)))
            return is_one
        if steps.of != others.of:
            self.meetings.add((steps.of, others.of))
        return (steps.of, steps.at_front) == (others.of, others.at_front)

    def _made_of(self, made: Value, kept: Sequence[Fact], terms: int) -> Fact:
        a, b = kept
        steps = {axis: replace(one, padding=None) for axis, one in {**a.steps, **b.steps}.items()}
        for axis in steps:
            steps[axis] = replace(steps[axis], even=a.even_at(axis) and b.even_at(axis))
        most = a.most * b.most * terms if are_bounded(a, b) else inf
        met = Fact(made, steps, a.loose | b.loose, asks=a.asks | b.asks, most=most)

        def padding(axis: int) -> Optional[float]:
            return 0.0 if 0 in (a.padding_at(axis), b.padding_at(axis)) and are_bounded(a, b) else None

        return self._with_padding(met, padding, only=a.only | b.only if are_bounded(a, b) else frozenset())


def _unknown(steps: Mapping[int, Steps]) -> Mapping[int, Steps]:
    return {axis: replace(one, padding=None) for axis, one in steps.items()}


def _adds_nothing(a: Fact, b: Fact, axis: int, other: int) -> bool:
    """Whether the products along an axis are 0 wherever padding is cut off, and wherever it may make a difference."""
    if axis not in a.steps or other not in b.steps:
        return False
    ends_in_nothing = a.steps[axis].padding == 0 or b.steps[other].padding == 0
    by_b = {(axis, name) for at, name in b.only - b.loose if at == other}
    by_a = {(other, name) for at, name in a.only - a.loose if at == axis}
    firm_a = all(one in by_b for one in a.loose if one[0] == axis)
    firm_b = all(one in by_a for one in b.loose if one[0] == other)
    return ends_in_nothing and firm_a and firm_b and are_bounded(a, b)


def _without_axes(a: Fact, b: Fact, places: Sequence[Mapping[str, int]], output: str) -> list[Fact]:
    """Both without what they say of axes along which products are added up."""

    def off(entries: frozenset[Entry], gone: set[int]) -> frozenset[Entry]:
        return frozenset(one for one in entries if one[0] not in gone)

    found = []
    for one, at in zip((a, b), places):
        gone = {axis for letter, axis in at.items() if letter not in output}
        steps = {axis: step for axis, step in one.steps.items() if axis not in gone}
        loose, only = off(one.loose, gone), off(one.only, gone)
        found.append(replace(one, steps=steps, loose=loose, only=only, always=None, diagonal=None, place=None))
    return found


def _sizes(x: Fact, places: Mapping[str, int], output: str) -> list[int]:
    """How many products are added up, by axis."""
    gone = [axis for letter, axis in places.items() if letter not in output]
    return [MANY if axis in x.steps else x.size(axis) for axis in gone]
