"""Normalisation by fixed statistics, and in training by those of each batch: BatchNormalization, Normalization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import numpy as np

from ..network import Array, Call, Input, Layer, Shape
from ..operations import MovingStatistics, Operations, Tensor, TrainingOperations, Weight
from .rule import Config, LayerView, WeightShapes, kept_by_keras_3, rule
from .weight_shapes import listed

# keras.backend.epsilon()
SMALLEST_DEVIATION = 1e-7
# What inference does not look at, and the weights that training with renorm=True keeps besides.
UNHEEDED = (
    *("momentum", "synchronized", "renorm", "renorm_clipping", "renorm_momentum"),
    *("virtual_batch_size", "fused"),
)
RENORM_WEIGHTS = ("moving_stddev", "renorm_mean", "renorm_mean_weight", "renorm_stddev", "renorm_stddev_weight")


def batch_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    shape = tuple(inputs[0][axis] for axis in listed(config["axis"]))
    return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), shape)


@rule(
    "BatchNormalization",
    weights=batch_weights,
    irrelevant=UNHEEDED,
    note="trains by the statistics of each batch, not with renorm or virtual batches",
    linear=True,
    sizes="kept",
    pointwise=True,
)
def batch_normalization(layer: LayerView, x: Tensor, ops: Operations, mask: Optional[Tensor] = None) -> Tensor:
    mean, variance = layer.weight("moving_mean"), layer.weight("moving_variance")
    if ops.training is not None and mean.name in ops.training.moving:
        return by_each_batch(layer, x, ops.training, mask)
    axis, epsilon = one_axis(layer), layer.config["epsilon"]
    return ops.batch_normalization(x, mean, variance, *learnt(layer), epsilon=epsilon, axis=axis)


def by_each_batch(
    layer: LayerView,
    x: Tensor,
    training: TrainingOperations[Tensor],
    mask: Optional[Tensor] = None,
    by_steps: bool = False,
) -> Tensor:
    """BatchNormalization in training; `by_steps` applied to each step of `x`, one after the other."""
    config, axis = layer.config, one_axis(layer)
    layer.irrelevant(*UNHEEDED)
    for key in ("renorm", "virtual_batch_size"):
        if config.get(key):
            raise layer.refuse(f"{key} {config[key]!r} is not handled in training", freeze(layer))
    fused = is_fused(layer, len(x.shape), axis)
    mask = None if fused else mask
    if mask is not None and len(mask.shape) != len(x.shape) - 1:
        raise layer.refuse(f"a mask of rank {len(mask.shape)} over a tensor of rank {len(x.shape)}", freeze(layer))
    mean, variance = layer.weight("moving_mean"), layer.weight("moving_variance")
    statistics = MovingStatistics(mean, variance, config["momentum"], unbiased=fused)
    axis = axis + 1 if by_steps and axis >= 0 else axis
    options = {"epsilon": config["epsilon"], "axis": axis, "mask": mask, "by_steps": by_steps}
    return training.normalize_batch(x, statistics, *learnt(layer), **options)


def one_axis(layer: LayerView) -> int:
    axis = layer.config["axis"]
    axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
    if not isinstance(axis, int):
        raise layer.refuse(f"axis {axis!r}: normalisation along several axes is not handled", "use one axis")
    return axis


def learnt(layer: LayerView) -> tuple[Optional[Weight], Optional[Weight]]:
    for name in RENORM_WEIGHTS:
        layer.optional_weight(name)
    return layer.weight("gamma", if_config="scale"), layer.weight("beta", if_config="center")


def freeze(layer: LayerView) -> str:
    return f"freeze it: frozen=[{layer.name!r}] keeps its statistics, as trainable=False does in Keras"


def is_fused(layer: LayerView, rank: int, axis: int) -> bool:
    """Whether Keras 2 runs TensorFlow's fused kernel, which knows no masks and keeps unbiased variances."""
    fits = rank in (4, 5) and axis % rank in (1, rank - 1)
    return layer.dialect == 2 and fits and layer.config.get("fused") is not False


def statistics_shapes(config: Config, inputs: list[Shape]) -> WeightShapes:
    shape = tuple(inputs[0][axis] for axis in kept_axes(config["axis"], len(inputs[0])))
    return {"mean": shape, "variance": shape, "count": ()}


def numbers_like_those_adapted_to(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
    """Of the statistics that were learnt or given; by places of the last axis where the input has as many."""
    found = [layer.weights.get(name, layer.config.get(name)) for name in ("mean", "variance")]
    if layer.config.get("invert") or any(one is None for one in found):
        return {}
    mean, variance = (np.asarray(one, np.float64) for one in found)
    if all(one.size == one.shape[-1] == given.shape[-1] for one in (mean, variance) if one.ndim):
        mean, variance = mean.reshape(-1), variance.reshape(-1)
    else:
        mean, variance = mean.mean(), variance.mean()
    return {"mean": mean, "deviation": np.sqrt(variance)}


@rule(
    "Normalization",
    mask=kept_by_keras_3,
    weights=statistics_shapes,
    untrained=("mean", "variance", "count"),
    expects=numbers_like_those_adapted_to,
)
def normalization(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    mean, variance = statistics(layer, "mean"), statistics(layer, "variance")
    layer.optional_weight("count")
    deviation = np.maximum(np.sqrt(variance), np.float32(SMALLEST_DEVIATION))
    axes = kept_axes(layer.config["axis"], len(x.shape))
    if layer.config["invert"]:
        return shifted(scaled(x, deviation, axes, ops), mean, axes, ops)
    return scaled(shifted(x, -mean, axes, ops), 1 / deviation, axes, ops)


def statistics(layer: LayerView, name: str) -> Array:
    """Given in the config, or learnt by ``adapt`` and kept as a weight."""
    given = layer.config[name]
    weight = layer.optional_weight(name)
    return np.asarray(given if weight is None else weight.value, np.float32)


def kept_axes(axis: Any, rank: int) -> tuple[int, ...]:
    if axis is None:
        return ()
    return tuple(sorted(one % rank for one in (axis if isinstance(axis, (list, tuple)) else [axis])))


def broadcast(values: Array, axes: tuple[int, ...], x: Tensor) -> Array:
    """Values with one axis for each of `axes`, shaped to meet `x`."""
    sizes = iter(np.broadcast_to(values, [x.shape[axis] for axis in axes]).shape)  # type: ignore[misc]
    shape = [next(sizes) if axis in axes else 1 for axis in range(len(x.shape))]
    return np.broadcast_to(values, [x.shape[axis] for axis in axes]).reshape(shape)  # type: ignore[misc]


def scaled(x: Tensor, factors: Array, axes: tuple[int, ...], ops: Operations) -> Tensor:
    if factors.size == 1:
        return ops.multiply(ops.cast(x, "float32"), float(factors.reshape(-1)[0]))
    if len(axes) == 1:
        return ops.scale_and_shift(x, factors.reshape(-1), None, axes[0])
    return ops.multiply(ops.cast(x, "float32"), ops.constant(broadcast(factors, axes, x)))


def shifted(x: Tensor, terms: Array, axes: tuple[int, ...], ops: Operations) -> Tensor:
    if terms.size == 1:
        return ops.add(ops.cast(x, "float32"), float(terms.reshape(-1)[0]))
    if len(axes) == 1:
        return ops.scale_and_shift(x, None, terms.reshape(-1), axes[0])
    return ops.add(ops.cast(x, "float32"), ops.constant(broadcast(terms, axes, x)))
