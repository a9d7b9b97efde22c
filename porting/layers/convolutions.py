"""Convolutions: plain, depthwise, separable, transposed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..network import Shape
from ..operations import Operations, Tensor, Weight
from .activations import activation
from .rule import Config, LayerView, WeightShapes, rule
from .weight_shapes import features_of, times
from .windows import per_axis


def channels_last(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """The tensor with its features behind, wherever the layer's ``data_format`` has them."""
    if layer.config["data_format"] != "channels_first":
        return x
    return ops.transpose(x, (0, *range(2, len(x.shape)), 1))


def as_configured(layer: LayerView, y: Tensor, ops: Operations) -> Tensor:
    """Undo `channels_last`."""
    if layer.config["data_format"] != "channels_first":
        return y
    return ops.transpose(y, (0, len(y.shape) - 1, *range(1, len(y.shape) - 1)))


def spatial_axes(layer: LayerView, x: Tensor, kernel_axes: int) -> int:
    """How many axes the window has; the input must have two more."""
    axes = kernel_axes - 2
    if len(x.shape) != axes + 2:
        raise layer.refuse(f"takes a tensor of rank {axes + 2}, not of rank {len(x.shape)}")
    return axes


def steps(layer: LayerView, axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Strides and dilation, a number a spatial axis."""
    return per_axis(layer.config["strides"], axes), per_axis(layer.config["dilation_rate"], axes)


def padding(layer: LayerView) -> str:
    return str(layer.config["padding"]).lower()


def convolved(
    layer: LayerView, kind: Callable[..., Tensor], x: Tensor, kernel: Weight, ops: Operations, **options: Any
) -> Tensor:
    """One of `porting.operations.ConvolutionOperations` as the layer is configured, with bias and activation."""
    strides, dilation = steps(layer, spatial_axes(layer, x, len(kernel.shape)))
    bias = layer.weight("bias", if_config="use_bias")
    options = {"strides": strides, "padding": padding(layer), "dilation": dilation, **options}
    y = kind(channels_last(layer, x, ops), kernel, bias, **options)
    return activation(layer, as_configured(layer, y, ops), ops)


def convolution_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    features, filters = features_of(config, inputs[0]), config["filters"]
    window = per_axis(config["kernel_size"], len(inputs[0]) - 2)
    each = None if features is None else features // config["groups"]
    return {"kernel": (*window, each, filters), "bias": (filters,)}


@rule(
    "Conv1D",
    "Conv2D",
    "Conv3D",
    mask="stop",
    weights=convolution_weights,
    irrelevant=("filters", "kernel_size"),
    learns={"Conv3D": "not dilated"},
    linear=True,
)
def convolution(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    kernel = layer.weight("kernel")
    if len(x.shape) > len(kernel.shape):  # Keras 2 takes further axes of a batch in front
        made: Tensor = convolution(layer, ops.time_to_batch(x), ops)
        return ops.batch_to_time(made, like=x)
    return convolved(layer, ops.convolution, x, kernel, ops, groups=layer.config["groups"])


def depthwise_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    features, each = features_of(config, inputs[0]), config["depth_multiplier"]
    kernel = (*per_axis(config["kernel_size"], len(inputs[0]) - 2), features, each)
    return {"kernel": kernel, "depthwise_kernel": kernel, "bias": (times(features, each),)}


@rule(
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    mask="stop",
    weights=depthwise_weights,
    irrelevant=("kernel_size", "depth_multiplier", "filters", "groups"),
    learns="not dilated",
    linear=True,
)
def depthwise_convolution(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("kernel_initializer")
    kernel = layer.optional_weight("kernel") or layer.weight("depthwise_kernel")
    return convolved(layer, ops.depthwise_convolution, x, kernel, ops)


def separable_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    features, each, filters = features_of(config, inputs[0]), config["depth_multiplier"], config["filters"]
    window = per_axis(config["kernel_size"], len(inputs[0]) - 2)
    return {
        "depthwise_kernel": (*window, features, each),
        "pointwise_kernel": (*[1] * len(window), times(features, each), filters),
        "bias": (filters,),
    }


@rule(
    "SeparableConv1D",
    "SeparableConv2D",
    mask="stop",
    weights=separable_weights,
    irrelevant=("filters", "kernel_size", "depth_multiplier", "groups"),
    learns="not dilated",
    linear=True,
)
def separable_convolution(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    depthwise = layer.weight("depthwise_kernel")
    axes = spatial_axes(layer, x, len(depthwise.shape))
    strides, dilation = steps(layer, axes)
    y = ops.depthwise_convolution(
        channels_last(layer, x, ops), depthwise, strides=strides, padding=padding(layer), dilation=dilation
    )
    once = (1,) * axes
    y = ops.convolution(
        y,
        layer.weight("pointwise_kernel"),
        layer.weight("bias", if_config="use_bias"),
        strides=once,
        padding="valid",
        dilation=once,
    )
    return activation(layer, as_configured(layer, y, ops), ops)


def transposed_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    window, filters = per_axis(config["kernel_size"], len(inputs[0]) - 2), config["filters"]
    return {"kernel": (*window, filters, features_of(config, inputs[0])), "bias": (filters,)}


@rule(
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    mask="stop",
    weights=transposed_weights,
    irrelevant=("filters", "kernel_size", "groups"),
    learns="not where stride or output padding reach beyond the window",
    linear=True,
)
def transposed_convolution(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    kernel = layer.weight("kernel")
    given = layer.config.get("output_padding")
    output_padding = None if given is None else per_axis(given, spatial_axes(layer, x, len(kernel.shape)))
    return convolved(layer, ops.transposed_convolution, x, kernel, ops, output_padding=output_padding)
