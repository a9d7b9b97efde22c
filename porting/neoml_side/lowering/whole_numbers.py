"""Whole numbers in NeoML: computed as int32, which wraps as TensorFlow's does, and never through float32 unproved.

NeoML's sums, differences, products, quotients, comparisons, choices, running sums, joints and copies take int32 blobs.
Its other layers take floats: what they only move goes through them in two halves of 16 bits, unless it is known to lie
within 2²⁴ (`reshaping.through_floats`). Of int64 and uint32 the net holds what int32 holds: each wire says
within what its whole numbers lie, and where that is more, floats beside them tell whether any is beyond (`Guard`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Optional

import numpy as np

from ...dtypes import INT32, holds, limits
from ...layers.rule import Refusal
from ...operations import Weight, promoted_type
from ..graph import BEYOND_INT32, TOO_LARGE, Graph, Guard, Port
from ..values import RUN_IN_NUMPY, Range, Wire, holds_exactly
from .base import Operand, Part
from .reshaping import as_float, filled_whole, halves, joined, times_plus

# No axis is as long.
LONGEST = 2**24
# Numbers that floats say to lie within are within int32, whatever one sum, difference or product of floats rounds away.
SURELY_HELD = 2.0**31 - 2.0**10
Nearly = Callable[[], Wire]


def corners(function: Callable[[int, int], int], a: Range, b: Range) -> Range:
    """Within what a function lies that is largest and smallest at ends of its operands' ranges."""
    found = [function(x, y) for x in a for y in b]
    return min(found), max(found)


ARITHMETIC: dict[str, tuple[str, Callable[[int, int], int]]] = {
    "add": ("EltwiseSum", lambda x, y: x + y),
    "subtract": ("EltwiseSub", lambda x, y: x - y),
    "multiply": ("EltwiseMul", lambda x, y: x * y),
}

# NeoML's layer, whether it takes the second operand first, and whether the contrary is meant.
COMPARISONS = {
    "equal": ("Equal", False, False),
    "not_equal": ("Equal", False, True),
    "less": ("Less", False, False),
    "greater": ("Less", True, False),
    "less_equal": ("Less", True, True),
    "greater_equal": ("Less", False, True),
}


