"""What the rules of Keras' operations share: how they register, which dtype results have, and their axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..operations import Operations, Tensor, Weight
from .rule import LayerView, Refusal, rule

__all__ = [
    "COMPOSED",
    "Apply",
    "as_float",
    "as_kind",
    "axes_of",
    "kind_of",
    "known",
    "only_arrays",
    "operation",
    "promoted",
    "squeezed",
    "swapped",
    "whole",
]

Apply = Callable[..., Any]

# What NeoML compares or multiplies one by one.
COMPOSED = "NeoML composes it over one axis of known size, up to 1024 steps; 256 for products"


def operation(*names: str, note: str = "", neoml: str = "exact") -> Callable[[Apply], Apply]:
    """Register a rule for Keras operations by their class names in `keras.ops`."""
    return rule(*(f"ops.{name}" for name in names), mask="stop", note=note, neoml=neoml)


def only_arrays(*names: str) -> Callable[[Apply], Apply]:
    """Register a rule for operations that the numpy engine has and NeoML has no layer for."""
    return operation(*names, note="NeoML has no layer for it", neoml="refused")


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


def axes_of(layer: LayerView, x: Tensor) -> list[int]:
    axis = layer.config["axis"]
    if axis is None:
        return list(range(len(x.shape)))
    return [one % len(x.shape) for one in (axis if isinstance(axis, (list, tuple)) else [axis])]


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
