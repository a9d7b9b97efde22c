"""Keras' operations over windows: pools and convolutions with a constant kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..operations import Operations, Tensor, Weight
from .convolutions import as_configured, channels_last, padding, spatial_axes, steps
from .operation_kinds import Apply, operation
from .pooling import adaptive_pool, pool
from .rule import LayerView


@operation("MaxPool", "AveragePool")
def pooled(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    made: Tensor = pool(layer, x, ops)
    return made


@operation("AdaptiveAveragePool", "AdaptiveMaxPool")
def pooled_to_size(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    made: Tensor = adaptive_pool(layer, x, ops)
    return made


def convolution(kind: Callable[[Operations], Callable[..., Tensor]]) -> Apply:
    def apply(layer: LayerView, x: Tensor, kernel: Any, ops: Operations) -> Tensor:
        if not isinstance(kernel, Weight):
            raise layer.refuse("a convolution with a kernel that the network computes is not handled")
        strides, dilation = steps(layer, spatial_axes(layer, x, len(kernel.shape)))
        x = channels_last(layer, x, ops)
        y = kind(ops)(x, kernel, strides=strides, padding=padding(layer), dilation=dilation)
        return as_configured(layer, y, ops)

    return apply


@operation("SeparableConv")
def separable(layer: LayerView, inputs: Tensor, depthwise: Any, pointwise: Any, ops: Operations) -> Tensor:
    if not isinstance(depthwise, Weight) or not isinstance(pointwise, Weight):
        raise layer.refuse("a convolution with a kernel that the network computes is not handled")
    axes = spatial_axes(layer, inputs, len(depthwise.shape))
    strides, dilation = steps(layer, axes)
    x = channels_last(layer, inputs, ops)
    x = ops.depthwise_convolution(x, depthwise, strides=strides, padding=padding(layer), dilation=dilation)
    once = (1,) * axes
    return as_configured(layer, ops.convolution(x, pointwise, strides=once, padding="valid", dilation=once), ops)


@operation("BatchNorm")
def batch_norm(
    layer: LayerView, x: Tensor, mean: Any, variance: Any, ops: Operations, offset: Any = None, scale: Any = None
) -> Tensor:
    given = [one for one in (mean, variance, offset, scale) if one is not None]
    if not all(isinstance(one, Weight) for one in given):
        raise layer.refuse("batch_normalization by statistics that the network computes", "use arrays, or the formula")
    config = layer.config
    return ops.batch_normalization(x, mean, variance, scale, offset, epsilon=config["epsilon"], axis=config["axis"])


operation("Conv")(convolution(lambda ops: ops.convolution))
operation("DepthwiseConv")(convolution(lambda ops: ops.depthwise_convolution))
