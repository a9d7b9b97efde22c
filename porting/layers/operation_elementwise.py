"""Keras' operations used as layers in functional models: ``x + y``, ``x > 0``, ``keras.ops.mean(x, axis=1)``.

A row a class where classes differ only in what they compute. An operation's outputs carry no mask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log, pi
from typing import Any

import numpy as np

from ..dtypes import is_float, is_whole, limits
from ..network import Call, Input, Layer
from ..operations import Operations, Tensor, Weight
from .activations import ELEMENTWISE
from .operation_kinds import (
    Apply,
    as_bool,
    as_float,
    as_number,
    in_dtype,
    kind_of,
    only_arrays,
    operation,
    promoted,
    whole_numbers,
)
from .rule import Expects, LayerView

# ---- one operand, element by element

UNARY = [
    "Ceil",
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
    "Rsqrt",
    "Sinh",
    "Sqrt",
    "Tanh",
]
WITHOUT_LAYERS = ["Arccos", "Arccosh", "Arcsin", "Arcsinh", "Arctan", "Arctanh", "Cbrt"]
WAVES = ["Cos", "Sin", "Tan"]
# These keep whole numbers.
KEEPING = {"Negative": "negative", "Sign": "sign", "Square": "square"}
# These hand on what has no sign, or no fraction.
HANDING_ON = {"Absolute": "abs", "Abs": "abs", "Trunc": "trunc"}
# Of whole numbers these make whole numbers.
STEPS = ("Relu", "Relu6", "Threshold")
ACTIVATIONS = {
    "Celu": ("alpha",),
    "Elu": ("alpha",),
    "Gelu": ("approximate",),
    "HardShrink": ("threshold",),
    "HardSigmoid": (),
    "HardSilu": (),
    "HardTanh": (),
    "Mish": (),
    "LeakyRelu": ("negative_slope",),
    "LogSigmoid": (),
    "ReLU": ("negative_slope", "max_value", "threshold"),
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
# In NeoML steps have no gradient, not even none, and waves are looked up.
WITHOUT_GRADIENT = {*("Ceil", "Erf", "Floor", "Greater", "HardShrink", "Less", "Sign", "Threshold", "Trunc"), *WAVES}
UNCHANGED = ("Copy", "StopGradient", "Identity")


def snake(name: str) -> str:
    """``HardTanh`` as ``hard_tanh``; of `keras.activations` ``ReLU`` is ``relu``."""
    name = {"ReLU": "Relu"}.get(name, name)
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def of_floats(name: str) -> Apply:
    def apply(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
        return ops.unary(as_float(x, ops), name)

    return apply


def of_numbers(name: str) -> Apply:
    def apply(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
        return ops.unary(as_number(x, ops), name)

    return apply


def handing_on(name: str) -> Apply:
    def apply(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
        untouched = kind_of(x) != "float" if name == "trunc" else limits_of(x)[0] == 0
        return x if untouched else ops.unary(x, name)

    return apply


def limits_of(x: Tensor) -> tuple[float, float]:
    return (-np.inf, np.inf) if is_float(x.dtype) else limits(x.dtype)


def activation(name: str, settings: Sequence[str]) -> Apply:
    def apply(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
        given = x if is_whole(x.dtype) and layer.class_name[4:] in STEPS else as_float(x, ops)
        return ops.activation(given, name, **{key: layer.config[key] for key in settings})

    return apply


def learning(class_name: str) -> str:
    return "no" if class_name in WITHOUT_GRADIENT else "yes"


for class_name in UNARY:
    operation(class_name, learns=learning(class_name), sizes="kept")(of_floats(class_name.lower()))
for class_name in WAVES:
    limits_in_neoml = "in NeoML of |x| < 6.5e6, NaN beyond"
    operation(class_name, note=limits_in_neoml, neoml="partly", learns="no", sizes="kept")(
        of_floats(class_name.lower())
    )
for class_name in WITHOUT_LAYERS:
    only_arrays(class_name)(of_floats(class_name.lower()))
for class_name, function in KEEPING.items():
    operation(class_name, learns=learning(class_name), sizes="kept")(of_numbers(function))
for class_name, function in HANDING_ON.items():
    operation(class_name, mask="own", learns=learning(class_name), sizes="kept")(handing_on(function))
for class_name, wanted in ACTIVATIONS.items():
    assert snake(class_name) in ELEMENTWISE
    operation(class_name, learns=learning(class_name), sizes="kept")(activation(snake(class_name), wanted))


@operation("Round", mask="own", learns="no")
def rounded(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    decimals = layer.config.get("decimals") or 0
    if is_whole(x.dtype) and decimals >= 0:
        return x
    if not decimals:
        return ops.unary(x, "round")
    result = ops.divide(ops.unary(ops.multiply(as_float(x, ops), 10.0**decimals), "round"), 10.0**decimals)
    return ops.cast(result, x.dtype)


@operation(*UNCHANGED, sizes="kept")
def unchanged(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return x


@operation("Array", "Cast", "ConvertToTensor", mask="own", learns={"Cast": "not to whole numbers"}, sizes="kept")
def cast(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """What has the dtype already is handed on, its mask too."""
    layer.irrelevant("sparse", "ragged")
    return in_dtype(x, layer.config.get("dtype") or x.dtype, ops)


# ---- two operands

Binary = Callable[[Operations], Callable[[Any, Any], Tensor]]
BINARY: dict[str, Binary] = {
    "Add": lambda ops: ops.add,
    "Subtract": lambda ops: ops.subtract,
    "Multiply": lambda ops: ops.multiply,
    "Maximum": lambda ops: ops.maximum,
    "Minimum": lambda ops: ops.minimum,
}
COMPARISONS = {
    "Equal": "equal",
    "NotEqual": "not_equal",
    "Less": "less",
    "LessEqual": "less_equal",
    "Greater": "greater",
    "GreaterEqual": "greater_equal",
}


def binary(kind: Binary) -> Apply:
    return lambda layer, x1, x2, ops: kind(ops)(x1, x2)


def comparison(name: str) -> Apply:
    def apply(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
        return ops.compare(x1, x2, name)

    return apply


def telling_padding(name: str) -> Expects:
    """A mask made by hand: what equals the number is padding; of whole numbers also what is not above 0."""

    def expects(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
        numbers = (one for one in call.inputs if isinstance(one, (int, float)) and not isinstance(one, bool))
        number = next(numbers, None)
        if number is not None and name in ("equal", "not_equal"):
            return {"pads": True, "mask_value": float(number)}
        return {"pads": True, "mask_value": 0.0} if number in (0, 1) and is_whole(given.dtype) else {}

    return expects


for class_name, kind in BINARY.items():
    operation(class_name, sizes="spread")(binary(kind))
for class_name, function in COMPARISONS.items():
    operation(
        class_name, learns=learning(class_name), sizes="spread", hands_on=False, expects=telling_padding(function)
    )(comparison(function))


@operation("Divide", "TrueDivide", sizes="spread")
def divide(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.divide(as_float(x1, ops), as_float(x2, ops))


@operation("Power", note="in NeoML with a fixed exponent or a fixed positive base", neoml="partly", sizes="spread")
def power(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    """Whole powers of few factors are products; √ and its reciprocal are themselves."""
    dtype, (a, b) = promoted([x1, x2], ops)
    if isinstance(x2, (int, float)):
        named = {0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal", 2: "square"}.get(x2)
        if named and is_float(dtype):
            return ops.unary(a, named)
        if float(x2).is_integer() and 1 <= x2 <= 16:
            return power_of(a, int(x2), ops)
        if is_float(dtype):
            return ops.power(a, float(x2))
    if isinstance(x1, (int, float)) and x1 > 0 and is_float(dtype):
        return ops.unary(ops.multiply(b, log(x1)), "exp")
    return ops.array_function("power", [a, b])


def power_of(x: Tensor, exponent: int, ops: Operations) -> Tensor:
    if exponent == 1:
        return x
    half = power_of(x, exponent // 2, ops)
    squared = ops.unary(half, "square")
    return ops.multiply(squared, x) if exponent % 2 else squared


@operation("Deg2rad", "Rad2deg")
def turned(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    factor = pi / 180 if layer.class_name == "ops.Deg2rad" else 180 / pi
    return ops.multiply(as_float(x, ops), factor)


@operation("Hypot")
def hypot(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    squares = [
        Weight.fixed(np.square(x.value)) if isinstance(x, Weight) else ops.unary(x, "square")
        for x in (as_float(x1, ops), as_float(x2, ops))
    ]
    return ops.unary(ops.add(*squares), "sqrt")


@operation("Logaddexp")
def logaddexp(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    """max + log(1 + exp(−|x1 − x2|))."""
    a, b = as_float(x1, ops), as_float(x2, ops)
    return ops.add(ops.maximum(a, b), ops.activation(ops.unary(distance(a, b, ops), "negative"), "softplus"))


def distance(a: Any, b: Any, ops: Operations) -> Tensor:
    return ops.unary(ops.subtract(a, b), "abs")


@operation("DivideNoNan", learns="no")
def divide_no_nan(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    """0 where the divisor is 0."""
    a, b = as_float(x1, ops), as_float(x2, ops)
    if isinstance(b, Weight):  # what is divided by infinity is 0
        return ops.divide(a, Weight.fixed(np.where(b.value == 0, np.float32("inf"), b.value)))
    if not isinstance(b, Tensor):
        return ops.multiply(a, 1 / b if b else 0.0)
    zero = ops.compare(b, 0.0, "equal")
    return ops.where(zero, 0.0, ops.divide(a, ops.where(zero, 1.0, b)))


WHOLE_DIVISION = {
    "FloorDivide": ("floor_divide", "in NeoML not by whole numbers that may be 0"),
    "Mod": ("mod", "in NeoML of integers only"),
}


def whole_division(name: str) -> Apply:
    def apply(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
        # Only the remainder makes tensors of numbers first.
        dtype, (a, b) = promoted([x1, x2], ops, "typed" if name == "mod" else "weak")
        if is_float(dtype):
            return ops.array_function(name, [a, b]) if name == "mod" else ops.unary(ops.divide(a, b), "floor")
        return ops.whole_division(as_number(a, ops), as_number(b, ops), name)

    return apply


def numbers_beyond(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
    """Numbers of which some are larger than the divisor."""
    divisors = whole_numbers(call, layer)
    return {"span": (0.0, 3.0 * divisors[0] + 1)} if divisors is not None and divisors[0] > 0 else {}


for class_name, (function, remark) in WHOLE_DIVISION.items():
    expects = numbers_beyond if class_name == "Mod" else None
    unlearned = {"FloorDivide": "no"}
    operation(class_name, note=remark, neoml="partly", learns=unlearned, expects=expects)(whole_division(function))


@only_arrays("Arctan2")
def arctan2(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.array_function("arctan2", [as_float(x1, ops), as_float(x2, ops)])


@operation("Isnan", learns="no", sizes="kept")
def is_nan(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    x = as_float(x, ops)
    return ops.compare(x, x, "not_equal")


@operation("Isinf", sizes="kept")
def is_infinite(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    x = as_float(x, ops)
    largest = np.finfo(np.float32 if x.dtype == "bfloat16" else x.dtype).max
    return ops.compare(ops.unary(x, "abs"), float(largest), "greater")


@operation("Isfinite", sizes="kept")
def is_finite(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    return ops.logical_not(ops.logical_or(is_infinite(layer, x, ops), is_nan(layer, x, ops)))


@operation("LogicalAnd", sizes="spread")
def logical_and(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.logical_and(truths(x1, x2, ops), truths(x2, x1, ops))


@operation("LogicalOr", sizes="spread")
def logical_or(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.logical_or(truths(x1, x2, ops), truths(x2, x1, ops))


@operation("LogicalXor")
def logical_xor(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.compare(truths(x1, x2, ops), truths(x2, x1, ops), "not_equal")


def truths(x: Any, beside: Any, ops: Operations) -> Tensor:
    """An operand as a tensor of truths; a constant is spread over the operand beside it."""
    if isinstance(x, Weight):
        x = ops.add(ops.full_like(beside, 0.0), Weight.fixed(x.value != 0))
    elif isinstance(x, (bool, int, float)):
        x = ops.full_like(beside, float(bool(x)))
    return in_dtype(x, "bool", ops)


@operation("LogicalNot", sizes="kept")
def logical_not(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    return ops.logical_not(as_bool(x, ops))


@operation("Where", learns="not where its condition is computed from what learns", sizes="spread")
def where(layer: LayerView, condition: Tensor, ops: Operations, x1: Any = None, x2: Any = None) -> Tensor:
    if x1 is None or x2 is None:
        raise layer.refuse("the places of nonzero values have a shape that only a run tells", "give where both values")
    dtype, (a, b) = promoted([x1, x2], ops)
    if isinstance(condition, Weight):
        condition = truths(condition, next(x for x in (a, b) if isinstance(x, Tensor)), ops)
    condition = as_bool(condition, ops)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = spread_number(a, condition, dtype, ops)
    return ops.where(condition, a, b)


def spread_number(x: Any, like: Tensor, dtype: str, ops: Operations) -> Tensor:
    """A number or a constant as a tensor of the shape of another."""
    return ops.add(ops.cast(ops.full_like(like, 0.0), dtype), x)


@operation("Clip", sizes="kept")
def clip(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    # Bounds that cross: the lower one holds, in TensorFlow.
    return ops.maximum(ops.minimum(as_number(x, ops), layer.config["x_max"]), layer.config["x_min"])
