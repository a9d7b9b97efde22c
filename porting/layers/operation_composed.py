"""Keras' operations that are short formulas of others: norms, differences, choices, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from math import inf, log
from typing import Any, Optional

import numpy as np

from ..dtypes import is_float
from ..network import Call, Input, Layer
from ..operations import Operations, Tensor, Weight
from .operation_elementwise import logaddexp, spread_number
from .operation_kinds import as_bool, as_float, axes_of, known, operation, promoted, squeezed
from .products import LETTERS
from .rule import LayerView

# More numbers than this are not compared with one by one.
MOST_COMPARED = 64


@operation("Conj", "Conjugate", "Real", mask="own")
def real(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return x


@operation("Imag")
def imaginary(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.cast(ops.full_like(x, 0.0), x.dtype)


@operation("Isreal")
def is_real(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.compare(ops.full_like(x, 0.0), 0.0, "equal")


@operation("Fabs")
def absolute(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.unary(as_float(x, ops), "abs")


@operation("Erfc", learns="no")
def complement_of_erf(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.subtract(1.0, ops.unary(as_float(x, ops), "erf"))


@operation("Logaddexp2")
def logaddexp2(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    a, b = (scaled(as_float(x, ops), log(2), ops) for x in (x1, x2))
    return ops.multiply(logaddexp(layer, a, b, ops), 1 / log(2))


def scaled(x: Any, factor: float, ops: Operations) -> Any:
    """A tensor, a weight or a number times a number."""
    if isinstance(x, Weight):
        return Weight.fixed(x.value * np.float32(factor))
    return ops.multiply(x, factor) if isinstance(x, Tensor) else x * factor


@operation("Heaviside", learns="no")
def heaviside(layer: LayerView, x1: Tensor, x2: Any, ops: Operations) -> Tensor:
    """0 below 0, 1 above, the second operand at 0."""
    x, at_zero = as_float(x1, ops), as_float(x2, ops)
    step = ops.cast(ops.compare(x, 0.0, "greater"), "float32")
    return ops.where(ops.compare(x, 0.0, "equal"), at_zero, step)


@operation("Isclose")
def is_close(layer: LayerView, x1: Any, x2: Any, ops: Operations, rtol: float = 1e-5, atol: float = 1e-8) -> Tensor:
    dtype, (a, b) = promoted([x1, x2], ops, "typed")
    if not is_float(dtype):
        layer.irrelevant("equal_nan")
        return ops.compare(a, b, "equal")
    if layer.config["equal_nan"]:
        raise layer.refuse("isclose with equal_nan=True is not handled", "leave it out")
    if isinstance(b, Weight):
        allowed: Any = Weight.fixed(np.abs(b.value) * np.float32(rtol) + np.float32(atol))
    else:
        allowed = ops.add(ops.multiply(ops.unary(b, "abs"), rtol), atol)
    return ops.compare(ops.unary(ops.subtract(a, b), "abs"), allowed, "less_equal")


@operation("Ptp")
def peak_to_peak(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axes, keepdims = axes_of(layer, x), layer.config["keepdims"]
    return ops.subtract(*(ops.reduce(x, name, axes, keepdims) for name in ("max", "min")))


@operation("Norm", learns="not of order 0")
def norm(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    order, axes, keepdims = layer.config["ord"], axes_of(layer, x), layer.config["keepdims"]
    x = as_float(x, ops)
    if order in (None, "fro") or (order == 2 and len(axes) == 1):
        return ops.unary(ops.reduce(ops.unary(x, "square"), "sum", axes, keepdims), "sqrt")
    if isinstance(order, str) or (len(axes) > 1 and abs(order) not in (1, inf)):
        what = f"a norm of order {order!r} over {len(axes)} axes is not handled"
        raise layer.refuse(what, "use order 1, inf or 'fro', or one axis")
    sizes = ops.unary(x, "abs")
    if len(axes) > 1:  # of a matrix: the largest, or smallest, sum of a column or of a row
        summed, over = axes if abs(order) == 1 else reversed(axes)
        sums = ops.reduce(sizes, "sum", (summed,), True)
        largest = ops.reduce(sums, "max" if order > 0 else "min", (over,), True)
        return largest if keepdims else squeezed(largest, axes, ops)
    if abs(order) == inf:
        return ops.reduce(sizes, "max" if order > 0 else "min", axes, keepdims)
    if order == 0:
        return ops.reduce(ops.cast(ops.compare(x, 0.0, "not_equal"), x.dtype), "sum", axes, keepdims)
    powers = sizes if order == 1 else ops.power(sizes, float(order))
    total = ops.reduce(powers, "sum", axes, keepdims)
    return total if order == 1 else ops.power(total, 1 / order)


@operation("CDist")
def distances(layer: LayerView, x: Tensor, y: Tensor, ops: Operations) -> Tensor:
    rank = len(x.shape)
    apart = ops.subtract(ops.expand_dims(x, rank - 1), ops.expand_dims(y, rank - 2))
    return ops.unary(ops.reduce(ops.unary(apart, "square"), "sum", (rank,)), "sqrt")


@operation("Trapezoid")
def trapezoid(layer: LayerView, y: Tensor, ops: Operations) -> Tensor:
    axis = layer.config["axis"] % len(y.shape)
    y = as_float(y, ops)
    pairs = ops.add(ops.slice(y, axis, 1, None), ops.slice(y, axis, 0, -1))
    if layer.config["x"] is None:
        return ops.multiply(ops.reduce(pairs, "sum", (axis,)), 0.5 * float(layer.config["dx"]))
    layer.irrelevant("dx")
    places = np.asarray(layer.config["x"], np.float32)
    if places.ndim != 1:
        raise layer.refuse("trapezoid at places for each row is not handled", "give one list of places")
    return ops.reduce(ops.scale_and_shift(pairs, np.diff(places) / 2, None, axis), "sum", (axis,))


@operation("Inner")
def inner(layer: LayerView, x1: Tensor, x2: Any, ops: Operations) -> Tensor:
    if not isinstance(x2, Weight):
        raise layer.refuse("inner of two tensors pairs the rows of a batch with each other", "use einsum or Dot")
    left, right = LETTERS[: len(x1.shape)], LETTERS[len(x1.shape) :][: len(x2.shape) - 1]
    equation = f"{left},{right}{left[-1]}->{left[:-1]}{right}"
    return ops.cast(ops.einsum(equation, [as_float(x1, ops), as_float(x2, ops)]), promoted([x1, x2], ops)[0])


@operation("Select")
def select(
    layer: LayerView, condlist: Sequence[Any], choicelist: Sequence[Any], ops: Operations, default: Any = 0
) -> Tensor:
    dtype, (result, *choices) = promoted([default, *choicelist], ops)
    for condition, choice in reversed(list(zip(condlist, choices))):
        if not isinstance(result, Tensor) and not isinstance(choice, Tensor):
            result = spread_number(result, condition, dtype, ops)
        result = ops.where(as_bool(condition, ops), choice, result)
    return result


@operation("Digitize", hands_on=False)
def digitize(layer: LayerView, x: Tensor, bins: Any, ops: Operations) -> Tensor:
    """How many bins begin at or below a value."""
    edges = as_numbers(layer, bins)
    reached = [ops.cast(ops.compare(x, edge, "greater_equal"), "float32") for edge in edges]
    return ops.cast(reduce(ops.add, reached), "int32")


@operation("IsIn")
def is_in(layer: LayerView, x1: Tensor, x2: Any, ops: Operations) -> Tensor:
    layer.irrelevant("assume_unique")
    same = [ops.compare(x1, number, "equal") for number in as_numbers(layer, x2)]
    found: Tensor = reduce(ops.logical_or, same)
    return ops.logical_not(found) if layer.config["invert"] else found


@operation("SearchSorted", hands_on=False)
def search_sorted(layer: LayerView, sorted_sequence: Any, values: Tensor, ops: Operations) -> Tensor:
    """How many of the sorted numbers come before a value."""
    if not isinstance(sorted_sequence, Weight):
        raise layer.refuse("a search in numbers that the network computes is not handled", "give a constant")
    before = "greater" if layer.config["side"] == "left" else "greater_equal"
    passed = [ops.cast(ops.compare(values, number, before), "float32") for number in as_numbers(layer, sorted_sequence)]
    return ops.cast(reduce(ops.add, passed), "int32")


@operation("InTopK")
def in_top_k(layer: LayerView, targets: Tensor, predictions: Tensor, ops: Operations) -> Tensor:
    """Whether fewer than k classes are predicted above the target's."""
    classes = ops.constant(np.arange(known(predictions, 1), dtype=np.float32)[None])
    spread = ops.repeat(ops.expand_dims(as_float(targets, ops), 1), known(predictions, 1), 1)
    own = ops.where(ops.compare(spread, classes, "equal"), predictions, 0.0)
    above = ops.compare(predictions, ops.reduce(own, "sum", (1,), keepdims=True), "greater")
    return ops.compare(ops.reduce(ops.cast(above, "float32"), "sum", (1,)), float(layer.config["k"]), "less")


