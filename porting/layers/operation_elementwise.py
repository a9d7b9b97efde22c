"""Keras' operations used as layers in functional models: ``x + y``, ``x > 0``, ``keras.ops.mean(x, axis=1)``.

A row a class where classes differ only in what they compute. An operation's outputs carry no mask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log, pi
from typing import Any

import numpy as np

from ..dtypes import is_float, is_whole, limits
from ..network import Call, Input, Layer
from ..operations import Operations, Tensor, Weight
from .activations import ELEMENTWISE
from .operation_kinds import (
    REMAINDERS,
    Apply,
    as_bool,
    as_float,
    as_number,
    function_of,
    in_dtype,
    kind_of,
    operation,
    promoted,
    snake,
    whole_numbers,
)
from .rule import LayerView

# ---- one operand, element by element

UNARY = (
    *("Ceil", "Cosh", "Erf", "Exp", "Exp2", "Expm1", "Floor", "Log", "Log10", "Log1p", "Log2"),
    *("Reciprocal", "Rsqrt", "Sinh", "Sqrt", "Tanh"),
)
POWERS = (
    "in NeoML with a fixed exponent, or a fixed positive base (large results to 105 units in the last place); "
    "of two tensors exp and log would lose 136"
)
INVERSES = ("Arccos", "Arccosh", "Arcsin", "Arcsinh", "Arctan", "Arctanh", "Cbrt")
# Of whole numbers these make whole numbers.
STEPS = ("Relu", "Relu6", "Threshold")
# With the settings that `Operations.activation` is told.
ACTIVATIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Celu", "Elu"), ("alpha",)),
    **dict.fromkeys(("HardShrink", "SoftShrink"), ("threshold",)),
    **dict.fromkeys(("HardSigmoid", "HardSilu", "HardTanh", "Mish", "LogSigmoid", "Relu", "Relu6", "Selu"), ()),
    **dict.fromkeys(("Sigmoid", "Silu", "Softplus", "Softsign", "SparsePlus", "SparseSigmoid", "TanhShrink"), ()),
    "Gelu": ("approximate",),
    "LeakyRelu": ("negative_slope",),
    "ReLU": ("negative_slope", "max_value", "threshold"),
    "Squareplus": ("b",),
    "Threshold": ("threshold", "default_value"),
}
assert {snake(name) for name in ACTIVATIONS} <= ELEMENTWISE
# In NeoML steps have no gradient, not even none.
STEPWISE = ("Ceil", "Erf", "Floor", "Greater", "HardShrink", "Less", "Sign", "Threshold", "Trunc")
LEARNS = dict.fromkeys(STEPWISE, "no")


@operation(*INVERSES, note="in NeoML to 3.5 units in the last place", learns="no", sizes="kept")
@operation(
    *("Cos", "Sin", "Tan"), note="in NeoML of |x| < 6.5e6, NaN beyond", neoml="partly", learns="no", sizes="kept"
)
@operation(*UNARY, learns=LEARNS, sizes="kept")
def of_floats(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.unary(as_float(x, ops), function_of(layer))


@operation("Negative", "Sign", "Square", learns=LEARNS, sizes="kept")
def of_numbers(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.unary(as_number(x, ops), function_of(layer))


@operation("Absolute", "Abs", mask="own", sizes="kept")
def absolute(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """What has no sign is handed on."""
    return ops.unary(x, "abs") if is_float(x.dtype) or limits(x.dtype)[0] else x


@operation("Trunc", mask="own", learns="no", sizes="kept")
def truncated(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """What has no fraction is handed on."""
    return ops.unary(x, "trunc") if kind_of(x) == "float" else x


@operation(*ACTIVATIONS, learns=LEARNS, sizes="kept")
def activation(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    name = layer.class_name[4:]
    given = x if is_whole(x.dtype) and name in STEPS else as_float(x, ops)
    return ops.activation(given, function_of(layer), **{key: layer.config[key] for key in ACTIVATIONS[name]})


@operation("Round", mask="own", learns="no")
def rounded(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    decimals = layer.config.get("decimals") or 0
    if is_whole(x.dtype) and decimals >= 0:
        return x
    if not decimals:
        return ops.unary(x, "round")
    result = ops.divide(ops.unary(ops.multiply(as_float(x, ops), 10.0**decimals), "round"), 10.0**decimals)
    return ops.cast(result, x.dtype)


@operation("Copy", "StopGradient", "Identity", sizes="kept")
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


def binary(kind: Binary) -> Apply:
    return lambda layer, x1, x2, ops: kind(ops)(x1, x2)


for class_name, kind in BINARY.items():
    operation(class_name, sizes="spread")(binary(kind))


def telling_padding(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
    """A mask made by hand: what equals the number is padding; of whole numbers also what is not above 0."""
    numbers = (one for one in call.inputs if isinstance(one, (int, float)) and not isinstance(one, bool))
    number = next(numbers, None)
    if number is not None and function_of(layer) in ("equal", "not_equal"):
        return {"pads": True, "mask_value": float(number)}
    return {"pads": True, "mask_value": 0.0} if number in (0, 1) and is_whole(given.dtype) else {}


COMPARISONS = ("Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual")


@operation(*COMPARISONS, learns=LEARNS, sizes="spread", hands_on=False, expects=telling_padding)
def comparison(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.compare(x1, x2, function_of(layer))


@operation("Divide", "TrueDivide", sizes="spread")
def divide(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    return ops.divide(as_float(x1, ops), as_float(x2, ops))


@operation("Power", note=POWERS, neoml="partly", sizes="spread")
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


def numbers_beyond(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
    """Numbers of which some are larger than the divisor."""
    divisors = whole_numbers(call, layer)
    return {"span": (0.0, 3.0 * divisors[0] + 1)} if divisors is not None and divisors[0] > 0 else {}


@operation("FloorDivide", note="in NeoML not by whole numbers that may be 0", neoml="partly", learns="no")
@operation(
    "Mod",
    learns="no",
    note=REMAINDERS,
    neoml="partly",
    expects=numbers_beyond,
)
def whole_division(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    name = function_of(layer)
    # Only the remainder makes tensors of numbers first.
    dtype, (a, b) = promoted([x1, x2], ops, "typed" if name == "mod" else "weak")
    if is_float(dtype):
        return ops.array_function(name, [a, b]) if name == "mod" else ops.unary(ops.divide(a, b), "floor")
    return ops.whole_division(as_number(a, ops), as_number(b, ops), name)


@operation("Arctan2", note="in NeoML to 3 units in the last place", learns="no")
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


@operation("LogicalAnd", "LogicalOr", sizes="spread")
def logical(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    join = ops.logical_and if layer.class_name == "ops.LogicalAnd" else ops.logical_or
    return join(truths(x1, x2, ops), truths(x2, x1, ops))


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
