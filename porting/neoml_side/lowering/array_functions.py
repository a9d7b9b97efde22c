"""numpy's functions that NeoML has no layer for, composed of those that it has: sorting, picking, products, spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, floor, inf, nan
from math import log as logarithm
from typing import Any, Optional

import numpy as np

from ...dtypes import LARGEST_FLOAT, is_whole
from ...layers.rule import Refusal
from ...operations import Weight, promoted_type
from ..values import RUN_IN_NUMPY, Wire
from .base import Operand, Part
from .bits import OF_BITS
from .formulas import OF_ONE, OF_TWO
from .matrices import OF_MATRICES, numbers_along
from .reducing import reduce_in_rows
from .reshaping import through_floats
from .spreading import learns

# Every value is compared with every other of its axis.
MOST_SORTED = 1024
# Products are taken one step after the other.
MOST_MULTIPLIED = 256


class ArrayOperations(Part):
    """`Operations.array_function` and `Operations.fourier` over a graph."""

    def array_function(
        self, name: str, operands: Sequence[Operand], part: Optional[int] = None, **arguments: Any
    ) -> Wire:
        if name not in COMPOSED:
            raise Refusal(f"NeoML has no layer for {name}", RUN_IN_NUMPY)
        if name not in LEARNING and self.in_training and any(learns(x) for x in operands if isinstance(x, Wire)):
            raise Refusal(f"{name} has no gradient in NeoML", "freeze what stands before it")
        if part is not None:
            arguments["part"] = part
        return COMPOSED[name](self, name, operands, **arguments)

    def fourier(
        self, real: Wire, imaginary: Optional[Wire], axis: int, inverse: bool = False, kept: Optional[int] = None
    ) -> tuple[Wire, Wire]:
        """Products with the matrix of the transform, its cosines and its sines."""
        size = real.shape[real.axis(axis)]
        if size is None:
            raise Refusal("a Fourier transform over an axis of open size", "fix the size in the Input")
        rows = np.arange(size if kept is None else kept)
        angles = 2 * np.pi * (np.outer(rows, np.arange(size)) % size) / size
        scale = 1 / size if inverse else 1.0
        cosines = (np.cos(angles) * scale).astype(np.float32)
        sines = (np.sin(angles) * (scale if inverse else -scale)).astype(np.float32)

        def turned(x: Wire, matrix: Any) -> Wire:
            return self.resample(self._floating(x), axis, matrix)

        if imaginary is None:
            return turned(real, cosines), turned(real, sines)
        return (
            self.subtract(turned(real, cosines), turned(imaginary, sines)),
            self.add(turned(real, sines), turned(imaginary, cosines)),
        )


def tensor_of(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    (x,) = operands
    return ops._wire(x)


def together(ops: Any, operands: Sequence[Operand]) -> tuple[Wire, Wire]:
    """Two operands as float tensors of one shape; numbers are spread over the other."""
    like = next(x for x in operands if isinstance(x, Wire))
    first, second = (ops.full_like(like, float(x)) if isinstance(x, (int, float)) else x for x in operands)
    pair: tuple[Wire, Wire] = ops._pair(first, second)
    return pair


def of_one(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    return OF_ONE[name](ops, ops._floating(tensor_of(ops, name, operands)))


def of_two(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    """Of whole numbers, which fmax and fmin are given too, none is no number."""
    if is_whole(promoted_type(*operands)):
        larger: Wire = {"fmax": ops.maximum, "fmin": ops.minimum}[name](*operands)
        return larger
    return OF_TWO[name](ops, *together(ops, operands))


def along(ops: Any, name: str, x: Wire, axis: Any, most: int) -> tuple[int, int]:
    """The one axis that a function runs along, and its size."""
    axes = axis if isinstance(axis, (tuple, list)) else [axis]
    if axis is None or len(axes) != 1:
        raise Refusal(f"NeoML has no layer for {name} over several axes", RUN_IN_NUMPY)
    at = x.axis(axes[0])
    size = x.shape[at]
    if at == 0 or size is None or size > most:
        what = "the batch" if at == 0 else f"an axis of {'open size' if size is None else f'{size} steps'}"
        raise Refusal(f"NeoML has no layer for {name}, and it is not composed over {what}", RUN_IN_NUMPY)
    return at, size


def ranks(ops: Any, x: Wire, at: int, size: int) -> Wire:
    """Where each value goes in rising order, behind those that are less and those equal to it that stand before it."""
    each, others = ops.expand_dims(x, at + 1), ops.expand_dims(x, at)
    place = np.arange(size, dtype=np.float32)
    before = (
        (place[:, None] > place[None]).astype(np.float32).reshape([1] * at + [size, size] + [1] * (x.rank - at - 1))
    )
    less = ops.cast(ops.compare(others, each, "less"), "float32")
    same = ops.cast(ops.compare(others, each, "equal"), "float32")
    return ops.reduce(ops.add(less, ops.multiply(same, ops.constant(before))), "sum", (at + 1,))


def sort(ops: Any, name: str, operands: Sequence[Operand], axis: Any) -> Wire:
    """What stands at each rank: the one value, or the one place, that has it; NaN where any of the row is."""
    given = tensor_of(ops, name, operands)
    at, size = along(ops, name, given, axis, MOST_SORTED)
    x = given if given.is_whole else ops._floating(given)
    ranked = ops.expand_dims(ranks(ops, x, at, size), at)
    hits = ops.compare(ranked, numbers_along(ops, at, x.rank + 1, np.arange(size)), "equal")
    if name == "argsort":
        places = numbers_along(ops, at + 1, x.rank + 1, np.arange(size))
        return replace(ops.cast(picked(ops, hits, places, at + 1), "int32"), bounds=(0, size - 1))
    found = picked(ops, hits, ops.expand_dims(x, at), at + 1)
    if x.is_whole:
        return found
    unknown = ops.reduce(ops.compare(x, x, "not_equal"), "any", (at,), True)
    return ops.where(unknown, nan, found)


def picked(ops: Any, hits: Wire, values: Wire, axis: int) -> Wire:
    """Of each row of an axis the one value that is hit."""
    return through_floats(values, lambda part: ops.reduce(ops.where(hits, part, 0.0), "sum", (axis,)))


def take_along_axis(ops: Any, name: str, operands: Sequence[Operand], axis: int) -> Wire:
    """Every place's value among all of the axis; places outside of it, which numpy refuses, give NaN."""
    given, asked = ops._wire(operands[0]), operands[1]
    at, size = along(ops, name, given, axis, MOST_SORTED)
    places: Wire = ops.constant(asked.value) if isinstance(asked, Weight) else ops._wire(asked)
    if isinstance(asked, Weight):
        places = replace(places, bounds=(int(asked.value.min()), int(asked.value.max())))
    low, high = places.range if places.is_whole else (-size, size)
    if given.is_whole and (low < -size or high >= size):
        raise Refusal(f"NeoML cannot tell of places of {name} outside of an axis", RUN_IN_NUMPY)
    places = ops._floating(places)
    places = ops.where(ops.compare(places, 0.0, "less"), ops.add(places, float(size)), places)
    hits = ops.compare(
        ops.expand_dims(places, at + 1), numbers_along(ops, at + 1, given.rank + 1, np.arange(size)), "equal"
    )
    if given.is_whole:
        return picked(ops, hits, ops.expand_dims(given, at), at + 1)
    found = picked(ops, hits, ops.expand_dims(ops._floating(given), at), at + 1)
    return ops.divide(found, ops.reduce(ops.cast(hits, "float32"), "sum", (at + 1,)))


