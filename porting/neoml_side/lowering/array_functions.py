"""numpy's functions that NeoML has no layer for, composed of those that it has: sorting, picking, products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Optional

import numpy as np

from ...layers.rule import Refusal
from ...operations import Weight
from ..values import Wire
from .base import Operand, Part
from .reshaping import through_floats

WAY_OUT = "the numpy engine runs this network as it is"
# Every value is compared with every other of its axis.
MOST_SORTED = 1024
# Products are taken one step after the other.
MOST_MULTIPLIED = 256


class ArrayOperations(Part):
    """`Operations.array_function` and `Operations.fourier` over a graph."""

    def array_function(
        self, name: str, operands: Sequence[Operand], part: Optional[int] = None, **arguments: Any
    ) -> Wire:
        composed = COMPOSED.get(name)
        if composed is None:
            raise Refusal(f"NeoML has no layer for {name}", WAY_OUT)
        if self.in_training:
            raise Refusal(f"{name} has no gradient in NeoML", "freeze what stands before it")
        return composed(self, name, operands, **arguments)

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


def along(ops: Any, name: str, x: Wire, axis: Any, most: int) -> tuple[int, int]:
    """The one axis that a function runs along, and its size."""
    axes = axis if isinstance(axis, (tuple, list)) else [axis]
    if axis is None or len(axes) != 1:
        raise Refusal(f"NeoML has no layer for {name} over several axes", WAY_OUT)
    at = x.axis(axes[0])
    size = x.shape[at]
    if at == 0 or size is None or size > most:
        what = "the batch" if at == 0 else f"an axis of {'open size' if size is None else f'{size} steps'}"
        raise Refusal(f"NeoML has no layer for {name}, and it is not composed over {what}", WAY_OUT)
    return at, size


def counted(size: int, axis: int, rank: int, ops: Any) -> Wire:
    """0, 1, … along one axis of `rank`."""
    return ops.constant(np.arange(size, dtype=np.float32).reshape([1] * axis + [size] + [1] * (rank - axis - 1)))


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
    """What stands at each rank: the one value, or the one place, that has it."""
    given = tensor_of(ops, name, operands)
    at, size = along(ops, name, given, axis, MOST_SORTED)
    x = given if given.is_whole else ops._floating(given)
    ranked = ops.expand_dims(ranks(ops, x, at, size), at)
    hits = ops.compare(ranked, counted(size, at, x.rank + 1, ops), "equal")
    if name == "argsort":
        places = counted(size, at + 1, x.rank + 1, ops)
        return replace(ops.cast(picked(ops, hits, places, at + 1), "int32"), bounds=(0, size - 1))
    return picked(ops, hits, ops.expand_dims(x, at), at + 1)


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
        raise Refusal(f"NeoML cannot tell of places of {name} outside of an axis", WAY_OUT)
    places = ops._floating(places)
    places = ops.where(ops.compare(places, 0.0, "less"), ops.add(places, float(size)), places)
    hits = ops.compare(ops.expand_dims(places, at + 1), counted(size, at + 1, given.rank + 1, ops), "equal")
    if given.is_whole:
        return picked(ops, hits, ops.expand_dims(given, at), at + 1)
    found = picked(ops, hits, ops.expand_dims(ops._floating(given), at), at + 1)
    return ops.divide(found, ops.reduce(ops.cast(hits, "float32"), "sum", (at + 1,)))


def factors_of(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    x = tensor_of(ops, name, operands)
    return x if x.is_whole else ops._floating(x)


def prod(ops: Any, name: str, operands: Sequence[Operand], axis: Any, keepdims: bool = False) -> Wire:
    x = factors_of(ops, name, operands)
    at, size = along(ops, name, x, axis, MOST_MULTIPLIED)
    product = ops.slice(x, at, 0, 1)
    for step in range(1, size):
        product = ops.multiply(product, ops.slice(x, at, step, step + 1))
    return product if keepdims else ops.squeeze(product, at)


def cumprod(ops: Any, name: str, operands: Sequence[Operand], axis: Any) -> Wire:
    x = factors_of(ops, name, operands)
    at, size = along(ops, name, x, axis, MOST_MULTIPLIED)
    products = [ops.slice(x, at, 0, 1)]
    for step in range(1, size):
        products.append(ops.multiply(products[-1], ops.slice(x, at, step, step + 1)))
    return ops.concatenate(products, at)


def median(ops: Any, name: str, operands: Sequence[Operand], axis: Any, keepdims: bool = False) -> Wire:
    x = tensor_of(ops, name, operands)
    at, size = along(ops, name, x, axis, MOST_SORTED)
    middle = ops.slice(sort(ops, "sort", operands, at), at, (size - 1) // 2, size // 2 + 1)
    return ops.reduce(middle, "mean", (at,), keepdims)


COMPOSED: dict[str, Callable[..., Wire]] = {
    "argsort": sort,
    "cumprod": cumprod,
    "median": median,
    "prod": prod,
    "sort": sort,
    "take_along_axis": take_along_axis,
}
