"""Keras' operations used as layers in functional models: ``x + y``, ``x[:, 0]``, ``keras.ops.mean(x, axis=1)``.

A row a class where classes differ only in what they compute. An operation's outputs carry no mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Optional

import numpy as np

from ..operations import Operand, Operations, Tensor, Weight
from .activations import ELEMENTWISE, sparsemax
from .merging import same_rank
from .rule import LayerView, Refusal, rule
from .scaling import layer_normalize, rms_normalize, unit_norm, variance_of

__all__ = ["operation"]

Apply = Callable[..., Any]
# More places than this are picked by a matrix of zeros and ones.
MOST_PIECES = 64


def operation(*names: str) -> Callable[[Apply], Apply]:
    """Register a rule for Keras operations by their class names in `keras.ops`."""
    return rule(*(f"ops.{name}" for name in names), mask="stop")


# ---- dtypes: Keras promotes bool to int to float, and a Python number takes the kind that it has


def kind_of(x: Any) -> str:
    """``bool``, ``int`` or ``float``."""
    if isinstance(x, Weight):
        name = x.value.dtype.name
    elif isinstance(x, Tensor):
        name = x.dtype
    else:
        name = type(x).__name__
    return "bool" if name == "bool" else "int" if name.startswith(("int", "uint")) else "float"


def as_kind(x: Any, kind: str, ops: Operations) -> Any:
    """A tensor of another kind cast to it; numbers and weights as they are."""
    if isinstance(x, (bool, int, float)):
        return float(x) if kind == "float" else int(x)
    if kind_of(x) == kind or not isinstance(x, Tensor):
        return x
    return ops.cast(x, {"int": "int32", "float": "float32", "bool": "bool"}[kind])


def as_float(x: Any, ops: Operations) -> Any:
    return as_kind(x, "float", ops)


def whole(result: Tensor, like: Sequence[Any], ops: Operations) -> Tensor:
    """The result as integers, where an engine made floats of them."""
    if kind_of(result) == "int":
        return result
    dtype = next((x.dtype for x in like if isinstance(x, Tensor) and kind_of(x) == "int"), "int32")
    return ops.cast(result, dtype)


def promoted(xs: Sequence[Any], ops: Operations, least: str = "int") -> tuple[str, list[Any]]:
    """The operands in the kind of the widest of them, and that kind."""
    order = ("bool", "int", "float")
    kind = max((*(kind_of(x) for x in xs), least), key=order.index)
    return kind, [as_kind(x, kind, ops) for x in xs]


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


def axes_of(layer: LayerView, x: Tensor) -> list[int]:
    axis = layer.config["axis"]
    if axis is None:
        return list(range(len(x.shape)))
    return [one % len(x.shape) for one in (axis if isinstance(axis, (list, tuple)) else [axis])]


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


# ---- shapes


def known(x: Tensor, axis: int) -> int:
    size = x.shape[axis]
    if size is None:
        raise Refusal(f"axis {axis} of shape {tuple(x.shape)} is open, but its size is needed", "fix it in the Input")
    return size


def swapped(x: Tensor, one: int, other: int, ops: Operations) -> Tensor:
    order = list(range(len(x.shape)))
    order[one], order[other] = order[other], order[one]
    return ops.transpose(x, order)


def squeezed(x: Tensor, axes: Sequence[int], ops: Operations) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = ops.squeeze(x, axis)
    return x


@operation("ExpandDims")
def expand_dims(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axis = layer.config["axis"]
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    for one in sorted(one % (len(x.shape) + len(axes)) for one in axes):
        x = ops.expand_dims(x, one)
    return x


@operation("Squeeze")
def squeeze(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axis = layer.config["axis"]
    if axis is None:
        return squeezed(x, [one for one, size in enumerate(x.shape) if one and size == 1], ops)
    return squeezed(x, axes_of(layer, x), ops)


@operation("Reshape")
def reshape(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    target = layer.config["newshape"]
    first, *rest = target if isinstance(target, (list, tuple)) else [target]
    if first not in (-1, None) and first != x.shape[0]:
        raise layer.refuse(f"a reshape to {target} that fixes the batch is not handled", "put -1 first")
    if first == -1 and (None in x.shape[1:] or prod(rest) != prod(size or 1 for size in x.shape[1:])):
        raise layer.refuse(f"a reshape to {target} that mixes the rows of a batch is not handled", "use Reshape")
    return ops.reshape(x, [-1 if size is None else size for size in rest])


@operation("Ravel")
def ravel(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    raise layer.refuse("ravel mixes the rows of a batch", "use Flatten")


@operation("Transpose")
def transpose(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axes = layer.config["axes"]
    rank = len(x.shape)
    return ops.transpose(x, [axis % rank for axis in axes] if axes is not None else list(reversed(range(rank))))


@operation("Swapaxes")
def swapaxes(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    rank = len(x.shape)
    return swapped(x, layer.config["axis1"] % rank, layer.config["axis2"] % rank, ops)


@operation("Moveaxis")
def moveaxis(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    rank = len(x.shape)
    source, target = (
        [one % rank for one in (axes if isinstance(axes, (list, tuple)) else [axes])]
        for axes in (layer.config["source"], layer.config["destination"])
    )
    order = [axis for axis in range(rank) if axis not in source]
    for to, axis in sorted(zip(target, source)):
        order.insert(to, axis)
    return ops.transpose(x, order)


@operation("Concatenate", "Hstack")
def concatenate(layer: LayerView, xs: Sequence[Any], ops: Operations) -> Tensor:
    axis = 1 if layer.class_name == "ops.Hstack" else layer.config["axis"]
    if axis is None or axis % len(xs[0].shape) == 0:
        raise layer.refuse(f"a concatenation over axis {axis} mixes the rows of a batch", "name another axis")
    if not all(isinstance(x, Tensor) for x in xs):
        raise layer.refuse("a concatenation with a constant is not handled", "make it an input")
    _, tensors = promoted(xs, ops, "bool")
    return ops.concatenate(tensors, axis)


@operation("Stack")
def stack(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    axis = layer.config["axis"] % (len(xs[0].shape) + 1)
    _, tensors = promoted(xs, ops, "bool")
    return ops.concatenate([ops.expand_dims(x, axis) for x in tensors], axis)


@operation("Unstack")
def unstack(layer: LayerView, x: Tensor, ops: Operations) -> list[Tensor]:
    layer.irrelevant("num")
    axis = layer.config["axis"] % len(x.shape)
    return [picked(x, axis, at, ops) for at in range(known(x, axis))]


@operation("Split")
def split(layer: LayerView, x: Tensor, ops: Operations) -> list[Tensor]:
    axis, where = layer.config["axis"] % len(x.shape), layer.config["indices_or_sections"]
    size = known(x, axis)
    ends = list(where) if isinstance(where, (list, tuple)) else [size // where * (one + 1) for one in range(where - 1)]
    return [ops.slice(x, axis, start, end) for start, end in zip([0, *ends], [*ends, size])]


@operation("Repeat")
def repeat(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.config["axis"] is None or not isinstance(layer.config["repeats"], int):
        raise layer.refuse("a repeat over all axes, or by several numbers, is not handled", "repeat one axis")
    return ops.repeat(x, layer.config["repeats"], layer.config["axis"] % len(x.shape))


@operation("Tile")
def tile(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    repeats = layer.config["repeats"]
    listed = list(repeats) if isinstance(repeats, (list, tuple)) else [repeats]
    listed = [1] * (len(x.shape) - len(listed)) + listed
    if len(listed) > len(x.shape):
        raise layer.refuse(f"tile by {repeats} adds axes in front of the batch", "expand_dims first")
    for axis, times in enumerate(listed):
        if times != 1:
            x = ops.concatenate([x] * times, axis)
    return x


@operation("BroadcastTo")
def broadcast_to(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    raise layer.refuse(f"broadcast_to {layer.config['shape']} fixes the batch", "use repeat")


@operation("Flip")
def flip(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    for axis in axes_of(layer, x):
        x = ops.flip(x, axis)
    return x


@operation("Roll")
def roll(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if not isinstance(layer.config["axis"], int) or not isinstance(layer.config["shift"], int):
        raise layer.refuse("a roll of several axes is not handled", "roll one axis after the other")
    axis = layer.config["axis"] % len(x.shape)
    by = layer.config["shift"] % known(x, axis)
    return ops.concatenate([ops.slice(x, axis, -by, None), ops.slice(x, axis, 0, -by)], axis) if by else x


@operation("Pad")
def pad(layer: LayerView, x: Tensor, ops: Operations, constant_values: float = 0.0) -> Tensor:
    amounts = [tuple(one) if isinstance(one, (list, tuple)) else (one, one) for one in layer.config["pad_width"]]
    if layer.config["mode"] != "constant":
        raise layer.refuse(f"pad mode {layer.config['mode']!r} is not handled", "use mode 'constant'")
    if len(amounts) == 1:
        amounts = amounts * len(x.shape)
    if amounts[0] != (0, 0):
        raise layer.refuse("padding of the batch axis is not handled")
    result = ops.pad(as_float(x, ops), amounts[1:], float(constant_values or 0.0))
    return whole(result, [x], ops) if kind_of(x) == "int" else result


def picked(x: Tensor, axis: int, at: int, ops: Operations) -> Tensor:
    """One step of an axis, which is dropped."""
    return ops.squeeze(ops.slice(x, axis, at, at + 1 if at != -1 else None), axis)


@operation("GetItem")
def get_item(layer: LayerView, x: Tensor, key: Any, ops: Operations) -> Tensor:
    axis = 0
    for part in key if isinstance(key, (list, tuple)) else [key]:
        if part is None:
            x = ops.expand_dims(x, axis)
            axis += 1
        elif isinstance(part, int) and not isinstance(part, bool):
            x = picked(x, axis, part, ops)
        elif isinstance(part, slice):
            x = sliced(x, axis, part, ops)
            axis += 1
        else:
            raise layer.refuse("a subscript that is no number, slice, None or … is not handled", "use ops.take")
    return x


def sliced(x: Tensor, axis: int, part: slice, ops: Operations) -> Tensor:
    limits = (part.start, part.stop, part.step)
    if any(isinstance(limit, Tensor) for limit in limits):
        raise Refusal("a slice that the data decide is not handled", "slice by numbers")
    start, stop, step = limits
    if (start, stop, step) in ((None, None, None), (None, None, 1)):
        return x
    return ops.slice(x, axis, start, stop, 1 if step is None else step)


@operation("Take")
def take(layer: LayerView, x: Any, indices: Any, ops: Operations) -> Tensor:
    if isinstance(x, Weight) and isinstance(indices, Tensor) and layer.config["axis"] in (0, None):
        return ops.embedding(indices, x)
    if isinstance(indices, Tensor) or layer.config["axis"] is None:
        raise layer.refuse("take at places that the data decide is not handled", "use Embedding, or fixed places")
    axis = layer.config["axis"] % len(x.shape)
    if isinstance(indices, int):
        return picked(x, axis, indices, ops)
    places = [int(at) % known(x, axis) for at in (indices.value if isinstance(indices, Weight) else indices)]
    if len(places) > MOST_PIECES:
        return ops.resample(x, axis, np.eye(known(x, axis), dtype=np.float32)[places])
    return ops.concatenate([ops.slice(x, axis, at, at + 1) for at in places], axis)


# ---- values of a given shape


def filled(layer: LayerView, x: Tensor, value: Any, ops: Operations) -> Tensor:
    return ops.cast(ops.full_like(x, float(value)), layer.config.get("dtype") or x.dtype)


@operation("OnesLike")
def ones_like(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return filled(layer, x, 1, ops)


@operation("ZerosLike")
def zeros_like(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return filled(layer, x, 0, ops)


@operation("FullLike")
def full_like(layer: LayerView, x: Tensor, fill_value: Any, ops: Operations) -> Tensor:
    if not isinstance(fill_value, (int, float)):
        raise layer.refuse("full_like with a tensor is not handled", "add it to zeros_like")
    return filled(layer, x, fill_value, ops)


@operation("Cast")
def cast(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.cast(x, layer.config["dtype"])


@operation("OneHot")
def one_hot(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.config["axis"] not in (-1, len(x.shape)) or layer.config.get("sparse"):
        raise layer.refuse("one_hot over another axis than the last is not handled", "transpose after it")
    spread = ops.repeat(ops.expand_dims(as_float(x, ops), len(x.shape)), layer.config["num_classes"], len(x.shape))
    classes = ops.positions(spread, len(x.shape))
    return ops.cast(ops.compare(*same_rank(spread, classes, ops), "equal"), layer.config["dtype"] or "float32")
