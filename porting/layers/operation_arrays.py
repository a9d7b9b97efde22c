"""Keras' operations that numpy has and NeoML has no layers for: the numpy engine runs them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..operations import Operations, Tensor, Weight
from .operation_kinds import COMPOSED, Apply, as_float, axes_of, only_arrays, operation, promoted
from .rule import LayerView


def elementwise(name: str) -> Apply:
    def apply(layer: LayerView, x: Any, ops: Operations) -> Tensor:
        return ops.array_function(name, [as_float(x, ops)])

    return apply


def of_two(name: str) -> Apply:
    def apply(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
        return ops.array_function(name, promoted([x1, x2], ops)[1])

    return apply


def without_nan(name: str) -> Apply:
    def apply(layer: LayerView, x: Any, ops: Operations) -> Tensor:
        axis = None if layer.config["axis"] is None else tuple(axes_of(layer, x))
        return ops.array_function(name, [as_float(x, ops)], axis=axis, keepdims=layer.config["keepdims"])

    return apply


def along_one_axis(name: str) -> Apply:
    def apply(layer: LayerView, x: Any, ops: Operations) -> Tensor:
        layer.irrelevant("dtype")
        kept = {"keepdims": True} if layer.config.get("keepdims") else {}
        found = ops.array_function(name, [as_float(x, ops)], axis=layer.config["axis"], **kept)
        return ops.cast(found, "int32") if "arg" in name else found

    return apply


for class_name, function in {"Angle": "angle", "I0": "i0", "Signbit": "signbit", "Sinc": "sinc"}.items():
    only_arrays(class_name)(elementwise(function))
for class_name in ("Isneginf", "Isposinf"):
    only_arrays(class_name)(elementwise(class_name.lower()))
for class_name in ("Fmax", "Fmin", "Fmod", "Nextafter"):
    only_arrays(class_name)(of_two(class_name.lower()))
for class_name in ("Nanmax", "Nanmean", "Nanmedian", "Nanmin", "Nanprod", "Nanstd", "Nansum", "Nanvar"):
    only_arrays(class_name)(without_nan(class_name.lower()))
for class_name in ("Nanargmax", "Nanargmin", "Nancumprod", "Nancumsum"):
    only_arrays(class_name)(along_one_axis(class_name.lower()))


@only_arrays("NanToNum")
def nan_to_num(layer: LayerView, x: Any, ops: Operations) -> Tensor:
    config = layer.config
    given = {"nan": config["nan"], "posinf": config["posinf"], "neginf": config["neginf"]}
    return ops.array_function("nan_to_num", [as_float(x, ops)], **given)


@only_arrays("Cross")
def cross(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    axes = {key: layer.config[key] for key in ("axisa", "axisb", "axisc", "axis")}
    return ops.array_function("cross", [as_float(x, ops) for x in (x1, x2)], **axes)


@operation("TakeAlongAxis", note=COMPOSED, neoml="partly")
def take_along_axis(layer: LayerView, x: Any, indices: Any, ops: Operations) -> Tensor:
    return ops.array_function("take_along_axis", [x, indices], axis=layer.config["axis"])


@operation("TopK", note=COMPOSED, neoml="partly")
def top_k(layer: LayerView, x: Tensor, ops: Operations) -> list[Tensor]:
    """The largest values of the last axis in falling order, and their places; of equal values the first ones."""
    if not layer.config["sorted"]:
        raise layer.refuse("top_k with sorted=False promises no order", "use sorted=True")
    order = ops.array_function("argsort", [ops.unary(as_float(x, ops), "negative")], axis=-1)
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
    name = layer.class_name.rpartition(".")[2].lower()
    given = {key: layer.config[key] for key in ("num", "endpoint", "axis", "base") if key in layer.config}
    dtype = np.dtype(layer.config["dtype"] or "float32")
    return ops.array_function(name, [as_float(start, ops), as_float(stop, ops)], dtype=dtype, **given)


@only_arrays("Quantile", "Percentile", "Nanquantile", "Nanpercentile")
def quantile(layer: LayerView, x: Any, q: Any, ops: Operations) -> Tensor:
    name = layer.class_name.rpartition(".")[2].lower()
    if isinstance(q, (Tensor, Weight)) or layer.config["axis"] is None:
        raise layer.refuse(f"{name} takes one number here, and axes by name", "call it once for each")
    given = {"method": layer.config["method"], "keepdims": layer.config["keepdims"]}
    return ops.array_function(name, [as_float(x, ops), q], axis=tuple(axes_of(layer, x)), **given)


UNDETERMINED = {
    "Argpartition": ("the order within the parts of argpartition is not determined", "use argsort"),
    "LuFactor": ("LU factors are not handled", "use solve, or qr"),
    "UnravelIndex": ("Keras with TensorFlow counts the places of unravel_index otherwise than numpy", "use // and %"),
}


def undetermined(what: str, way_out: str) -> Apply:
    def apply(layer: LayerView, *x: Any, ops: Operations) -> Tensor:
        raise layer.refuse(what, way_out)

    return apply


for class_name, reason in UNDETERMINED.items():
    operation(class_name, note=reason[0], neoml="refused")(undetermined(*reason))


OF_INTEGERS = {
    "BitwiseAnd": "bitwise_and",
    "BitwiseInvert": "invert",
    "BitwiseLeftShift": "left_shift",
    "BitwiseNot": "invert",
    "BitwiseOr": "bitwise_or",
    "BitwiseRightShift": "right_shift",
    "BitwiseXor": "bitwise_xor",
    "Gcd": "gcd",
    "Lcm": "lcm",
    "LeftShift": "left_shift",
    "RightShift": "right_shift",
}


def of_integers(name: str) -> Apply:
    def of_one(layer: LayerView, x: Any, ops: Operations) -> Tensor:
        return ops.array_function(name, [x])

    def of_both(layer: LayerView, x: Any, y: Any, ops: Operations) -> Tensor:
        return ops.array_function(name, [x, y])

    return of_one if name == "invert" else of_both


for class_name, function in OF_INTEGERS.items():
    only_arrays(class_name)(of_integers(function))
