"""Keras 2's convolutions with a kernel of its own for every place."""

from __future__ import annotations

from math import prod

from ..network import Shape
from ..operations import Operations, Tensor
from .activations import activation
from .convolution import as_configured, channels_last, padding
from .operation_kinds import known
from .operation_patches import patches
from .rule import Config, LayerView, WeightShapes, rule
from .weight_shapes import features_of, times
from .windows import output_size, per_axis


def local_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    """A matrix for each place; other implementations, which the rule refuses, have other kernels."""
    if config.get("implementation", 1) != 1:
        return {}
    (shape,) = inputs
    sizes = shape[2:] if config["data_format"] == "channels_first" else shape[1:-1]
    window, strides = (per_axis(config[key], len(sizes)) for key in ("kernel_size", "strides"))
    places = [output_size(*one) for one in zip(sizes, [(0, 0)] * len(sizes), window, strides)]
    count = None if None in places else prod(size for size in places if size)
    filters = config["filters"]
    return {"kernel": (count, times(features_of(config, shape), prod(window)), filters), "bias": (*places, filters)}


@rule(
    "LocallyConnected1D",
    "LocallyConnected2D",
    mask="stop",
    weights=local_weights,
    irrelevant=("filters", "implementation"),
    note="Keras 2 only; with implementation=1",
)
def locally_connected(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Every patch of the input, flat, times its own matrix."""
    kernel = layer.weight("kernel")
    if len(kernel.shape) != 3:
        raise layer.refuse("a kernel that holds zeros for what no window sees", "build it with implementation=1")
    axes = int(layer.class_name[-2])
    size, strides = per_axis(layer.config["kernel_size"], axes), per_axis(layer.config["strides"], axes)
    if padding(layer) != "valid":
        raise layer.refuse(f"padding {padding(layer)!r} is not handled", "pad before it: ZeroPadding1D, ZeroPadding2D")
    seen = patches(channels_last(layer, x, ops), size, strides, (1,) * axes, [(0, 0)] * axes, ops)
    places = [known(seen, axis) for axis in range(1, axes + 1)]
    seen = ops.reshape(seen, (prod(places), kernel.shape[1]))
    y = ops.reshape(ops.einsum("abc,bcd->abd", [seen, kernel]), (*places, kernel.shape[2]))
    bias = layer.weight("bias", if_config="use_bias")
    return activation(layer, as_configured(layer, y if bias is None else ops.add(y, bias), ops), ops)
