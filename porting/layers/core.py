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


@rule("ReversibleEmbedding", mask="own")
def reversible_embedding(layer: LayerView, x: Tensor, ops: Operations, reverse: bool = False) -> Tensor:
    layer.irrelevant("input_dim", "output_dim")
    mask_zero, tied, soft_cap = (layer.config[key] for key in ("mask_zero", "tie_weights", "logit_soft_cap"))
    table = layer.weight("embeddings")
    kernel = None if tied else layer.weight("reverse_embeddings")
    if layer.config["reverse_dtype"] not in (None, "float32"):
        raise layer.refuse(f"reverse_dtype={layer.config['reverse_dtype']!r}", "use float32")
    if not reverse:
        rows = ops.embedding(x, table)
        return rows.with_mask(ops.compare(x, 0, "not_equal")) if mask_zero else rows
    logits = ops.matmul(x, table, transpose_b=True) if kernel is None else ops.matmul(x, kernel)
    if soft_cap is None:
        return logits
    return ops.multiply(ops.activation(ops.divide(logits, soft_cap), "tanh"), soft_cap)


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
