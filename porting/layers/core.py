"""Dense, Embedding, and the layers that change nothing at inference."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, Optional

from ..network import Call, Input, Layer, Shape
from ..operations import Operations, Tensor, TrainingOperations
from .activations import activation
from .rule import Config, LayerView, WeightShapes, kept_by_keras_3, rule

# What SELU gives far below 0: −alpha · scale.
DROPPED_SELU = -1.6732632423543772 * 1.0507009873554805


def dense_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    units = config["units"]
    return {"kernel": (inputs[0][-1], units), "bias": (units,)}


@rule(
    "Dense",
    weights=dense_weights,
    learns="not with a ReLU layer with a threshold as activation",
    linear=True,
    sizes="kept but the last",
    pointwise=True,
)
def dense(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("units")
    y = ops.dense(x, layer.weight("kernel"), layer.weight("bias", if_config="use_bias"))
    return activation(layer, y, ops)


def not_zero(layer: LayerView, ids: Tensor, mask: Any, ops: Operations) -> Optional[Tensor]:
    return ops.compare(ids, 0, "not_equal") if layer.config["mask_zero"] else None


def tables(config: Config, inputs: list[Shape]) -> WeightShapes:
    rows, columns = config["input_dim"], config["output_dim"]
    return {"embeddings": (rows, columns), "reverse_embeddings": (columns, rows)}


@rule(
    "Embedding",
    mask=not_zero,
    weights=tables,
    learns="not of ids that are repeated or computed in the network",
    linear=True,
    sizes="kept",
    picks="embeddings",
)
def embedding(layer: LayerView, ids: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("input_dim", "output_dim", "input_length", "sparse", "mask_zero")
    return ops.embedding(ids, layer.weight("embeddings"))


@rule("ReversibleEmbedding", mask="own", weights=tables, picks="embeddings")
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


@rule("Dropout", hands_on=True, only_in_training=True, sizes="kept", pointwise=True)
@rule("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", hands_on=True, only_in_training=True, sizes="kept")
def dropout(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("data_format", "noise_shape")
    rate = layer.config["rate"]
    training = ops.training
    if training is None or not rate:
        return x
    if layer.config.get("data_format") == "channels_first":
        raise layer.refuse("channels_first is not handled in training", "leave it at its default")
    if layer.config.get("noise_shape") is not None:
        return drop(x, noise_shape(layer, x), rate, ops, training)
    return training.dropout(x, rate, whole_features=layer.class_name != "Dropout")


def drop(x: Tensor, shape: Shape, rate: float, ops: Operations, training: TrainingOperations[Tensor]) -> Tensor:
    """Dropout of what `shape` tells apart: along an axis of 1 the same places are dropped."""
    return ops.multiply(x, ops.multiply(kept_places(shape, rate, training), 1 / (1 - rate)))


def kept_places(shape: Shape, rate: float, training: TrainingOperations[Tensor]) -> Tensor:
    """Ones, and at this rate zeros."""
    return training.drawn(shape, lambda generator, sizes: generator.random(sizes) >= rate)


def noise_shape(layer: LayerView, x: Tensor) -> Shape:
    """How many numbers a layer draws along each axis: as many as `x` has places, or one for all of them."""
    given = layer.config.get("noise_shape") or [None] * len(x.shape)
    if len(given) != len(x.shape) or any(size not in (None, 1, has) for size, has in zip(given, x.shape)):
        raise layer.refuse(f"noise_shape {given} for a tensor of shape {x.shape}", "give 1 or None for each axis")
    return tuple(has if size is None else size for size, has in zip(given, x.shape))


@rule("GaussianNoise", "GaussianDropout", only_in_training=True, sizes="kept", pointwise=True)
def gaussian(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Noise around 0 is added, or around 1 multiplied by."""
    added, training = layer.class_name == "GaussianNoise", ops.training
    spread = layer.config["stddev" if added else "rate"]
    if training is None or not spread:
        return x
    mean, deviation = (0, spread) if added else (1, sqrt(spread / (1 - spread)))
    noise = training.drawn(x.shape, lambda generator, shape: generator.normal(mean, deviation, shape))
    return ops.add(x, noise) if added else ops.multiply(x, noise)


@rule("AlphaDropout", only_in_training=True, pointwise=True)
def alpha_dropout(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    layer.irrelevant("noise_shape")
    rate = layer.config["rate"]
    training = ops.training
    if training is None or not rate:
        return x
    kept = kept_places(noise_shape(layer, x), rate, training)
    scale = ((1 - rate) * (1 + rate * DROPPED_SELU**2)) ** -0.5
    # scale · (x · kept + dropped · (1 − kept) − dropped · rate)
    raised = ops.multiply(ops.subtract(x, DROPPED_SELU), kept)
    return ops.add(ops.multiply(raised, scale), scale * DROPPED_SELU * (1 - rate))


@rule("Identity", mask=kept_by_keras_3, only_in_training=True, hands_on=True, sizes="kept", pointwise=True)
@rule(
    "ActivityRegularization",
    only_in_training=True,
    irrelevant=("l1", "l2"),
    hands_on=True,
    sizes="kept",
    pointwise=True,
)
def unchanged(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return x


def features_differ(layer: LayerView, x: Tensor, mask: Any, ops: Operations) -> Tensor:
    return ops.reduce(ops.compare(x, layer.config["mask_value"], "not_equal"), "any", (-1,))


def padding_told(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
    return {"pads": True, "mask_value": float(layer.config.get("mask_value", 0.0))}


@rule("Masking", mask=features_differ, sizes="kept", hands_on=True, expects=padding_told)
def masking(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    kept = ops.reduce(ops.compare(x, layer.config["mask_value"], "not_equal"), "any", (-1,), keepdims=True)
    return ops.where(kept, x, 0)
