"""Text and categories: Keras' preprocessing layers. Straight after inputs they run before every engine."""

from __future__ import annotations

from typing import Any

from ..operations import Operations, Tensor
from ..text import LAYERS
from .rule import LayerView, rule

NOTE = "runs before the engine, straight after inputs; elsewhere in the numpy engine only"


@rule("Discretization", mask="stop", note="to ids anywhere; else before the engine, or in the numpy engine only")
def discretization(layer: LayerView, inputs: Any, ops: Operations) -> Tensor:
    return preprocessing(layer, inputs, ops)


@rule(*(name for name in LAYERS if name != "Discretization"), mask="stop", note=NOTE)
def preprocessing(layer: LayerView, inputs: Any, ops: Operations, count_weights: Any = None) -> Tensor:
    layer.irrelevant(*layer.config)
    weights = {name: layer.weight(name).value for name in layer.weight_names()}
    function = LAYERS[layer.class_name](dict(layer.config), weights)
    return ops.computed(function, [inputs] if count_weights is None else [inputs, count_weights])
