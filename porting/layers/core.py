"""Dense, Embedding, and the layers that change nothing at inference."""

from __future__ import annotations

from typing import Any, Optional

from ..operations import Operations, Tensor
from .activations import activation
from .rule import LayerView, rule


@rule("Dense")
def dense(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("units")
    y = ops.dense(x, layer.weight("kernel"), layer.weight("bias", if_config="use_bias"))
    return activation(layer, y, ops)


def not_zero(layer: LayerView, ids: Tensor, mask: Any, ops: Operations) -> Optional[Tensor]:
    return ops.compare(ids, 0, "not_equal") if layer.config["mask_zero"] else None


@rule("Embedding", mask=not_zero)
def embedding(layer: LayerView, ids: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("input_dim", "output_dim", "input_length", "sparse", "mask_zero")
    return ops.embedding(ids, layer.weight("embeddings"))


@rule("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
def dropout(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("data_format", "noise_shape")
    rate = layer.config["rate"]
    if not ops.training or not rate:
        return x
    if layer.config.get("noise_shape") is not None or layer.config.get("data_format") == "channels_first":
        raise layer.refuse("noise_shape and channels_first are not handled in training", "leave them at their defaults")
    return ops.dropout(x, rate, whole_features=layer.class_name != "Dropout")


@rule(
    "GaussianDropout",
    "GaussianNoise",
    "AlphaDropout",
    "ActivityRegularization",
    "Identity",
    irrelevant=("rate", "stddev", "noise_shape", "data_format", "l1", "l2"),
)
def unchanged(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return x


def features_differ(layer: LayerView, x: Tensor, mask: Any, ops: Operations) -> Tensor:
    return ops.reduce(ops.compare(x, layer.config["mask_value"], "not_equal"), "any", (-1,))


@rule("Masking", mask=features_differ)
def masking(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    kept = ops.reduce(ops.compare(x, layer.config["mask_value"], "not_equal"), "any", (-1,), keepdims=True)
    return ops.where(kept, x, 0.0)
