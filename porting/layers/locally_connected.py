"""Keras 2's convolutions with a kernel of its own for every place."""

from __future__ import annotations

from math import prod

from ..operations import Operations, Tensor
from .activations import activation
from .convolutions import as_configured, channels_last, padding
from .operation_kinds import known
from .operation_patches import patches
from .rule import LayerView, rule
from .windows import per_axis


@rule(
    "LocallyConnected1D",
    "LocallyConnected2D",
    mask="stop",
    irrelevant=("implementation",),
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
    seen = ops.reshape(seen, (prod(places), known(seen, axes + 1)))
    bias, filters = layer.weight("bias", if_config="use_bias"), layer.config["filters"]
    for weight, wanted in ((kernel, (*seen.shape[1:], filters)), (bias, (*places, filters))):
        if weight is not None and weight.shape != wanted:
            raise layer.refuse(f"a weight of shape {weight.shape}, not {wanted}", "save the network again")
    y = ops.reshape(ops.einsum("abc,bcd->abd", [seen, kernel]), (*places, filters))
    return activation(layer, as_configured(layer, y if bias is None else ops.add(y, bias), ops), ops)
