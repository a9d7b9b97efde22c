"""Keras' operations that go along axes: reductions, running sums, sorting, softmax and normalisation."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from ..dtypes import LARGEST_FLOAT, is_float, limits, sum_type
from ..operations import Operand, Operations, Tensor, Weight
from .activations import sparsemax
from .operation_kinds import (
    COMPOSED,
    as_bool,
    as_float,
    as_list,
    as_number,
    axes_of,
    function_of,
    in_dtype,
    known,
    operation,
    squeezed,
    swapped,
)
from .rule import LayerView
from .scaling import layer_normalize, rms_normalize, unit_norm, variance_of


@operation("Sum", "Mean", "Max", "Amax", "Min", "Amin")
def reduction(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    name = function_of(layer).removeprefix("a")
    initial = layer.config.get("initial")
    x = as_float(x, ops) if name == "mean" else ops.cast(x, sum_type(x.dtype)) if name == "sum" else x
    result = ops.reduce(x, name, axes_of(layer, x), layer.config["keepdims"])
    if initial is None:
        return result
    bound = {"max": ops.maximum, "min": ops.minimum, "sum": ops.add}.get(name)
    if bound is None:
        raise layer.refuse(f"{name} with an initial value is not handled", "leave it out")
    return bound(result, initial)


@operation("Any", "All")
def any_or_all(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.reduce(as_bool(x, ops), function_of(layer), axes_of(layer, x), layer.config["keepdims"])


@operation("Var", "Std")
def variance(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    x = as_float(x, ops)
    found = variance_of(x, axes_of(layer, x), ops, layer.config["keepdims"])
    return found if layer.class_name == "ops.Var" else ops.unary(found, "sqrt")


@operation("CountNonzero")
def count_nonzero(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.reduce(ops.cast(as_bool(x, ops), "int32"), "sum", axes_of(layer, x))


@operation("Average")
def average(layer: LayerView, x: Tensor, ops: Operations, weights: Any = None) -> Tensor:
    if weights is None:
        return ops.reduce(as_float(x, ops), "mean", axes_of(layer, x))
    axis = layer.config["axis"]
    if not isinstance(weights, Weight) or len(weights.shape) != 1 or not isinstance(axis, int):
        raise layer.refuse("only one axis is averaged by constant weights", "multiply by the weights and take sums")
    shares = np.asarray(weights.value, np.float64) / np.sum(weights.value, dtype=np.float64)
    spread = ops.scale_and_shift(as_float(x, ops), shares.astype(np.float32), None, axis % len(x.shape))
    return ops.reduce(spread, "sum", (axis % len(x.shape),))


@operation("Moments")
def moments(layer: LayerView, x: Tensor, ops: Operations) -> list[Tensor]:
    layer.irrelevant("synchronized")
    axes, keepdims = [axis % len(x.shape) for axis in as_list(layer.config["axes"])], layer.config["keepdims"]
    return [ops.reduce(x, "mean", axes, keepdims), variance_of(x, axes, ops, keepdims)]


@operation("Prod", "Median", note=COMPOSED, neoml="partly", learns="no")
def prod_or_median(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    name = function_of(layer)
    dtype = layer.config.get("dtype") or (sum_type(x.dtype) if name == "prod" else "float32")
    axis = None if layer.config["axis"] is None else tuple(axes_of(layer, x))
    made = ops.array_function(name, [in_dtype(x, dtype, ops)], axis=axis, keepdims=layer.config["keepdims"])
    return ops.cast(made, dtype)


@operation("Logsumexp")
def logsumexp(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axes = axes_of(layer, x)
    top = ops.reduce(as_float(x, ops), "max", axes, keepdims=True)
    if not ops.training:  # infinity less itself is no number
        top = ops.minimum(top, LARGEST_FLOAT)
    total = ops.reduce(ops.unary(ops.subtract(x, top), "exp"), "sum", axes, keepdims=True)
    found = ops.add(ops.unary(total, "log"), top)
    return found if layer.config["keepdims"] else squeezed(found, axes, ops)


@operation("Softmax", "LogSoftmax", sizes="kept")
def softmax(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.softmax(as_float(x, ops), axes_of(layer, x), log=layer.class_name == "ops.LogSoftmax")


@operation("Sparsemax", learns="no")
def sparsemax_along(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axis = layer.config["axis"] % len(x.shape)
    return swapped(sparsemax(swapped(x, axis, -1, ops), ops), axis, -1, ops)


@operation("Glu")
def glu(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axis = layer.config["axis"] % len(x.shape)
    half = known(x, axis) // 2
    gate = ops.activation(ops.slice(x, axis, half, None), "sigmoid")
    return ops.multiply(gate, ops.slice(x, axis, 0, half))


@operation("Cumsum")
def cumsum(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.config["axis"] is None:
        raise layer.refuse("a running sum over all axes and the batch is not handled", "name one axis")
    return ops.cumsum(as_number(in_dtype(x, layer.config.get("dtype") or x.dtype, ops), ops), layer.config["axis"])


@operation("Argmax", "Argmin", learns={"Argmax": "no"}, hands_on=False)
def argmax(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    found = place_of_extreme(layer, as_number(x, ops), ops)
    return in_dtype(found, layer.config.get("dtype") or "int32", ops)  # TensorFlow's own counts in int64


def place_of_extreme(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Where the largest number of an axis stands, or the least."""
    axis = layer.config["axis"]
    if axis is None:
        raise layer.refuse("a place within all axes and the batch is not handled", "name one axis")
    if function_of(layer).endswith("argmin"):
        # The largest number less x falls as x grows, and does not overflow.
        x = ops.unary(x, "negative") if is_float(x.dtype) else ops.subtract(sum(limits(x.dtype)), x)
    found = ops.argmax(x, axis)
    return ops.expand_dims(found, axis % len(x.shape)) if layer.config["keepdims"] else found


@operation("Argsort", note=COMPOSED, neoml="partly", learns="no", hands_on=False)
@operation("Sort", "Cumprod", note=COMPOSED, neoml="partly", learns="no")
def along_one_axis(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    name = function_of(layer)
    if name == "cumprod":
        x = as_number(in_dtype(x, layer.config.get("dtype") or x.dtype, ops), ops)
    found = ops.array_function(name, [x], axis=layer.config["axis"])
    return ops.cast(found, "int32" if name == "argsort" else x.dtype)


@operation("Normalize")
def normalize(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.config["order"] == 1:
        total = ops.reduce(ops.unary(x, "abs"), "sum", axes_of(layer, x), keepdims=True)
        return ops.divide(x, ops.maximum(total, layer.config["epsilon"] or 1e-7))
    if layer.config["order"] != 2:
        raise layer.refuse(f"normalize of order {layer.config['order']} is not handled", "use order 1 or 2")
    return unit_norm(x, axes_of(layer, x), layer.config["epsilon"] or 1e-7, ops)


@operation("LayerNorm")
def layer_norm(
    layer: LayerView, x: Tensor, ops: Operations, gamma: Optional[Weight] = None, beta: Optional[Weight] = None
) -> Tensor:
    if layer.config["rms_scaling"]:
        raise layer.refuse("layer_normalization with rms_scaling is not handled", "use the layer")
    return layer_normalize(x, sorted(axes_of(layer, x)), layer.config["epsilon"] or 1e-7, gamma, beta, ops)


@operation("RMSNorm")
def rms_norm(layer: LayerView, x: Tensor, ops: Operations, scale: Optional[Operand] = None) -> Tensor:
    y = rms_normalize(x, axes_of(layer, x), layer.config["epsilon"] or 1e-7, ops)
    return y if scale is None else ops.multiply(y, scale)
