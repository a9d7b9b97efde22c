"""Keras' operations that numpy has as one function and NeoML composes of several layers, or refuses."""

from __future__ import annotations

from math import inf, pi
from typing import Any, Optional

import numpy as np

from ..dtypes import LARGEST_FLOAT, is_float, limits, sum_type
from ..operations import Operations, Tensor, Weight
from .operation_axes import place_of_extreme
from .operation_elementwise import spread_number
from .operation_kinds import (
    COMPOSED,
    REMAINDERS,
    as_float,
    as_number,
    axes_of,
    function_of,
    in_dtype,
    known,
    operation,
    promoted,
    squeezed,
)
from .operation_shapes import picked
from .rule import LayerView

SPACES = "in NeoML of float32 and along any axis but the batch"
BITS = "in NeoML of numbers that int32 holds"


@operation("Angle", learns="no")
def angle(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    """Half a turn of what is below 0."""
    x = as_float(x, ops)
    return ops.multiply(ops.cast(ops.compare(x, 0.0, "less"), x.dtype), pi)


@operation("Isneginf", "Isposinf")
def is_infinite(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    x, above = as_float(x, ops), layer.class_name == "ops.Isposinf"
    return ops.compare(x, LARGEST_FLOAT if above else -LARGEST_FLOAT, "greater" if above else "less")


@operation("I0", note="in NeoML to 4 units in the last place", learns="no")
@operation("Signbit", note="in NeoML False of NaN, whose sign is nobody's", neoml="partly")
@operation("Sinc", note="in NeoML of |x| < 2e6, NaN beyond", neoml="partly", learns="no")
def elementwise(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    return ops.array_function(function_of(layer), [as_float(x, ops)])


@operation("Fmax", "Fmin", learns="no")
def of_two(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    dtype, operands = promoted([x1, x2], ops)
    return ops.cast(ops.array_function(function_of(layer), operands), dtype)


@operation("Nextafter", learns="no")
def next_number(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    """Keras takes its step in float64, of which float32 keeps nothing but NaN."""
    a, b = as_float(x1, ops), as_float(x2, ops)
    if not isinstance(b, Tensor):  # a constant may have more axes
        return ops.add(a, Weight.fixed(np.zeros_like(b.value)) if isinstance(b, Weight) else 0.0)
    a = a if isinstance(a, Tensor) else spread_number(a, b, b.dtype, ops)
    return ops.where(ops.compare(b, b, "equal"), a, b)


# ---- without what is no number


def numbers_of(x: Tensor, instead: float, ops: Operations) -> tuple[Tensor, Tensor]:
    """Where a float tensor holds numbers, and the tensor with another in the place of NaN."""
    valid = ops.compare(x, x, "equal")
    return valid, ops.where(valid, x, instead)


@operation("Nansum", "Nanmean", "Nanvar", "Nanstd", learns="no")
def sum_of_numbers(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    name, axes, keepdims = function_of(layer), axes_of(layer, x), layer.config["keepdims"]
    if name == "nansum":
        if not is_float(x.dtype):
            return ops.reduce(ops.cast(x, sum_type(x.dtype)), "sum", axes, keepdims)
        return ops.array_function("nansum", [x], axis=tuple(axes), keepdims=keepdims)
    x = as_float(x, ops)
    valid = ops.compare(x, x, "equal")
    count = ops.reduce(ops.cast(valid, x.dtype), "sum", axes, True)
    made = ops.divide(ops.array_function("nansum", [x], axis=tuple(axes), keepdims=True), count)
    if name != "nanmean":
        apart = ops.where(valid, ops.subtract(x, made), 0.0)
        made = ops.divide(ops.reduce(ops.unary(apart, "square"), "sum", axes, True), count)
    made = made if keepdims else squeezed(made, axes, ops)
    return ops.unary(made, "sqrt") if name == "nanstd" else made


@operation("Nanmax", "Nanmin", learns="no")
def extreme_of_numbers(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Of no number NaN; numpy's nanmax would warn of it."""
    name = "fmax.reduce" if layer.class_name == "ops.Nanmax" else "fmin.reduce"
    found = ops.array_function(name, [x], axis=tuple(axes_of(layer, x)), keepdims=layer.config["keepdims"])
    return ops.cast(found, x.dtype)


@operation("Nanmedian", note=COMPOSED, neoml="partly", learns="no")
def median_of_numbers(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    x, axis = as_float(x, ops), layer.config["axis"]
    axes = None if axis is None else tuple(axes_of(layer, x))
    return ops.cast(ops.array_function("nanmedian", [x], axis=axes, keepdims=layer.config["keepdims"]), x.dtype)


@operation("Nanprod", note=COMPOSED, neoml="partly", learns="no")
def product_of_numbers(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    dtype = sum_type(x.dtype)
    axis = None if layer.config["axis"] is None else tuple(axes_of(layer, x))
    kept = numbers_of(x, 1.0, ops)[1] if is_float(x.dtype) else in_dtype(x, dtype, ops)
    return ops.cast(ops.array_function("prod", [kept], axis=axis, keepdims=layer.config["keepdims"]), dtype)


@operation("Nanargmax", "Nanargmin", hands_on=False)
def place_among_numbers(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """-1 where a row holds no number."""
    if not is_float(x.dtype):
        return place_of_extreme(layer, as_number(x, ops), ops)
    valid, kept = numbers_of(x, -inf if layer.class_name == "ops.Nanargmax" else inf, ops)
    places = place_of_extreme(layer, kept, ops)
    return ops.where(ops.reduce(valid, "any", (layer.config["axis"],), layer.config["keepdims"]), places, -1)


@operation("Nancumprod", note=COMPOSED, neoml="partly", learns="no")
@operation("Nancumsum", learns="no")
def running_over_numbers(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Keras takes the largest number for infinity, too."""
    name, axis = function_of(layer), layer.config["axis"]
    x = finite(x, 0.0 if name == "nancumsum" else 1.0, ops) if is_float(x.dtype) else x
    x = as_number(in_dtype(x, layer.config.get("dtype") or x.dtype, ops), ops)
    if name == "nancumsum" and axis is not None:
        return ops.cumsum(x, axis)
    return ops.cast(ops.array_function(name[3:], [x], axis=axis), x.dtype)


@operation("NanToNum", mask="own", learns="no")
def nan_to_num(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    config = layer.config
    if not is_float(x.dtype):
        layer.irrelevant("nan", "posinf", "neginf")
        return x
    return finite(as_float(x, ops), config["nan"], ops, config["posinf"], config["neginf"])


def finite(
    x: Tensor, nan: float, ops: Operations, above: Optional[float] = None, below: Optional[float] = None
) -> Tensor:
    """Numbers in the place of NaN and of both infinities: the largest and the least, where none are given."""
    return ops.array_function("nan_to_num", [x], nan=nan, posinf=above, neginf=below)


@operation("Fmod", note=REMAINDERS, neoml="partly", learns="no")
def remainder_towards_zero(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    dtype, (a, b) = promoted([x1, x2], ops, "typed")
    if is_float(dtype):
        return ops.array_function("fmod", [a, b])
    rest = ops.whole_division(size_of(as_number(a, ops), ops), size_of(as_number(b, ops), ops), "mod")
    return ops.multiply(ops.unary(as_number(a, ops), "sign"), rest)


def size_of(x: Any, ops: Operations) -> Any:
    if isinstance(x, Weight):
        return Weight("", np.abs(x.value))
    return ops.unary(x, "abs") if isinstance(x, Tensor) else abs(x)


@operation("Cross")
def cross(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    """(a₁b₂ − a₂b₁, a₂b₀ − a₀b₂, a₀b₁ − a₁b₀), of two numbers with a third of 0; of two and two its end alone."""
    axes = [layer.config[key] for key in ("axisa", "axisb", "axisc")]
    axes = axes if layer.config["axis"] is None else [layer.config["axis"]] * 3
    first, second = (parts_along(x, axis, ops) for x, axis in zip(promoted([x1, x2], ops)[1], axes))

    def product(one: int, other: int) -> Any:
        return ops.multiply(first[one], second[other]) if one < len(first) and other < len(second) else None

    def part(at: int) -> Any:
        ahead, behind = product(at, (at + 1) % 3), product((at + 1) % 3, at)
        if behind is None:
            return ahead
        return ops.multiply(behind, -1) if ahead is None else ops.subtract(ahead, behind)

    if len(first) == len(second) == 2:
        return part(0)
    parts = [part(at) for at in (1, 2, 0)]
    axis = axes[2] % (len(parts[0].shape) + 1)
    return ops.concatenate([ops.expand_dims(one, axis) for one in parts], axis)


def parts_along(x: Any, axis: int, ops: Operations) -> list[Any]:
    """The entries along an axis of two or three, which is dropped."""
    if isinstance(x, Weight):
        return [Weight("", one) if one.ndim else one.item() for one in np.moveaxis(x.value, axis, 0)]
    at = axis % len(x.shape)
    return [picked(x, at, one, ops) for one in range(known(x, at))]


@operation("TakeAlongAxis", note=COMPOSED, neoml="partly", learns="no")
def take_along_axis(layer: LayerView, x: Any, indices: Any, ops: Operations) -> Tensor:
    return ops.array_function("take_along_axis", [x, indices], axis=layer.config["axis"])


@operation("TopK", note=COMPOSED, neoml="partly", learns="no")
def top_k(layer: LayerView, x: Tensor, ops: Operations) -> list[Tensor]:
    """The largest values of the last axis in falling order, and their places; of equal values the first ones."""
    if not layer.config["sorted"]:
        raise layer.refuse("top_k with sorted=False promises no order", "use sorted=True")
    falling = ops.unary(x, "negative") if is_float(x.dtype) else ops.subtract(sum(limits(x.dtype)), x)
    order = ops.array_function("argsort", [falling], axis=-1)
    places = ops.cast(ops.slice(order, len(x.shape) - 1, 0, layer.config["k"]), "int32")
    return [ops.array_function("take_along_axis", [x, places], axis=-1), places]


@operation("Linspace", note=SPACES, neoml="partly")
def linspace(layer: LayerView, start: Any, stop: Any, ops: Operations) -> Tensor:
    if layer.config["retstep"]:
        raise layer.refuse("linspace with retstep=True is not handled", "compute the step beside it")
    given = {key: layer.config[key] for key in ("num", "endpoint", "axis")}
    dtype = np.dtype(layer.config["dtype"] or "float32")
    return ops.array_function("linspace", [as_float(start, ops), as_float(stop, ops)], dtype=dtype, **given)


@operation("Geomspace", note="Keras itself runs it with axis 0 alone, in front of the rows", neoml="refused")
@operation("Logspace", note=f"{SPACES}; large numbers to 105 units in the last place", neoml="partly")
def growing(layer: LayerView, start: Any, stop: Any, ops: Operations) -> Tensor:
    name = function_of(layer)
    given = {key: layer.config[key] for key in ("num", "endpoint", "axis", "base") if key in layer.config}
    dtype = np.dtype(layer.config["dtype"] or "float32")
    return ops.array_function(name, [as_float(start, ops), as_float(stop, ops)], dtype=dtype, **given)


@operation("Quantile", "Percentile", "Nanquantile", "Nanpercentile", note=COMPOSED, neoml="partly", learns="no")
def quantile(layer: LayerView, x: Any, q: Any, ops: Operations) -> Tensor:
    """Keras takes the share as float32: a place that is whole may have another behind it."""
    name = function_of(layer)
    if not isinstance(q, (int, float)) or layer.config["axis"] is None:
        raise layer.refuse(f"{name} takes one number here, and axes by name", "call it once for each")
    if name == "quantile" and layer.config["method"] != "linear":
        what = f"Keras itself forgets the method {layer.config['method']} of quantile within a model"
        raise layer.refuse(what, "use percentile, of which it does not")
    share = float(np.float32(q) / np.float32(100) if "percentile" in name else np.float32(q))
    given = {"method": layer.config["method"], "keepdims": layer.config["keepdims"]}
    name = name.replace("percentile", "quantile")
    return ops.array_function(name, [as_float(x, ops), share], axis=tuple(axes_of(layer, x)), **given)


@operation("BitwiseAnd", "BitwiseOr", "BitwiseXor", note=BITS, neoml="partly")
@operation("Gcd", "Lcm", note="it divides by what numbers decide, and to divide by 0 ends NeoML", neoml="refused")
def of_bits(layer: LayerView, x: Any, y: Any, ops: Operations) -> Tensor:
    dtype, operands = promoted([x, y], ops, "typed")
    return ops.cast(ops.array_function(function_of(layer), operands), dtype)


@operation("BitwiseInvert", "BitwiseNot")
def invert(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """The least number and the largest, less the number."""
    return ops.logical_not(x) if x.dtype == "bool" else ops.subtract(sum(limits(x.dtype)), x)


@operation("LeftShift", "RightShift", "BitwiseLeftShift", "BitwiseRightShift", note=BITS, neoml="partly")
def shift(layer: LayerView, x: Any, y: Any, ops: Operations) -> Tensor:
    """TensorFlow shifts by at least 0, and by less than the bits that there are."""
    name = "left_shift" if "Left" in layer.class_name else "right_shift"
    dtype, (x, y) = promoted([x, y], ops)
    most = np.iinfo(dtype).bits - 1
    clipped = min(max(y, 0), most) if isinstance(y, int) else within(y, most, ops)
    return ops.array_function(name, [x, clipped])


def within(y: Any, most: int, ops: Operations) -> Any:
    if isinstance(y, Weight):
        return Weight("", np.clip(y.value, 0, most))
    return ops.minimum(ops.maximum(y, 0), most)
