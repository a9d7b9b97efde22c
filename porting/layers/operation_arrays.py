"""Keras' operations that numpy has and NeoML has no layers for: the numpy engine runs them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import is_float, limits, sum_type
from ..operations import Operations, Tensor, Weight
from .operation_kinds import (
    COMPOSED,
    as_float,
    as_number,
    axes_of,
    function_of,
    in_dtype,
    only_arrays,
    operation,
    promoted,
)
from .rule import LayerView

# Of whole numbers these make whole numbers.
KEEPING = ("nanmax", "nanmin")
SUMS = ("nansum", "nanprod")


@only_arrays("Angle", "I0", "Isneginf", "Isposinf", "Signbit", "Sinc")
def elementwise(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    return ops.array_function(function_of(layer), [as_float(x, ops)])


@only_arrays("Fmax", "Fmin", "Nextafter")
def of_two(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    dtype, operands = promoted([x1, x2], ops)
    return ops.cast(ops.array_function(function_of(layer), operands), dtype)


@only_arrays("Nanmax", "Nanmean", "Nanmedian", "Nanmin", "Nanprod", "Nanstd", "Nansum", "Nanvar")
def without_nan(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    name = function_of(layer)
    axis = None if layer.config["axis"] is None else tuple(axes_of(layer, x))
    dtype = x.dtype if name in KEEPING else sum_type(x.dtype) if name in SUMS else as_float(x, ops).dtype
    found = ops.array_function(name, [in_dtype(x, dtype, ops)], axis=axis, keepdims=layer.config["keepdims"])
    return ops.cast(found, dtype)


@only_arrays("Nanargmax", "Nanargmin", "Nancumprod", "Nancumsum")
def along_one_axis(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    name = function_of(layer)
    kept = {"keepdims": True} if layer.config.get("keepdims") else {}
    x = as_number(in_dtype(x, layer.config.get("dtype") or x.dtype, ops), ops)
    found = ops.array_function(name, [x], axis=layer.config["axis"], **kept)
    return ops.cast(found, "int32" if "arg" in name else x.dtype)


@operation("Fmod", note="in NeoML of integers only", neoml="partly")
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


@operation("NanToNum", note="NeoML has no layer for it", neoml="refused", mask="own")
def nan_to_num(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    config = layer.config
    if not is_float(x.dtype):
        layer.irrelevant("nan", "posinf", "neginf")
        return x
    given = {"nan": config["nan"], "posinf": config["posinf"], "neginf": config["neginf"]}
    return ops.array_function("nan_to_num", [as_float(x, ops)], **given)


@only_arrays("Cross")
def cross(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    axes = {key: layer.config[key] for key in ("axisa", "axisb", "axisc", "axis")}
    return ops.array_function("cross", promoted([x1, x2], ops)[1], **axes)


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


@only_arrays("Linspace")
def linspace(layer: LayerView, start: Any, stop: Any, ops: Operations) -> Tensor:
    if layer.config["retstep"]:
        raise layer.refuse("linspace with retstep=True is not handled", "compute the step beside it")
    given = {key: layer.config[key] for key in ("num", "endpoint", "axis")}
    dtype = np.dtype(layer.config["dtype"] or "float32")
    return ops.array_function("linspace", [as_float(start, ops), as_float(stop, ops)], dtype=dtype, **given)


@only_arrays("Logspace", "Geomspace")
def growing(layer: LayerView, start: Any, stop: Any, ops: Operations) -> Tensor:
    name = function_of(layer)
    given = {key: layer.config[key] for key in ("num", "endpoint", "axis", "base") if key in layer.config}
    dtype = np.dtype(layer.config["dtype"] or "float32")
    return ops.array_function(name, [as_float(start, ops), as_float(stop, ops)], dtype=dtype, **given)


@only_arrays("Quantile", "Percentile", "Nanquantile", "Nanpercentile")
def quantile(layer: LayerView, x: Any, q: Any, ops: Operations) -> Tensor:
    name = function_of(layer)
    if not isinstance(q, (int, float)) or layer.config["axis"] is None:
        raise layer.refuse(f"{name} takes one number here, and axes by name", "call it once for each")
    given = {"method": layer.config["method"], "keepdims": layer.config["keepdims"]}
    return ops.array_function(name, [as_float(x, ops), q], axis=tuple(axes_of(layer, x)), **given)


@only_arrays("BitwiseAnd", "BitwiseOr", "BitwiseXor", "Gcd", "Lcm")
def of_bits(layer: LayerView, x: Any, y: Any, ops: Operations) -> Tensor:
    dtype, operands = promoted([x, y], ops, "typed")
    return ops.cast(ops.array_function(function_of(layer), operands), dtype)


@only_arrays("BitwiseInvert", "BitwiseNot")
def invert(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.array_function("invert", [x])


@only_arrays("LeftShift", "RightShift", "BitwiseLeftShift", "BitwiseRightShift")
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