# Giles 2012, Approximating the erfinv function: coefficients of w − 2.5 and of √w − 3, the highest first.
NEAR = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503)
NEAR_END = (-0.00417768164, 0.246640727, 1.50140941)
FAR = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613)
FAR_END = (0.00943887047, 1.00167406, 2.83297682)


@operation("Erfinv", learns="no")
def inverse_of_erf(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """TensorFlow computes it from (x + 1) / 2, and this rounding decides near 1 and −1."""
    x = ops.add(ops.add(as_float(x, ops), 1.0), -1.0)
    inner = ops.multiply(ops.subtract(1.0, x), ops.add(x, 1.0))
    w = ops.unary(ops.unary(inner, "log"), "negative")
    near = polynomial(ops.add(w, -2.5), (*NEAR, *NEAR_END), ops)
    far = polynomial(ops.add(ops.unary(ops.maximum(w, 5.0), "sqrt"), -3.0), (*FAR, *FAR_END), ops)
    return ops.multiply(ops.where(ops.compare(w, 5.0, "less"), near, far), x)


def polynomial(x: Tensor, coefficients: Sequence[float], ops: Operations) -> Tensor:
    highest, *others = coefficients
    result = ops.multiply(x, highest)
    for coefficient in others[:-1]:
        result = ops.multiply(ops.add(result, coefficient), x)
    return ops.add(result, others[-1])


@operation("Ldexp")
def ldexp(layer: LayerView, x1: Tensor, x2: Any, ops: Operations) -> Tensor:
    """x1 · 2^x2."""
    if isinstance(x2, Weight):
        return ops.multiply(as_float(x1, ops), Weight.fixed(np.exp2(x2.value.astype(np.float32))))
    return ops.multiply(as_float(x1, ops), ops.unary(as_float(x2, ops), "exp2"))


@operation("SaturateCast")
def saturate_cast(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Cut to what the dtype holds, or to the float32 next inside of it, then cast."""
    name = layer.config["dtype"]
    dtype = np.dtype(name)
    if dtype.kind not in "iu" or not is_float(x.dtype):
        return ops.cast(x, name)
    limits = np.iinfo(dtype)
    low, high = np.float32(limits.min), np.float32(limits.max)
    if float(high) > limits.max:
        high = np.nextafter(high, np.float32(0))
    return ops.cast(ops.minimum(ops.maximum(x, float(low)), float(high)), name)


def as_numbers(layer: LayerView, x: Any) -> list[Any]:
    """The numbers of a constant, few enough to compare with each."""
    values = x.value.reshape(-1).tolist() if isinstance(x, Weight) else x
    if not isinstance(values, (list, tuple)) or not 0 < len(values) <= MOST_COMPARED:
        raise layer.refuse(f"only constants of 1 … {MOST_COMPARED} numbers are compared with", "use fewer")
    return list(values)


@operation("MultiHot")
def multi_hot(layer: LayerView, inputs: Tensor, ops: Operations) -> Tensor:
    """1 where any id of a row names the class."""
    if layer.config["axis"] != -1 or layer.config.get("sparse"):
        raise layer.refuse("multi_hot over another axis than the last is not handled", "use axis -1")
    classes = [
        ops.cast(ops.compare(as_float(inputs, ops), float(one), "equal"), "float32")
        for one in range(layer.config["num_classes"])
    ]
    spread = ops.concatenate([ops.expand_dims(one, len(inputs.shape)) for one in classes], -1)
    if len(inputs.shape) > 1:
        spread = ops.reduce(spread, "max", (1,))
    return ops.cast(spread, layer.config["dtype"] or "float32")


def ids_counted(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
    return {"ids": layer.config["minlength"]} if layer.config.get("minlength") else {}


@operation("Bincount", note="of ids below minlength, without weights", hands_on=False, expects=ids_counted)
def count_ids(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """How often each id stands in a row: rows of a table of zeros and ones, added up."""
    layer.irrelevant("sparse")
    bins = layer.config["minlength"]
    if layer.config["weights"] is not None:
        raise layer.refuse("bincount with weights, which has some for each row of a batch", "use one_hot and matmul")
    if len(x.shape) != 2 or not bins:
        what = "bincount without minlength has as many numbers as the largest id of a batch says"
        raise layer.refuse(what, "give minlength, above every id; or use the sum of one_hot")
    rows = ops.embedding(ops.cast(x, "int32"), Weight.fixed(np.eye(bins)))
    return ops.cast(ops.reduce(rows, "sum", (1,)), "int32")


# ---- whole axes


@operation("Dstack")
def stack_in_depth(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    return ops.concatenate([x if len(x.shape) > 2 else ops.expand_dims(x, 2) for x in xs], 2)


@operation("ArraySplit", "Hsplit", "Dsplit")
def split(layer: LayerView, x: Tensor, ops: Operations) -> list[Tensor]:
    fixed: Optional[int] = {"ops.Hsplit": 1, "ops.Dsplit": 2}.get(layer.class_name)
    axis = layer.config["axis"] % len(x.shape) if fixed is None else fixed
    where, size = layer.config["indices_or_sections"], known(x, axis)
    if isinstance(where, int):
        where = np.cumsum([size // where + (part < size % where) for part in range(where)])[:-1].tolist()
    return [ops.slice(x, axis, start, end) for start, end in zip([0, *where], [*where, size])]


@operation("Rot90", mask="own")
def quarter_turns(layer: LayerView, array: Tensor, ops: Operations) -> Tensor:
    rank = len(array.shape)
    first, second = (axis % rank for axis in layer.config["axes"])
    order = list(range(rank))
    order[first], order[second] = second, first
    for _ in range(layer.config["k"] % 4):
        array = ops.flip(ops.transpose(array, order), first)
    return array


@operation("Slice")
def cut(layer: LayerView, inputs: Tensor, start_indices: Any, ops: Operations) -> Tensor:
    starts = start_indices.value.tolist() if isinstance(start_indices, Weight) else start_indices
    sizes = layer.config["shape"]
    if isinstance(starts, Tensor) or any(isinstance(start, Tensor) for start in starts):
        raise layer.refuse("a slice that the data decide is not handled", "slice by numbers")
    if starts[0] != 0 or sizes[0] != -1:
        raise layer.refuse("a slice that fixes the batch is not handled", "subscript: x[:, 1:3]")
    for axis, (start, size) in enumerate(zip(starts[1:], sizes[1:]), 1):
        inputs = ops.slice(inputs, axis, start, None if size == -1 else start + size)
    return inputs
