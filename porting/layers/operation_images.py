"""Keras' operations on images, `keras.ops.image`, and those that trade places for features."""

from __future__ import annotations

import numpy as np

from ..operations import Operations, Tensor, Weight
from .convolutions import as_configured, channels_last
from .operation_kinds import as_float, known, operation
from .resizing import height_and_width, resized
from .rule import LayerView

# Of red, green and blue, see keras.ops.image.rgb_to_grayscale.
LUMINANCE = (0.2989, 0.587, 0.114)


@operation("Resize")
def resize(layer: LayerView, images: Tensor, ops: Operations) -> Tensor:
    height, width = layer.config["size"]
    return resized(layer, images, height, width, ops)


@operation("RGBToGrayscale")
def rgb_to_grayscale(layer: LayerView, images: Tensor, ops: Operations) -> Tensor:
    colours = Weight("luminance", np.asarray(LUMINANCE, np.float32)[:, None])
    grey = ops.matmul(channels_last(layer, as_float(images, ops), ops), ops.constant(colours.value[None, None]))
    return as_configured(layer, grey, ops)


@operation("HSVToRGB", learns="no")
def hsv_to_rgb(layer: LayerView, images: Tensor, ops: Operations) -> Tensor:
    """Each colour is a hat over the circle of hues, see tf.image.hsv_to_rgb."""
    x = channels_last(layer, images, ops)
    hue, saturation, value = (ops.slice(x, -1, at, at + 1) for at in range(3))
    turned = ops.multiply(hue, 6.0)
    red = ops.add(ops.unary(ops.add(turned, -3.0), "abs"), -1.0)
    green, blue = (ops.subtract(2.0, ops.unary(ops.add(turned, -middle), "abs")) for middle in (2.0, 4.0))
    made = []
    for colour in (red, green, blue):
        cut = ops.minimum(ops.maximum(colour, 0.0), 1.0)
        made.append(ops.multiply(ops.add(ops.multiply(ops.add(cut, -1.0), saturation), 1.0), value))
    return as_configured(layer, ops.concatenate(made, -1), ops)


@operation("RGBToHSV", learns="no")
def rgb_to_hsv(layer: LayerView, images: Tensor, ops: Operations) -> Tensor:
    """See tf.image.rgb_to_hsv: the hue lies beside the strongest colour."""
    x = channels_last(layer, images, ops)
    red, green, blue = (ops.slice(x, -1, at, at + 1) for at in range(3))
    value = ops.reduce(x, "max", (3,), keepdims=True)
    spread = ops.subtract(value, ops.reduce(x, "min", (3,), keepdims=True))
    grey = ops.logical_not(ops.compare(spread, 0.0, "greater"))
    norm = ops.unary(ops.multiply(ops.where(grey, 1.0, spread), 6.0), "reciprocal")
    hues = [
        ops.add(ops.multiply(ops.subtract(one, other), norm), third / 3)
        for third, (one, other) in enumerate(((green, blue), (blue, red), (red, green)))
    ]
    strongest = [ops.compare(colour, value, "equal") for colour in (red, green)]
    hue = ops.where(strongest[0], hues[0], ops.where(strongest[1], hues[1], hues[2]))
    hue = ops.where(grey, 0.0, ops.where(ops.compare(hue, 0.0, "less"), ops.add(hue, 1.0), hue))
    lit = ops.compare(value, 0.0, "greater")
    saturation = ops.where(lit, ops.divide(spread, ops.where(lit, value, 1.0)), 0.0)
    return as_configured(layer, ops.concatenate([hue, saturation, value], -1), ops)


@operation("CropImages", "PadImages")
def with_borders(layer: LayerView, images: Tensor, ops: Operations) -> Tensor:
    """Two of the three of size, border before and border behind are given for each axis."""
    word, sign = ("cropping", -1) if layer.class_name == "ops.CropImages" else ("padding", 1)
    x = channels_last(layer, images, ops)
    amounts = []
    for size, before, behind, target in zip(
        height_and_width(x), ("top", "left"), ("bottom", "right"), ("target_height", "target_width")
    ):
        wanted = layer.config[target]
        first, last = layer.config[f"{before}_{word}"], layer.config[f"{behind}_{word}"]
        total = None if wanted is None else sign * (wanted - size)
        first = (total or 0) - last if first is None else first
        last = (total or 0) - first if last is None else last
        amounts.append((sign * first, sign * last))
    return as_configured(layer, ops.pad(as_float(x, ops), [*amounts, (0, 0)]), ops)


@operation("SpaceToDepth")
def space_to_depth(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    block = layer.config["block_size"]
    x = channels_last(layer, x, ops)
    height, width, features = (known(x, axis) for axis in (1, 2, 3))
    x = ops.reshape(x, (height // block, block, width // block, block, features))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return as_configured(layer, ops.reshape(x, (height // block, width // block, block * block * features)), ops)


@operation("DepthToSpace")
def depth_to_space(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    block = layer.config["block_size"]
    x = channels_last(layer, x, ops)
    height, width, features = (known(x, axis) for axis in (1, 2, 3))
    x = ops.reshape(x, (height, width, block, block, features // block**2))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return as_configured(layer, ops.reshape(x, (height * block, width * block, features // block**2)), ops)
