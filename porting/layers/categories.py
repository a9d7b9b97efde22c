"""Text and categories: Keras' preprocessing layers. Straight after inputs they run before every engine."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..operations import Operations, Tensor
from ..text import LAYERS
from .rule import LayerView, rule

OWN_RULES = frozenset(
    {"BytePairTokenizer", "Discretization", "MultiSegmentPacker", "StartEndPacker", "WordPieceTokenizer"}
)
NOTE = "runs before the engine, straight after inputs; elsewhere in the numpy engine only"


@rule("Discretization", mask="stop", note="to ids anywhere; else before the engine, or in the numpy engine only")
def discretization(layer: LayerView, inputs: Any, ops: Operations) -> Tensor:
    return preprocessing(layer, inputs, ops)


@rule("MultiSegmentPacker", "StartEndPacker", mask="stop", note="of keras-hub; behind a tokenizer")
def packing(layer: LayerView, inputs: Any, ops: Operations, returns: Any = "token_ids", dtype: Any = "int32") -> Tensor:
    layer.irrelevant(*layer.config)
    function = LAYERS[layer.class_name](dict(layer.config), {})
    return ops.computed(partial(function, returns=returns, dtype=dtype), [inputs])


@rule("BytePairTokenizer", "WordPieceTokenizer", mask="stop", note="of keras-hub; straight after inputs")
def tokenizing(layer: LayerView, inputs: Any, ops: Operations) -> Tensor:
    return preprocessing(layer, inputs, ops)


@rule(*(name for name in LAYERS if name not in OWN_RULES), mask="stop", note=NOTE)
def preprocessing(layer: LayerView, inputs: Any, ops: Operations, count_weights: Any = None) -> Tensor:
    layer.irrelevant(*layer.config)
    weights = {name: layer.weight(name).value for name in layer.weight_names()}
    function = LAYERS[layer.class_name](dict(layer.config), weights)
    return ops.computed(function, [inputs] if count_weights is None else [inputs, count_weights])
