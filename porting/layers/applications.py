"""Layers that networks of ``keras.applications`` bring along."""

from __future__ import annotations

from ..operations import Operations, Tensor
from .core import drop
from .rule import LayerView, rule


@rule(
    "LayerScale",
    mask="stop",
    weights=lambda config, inputs: {"gamma": (config["projection_dim"],)},
    irrelevant=("init_values", "projection_dim"),
    note="of ConvNeXt",
)
def layer_scale(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.multiply(x, layer.weight("gamma"))


@rule("StochasticDepth", mask="stop", note="of ConvNeXt; at inference it does nothing")
def stochastic_depth(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """In training rows are left out whole."""
    rate = layer.config["drop_path_rate"]
    training = ops.training
    if training is None or not rate:
        return x
    return drop(x, (x.shape[0], *[1] * (len(x.shape) - 1)), rate, ops, training)
