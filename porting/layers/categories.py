"""Text and categories: Keras' preprocessing layers. Straight after inputs they run before every engine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from ..network import Call, Input, Layer
from ..operations import Operations, Tensor
from ..text import LAYERS, PACKERS, TOKENIZERS
from .rule import LayerView, rule

OWN_RULES = {*TOKENIZERS, *PACKERS, "Discretization"}
# So many boundaries are tried.
MOST_BOUNDARIES = 50
NOTE = "runs before the engine, straight after inputs; elsewhere in the numpy engine only"


def around_boundaries(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
    """Numbers on, between and beyond boundaries."""
    boundaries = layer.weights.get("bin_boundaries", np.array(layer.config.get("bin_boundaries") or (), float))
    edges = np.sort(boundaries.astype(np.float64).reshape(-1))[:MOST_BOUNDARIES]
    beyond = (edges[0] - 1, edges[-1] + 1) if edges.size else ()
    return {"choices": tuple(map(float, (*edges, *(edges[1:] + edges[:-1]) / 2, *beyond)))}


@rule(*PACKERS, mask="stop", note="of keras-hub; behind a tokenizer")
def packing(layer: LayerView, inputs: Any, ops: Operations, returns: Any = "token_ids", dtype: Any = "int32") -> Tensor:
    layer.irrelevant(*layer.config)
    function = LAYERS[layer.class_name](dict(layer.config), {})
    return ops.computed(partial(function, returns=returns, dtype=dtype), [inputs])


@rule(
    "Discretization",
    mask="stop",
    note="to ids anywhere; else before the engine, or in the numpy engine only",
    expects=around_boundaries,
)
@rule(*TOKENIZERS, mask="stop", note="of keras-hub; straight after inputs")
@rule(*(name for name in LAYERS if name not in OWN_RULES), mask="stop", note=NOTE)
def preprocessing(layer: LayerView, inputs: Any, ops: Operations, count_weights: Any = None) -> Tensor:
    layer.irrelevant(*layer.config)
    weights = {name: layer.weight(name).value for name in layer.weight_names()}
    function = LAYERS[layer.class_name](dict(layer.config), weights)
    return ops.computed(function, [inputs] if count_weights is None else [inputs, count_weights])
