"""Keras' operations over windows: pools and convolutions with a constant kernel."""

from __future__ import annotations

from typing import Any

from ..operations import Operations, Tensor, Weight
from .convolution import as_configured, channels_last, padding, spatial_axes, steps
from .operation_kinds import Apply, operation
from .pooling import pool
from .rule import LayerView


def pooling(name: str) -> Apply:
    def apply(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
        return pool(layer, x, ops, name)

    return apply


operation("MaxPool")(pooling("max"))
operation("AveragePool")(pooling("mean"))


def convolution(name: str) -> Apply:
    def apply(layer: LayerView, x: Tensor, kernel: Any, ops: Operations) -> Tensor:
        if not isinstance(kernel, Weight):
            raise layer.refuse("a convolution with a kernel that the network computes is not handled")
        strides, dilation = steps(layer, spatial_axes(layer, x, len(kernel.shape)))
        convolve = getattr(ops, name)
        y = convolve(channels_last(layer, x, ops), kernel, strides=strides, padding=padding(layer), dilation=dilation)
        return as_configured(layer, y, ops)

    return apply


operation("Conv")(convolution("convolution"))
operation("DepthwiseConv")(convolution("depthwise_convolution"))
