"""Activations with arguments, as layers."""

from __future__ import annotations

from typing import Optional

from ..network import Shape
from ..operations import Operations, Tensor
from .rule import Config, LayerView, WeightShapes, rule

MASKED = -1e9


@rule("ReLU", learns="not with a threshold", sizes="kept", pointwise=True)
def relu(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.activation(
        x,
        "relu",
        negative_slope=layer.config["negative_slope"] or 0.0,
        max_value=layer.config["max_value"],
        threshold=layer.config["threshold"] or 0.0,
    )


@rule("LeakyReLU", sizes="kept", pointwise=True)
def leaky_relu(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.activation(x, "leaky_relu", negative_slope=layer.config["negative_slope"])


@rule("ELU", sizes="kept", pointwise=True)
def elu(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.activation(x, "elu", alpha=layer.config["alpha"])


@rule("ThresholdedReLU")
def thresholded_relu(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Keras 2 has it."""
    return ops.activation(x, "threshold", threshold=layer.config["theta"], default_value=0.0)


def slopes(config: Config, inputs: list[Shape]) -> WeightShapes:
    shared = config["shared_axes"] or ()
    return {"alpha": tuple(1 if axis in shared else size for axis, size in enumerate(inputs[0][1:], 1))}


@rule("PReLU", weights=slopes, sizes="kept")
def prelu(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("shared_axes")  # where shared, alpha has the size 1
    below = ops.activation(ops.unary(x, "negative"), "relu")
    return ops.subtract(ops.activation(x, "relu"), ops.multiply(below, layer.weight("alpha")))


@rule("Softmax", learns="not with a mask that is spread over other axes", sizes="kept", pointwise=True)
def softmax(layer: LayerView, x: Tensor, ops: Operations, mask: Optional[Tensor] = None) -> Tensor:
    axis = layer.config["axis"]
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    return masked_softmax(x, mask, [one % len(x.shape) for one in axes], ops, layer.dialect)


def masked_softmax(x: Tensor, mask: Optional[Tensor], axes: list[int], ops: Operations, dialect: int = 3) -> Tensor:
    """Softmax over `axes` where the mask is true; Keras 3 gives 0 elsewhere, Keras 2 takes 1e9 off the logits."""
    if mask is None:
        return ops.softmax(x, axes)
    if mask.dtype != "bool" and dialect == 2:
        taken_off = ops.multiply(ops.subtract(1.0, ops.cast(mask, "float32")), MASKED)
        return ops.softmax(ops.add(x, taken_off), axes)
    if mask.dtype != "bool":
        mask = ops.compare(mask, 0.5, "greater")
    if dialect == 2:
        return ops.softmax(ops.where(mask, x, ops.add(x, MASKED)), axes)
    return ops.where(mask, ops.softmax(ops.where(mask, x, MASKED), axes), 0.0)
