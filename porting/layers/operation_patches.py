"""Keras' operations that lay windows side by side: patches of pictures, frames of sequences, and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..operations import Operations, Tensor, Weight
from .convolutions import as_configured, channels_last, padding, spatial_axes, steps
from .operation_kinds import as_float, known, operation
from .rule import LayerView
from .windows import margins, output_size, per_axis

Margin = tuple[int, int]


def windows_along(
    x: Tensor, axis: int, size: int, stride: int, dilation: int, margin: Margin, ops: Operations
) -> Tensor:
    """Every window of an axis: (…, steps, …) to (…, windows, size, …).

    Windows that neither overlap nor leave a gap are a reshape; others are picked by a matrix of zeros and ones.
    """
    before, behind = x.shape[1:axis], x.shape[axis + 1 :]
    if stride == size and dilation == 1 and margin == (0, 0):
        steps = x.shape[axis]
        count = -1 if steps is None else steps // size
        if steps is not None and steps % size:
            x = ops.slice(x, axis, 0, steps // size * size)
        return ops.reshape(x, [*map(open_size, before), count, size, *map(open_size, behind)])
    steps = known(x, axis)
    count = output_size(steps, margin, size, stride, dilation) or 0
    places = np.arange(count)[:, None] * stride + np.arange(size) * dilation - margin[0]
    picks = (places.reshape(-1, 1) == np.arange(steps)).astype(np.float32)
    x = ops.resample(x, axis, picks)
    return ops.reshape(x, [*map(open_size, before), count, size, *map(open_size, behind)])


def open_size(size: Any) -> int:
    return -1 if size is None else int(size)


def patches(
    x: Tensor,
    size: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    amounts: Sequence[Margin],
    ops: Operations,
) -> Tensor:
    """(batch, *sizes, features) to (batch, *windows, prod(size) · features), a window's places in their order."""
    axes = len(size)
    for axis in reversed(range(axes)):
        x = windows_along(x, axis + 1, size[axis], strides[axis], dilation[axis], amounts[axis], ops)
        order = [one for one in range(len(x.shape)) if one != axis + 2]
        x = ops.transpose(x, [*order[:-1], axis + 2, order[-1]])
        x = ops.reshape(x, [*map(open_size, x.shape[1:-2]), prod(known(x, one) for one in (-2, -1))])
    return x


@operation("ExtractPatches")
def extract_patches(layer: LayerView, images: Tensor, ops: Operations) -> Tensor:
    size = tuple(layer.config["size"])
    spatial_axes(layer, images, len(size) + 2)
    x = channels_last(layer, as_float(images, ops), ops)
    strides, dilation = steps(layer, len(size))
    amounts = margins(padding(layer), x.shape[1:-1], size, strides, dilation)
    return as_configured(layer, patches(x, size, strides, dilation, amounts, ops), ops)


def pairs(layer: LayerView) -> list[tuple[int, ...]]:
    return [per_axis(layer.config[key], 2) for key in ("kernel_size", "stride", "dilation", "padding")]


