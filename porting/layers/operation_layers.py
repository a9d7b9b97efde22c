"""Keras' operations used as layers in functional models: ``x + y``, ``x > 0``, ``keras.ops.mean(x, axis=1)``.

A row a class where classes differ only in what they compute. An operation's outputs carry no mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from ..operations import Operand, Operations, Tensor, Weight
from .activations import ELEMENTWISE, sparsemax
from .operation_kinds import (
    Apply,
    as_float,
    as_kind,
    axes_of,
    kind_of,
    known,
    operation,
    promoted,
    squeezed,
    swapped,
    whole,
)
from .rule import LayerView
from .scaling import layer_normalize, rms_normalize, unit_norm, variance_of

# ---- one operand, element by element

UNARY = {
    name: name.lower()
    for name in [
        "Arccos",
        "Arccosh",
        "Arcsin",
        "Arcsinh",
        "Arctan",
        "Arctanh",
        "Cbrt",
        "Ceil",
        "Cos",
        "Cosh",
        "Erf",
        "Exp",
        "Exp2",
        "Expm1",
        "Floor",
        "Log",
        "Log10",
        "Log1p",
        "Log2",
        "Reciprocal",
        "Round",
        "Rsqrt",
        "Sin",
        "Sinh",
        "Sqrt",
        "Tan",
        "Tanh",
        "Trunc",
        "Deg2rad",
        "Rad2deg",
    ]
}
# These keep integers.
KEEPING = {"Absolute": "abs", "Abs": "abs", "Negative": "negative", "Sign": "sign", "Square": "square"}
ACTIVATIONS = {
    "Celu": ("alpha",),
    "Elu": ("alpha",),
    "Gelu": ("approximate",),
    "HardShrink": ("threshold",),
    "HardSigmoid": (),
    "HardSilu": (),
    "HardTanh": (),
    "LeakyRelu": ("negative_slope",),
    "LogSigmoid": (),
    "Relu": (),
    "Relu6": (),
    "Selu": (),
    "Sigmoid": (),
    "Silu": (),
    "SoftShrink": ("threshold",),
    "Softplus": (),
    "Softsign": (),
    "SparsePlus": (),
    "SparseSigmoid": (),
    "Squareplus": ("b",),
    "TanhShrink": (),
    "Threshold": ("threshold", "default_value"),
}
UNCHANGED = ("Copy", "StopGradient", "ConvertToTensor", "Identity", "Array")


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def unary(name: str, keeps_integers: bool) -> Apply:
    def apply(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
        layer.irrelevant("decimals")
        if layer.config.get("decimals"):
            raise layer.refuse(f"round to {layer.config['decimals']} decimals is not handled", "scale before rounding")
        if keeps_integers and kind_of(x) == "int":
            return whole(ops.unary(x, name), [x], ops)
        return ops.unary(as_float(x, ops), name)

    return apply


def activation(name: str, settings: Sequence[str]) -> Apply:
    def apply(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
        return ops.activation(as_float(x, ops), name, **{key: layer.config[key] for key in settings})

    return apply


for class_name, function in UNARY.items():
    operation(class_name)(unary(function, keeps_integers=False))
for class_name, function in KEEPING.items():
    operation(class_name)(unary(function, keeps_integers=True))
for class_name, wanted in ACTIVATIONS.items():
    assert snake(class_name) in ELEMENTWISE
    operation(class_name)(activation(snake(class_name), wanted))


@operation(*UNCHANGED)
def unchanged(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("dtype", "sparse", "ragged")
    return x


# ---- two operands

BINARY = {
    "Add": "add",
    "Subtract": "subtract",
    "Multiply": "multiply",
    "Maximum": "maximum",
    "Minimum": "minimum",
}
COMPARISONS = {
    "Equal": "equal",
    "NotEqual": "not_equal",
    "Less": "less",
    "LessEqual": "less_equal",
    "Greater": "greater",
    "GreaterEqual": "greater_equal",
}


def binary(name: str) -> Apply:
    def apply(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
        kind, (a, b) = promoted([x1, x2], ops)
        result = getattr(ops, name)(a, b)
        return whole(result, [x1, x2], ops) if kind == "int" else result

    return apply


def comparison(name: str) -> Apply:
    def apply(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
        _, (a, b) = promoted([x1, x2], ops)
        return ops.compare(a, b, name)

    return apply


for class_name, function in BINARY.items():
    operation(class_name)(binary(function))
for class_name, function in COMPARISONS.items():
    operation(class_name)(comparison(function))


@operation("Divide", "TrueDivide")
def divide(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.divide(as_float(x1, ops), as_float(x2, ops))


@operation("Power")
def power(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    """Whole powers of few factors are products; √ and its reciprocal are themselves."""
    if isinstance(x2, (int, float)):
        named = {0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal", 2: "square"}.get(x2)
        if named and (kind_of(x1) == "float" or isinstance(x2, float)):
            return ops.unary(as_float(x1, ops), named)
        if float(x2).is_integer() and 1 <= x2 <= 16:
            kind, (x, _) = promoted([x1, x2], ops)
            result = power_of(x, int(x2), ops)
            return whole(result, [x1], ops) if kind == "int" else result
    kind, (a, b) = promoted([x1, x2], ops)
    return ops.array_function("power", [a, b])


def power_of(x: Tensor, exponent: int, ops: Operations) -> Tensor:
    if exponent == 1:
        return x
    half = power_of(x, exponent // 2, ops)
    squared = ops.unary(half, "square")
    return ops.multiply(squared, x) if exponent % 2 else squared


ONLY_ARRAYS = {"Arctan2": "arctan2", "FloorDivide": "floor_divide", "Mod": "mod", "Hypot": "hypot"}


def only_arrays(name: str) -> Apply:
    def apply(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
        _, operands = promoted([x1, x2], ops)
        return ops.array_function(name, operands)

    return apply


for class_name, function in ONLY_ARRAYS.items():
    operation(class_name)(only_arrays(function))


@operation("LogicalAnd")
def logical_and(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.logical_and(as_kind(x1, "bool", ops), as_kind(x2, "bool", ops))


@operation("LogicalOr")
def logical_or(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.logical_or(as_kind(x1, "bool", ops), as_kind(x2, "bool", ops))


@operation("LogicalXor")
def logical_xor(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    a, b = (as_float(as_kind(x, "bool", ops), ops) for x in (x1, x2))
    return ops.compare(a, b, "not_equal")


@operation("LogicalNot")
def logical_not(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    return ops.logical_not(as_kind(x, "bool", ops))


@operation("Where")
def where(layer: LayerView, condition: Tensor, ops: Operations, x1: Any = None, x2: Any = None) -> Tensor:
    if x1 is None or x2 is None:
        raise layer.refuse("the places of nonzero values have a shape that only a run tells", "give where both values")
    kind, (a, b) = promoted([x1, x2], ops)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = ops.add(ops.full_like(condition, 0.0), a)
    result = ops.where(as_kind(condition, "bool", ops), a, b)
    return whole(result, [x1, x2], ops) if kind == "int" else result


@operation("Clip")
def clip(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    limits = [layer.config["x_min"], layer.config["x_max"]]
    kind, (x, low, high) = promoted([x, *limits], ops)
    result = ops.minimum(ops.maximum(x, low), high)
    return whole(result, [x], ops) if kind == "int" else result


# ---- over axes

REDUCTIONS = {"Sum": "sum", "Mean": "mean", "Max": "max", "Amax": "max", "Min": "min", "Amin": "min"}


def reduction(name: str) -> Apply:
    def apply(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
        if layer.config.get("initial") is not None:
            raise layer.refuse("a reduction with an initial value is not handled", "use maximum or minimum after it")
        kind = "float" if name == "mean" else "int" if name == "sum" and kind_of(x) == "bool" else kind_of(x)
        x = as_kind(x, kind, ops)
        result = ops.reduce(x, name, axes_of(layer, x), layer.config["keepdims"])
        return whole(result, [x], ops) if kind == "int" else result

    return apply


for class_name, function in REDUCTIONS.items():
    operation(class_name)(reduction(function))


@operation("Any", "All")
def any_or_all(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    name = layer.class_name.rpartition(".")[2].lower()
    return ops.reduce(as_kind(x, "bool", ops), name, axes_of(layer, x), layer.config["keepdims"])


@operation("Var", "Std")
def variance(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    x = as_float(x, ops)
    found = variance_of(x, axes_of(layer, x), ops, layer.config["keepdims"])
    return found if layer.class_name == "ops.Var" else ops.unary(found, "sqrt")


@operation("Prod", "Median")
def prod_or_median(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    name = layer.class_name.rpartition(".")[2].lower()
    layer.irrelevant("dtype")
    axis = None if layer.config["axis"] is None else tuple(axes_of(layer, x))
    return ops.array_function(name, [as_float(x, ops)], axis=axis, keepdims=layer.config["keepdims"])


@operation("Logsumexp")
def logsumexp(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axes = axes_of(layer, x)
    top = ops.reduce(as_float(x, ops), "max", axes, keepdims=True)
    total = ops.reduce(ops.unary(ops.subtract(x, top), "exp"), "sum", axes, keepdims=True)
    found = ops.add(ops.unary(total, "log"), top)
    return found if layer.config["keepdims"] else squeezed(found, axes, ops)


@operation("Softmax", "LogSoftmax")
def softmax(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.softmax(as_float(x, ops), axes_of(layer, x), log=layer.class_name == "ops.LogSoftmax")


@operation("Sparsemax")
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
    layer.irrelevant("dtype")
    if layer.config["axis"] is None:
        raise layer.refuse("a running sum over all axes and the batch is not handled", "name one axis")
    result = ops.cumsum(x, layer.config["axis"])
    return whole(result, [x], ops) if kind_of(x) == "int" else result


@operation("Argmax", "Argmin")
def argmax(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axis = layer.config["axis"]
    if axis is None:
        raise layer.refuse("a place within all axes and the batch is not handled", "name one axis")
    x = as_float(x, ops)
    found = ops.argmax(x if layer.class_name == "ops.Argmax" else ops.unary(x, "negative"), axis)
    return ops.expand_dims(found, axis % len(x.shape)) if layer.config["keepdims"] else found


@operation("Sort", "Argsort", "Cumprod")
def along_one_axis(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    name = layer.class_name.rpartition(".")[2].lower()
    layer.irrelevant("dtype")
    return ops.array_function(name, [x], axis=layer.config["axis"])


@operation("Normalize")
def normalize(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.config["order"] != 2:
        raise layer.refuse(f"normalize of order {layer.config['order']} is not handled", "use order 2")
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


# ---- products


@operation("Matmul")
def matmul(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.matmul(as_float(x1, ops), as_float(x2, ops))


@operation("Einsum")
def einsum(layer: LayerView, *operands: Any, ops: Operations) -> Tensor:
    return ops.einsum(layer.config["subscripts"], [as_float(x, ops) for x in operands])
