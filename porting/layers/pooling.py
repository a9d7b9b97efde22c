"""Pools: over windows, over whole axes, and to a given size."""

from __future__ import annotations

import numpy as np

from ..network import Array
from ..operations import Operations, Tensor
from .convolutions import as_configured, channels_last
from .rule import LayerView, Refusal, rule
from .windows import adaptive_windows, per_axis


@rule("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", mask="stop", hands_on=True)
@rule("AveragePooling1D", "AveragePooling2D", "AveragePooling3D", mask="stop")
def pool(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axes = len(x.shape) - 2
    config = layer.config
    window = per_axis(config["pool_size"], axes)
    strides = window if config["strides"] is None else per_axis(config["strides"], axes)
    y = ops.pool(channels_last(layer, x, ops), kind_of(layer), window, strides, str(config["padding"]).lower())
    return as_configured(layer, y, ops)


def kind_of(layer: LayerView) -> str:
    return "max" if "Max" in layer.class_name else "mean"


@rule("GlobalMaxPooling2D", "GlobalMaxPooling3D", mask="stop", hands_on=True)
@rule("GlobalAveragePooling2D", "GlobalAveragePooling3D", mask="stop")
def global_pool(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    first = 2 if layer.config["data_format"] == "channels_first" else 1
    axes = tuple(range(first, first + len(x.shape) - 2))
    return ops.reduce(x, kind_of(layer), axes, layer.config["keepdims"])


@rule("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D", mask="stop")
@rule("AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", mask="stop")
def adaptive_pool(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Pool every size in its turn to the number of windows asked for."""
    along = max_of_windows if kind_of(layer) == "max" else mean_of_windows
    y = channels_last(layer, x, ops)
    counts = per_axis(layer.config["output_size"], len(x.shape) - 2)
    for axis, count in enumerate(counts, 1):
        size = y.shape[axis]
        if size is None:
            raise Refusal(f"axis {axis} is open, and the windows depend on its size", "fix the size in the Input")
        y = along(y, axis, adaptive_windows(size, count), ops)
    return as_configured(layer, y, ops)


def mean_of_windows(x: Tensor, axis: int, windows: list[tuple[int, int]], ops: Operations) -> Tensor:
    matrix: Array = np.zeros((len(windows), x.shape[axis] or 0), np.float32)
    for row, (start, end) in enumerate(windows):
        matrix[row, start:end] = 1 / (end - start)
    return ops.resample(x, axis, matrix)


def max_of_windows(x: Tensor, axis: int, windows: list[tuple[int, int]], ops: Operations) -> Tensor:
    """Each window a pool of its own, as in Keras: of equal numbers the first has the gradient."""
    cuts = []
    for start, end in windows:
        window = [end - start if at == axis else 1 for at in range(1, len(x.shape) - 1)]
        cuts.append(ops.pool(ops.slice(x, axis, start, end), "max", window, window, "valid"))
    return ops.concatenate(cuts, axis)