def factors_of(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    x = tensor_of(ops, name, operands)
    return x if x.is_whole else ops._floating(x)


def over_axes(function: Callable[..., Wire]) -> Callable[..., Wire]:
    """A function of one axis, given as a number, as one of several, which become one."""

    def over(
        ops: Any, name: str, operands: Sequence[Operand], axis: Any, keepdims: bool = False, **arguments: Any
    ) -> Wire:
        x, more = ops._wire(operands[0]), operands[1:]
        if axis is None or len(axis) == 1 or 0 in {x.axis(one) for one in axis}:
            made = function(ops, name, operands, axis=axis, **arguments)
            return ops.expand_dims(made, x.axis(axis[0])) if keepdims else made
        reduced = {x.axis(one) for one in axis}
        return reduce_in_rows(
            ops, x, reduced, keepdims, lambda rows: function(ops, name, [rows, *more], axis=2, **arguments)
        )

    return over


def prod(ops: Any, name: str, operands: Sequence[Operand], axis: Any) -> Wire:
    x = factors_of(ops, name, operands)
    at, size = along(ops, name, x, axis, MOST_MULTIPLIED)
    product = ops.slice(x, at, 0, 1)
    for step in range(1, size):
        product = ops.multiply(product, ops.slice(x, at, step, step + 1))
    return ops.squeeze(product, at)


def cumprod(ops: Any, name: str, operands: Sequence[Operand], axis: Any) -> Wire:
    x = factors_of(ops, name, operands)
    at, size = along(ops, name, x, axis, MOST_MULTIPLIED)
    products = [ops.slice(x, at, 0, 1)]
    for step in range(1, size):
        products.append(ops.multiply(products[-1], ops.slice(x, at, step, step + 1)))
    return ops.concatenate(products, at)


# ---- between two of a row in rising order


def between(count: int, share: float, method: str) -> tuple[int, int, float]:
    """The two places of a row in order that a share of it falls between, and how much of the upper one counts."""
    place = (count - 1) * share
    low, high = floor(place), ceil(place)
    settled = {"linear": place - low, "lower": 0.0, "higher": 1.0, "midpoint": 0.5, "nearest": round(place) - low}
    return low, high, settled[method]


def quantile(ops: Any, name: str, operands: Sequence[Operand], axis: Any, method: str = "linear") -> Wire:
    """Between two places of the row in order; NaN where any of the row is."""
    x = ops._floating(operands[0])
    share: Any = operands[1] if len(operands) > 1 else 0.5
    at, size = along(ops, name, x, axis, MOST_SORTED)
    low, high, upper = between(size, share, method)
    ordered = sort(ops, "sort", [x], at)
    first, second = (ops.slice(ordered, at, one, one + 1) for one in (low, high))
    if upper in (0, 1):
        found = second if upper else first
    else:
        found = ops.add(ops.multiply(first, 1.0 - upper), ops.multiply(second, upper))
    return ops.squeeze(found, at)


def quantile_of_numbers(ops: Any, name: str, operands: Sequence[Operand], axis: Any, method: str = "linear") -> Wire:
    """The numbers of a row in order, by weights that how many they are looks up; NaN of none."""
    x = ops._floating(operands[0])
    share: Any = operands[1] if len(operands) > 1 else 0.5
    at, size = along(ops, name, x, axis, MOST_SORTED)
    weights = np.zeros((size + 1, size), np.float32)
    for count in range(1, size + 1):
        low, high, upper = between(count, share, method)
        weights[count, low] += 1 - upper
        weights[count, high] += upper
    known = ops.compare(x, x, "equal")
    ordered = ops.transpose(*to_end(sort(ops, "sort", [ops.where(known, x, inf)], at), at))
    count = ops.reduce(ops.cast(known, "float32"), "sum", (at,))
    looked_up = ops.embedding(replace(ops.cast(count, "int32"), bounds=(0, size)), Weight.fixed(weights))
    counting = ops.compare(looked_up, 0.0, "greater")
    found = ops.reduce(ops.where(counting, ops.multiply(looked_up, ordered), 0.0), "sum", (x.rank - 1,))
    return ops.where(ops.compare(count, 0.0, "equal"), nan, found)


def to_end(x: Wire, axis: int) -> tuple[Wire, list[int]]:
    return x, [*(one for one in range(x.rank) if one != axis), axis]


def extreme_of_numbers(ops: Any, name: str, operands: Sequence[Operand], axis: Any, keepdims: bool = False) -> Wire:
    """The largest or the least of what is no NaN; NaN where nothing is."""
    x = tensor_of(ops, name, operands)
    kind, instead = ("max", -inf) if name == "fmax.reduce" else ("min", inf)
    if x.dtype != "float32":
        return ops.reduce(x, kind, axis, keepdims)
    known = ops.compare(x, x, "equal")
    found = ops.reduce(ops.where(known, x, instead), kind, axis, keepdims)
    return ops.where(ops.reduce(known, "any", axis, keepdims), found, nan)


def sum_of_numbers(ops: Any, name: str, operands: Sequence[Operand], axis: Any, keepdims: bool = False) -> Wire:
    x = tensor_of(ops, name, operands)
    summed: Wire = ops.reduce(ops.where(ops.compare(x, x, "equal"), x, 0.0), "sum", axis, keepdims)
    return summed


def nan_to_num(
    ops: Any, name: str, operands: Sequence[Operand], nan: float, posinf: Optional[float], neginf: Optional[float]
) -> Wire:
    x = tensor_of(ops, name, operands)
    x = ops.where(ops.compare(x, x, "equal"), x, nan)
    x = ops.where(ops.compare(x, LARGEST_FLOAT, "greater"), LARGEST_FLOAT if posinf is None else posinf, x)
    return ops.where(ops.compare(x, -LARGEST_FLOAT, "less"), -LARGEST_FLOAT if neginf is None else neginf, x)


# ---- spaces between two numbers


def linspace(ops: Any, name: str, operands: Sequence[Operand], num: int, endpoint: bool, axis: int, dtype: Any) -> Wire:
    first, last = together(ops, operands)
    at = axis % (first.rank + 1)
    if at == 0 or num < 1 or dtype != np.float32:
        what = "steps in front of the rows" if at == 0 else f"{num} steps of {np.dtype(dtype).name}"
        raise Refusal(f"NeoML does not compose {name} of {what}", RUN_IN_NUMPY)
    first, last = (ops.expand_dims(x, at) for x in (first, last))
    share = np.arange(num, dtype=np.float32) / max(num - endpoint, 1)
    places = numbers_along(ops, at, first.rank, share)
    steps: Wire = ops.add(first, ops.multiply(ops.subtract(last, first), places))
    return ops.concatenate([ops.slice(steps, at, 0, num - 1), last], at) if endpoint and num > 1 else steps


def logspace(ops: Any, name: str, operands: Sequence[Operand], base: float, **arguments: Any) -> Wire:
    if not isinstance(base, (int, float)) or base <= 0:
        raise Refusal(f"NeoML composes {name} of a fixed positive base only", RUN_IN_NUMPY)
    return ops.unary(ops.multiply(linspace(ops, name, operands, **arguments), logarithm(base)), "exp")


COMPOSED: dict[str, Callable[..., Wire]] = {
    **OF_BITS,
    **OF_MATRICES,
    **dict.fromkeys(OF_ONE, of_one),
    **dict.fromkeys(OF_TWO, of_two),
    "argsort": sort,
    "cumprod": cumprod,
    "fmax.reduce": extreme_of_numbers,
    "fmin.reduce": extreme_of_numbers,
    "linspace": linspace,
    "logspace": logspace,
    "median": over_axes(quantile),
    "nan_to_num": nan_to_num,
    "nanmedian": over_axes(quantile_of_numbers),
    "nanquantile": over_axes(quantile_of_numbers),
    "nansum": sum_of_numbers,
    "prod": over_axes(prod),
    "quantile": over_axes(quantile),
    "sort": sort,
    "take_along_axis": take_along_axis,
}
# What neither compares nor divides.
LEARNING = frozenset({"linspace", "logspace"})