class WholeNumbers(Part):
    """The operations on whole numbers, as int32 blobs."""

    # ---- operands

    def whole_pair(self, a: Operand, b: Operand, dtype: str) -> tuple[Wire, Wire]:
        """Two operands as int32 blobs of one size and layout."""
        partner = a if isinstance(a, Wire) else b
        assert isinstance(partner, Wire)
        left, right = (self._whole_operand(x, partner, dtype) for x in (a, b))
        return self._spread_pair(left, right)

    def _whole_operand(self, x: Operand, partner: Wire, dtype: str) -> Wire:
        if isinstance(x, Wire):
            return x if x.is_whole else self.cast(x, "int32")
        if isinstance(x, Weight):
            return self._whole_constant(x, partner)
        value = int(np.asarray(x).astype(dtype))
        if not holds("int32", value, value):
            raise Refusal(f"the number {value} is {TOO_LARGE}", RUN_IN_NUMPY)
        whole = partner if partner.is_whole else self.cast(partner, "int32")
        return replace(filled_whole(whole, value), dtype=dtype)

    def _whole_constant(self, x: Weight, partner: Wire) -> Wire:
        rank = len(x.shape)
        if rank > partner.rank:
            raise Refusal(f"weight {x.name} of shape {x.shape} against a tensor of rank {partner.rank}")
        low, high = int(x.value.min()), int(x.value.max())
        if not holds("int32", low, high):
            raise Refusal(f"weight {x.name} holds numbers {TOO_LARGE}", RUN_IN_NUMPY)
        value = np.asarray(x.value).reshape((1,) * (partner.rank - rank) + x.shape)
        port = self._data(value, partner.layout, "int32")
        return Wire(value.shape, x.value.dtype.name, partner.layout, port, self.graph, bounds=(low, high))

    def fitted(self, x: Wire, port: Port, dtype: str, found: Range, near: Optional[Nearly] = None) -> Wire:
        """What an int32 blob holds, as a dtype of Keras: right modulo 2³², and within `found` but for that.

        Args:
            near: gives the same numbers as floats, which need not be exact.

        Raises:
            Refusal: the dtype is wider than int32, its numbers may be too, and no floats tell where they are.
        """
        if holds(dtype, *found) and holds("int32", *found):
            return replace(x.made(port, dtype=dtype), bounds=found)
        if dtype == "int32":
            return x.made(port, dtype=dtype)
        least, largest = limits(dtype)
        if largest < INT32[1]:
            shifted = x.made(times_plus(self.graph, port, 1, -least), dtype="int32")
            wrapped = self.whole_division(shifted, largest - least + 1, "mod")
            return x.made(times_plus(self.graph, wrapped.port, 1, least), dtype=dtype)
        self.graph.unproved = True
        if self.graph.ids_known is None:
            return x.made(port, dtype=dtype)
        if near is None or (least == 0 and found[0] < 0):
            what = f"may give numbers of {dtype} that are {TOO_LARGE}"
            raise Refusal(what, f"take the remainder first, or cast to int32; {RUN_IN_NUMPY}")
        return self._guarded(x, port, dtype, found, near())

    def _guarded(self, x: Wire, port: Port, dtype: str, found: Range, near: Wire) -> Wire:
        """Numbers of a dtype that is wider than int32, and a sink that tells where int32 does not hold them."""
        below, above = self.compare(near, SURELY_HELD, "less"), self.compare(near, -SURELY_HELD, "greater")
        outside = self.logical_not(self.logical_and(below, above))
        bounds = max(found[0], INT32[0]), min(found[1], INT32[1])
        held = replace(x.made(port, dtype=dtype), shape=near.shape, bounds=bounds)
        # A node of its own, which no folding takes away while somebody reads the numbers.
        held = replace(held, port=times_plus(self.graph, held.port, 1, 0))
        self.graph.guard(Guard(held.port.node, outside.port, outside.shape, outside.layout, BEYOND_INT32))
        return held

    # ---- element by element

    def whole_arithmetic(self, name: str, a: Operand, b: Operand, dtype: str) -> Wire:
        kind, function = ARITHMETIC[name]
        left, right = self.whole_pair(a, b, dtype)
        found = corners(function, left.range, right.range)

        def near() -> Wire:
            floats: Wire = getattr(self, name)(*(replace(as_float(x), dtype="float32") for x in (left, right)))
            return floats

        return self.fitted(left, self.graph.add(kind, left.port, right.port), dtype, found, near)

    def whole_division(self, a: Operand, b: Operand, name: str) -> Wire:
        """NeoML's quotient is cut towards 0, and ends the process where the divisor is 0, or where it overflows."""
        dtype = promoted_type(a, b)
        left, right = self.whole_pair(a, b, dtype)
        low, high = right.range
        if low <= 0 <= high:
            raise Refusal("the divisor may be 0, which ends a process that runs NeoML", RUN_IN_NUMPY)
        if low <= -1 <= high and left.range[0] == INT32[0]:
            if low != high:
                raise Refusal(
                    "the divisor may be -1 and the quotient beyond int32, which ends the process", RUN_IN_NUMPY
                )
            return self.whole_arithmetic("multiply", a, -1 if name == "floor_divide" else 0, dtype)
        g = self.graph
        cut = g.add("EltwiseDiv", left.port, right.port)
        rest = g.add("EltwiseSub", left.port, g.add("EltwiseMul", cut, right.port))
        beyond = _on_other_side(g, rest, right.port)
        if name == "mod":
            least, most = min(0, low + 1), max(0, high - 1)
            if left.range[0] >= 0 and low > 0:
                most = min(most, left.range[1])
            port = g.add("EltwiseSum", rest, g.add("EltwiseMul", beyond, right.port))
            return self.fitted(left, port, dtype, (least, most))
        port = g.add("EltwiseSub", cut, beyond)
        return self.fitted(left, port, dtype, corners(lambda x, y: x // y, left.range, right.range))

    def whole_larger(self, a: Operand, b: Operand, dtype: str) -> Wire:
        left, right = self.whole_pair(a, b, dtype)
        less = self.graph.add("Less", left.port, right.port)
        port = self.graph.add("Where", less, right.port, left.port)
        return self.fitted(left, port, dtype, corners(max, left.range, right.range))

    def whole_smaller(self, a: Operand, b: Operand, dtype: str) -> Wire:
        left, right = self.whole_pair(a, b, dtype)
        less = self.graph.add("Less", left.port, right.port)
        port = self.graph.add("Where", less, left.port, right.port)
        return self.fitted(left, port, dtype, corners(min, left.range, right.range))

    def whole_compare(self, a: Operand, b: Operand, name: str, dtype: str) -> Wire:
        left, right = self.whole_pair(a, b, dtype)
        kind, turned, denied = COMPARISONS[name]
        first, second = (right, left) if turned else (left, right)
        found = self.graph.add(kind, first.port, second.port)
        if denied:
            found = self.graph.add("Not", found)
        return left.made(self.graph.add("Cast", found, output_type="float"), dtype="bool")

    def whole_where(self, condition: Wire, a: Operand, b: Operand, dtype: str) -> Wire:
        like = next((x for x in (a, b) if isinstance(x, Wire)), condition)
        yes, no = self._spread_pair(*(self._whole_operand(x, like, dtype) for x in (a, b)))
        chosen, yes = self._spread_pair(self.cast(condition, "int32"), yes)
        chosen, no = self._spread_pair(chosen, no)
        yes, no = yes.to(chosen.layout), no.to(chosen.layout)
        found = min(yes.range[0], no.range[0]), max(yes.range[1], no.range[1])
        port = self.graph.add("Where", chosen.port, yes.port, no.port)
        return replace(self.fitted(chosen, port, dtype, found), shape=yes.shape)

    def whole_unary(self, x: Wire, name: str) -> Wire:
        if name == "negative":
            return self.whole_arithmetic("multiply", x, -1, x.dtype)
        if name == "square":
            low, high = x.range
            made = self.whole_arithmetic("multiply", x, x, x.dtype)
            squared = (0 if low <= 0 <= high else min(low * low, high * high), max(low * low, high * high))
            return (
                made
                if made.bounds is None
                else replace(made, bounds=(max(made.bounds[0], squared[0]), min(made.bounds[1], squared[1])))
            )
        zero = filled_whole(x, 0)
        above, below = self.graph.add("Less", zero.port, x.port), self.graph.add("Less", x.port, zero.port)
        sign = self.graph.add("EltwiseSub", above, below)
        if name == "sign":
            return self.fitted(x, sign, x.dtype, (max(-1, min(0, x.range[0])), 1))
        if name == "abs":
            low, high = x.range
            size = max(abs(low), abs(high))
            floats = as_float(x)
            port = self.graph.add("EltwiseMul", sign, x.port)
            return self.fitted(x, port, x.dtype, (0, size), lambda: self.unary(floats, "abs"))
        raise Refusal(f"NeoML has no layer for {name} of whole numbers", RUN_IN_NUMPY)

    def whole_activation(self, x: Wire, name: str, negative_slope: float = 0.0, **arguments: float) -> Wire:
        if name == "threshold":
            above = self.compare(x, arguments["threshold"], "greater")
            return self.where(above, x, arguments["default_value"])
        most = 6 if name == "relu6" else arguments.get("max_value")
        if negative_slope or arguments.get("threshold"):
            raise Refusal(f"{name} with a slope or a threshold of whole numbers", "cast to float32 first")
        above = self.whole_larger(x, 0, x.dtype)
        return above if most is None else self.whole_smaller(above, int(most), x.dtype)

    def whole_cast(self, x: Wire, dtype: str) -> Wire:
        """Floats are cut towards 0."""
        if x.is_whole:
            return replace(self.fitted(x, x.port, dtype, x.range), ids_from=self._ids_in(x, dtype), forms={})
        port = self.graph.add("Cast", x.port, output_type="int")
        if x.dtype == "bool":
            return self.fitted(x, port, dtype, (0, 1))
        if x.bounds is not None:
            return replace(self.fitted(x, port, dtype, x.bounds), ids_from=x.ids_from)
        # Beyond int32 a float becomes its least number; of a wider dtype it would have to be itself.
        wide = limits(dtype)[1] > INT32[1]
        least = 0 if wide and limits(dtype)[0] == 0 else INT32[0]
        found = (least, limits(dtype)[1]) if wide else INT32
        near = self.where(self.compare(x, -1.0, "greater"), x, -(2.0**31)) if wide and least == 0 else x
        return replace(self.fitted(x, port, dtype, found, lambda: near), ids_from=x.ids_from)

    @staticmethod
    def _ids_in(x: Wire, dtype: str) -> Optional[frozenset[str]]:
        return x.ids_from if holds(dtype, *x.range) else None

    # ---- over axes

    def whole_sum(self, x: Wire, axes: Sequence[int], keepdims: bool) -> Wire:
        """One layer of floats where they hold every sum on the way; else running sums, of which the last is taken."""
        reduced = sorted(x.axis(axis) for axis in axes)
        sizes = [x.shape[axis] for axis in reduced]
        count = prod(LONGEST if size is None else size for size in sizes)
        found = corners(lambda value, times: value * times, x.range, (1 if None in sizes else count, count))
        if holds_exactly(found):
            return self._through_floats(x, lambda floats: self.reduce(floats, "sum", axes, keepdims), found)
        made = x
        for axis in reduced:
            made = self.slice(self.cumsum(made, axis), axis, -1, None)
        if made.bounds is None or limits(x.dtype)[1] <= INT32[1]:
            made = self.fitted(made, made.port, x.dtype, found)
        for axis in [] if keepdims else reversed(reduced):
            made = self.squeeze(made, axis)
        return made

    def whole_extreme(self, x: Wire, name: str, axes: Sequence[int], keepdims: bool) -> Wire:
        """The largest, or least, by its upper half and then by the lower half of those that have it."""
        if holds_exactly(x.range):
            return self._through_floats(x, lambda floats: self.reduce(floats, name, axes, keepdims), x.range)
        upper, lower = halves(x)
        best = self.reduce(as_float(upper), name, axes, keepdims=True)
        same = self.compare(as_float(upper), best, "equal")
        rest = self.reduce(self.where(same, as_float(lower), -1.0 if name == "max" else 2.0**16), name, axes, True)
        made = joined(x, self.cast(best, "int32"), self.cast(rest, "int32"))
        for axis in [] if keepdims else sorted((x.axis(axis) for axis in axes), reverse=True):
            made = self.squeeze(made, axis)
        return made

    def _through_floats(self, x: Wire, function: Callable[[Wire], Wire], found: Range) -> Wire:
        made = function(as_float(x))
        return self.fitted(made, self.graph.add("Cast", made.port, output_type="int"), x.dtype, found)

    def whole_cumsum(self, x: Wire, axis: int, port: Port, reverse: bool) -> Wire:
        count = x.shape[axis] or LONGEST
        found = corners(lambda value, times: value * times, x.range, (1, count))

        def near() -> Wire:
            """How large the sums are, and what floats may be off by: a few last bits of all sizes for each number."""
            floats = replace(as_float(x), dtype="float32")
            size: Wire = self.unary(self.cumsum(floats, axis, reverse), "abs")
            sizes = self.cumsum(self.unary(floats, "abs"), axis, reverse)
            steps = self.cumsum(self.filled(floats, 1.0), axis, reverse)
            return self.add(size, self.multiply(self.multiply(sizes, steps), 2.0**-22))

        return self.fitted(x, port, x.dtype, found, near)


def _on_other_side(g: Graph, rest: Port, divisor: Port) -> Port:
    """1 where a remainder lies on the other side of 0 than the divisor, else 0."""
    zero = times_plus(g, rest, 0, 0)
    same = g.add("Equal", g.add("Less", rest, zero), g.add("Less", divisor, zero))
    some = g.add("Not", g.add("Not", rest))
    return g.add("EltwiseMul", g.add("Not", same), some)
