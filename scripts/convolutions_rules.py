"""The rule for the convolution that skips places of its window: the words it sees side by side, then a dense layer."""

from __future__ import annotations

import porting
from porting.layers.activations import activation


@porting.rule("scripts>SkippingConv1D", mask="stop")
def skipping_convolution(layer, x, ops):
    window, skipped, filters = layer.config["window"], layer.config["skipped"], layer.config["filters"]
    seen = [place for place in range(window) if place not in skipped]
    words = [ops.slice(x, 1, at, at - window + 1 or None) for at in seen]
    kernel = layer.weight("kernel").arranged(shape=(-1, filters))
    return activation(layer, ops.dense(ops.concatenate(words, -1), kernel, layer.weight("bias")), ops)
