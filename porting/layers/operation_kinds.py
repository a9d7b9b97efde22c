"""What the rules of Keras' operations share: how they register, which dtype results have, and their axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional, Union

from ..dtypes import is_float, is_whole
from ..network import Call, Constant, Layer, TensorRef
from ..operations import Operations, Tensor, Weight, dtype_of, promoted_type
from .rule import LayerView, MaskOf, Refusal, rule

Apply = Callable[..., Any]

# What NeoML compares or multiplies one by one.
COMPOSED = "NeoML composes it over one axis of known size, up to 1024 steps; 256 for products"
REMAINDERS = "in NeoML of fewer than 2³³ times the divisor, NaN beyond, and not by whole numbers that may be 0"


def operation(
    *names: str,
    mask: MaskOf = "stop",
    learns: Union[str, Mapping[str, str]] = "yes",
    **facts: Any,
) -> Callable[[Apply], Apply]:
    """Register a rule for Keras operations by their class names in `keras.ops`; `facts` are those of `rule`.

    With the mask ``own``, an operation that hands its tensor on untouched hands its mask on.
    """
    by_class = learns if isinstance(learns, str) else {f"ops.{name}": text for name, text in learns.items()}
    classes = (f"ops.{name}" for name in names)
    return rule(*classes, mask=mask, learns=by_class, **facts)


def whole_numbers(call: Call, layer: Layer) -> Optional[tuple[int, int]]:
    """The least and the largest of the whole numbers that a call computes a tensor with; None where there are none."""
    if len(call.inputs) != 2 or not isinstance(call.inputs[0], TensorRef):
        return None
    other = call.inputs[1]
    if isinstance(other, int) and not isinstance(other, bool):
        return other, other
    if isinstance(other, Constant):
        array = layer.weights.get(other.weight)
        if array is not None and array.dtype.kind in "iu" and array.size:
            return int(array.min()), int(array.max())
    return None


def snake(name: str) -> str:
    """``HardTanh`` as ``hard_tanh``; of `keras.activations` ``ReLU`` is ``relu``."""
    name = {"ReLU": "Relu"}.get(name, name)
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def function_of(layer: Union[LayerView, Layer]) -> str:
    """The function in `keras.ops` that a layer applies: ``hard_tanh`` of ``ops.HardTanh``."""
    return snake(layer.class_name.rpartition(".")[2])


# ---- dtypes


def kind_of(x: Any) -> str:
    """``bool``, ``int`` or ``float``."""
    dtype = promoted_type(x)
    return "bool" if dtype == "bool" else "int" if is_whole(dtype) else "float"


def in_dtype(x: Any, dtype: str, ops: Operations) -> Any:
    """A tensor or a weight in another dtype; a number takes that of what it meets."""
    if isinstance(x, (bool, int, float)):
        return float(x) if is_float(dtype) else int(x)
    if dtype_of(x) == dtype:
        return x
    return Weight("", x.value.astype(dtype)) if isinstance(x, Weight) else ops.cast(x, dtype)


def as_float(x: Any, ops: Operations) -> Any:
    """Whole numbers and truths as float32."""
    if isinstance(x, (bool, int, float)):
        return float(x)
    return in_dtype(x, "float32" if kind_of(x) != "float" else dtype_of(x), ops)


def as_bool(x: Any, ops: Operations) -> Any:
    return x if isinstance(x, (bool, int, float, Weight)) else in_dtype(x, "bool", ops)


def as_number(x: Any, ops: Operations) -> Any:
    """Truths as int32."""
    return in_dtype(x, "int32", ops) if kind_of(x) == "bool" else x


def promoted(xs: Sequence[Any], ops: Operations, numbers: str = "weak") -> tuple[str, list[Any]]:
    """The dtype in which operands meet (see `promoted_type`), and the operands in it."""
    dtype = promoted_type(*xs, numbers=numbers)
    return dtype, [in_dtype(x, dtype, ops) for x in xs]


def axes_of(layer: LayerView, x: Tensor) -> list[int]:
    axis = layer.config["axis"]
    if axis is None:
        return list(range(len(x.shape)))
    return [one % len(x.shape) for one in as_list(axis)]


def as_list(axes: Any) -> list[int]:
    return list(axes) if isinstance(axes, (list, tuple, range)) else [axes]


# ---- axes


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
