"""Layers that move values without changing them."""

from __future__ import annotations

from typing import Optional

from ..operations import Operations, Tensor
from .rule import LayerView, rule


@rule("Flatten", mask="stop", hands_on=True)
def flatten(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.config["data_format"] == "channels_first" and len(x.shape) > 2:
        x = ops.transpose(x, (0, *range(2, len(x.shape)), 1))
    return ops.reshape(x, (-1,))


@rule("Reshape", mask="stop", hands_on=True)
def reshape(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.reshape(x, tuple(layer.config["target_shape"]))


@rule("Permute", mask="stop", hands_on=True)
def permute(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.transpose(x, (0, *layer.config["dims"]))


@rule("RepeatVector", mask="stop", hands_on=True)
def repeat_vector(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.repeat(ops.expand_dims(x, 1), layer.config["n"], axis=1)


@rule("GlobalAveragePooling1D", mask="stop")
def global_average_pooling_1d(layer: LayerView, x: Tensor, ops: Operations, mask: Optional[Tensor] = None) -> Tensor:
    axis = 2 if layer.config["data_format"] == "channels_first" else 1
    keepdims = layer.config["keepdims"]
    if mask is None:
        return ops.reduce(x, "mean", (axis,), keepdims)
    kept = ops.expand_dims(mask, 1 if axis == 2 else 2)
    total = ops.reduce(ops.where(kept, x, 0.0), "sum", (axis,), keepdims)
    return ops.divide(total, ops.reduce(ops.cast(kept, "float32"), "sum", (axis,), keepdims))


@rule("GlobalMaxPooling1D", mask="stop", hands_on=True)
def global_max_pooling_1d(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axis = 2 if layer.config["data_format"] == "channels_first" else 1
    return ops.reduce(x, "max", (axis,), layer.config["keepdims"])
