"""Normalisation over the axes of each row; what is learned over batches is in `normalization`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from ..network import Shape
from ..operations import Operations, Tensor, Weight
from .reshaped import kept
from .rule import Config, LayerView, Refusal, WeightShapes, only_tensor, rule
from .weight_shapes import held_weights, listed
from .wrappers import apply_held


def axes_of(axis: Any, x: Tensor) -> list[int]:
    """Axes counted from the front, in rising order."""
    return sorted(one % len(x.shape) for one in listed(axis))


def centered(x: Tensor, axes: Sequence[int], ops: Operations) -> Tensor:
    return ops.subtract(x, ops.reduce(x, "mean", axes, keepdims=True))


def variance_of(x: Tensor, axes: Sequence[int], ops: Operations, keepdims: bool = False) -> Tensor:
    return ops.reduce(ops.unary(centered(x, axes, ops), "square"), "mean", axes, keepdims)


def along(weight: Weight, axes: Sequence[int], x: Tensor) -> Weight:
    """A weight over some axes of `x`, with 1 for the others, so that it spreads over `x`."""
    sizes = iter(weight.shape)
    return weight.arranged(shape=[next(sizes) if axis in axes else 1 for axis in range(1, len(x.shape))])


def unit_norm(x: Tensor, axes: Sequence[int], epsilon: float, ops: Operations) -> Tensor:
    """x / max(√Σx², epsilon), as Keras computes it."""
    total = ops.reduce(ops.unary(x, "square"), "sum", axes, keepdims=True)
    return ops.multiply(x, ops.minimum(ops.unary(total, "rsqrt"), 1 / epsilon))


def rms_normalize(x: Tensor, axes: Sequence[int], epsilon: float, ops: Operations) -> Tensor:
    """x / √(mean(x²) + epsilon)."""
    mean = ops.reduce(ops.unary(x, "square"), "mean", axes, keepdims=True)
    return ops.multiply(x, ops.unary(ops.add(mean, epsilon), "rsqrt"))


def layer_normalize(
    x: Tensor,
    axes: Sequence[int],
    epsilon: float,
    gamma: Optional[Weight],
    beta: Optional[Weight],
    ops: Operations,
) -> Tensor:
    """Mean 0 and variance 1 over `axes`, then gamma and beta."""
    sizes = [x.shape[axis] for axis in axes]
    if None not in sizes:
        return ops.normalize(x, axes, epsilon, gamma, beta)
    moved = centered(x, axes, ops)
    variance = ops.reduce(ops.unary(moved, "square"), "mean", axes, keepdims=True)
    y = ops.multiply(moved, ops.unary(ops.add(variance, epsilon), "rsqrt"))
    y = y if gamma is None else ops.multiply(y, along(gamma, axes, x))
    return y if beta is None else ops.add(y, along(beta, axes, x))


def weights_along_axes(config: Config, inputs: list[Shape]) -> WeightShapes:
    shape = tuple(inputs[0][axis] for axis in listed(config["axis"]))
    return dict.fromkeys(("gamma", "beta", "scale"), shape)


@rule("LayerNormalization", weights=weights_along_axes, sizes="kept", pointwise=True)
def layer_normalization(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axes, epsilon = axes_of(layer.config["axis"], x), layer.config["epsilon"]
    if layer.config.get("rms_scaling"):
        layer.irrelevant("center", "scale")
        inverse = ops.unary(ops.add(variance_of(x, axes, ops, keepdims=True), epsilon), "rsqrt")
        return ops.multiply(ops.multiply(x, inverse), along(layer.weight("gamma"), axes, x))
    gamma, beta = layer.weight("gamma", if_config="scale"), layer.weight("beta", if_config="center")
    return layer_normalize(x, axes, epsilon, gamma, beta, ops)


@rule("GroupNormalization", weights=weights_along_axes, sizes="kept")
def group_normalization(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axis = layer.config["axis"] % len(x.shape)
    channels = x.shape[axis] or 0
    groups = channels if layer.config["groups"] == -1 else layer.config["groups"]
    y = group_normalize(x, axis, groups, layer.config["epsilon"], ops)
    gamma, beta = layer.weight("gamma", if_config="scale"), layer.weight("beta", if_config="center")
    y = y if gamma is None else ops.multiply(y, along(gamma, [axis], x))
    return y if beta is None else ops.add(y, along(beta, [axis], x))


def group_normalize(x: Tensor, axis: int, groups: int, epsilon: float, ops: Operations) -> Tensor:
    """Mean 0 and variance 1 over all axes of a row but the groups."""
    sizes, channels = kept(x.shape[1:]), x.shape[axis] or 0
    if None in sizes[axis:]:
        raise Refusal(f"several open sizes, and one of them behind axis {axis} of the groups", "fix them in the Input")
    grouped = ops.reshape(x, (*sizes[: axis - 1], groups, channels // groups, *sizes[axis:]))
    over = [one for one in range(1, len(x.shape) + 1) if one != axis]
    return ops.reshape(layer_normalize(grouped, over, epsilon, None, None, ops), sizes)


@rule("RMSNormalization", mask="stop", weights=weights_along_axes, sizes="kept")
def rms_normalization(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    y = rms_normalize(x, axes_of(layer.config["axis"], x), layer.config["epsilon"], ops)
    # Keras multiplies by the scale along the last axes, whichever axes were normalised.
    return ops.multiply(y, layer.weight("scale"))


@rule("UnitNormalization", sizes="kept", pointwise=True)
def unit_normalization(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return unit_norm(x, axes_of(layer.config["axis"], x), 1e-12, ops)


def normalized_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    held = held_weights("layer", config["layer"], inputs)
    kernel = held.get("layer/kernel") or held.get("layer/embeddings")
    return {**held, "vector_u": (1, kernel[-1])} if kernel else held


@rule(
    "SpectralNormalization",
    mask="stop",
    irrelevant=("power_iterations",),
    learns="no",
    weights=normalized_weights,
    untrained=("vector_u",),
)
def spectral_normalization(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    layer.optional_weight("vector_u")
    if ops.training:
        what = "divides its kernel by its largest singular value before every step of training, which is not handled"
        raise layer.refuse(what, "save the layer inside it in its place, or train in Keras")
    return only_tensor(apply_held(layer.held("layer"), [x], ops, layer.context)[0])