@operation("Unfold")
def unfold(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """(batch, features, height, width) to (batch, features · window, windows), as torch has it."""
    size, strides, dilation, pad = pairs(layer)
    features = known(x, 1)
    x = ops.transpose(as_float(x, ops), (0, 2, 3, 1))
    x = patches(x, size, strides, dilation, [(one, one) for one in pad], ops)
    x = ops.reshape(x, (prod(known(x, axis) for axis in (1, 2)), prod(size), features))
    x = ops.transpose(x, (0, 3, 2, 1))
    return ops.reshape(x, (features * prod(size), known(x, 3)))


@operation("Fold")
def fold(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Undo `unfold`, adding up where windows overlap: along each axis a matrix of zeros and ones lays them out."""
    size, strides, dilation, pad = pairs(layer)
    target = per_axis(layer.config["output_size"], 2)
    counts = [
        output_size(steps, (margin, margin), window, stride, rate) or 0
        for steps, margin, window, stride, rate in zip(target, pad, size, strides, dilation)
    ]
    features = known(x, 1) // prod(size)
    x = ops.reshape(as_float(x, ops), (features, *size, *counts))
    x = ops.transpose(x, (0, 1, 4, 2, 5, 3))
    x = ops.reshape(x, (features, counts[0] * size[0], counts[1] * size[1]))
    for axis in range(2):
        places = np.arange(counts[axis])[:, None] * strides[axis] + np.arange(size[axis]) * dilation[axis] - pad[axis]
        laid = (np.arange(target[axis])[:, None] == places.reshape(-1)).astype(np.float32)
        x = ops.resample(x, axis + 2, laid)
    return x


@operation("ExtractSequences")
def extract_sequences(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Every frame of the last axis."""
    length, stride = layer.config["sequence_length"], layer.config["sequence_stride"]
    return windows_along(as_float(x, ops), len(x.shape) - 1, length, stride, 1, (0, 0), ops)


# ---- filters of pictures


def filtered(x: Tensor, kernel: Any, ops: Operations, padding: str = "same") -> Tensor:
    """Every feature by itself, with one fixed window (height, width) laid over it; zeros around."""
    spread = np.repeat(np.asarray(kernel, np.float32)[:, :, None, None], known(x, 3), axis=2)
    return ops.depthwise_convolution(x, Weight.fixed(spread), strides=(1, 1), padding=padding, dilation=(1, 1))


def bell(size: int, sigma: float) -> Any:
    places = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    heights = np.exp(np.float32(-0.5) * (places / np.float32(sigma)) ** 2)
    return heights / heights.sum()


@operation("GaussianBlur")
def gaussian_blur(layer: LayerView, images: Tensor, ops: Operations) -> Tensor:
    """The window is that of Keras with TensorFlow, whose axes are given the other way round."""
    size = per_axis(layer.config["kernel_size"], 2)
    sigma = layer.config["sigma"]
    sigmas = list(sigma) if isinstance(sigma, (list, tuple)) else [sigma, sigma]
    kernel = np.multiply.outer(bell(size[1], sigmas[1]), bell(size[0], sigmas[0])).reshape(size)
    x = channels_last(layer, images, ops)
    spatial_axes(layer, x, 4)
    return as_configured(layer, filtered(x, kernel, ops), ops)


SOBEL = np.asarray([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32)


@operation("SobelEdges")
def sobel_edges(layer: LayerView, images: Tensor, ops: Operations) -> Tensor:
    """The slopes down and to the right, beside each other in a new last axis; the picture goes on in a mirror."""
    x = channels_last(layer, images, ops)
    for axis in (1, 2):
        size = known(x, axis)
        x = ops.concatenate([ops.slice(x, axis, 1, 2), x, ops.slice(x, axis, size - 2, size - 1)], axis)
    inner = [(-1, -1), (-1, -1), (0, 0)]
    slopes = [as_configured(layer, ops.pad(filtered(x, window, ops), inner), ops) for window in (SOBEL, SOBEL.T)]
    return ops.concatenate([ops.expand_dims(slope, 4) for slope in slopes], 4)


@operation("SSIM")
def structural_similarity(layer: LayerView, image1: Tensor, image2: Tensor, ops: Operations) -> Tensor:
    """Wang et al. 2004, Image quality assessment: means, variances and covariance under a bell, averaged."""
    spatial_axes(layer, image1, 4)
    first, second = (channels_last(layer, as_float(x, ops), ops) for x in (image1, image2))
    heights = bell(layer.config["filter_size"], layer.config["filter_sigma"])
    c1, c2 = ((layer.config[k] * layer.config["max_val"]) ** 2 for k in ("k1", "k2"))

    def smoothed(a: Tensor, b: Tensor) -> Tensor:
        return filtered(ops.multiply(a, b), np.multiply.outer(heights, heights), ops, "valid")

    means = [filtered(x, np.multiply.outer(heights, heights), ops, "valid") for x in (first, second)]
    squares = ops.add(*(ops.unary(mean, "square") for mean in means))
    product = ops.multiply(*means)
    variances = ops.subtract(ops.add(smoothed(first, first), smoothed(second, second)), squares)
    covariance = ops.subtract(smoothed(first, second), product)
    above = ops.multiply(*(ops.add(ops.multiply(x, 2.0), c) for x, c in ((product, c1), (covariance, c2))))
    below = ops.multiply(ops.add(squares, c1), ops.add(variances, c2))
    return ops.cast(ops.reduce(ops.divide(above, below), "mean", (1, 2, 3)), image1.dtype)
