"""The operations on arrays: they compute at once. Plain numpy, the reference for every other engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np

from ..dtypes import is_float
from ..errors import Mismatch
from ..inputs import way_to_computed_ids
from ..network import Array
from ..operations import Cell, Weight, promoted_type
from .activations import KEEP_WHOLE, activate, erf
from .convolutions import ConvolutionOperations
from .images import ImageOperations
from .positions import PositionOperations
from .recurrence import run_cell
from .scaling import ScalingOperations
from .values import Operand, OverRows, Value, alike, array_in, floating

UNARY: dict[str, Callable[[Array], Array]] = {
    "erf": lambda x: erf(x).astype(x.dtype),
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}


def whole_division(name: str, a: Array, b: Array) -> Array:
    if not np.all(b):
        raise ZeroDivisionError("divides whole numbers by 0, which Keras refuses")
    return np.asarray(getattr(np, name)(a, b))


class NumpyOperations(ConvolutionOperations, ImageOperations, PositionOperations, ScalingOperations, OverRows):
    """`porting.operations.Operations` on arrays.

    Attributes:
        watched: inputs whose use as ids is to be noted.
        id_limits: by watched input, the size of the smallest table that its values pick rows from.
        largest_product: numbers of a row of the largest product so far, such as attention's scores.
    """

    training = None

    def __init__(self) -> None:
        self.watched: dict[str, Array] = {}
        self.id_limits: dict[str, int] = {}
        self.largest_product = 0

    def constant(self, value: Array) -> Value:
        return Value(np.asarray(value))

    def cast(self, x: Operand, dtype: str) -> Value:
        return Value(array_in(x, dtype))

    def computed(self, function: Callable[..., Array], inputs: Sequence[Any]) -> Value:
        def arrays(given: Any) -> Any:
            return [arrays(part) for part in given] if isinstance(given, list) else given.value

        return Value(np.asarray(function(*map(arrays, inputs))))

    def dense(self, x: Value, kernel: Weight, bias: Optional[Weight] = None) -> Value:
        y = floating(x) @ kernel.value
        if bias is not None:
            y += bias.value
        return Value(y)

    def embedding(self, ids: Value, table: Weight) -> Value:
        for name, array in self.watched.items():
            if np.may_share_memory(array, ids.value):
                self.id_limits[name] = min(self.id_limits.get(name, table.shape[0]), table.shape[0])
        rows = ids.value.astype(np.int64)
        outside = (rows < 0) | (rows >= table.shape[0])
        if outside.any():
            what = f"id {rows[outside][0]} is outside 0 … {table.shape[0] - 1}"
            raise Mismatch(table.name, what, way_to_computed_ids(table.shape[0]))
        return Value(table.value.take(rows, axis=0))

    def matmul(self, a: Operand, b: Operand, transpose_b: bool = False) -> Value:
        left, right = alike(a, b)
        if isinstance(b, Value) and right.ndim == 2:
            self.rows_meet = True
        made = np.matmul(left, right.swapaxes(-1, -2) if transpose_b else right)
        self.largest_product = max(self.largest_product, math.prod(made.shape[1:]))
        return Value(made)

    def einsum(self, equation: str, operands: Sequence[Operand]) -> Value:
        given, _, made = equation.partition("->")
        rows = {term[:1] for term, x in zip(given.split(","), operands) if isinstance(x, Value)}
        if rows != {made[:1]}:
            self.rows_meet = True
        return Value(np.einsum(equation, *alike(*operands), optimize=True))

    def activation(self, x: Value, name: str, **arguments: Any) -> Value:
        return Value(activate(x.value if name in KEEP_WHOLE else floating(x), name, arguments))

    def add(self, a: Operand, b: Operand) -> Value:
        return self._binary(np.add, a, b)

    def subtract(self, a: Operand, b: Operand) -> Value:
        return self._binary(np.subtract, a, b)

    def multiply(self, a: Operand, b: Operand) -> Value:
        return self._binary(np.multiply, a, b)

    def divide(self, a: Operand, b: Operand) -> Value:
        dtype = promoted_type(a, b)
        left, right = (array_in(x, dtype if is_float(dtype) else "float32") for x in (a, b))
        return Value(np.divide(left, right))

    def whole_division(self, a: Operand, b: Operand, name: str) -> Value:
        try:
            return Value(whole_division(name, *alike(a, b)))
        except ZeroDivisionError as error:
            raise Mismatch(name, str(error), "give other divisors") from error

    def maximum(self, a: Operand, b: Operand) -> Value:
        return self._binary(np.maximum, a, b)

    def minimum(self, a: Operand, b: Operand) -> Value:
        return self._binary(np.minimum, a, b)

    def unary(self, x: Value, name: str) -> Value:
        return Value((UNARY.get(name) or getattr(np, name))(x.value))

    def power(self, x: Value, exponent: float) -> Value:
        return Value(np.power(floating(x), np.float32(exponent)))

    def compare(self, a: Operand, b: Operand, name: str) -> Value:
        return Value(np.asarray(getattr(np, name)(*alike(a, b, numbers="typed"))))

    def logical_and(self, a: Value, b: Value) -> Value:
        return Value(a.value & b.value)

    def logical_or(self, a: Value, b: Value) -> Value:
        return Value(a.value | b.value)

    def logical_not(self, a: Value) -> Value:
        return Value(~a.value)

    def where(self, condition: Value, a: Operand, b: Operand) -> Value:
        chosen, otherwise = alike(a, b)
        return Value(np.where(condition.value, chosen, otherwise))

    def reduce(self, x: Value, name: str, axes: Sequence[int], keepdims: bool = False) -> Value:
        result = getattr(np, name)(self.over(x, *axes).value, axis=tuple(axes), keepdims=keepdims)
        return Value(result.astype(np.float32, copy=False) if name == "mean" else result.astype(x.dtype, copy=False))

    def reshape(self, x: Value, shape: Sequence[Optional[int]]) -> Value:
        sizes = [x.value.shape[axis] if size is None else size for axis, size in enumerate(shape, 1)]
        known = math.prod(size for size in sizes if size != -1)
        features = math.prod(x.value.shape[1:])
        filled = [features // known if size == -1 else size for size in sizes]
        return Value(x.value.reshape(x.value.shape[0], *filled))

    def transpose(self, x: Value, axes: Sequence[int]) -> Value:
        if axes[0] != 0:
            self.rows_meet = True
        return Value(x.value.transpose(tuple(axes)))

    def expand_dims(self, x: Value, axis: int) -> Value:
        return Value(np.expand_dims(x.value, axis))

    def squeeze(self, x: Value, axis: int) -> Value:
        return Value(np.squeeze(x.value, axis))

    def repeat(self, x: Value, times: int, axis: int) -> Value:
        return Value(np.repeat(self.over(x, axis).value, times, axis))

    def concatenate(self, xs: Sequence[Value], axis: int) -> Value:
        self.over(xs[0], axis)
        return Value(np.concatenate(alike(*xs), axis))

    def flip(self, x: Value, axis: int) -> Value:
        return Value(np.flip(self.over(x, axis).value, axis))

    def slice(self, x: Value, axis: int, start: Optional[int], stop: Optional[int], step: int = 1) -> Value:
        at: list[slice] = [slice(None)] * x.value.ndim
        at[axis] = slice(start, stop, step)
        if at[axis].indices(x.value.shape[axis]) != (0, x.value.shape[axis], 1):
            self.over(x, axis)
        return Value(x.value[tuple(at)])

    def recurrent(
        self,
        cell: Cell,
        x: Value,
        *,
        initial_state: Optional[Sequence[Value]] = None,
        mask: Optional[Value] = None,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
    ) -> tuple[Value, Value, list[Value]]:
        initial = [state.value for state in initial_state] if initial_state else None
        masked = None if mask is None else mask.value
        outputs, last, states = run_cell(cell, floating(x), initial, masked, go_backwards, zero_output_for_mask)
        return Value(outputs), Value(last), [Value(state) for state in states]

    @staticmethod
    def _binary(function: Callable[[Array, Array], Array], a: Operand, b: Operand) -> Value:
        return Value(np.asarray(function(*alike(a, b))))
