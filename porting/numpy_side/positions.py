"""Where values stand along an axis, on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Optional, Union

import numpy as np

from ..dtypes import is_whole
from ..errors import Mismatch
from ..network import Array
from ..operations import Weight, promoted_type
from .transforms import fourier
from .values import Operand, OverRows, Value, array_in

# Equal values keep their order, as TensorFlow has it.
STABLE = {name: {"kind": "stable"} for name in ("sort", "argsort")}


def entries(table: Array, batch: int, *places: tuple[int, str, int]) -> Array:
    """For each row of a batch, entries along a table's first axes: the first so many from a start, the last, or one."""
    key: list[Any] = []
    for (size, which, start), rows in zip(places, table.shape):
        if start + size > rows:
            raise IndexError(f"holds {rows - start} steps, {size} are asked for")
        parts = {"first": slice(start, start + size), "last": slice(rows - size, rows), "at": size - 1}
        key.append(parts[which])
    return np.repeat(table[tuple(key)][None], batch, axis=0)


class PositionOperations(OverRows):
    """`porting.operations.PositionOperations` on arrays."""

    def full_like(self, x: Value, value: float) -> Value:
        return Value(np.full(x.value.shape, value, np.float32))

    def positions(self, x: Value, axis: int) -> Value:
        shape = [1] * x.value.ndim
        shape[axis] = x.value.shape[axis]
        return Value(np.arange(shape[axis], dtype=np.float32).reshape(shape))

    def table(self, values: Weight, like: Value, places: Sequence[Any]) -> Value:
        sizes = [many if isinstance(many, int) else many[0].value.shape[many[1]] for many, _, _ in places]
        try:
            found = [(size, which, start) for size, (_, which, start) in zip(sizes, places)]
            return Value(entries(values.value, len(like.value), *found))
        except IndexError as error:
            raise Mismatch(values.name, str(error), "give shorter inputs") from error

    def cumsum(self, x: Value, axis: int, reverse: bool = False) -> Value:
        self.over(x, axis)
        ordered = np.flip(x.value, axis) if reverse else x.value
        summed = np.cumsum(ordered, axis, dtype=x.value.dtype)
        return Value(np.flip(summed, axis) if reverse else summed)

    def argmax(self, x: Value, axis: int) -> Value:
        return Value(np.argmax(self.over(x, axis).value, axis).astype(np.int32))

    def array_function(
        self, name: str, operands: Sequence[Operand], part: Optional[int] = None, **arguments: Any
    ) -> Value:
        arguments.update(STABLE.get(name, {}))
        axes = arguments.get("axis", ())
        if isinstance(operands[0], Value):
            self.over(operands[0], *(axes if isinstance(axes, (tuple, list)) else [axes]))
        arrays = [_argument(x, promoted_type(*operands)) for x in operands]
        result = attrgetter(name)(np)(*arrays, **arguments)
        made = np.asarray(result if part is None else result[part])
        return Value(made.astype(np.float32) if made.dtype == np.float64 else made)

    def fourier(
        self, real: Value, imaginary: Optional[Value], axis: int, inverse: bool = False, kept: Optional[int] = None
    ) -> tuple[Value, Value]:
        given = None if imaginary is None else imaginary.value
        made = fourier(real.value, given, axis, inverse, kept)
        return Value(made[0]), Value(made[1])


def _argument(x: Operand, dtype: str) -> Union[Array, float]:
    """An operand as numpy's function takes it; a number among whole numbers is one of them."""
    if isinstance(x, (int, float)):
        return array_in(x, dtype) if is_whole(dtype) else x
    return x.value
