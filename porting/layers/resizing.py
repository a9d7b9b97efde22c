"""Layers that pad, cut and resize, and those of image preprocessing as they are at inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..dtypes import is_float
from ..network import Array, Call, Input, Layer
from ..operations import Operations, Tensor
from .convolutions import as_configured, channels_last
from .interpolation import interpolation_matrix
from .normalization import scaled, shifted
from .operation_shapes import mirrored
from .rule import LayerView, Refusal, kept_by_keras_3, rule
from .windows import per_axis

Margins = list[tuple[int, int]]

RANDOM = (
    *("AugMix", "CutMix", "Equalization", "MixUp", "RandAugment", "RandomBrightness"),
    *("RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomCrop", "RandomElasticTransform"),
    *("RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHeight", "RandomHue"),
    *("RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation"),
    *("RandomSharpness", "RandomShear", "RandomTranslation", "RandomWidth", "RandomZoom", "Solarization"),
)

# The levels of grey that histograms count.
LEVELS = 256

# Those that leave whole numbers what they are.
KEEPING_DTYPES = ("RandomBrightness", "RandomCrop", "RandomHeight", "RandomWidth")


def margins_of(value: Any, axes: int) -> Margins:
    """Keras' "an integer, one for each axis, or a pair for each axis"; one axis may give its pair bare."""
    if isinstance(value, int):
        return [(value, value)] * axes
    if axes == 1 and len(value) == 2:
        return [(int(value[0]), int(value[1]))]
    return [(int(one[0]), int(one[1])) if isinstance(one, (list, tuple)) else (int(one), int(one)) for one in value]


def with_margins(layer: LayerView, x: Tensor, ops: Operations, amounts: Margins) -> Tensor:
    if "data_format" not in layer.config:
        return ops.pad(x, [*amounts, (0, 0)])
    return as_configured(layer, ops.pad(channels_last(layer, x, ops), [*amounts, (0, 0)]), ops)


@rule("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", mask="stop", hands_on=True)
def zero_padding(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return with_margins(layer, x, ops, margins_of(layer.config["padding"], len(x.shape) - 2))


@rule("Cropping1D", "Cropping2D", "Cropping3D", mask="stop", hands_on=True)
def cropping(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    amounts = margins_of(layer.config["cropping"], len(x.shape) - 2)
    return with_margins(layer, x, ops, [(-before, -after) for before, after in amounts])


@rule("UpSampling1D", mask="stop", hands_on=True)
def upsampling_1d(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.upsample(x, (layer.config["size"], 1))


@rule("UpSampling2D", "UpSampling3D", mask="stop")
def upsampling(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    times = per_axis(layer.config["size"], len(x.shape) - 2)
    method = layer.config.get("interpolation", "nearest")
    y = channels_last(layer, x, ops)
    if method == "nearest":
        return as_configured(layer, ops.upsample(y, (*times, 1)), ops)
    return as_configured(layer, resize(y, [size * n for size, n in zip(height_and_width(y), times)], method, ops), ops)


def height_and_width(x: Tensor) -> tuple[int, int]:
    """Height and width of (batch, height, width, channels)."""
    height, width = x.shape[1:3]
    if height is None or width is None:
        raise Refusal(f"shape {x.shape} has an open size, and the result depends on it", "fix the size in the Input")
    return height, width


def resize(x: Tensor, target: Sequence[int], method: str, ops: Operations, antialias: bool = False) -> Tensor:
    """Height and width resized, one after the other."""
    given = x.dtype
    for axis, (size, wanted) in enumerate(zip(height_and_width(x), target), 1):
        if size != wanted:
            x = ops.resample(x, axis, interpolation_matrix(method, size, wanted, antialias))
    if not given.startswith(("int", "uint")):
        return ops.cast(x, "float32")
    if method != "nearest":
        what = f"{method} of whole numbers: Keras rounds the result, and what lies halfway falls with float32's noise"
        raise Refusal(what, "make them floats first: declare the Input float32, or put Rescaling in front")
    return ops.cast(x, given)


def middle(x: Tensor, height: int, width: int, ops: Operations) -> Tensor:
    """The middle of an image, in that size."""
    cut = [(size - wanted, (size - wanted) // 2) for size, wanted in zip(height_and_width(x), (height, width))]
    return ops.pad(x, [*((-before, before - total) for total, before in cut), (0, 0)])


def same_ratio(x: Tensor, height: int, width: int) -> tuple[int, int]:
    """The largest part of an image that has the ratio of height and width."""
    rows, columns = height_and_width(x)
    return max(min(rows, columns * height // width), 1), max(min(columns, rows * width // height), 1)


def padded_to_ratio(x: Tensor, height: int, width: int, value: float, ops: Operations) -> Tensor:
    """The image in the middle of the smallest one that holds it and has the ratio of height and width."""
    rows, columns = height_and_width(x)
    above = (max(rows, columns * height // width) - rows) // 2
    beside = (max(columns, rows * width // height) - columns) // 2
    return ops.pad(x, [(above, above), (beside, beside), (0, 0)], value)


@rule("CenterCrop", mask="stop")
def center_crop(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    height, width = layer.config["height"], layer.config["width"]
    y = channels_last(layer, x, ops)
    rows, columns = height_and_width(y)
    if rows >= height and columns >= width:
        return as_configured(layer, ops.cast(middle(y, height, width, ops), "float32"), ops)
    return as_configured(layer, in_size(ops.cast(y, "float32"), height, width, ops), ops)


def in_size(x: Tensor, height: int, width: int, ops: Operations) -> Tensor:
    """The largest part of an image that has the ratio of height and width, in that size."""
    return resize(middle(x, *same_ratio(x, height, width), ops), (height, width), "bilinear", ops)


@rule("Resizing", mask="stop", note="whole numbers by nearest only: Keras rounds the others")
def resizing(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.dialect == 2:  # whose layers make floats of every picture
        x = ops.cast(x, "float32")
    return resized(layer, x, layer.config["height"], layer.config["width"], ops)


def resized(layer: LayerView, x: Tensor, height: int, width: int, ops: Operations) -> Tensor:
    """An image in another size, as a layer's or an operation's settings have it."""
    config = layer.config
    y = channels_last(layer, x, ops)
    if min(height, width) < 1:
        raise layer.refuse(f"{height} × {width} is no size of a picture", "give sizes from 1")
    if config.get("fill_mode", "constant") != "constant":
        raise layer.refuse(f"fill_mode {config['fill_mode']!r} is not handled", "use constant")
    fill_value = config.get("fill_value", 0.0)
    crop, widen = config.get("crop_to_aspect_ratio"), config.get("pad_to_aspect_ratio")
    if crop:
        y = middle(y, *same_ratio(y, height, width), ops)
    elif widen:
        y = padded_to_ratio(y, height, width, fill_value, ops)
    y = resize(y, (height, width), config["interpolation"], ops, bool(config.get("antialias")))
    return as_configured(layer, y, ops)


def pictures(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
    """Numbers that come out between 0, or -1, and 1, where these are larger than those given anyway."""
    scale, offset = layer.config.get("scale"), layer.config.get("offset", 0.0)
    if not isinstance(scale, (int, float)) or not isinstance(offset, (int, float)) or not 0 < scale < 0.1:
        return {}
    low = -1.0 if offset < 0 else 0.0
    return {"span": ((low - offset) / scale, (1.0 - offset) / scale)}


@rule("Rescaling", mask=kept_by_keras_3, pointwise=True, expects=pictures)
def rescaling(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    scale, offset = (numbers(layer, key) for key in ("scale", "offset"))
    last = (len(x.shape) - 1,)
    return shifted(scaled(x, scale, last, ops), offset, last, ops)


def numbers(layer: LayerView, key: str) -> Any:
    value = layer.config[key]
    if isinstance(value, dict):
        value = value.get("config", {}).get("value", value)
    try:
        return np.asarray(value, np.float32)
    except (TypeError, ValueError):
        raise layer.refuse(f"{key}={value!r} is not handled", "give numbers") from None


@rule("AutoContrast", mask="stop", irrelevant=("bounding_box_format",), learns="no")
def auto_contrast(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Every colour spread over the whole range; one that is the same all over stays as it is."""
    low, high = layer.config["value_range"]
    data_format = layer.config.get("data_format")
    x = ops.cast(x, "float32")
    if (low, high) != (0, 255) or data_format == "channels_first":
        raise layer.refuse("auto contrast of another range than 0 … 255 is not handled", "rescale before and after")
    least, most = (ops.reduce(x, name, (1, 2), keepdims=True) for name in ("min", "max"))
    flat = ops.compare(least, most, "equal")
    scale = ops.multiply(ops.unary(ops.where(flat, 1.0, ops.subtract(most, least)), "reciprocal"), 255.0)
    spread = ops.multiply(ops.subtract(x, least), scale)
    spread = ops.minimum(ops.maximum(spread, 0.0), 255.0)
    return ops.where(ops.logical_and(flat, ops.compare(x, x, "equal")), x, spread)


@rule(
    *RANDOM,
    mask="stop",
    note="at inference they hand their input on",
    learns="no: change the inputs before they are fed",
)
def random_augmentation(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if ops.training:
        raise layer.refuse("changes its inputs at random in training", "change the inputs before they are fed")
    layer.irrelevant(*layer.config)
    if layer.class_name == "RandomCrop" and layer.dialect == 2:
        return in_size(ops.cast(x, "float32"), layer.config["height"], layer.config["width"], ops)
    return x if layer.class_name in KEEPING_DTYPES else ops.cast(x, "float32")


@rule(
    "ContrastLimitedAdaptiveHistogramEqualization",
    mask="stop",
    irrelevant=("bounding_box_format",),
    learns="no",
    note="every pixel is compared with 256 levels, as Keras does it",
)
def equalized_by_tiles(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """A pixel's level is looked up in the histograms of the tiles around it, each summed up to a table of levels."""
    if not is_float(x.dtype):
        what = (
            "the equalization of whole numbers: Keras cuts the result, and what lies beside a number falls with noise"
        )
        raise layer.refuse(what, "make them floats first: declare the Input float32, or put Rescaling in front")
    low, high = layer.config["value_range"]
    grid = layer.config["tile_grid_size"]
    images = channels_last(layer, x, ops)
    if (low, high) != (0, LEVELS - 1):
        images = ops.multiply(ops.divide(ops.subtract(images, float(low)), float(high - low)), LEVELS - 1.0)
    sizes, channels = height_and_width(images), images.shape[3]
    tiles = [-(-size // count) for size, count in zip(sizes, grid)]
    levels = ops.unary(ops.minimum(ops.maximum(images, 0.0), LEVELS - 1.0), "floor")
    tables = ops.reshape(
        tables_of(levels, grid, tiles, float(layer.config["clip_limit"]), ops), (*grid, channels, LEVELS)
    )
    for axis, (size, tile, count) in ((2, (sizes[1], tiles[1], grid[1])), (1, (sizes[0], tiles[0], grid[0]))):
        tables = ops.resample(tables, axis, between_tiles(size, tile, count))
    found = ops.array_function("take_along_axis", [tables, ops.expand_dims(ops.cast(levels, "int32"), 4)], axis=4)
    made = ops.squeeze(found, 4)
    if (low, high) != (0, LEVELS - 1):
        made = ops.add(ops.multiply(ops.divide(made, LEVELS - 1.0), float(high - low)), float(low))
    return as_configured(layer, made, ops)


def tables_of(levels: Tensor, grid: list[int], tiles: list[int], clip_limit: float, ops: Operations) -> Tensor:
    """By tile and channel the new level of each level, (batch, tiles · channels, 256)."""
    channels, pixels = levels.shape[3] or 1, tiles[0] * tiles[1]
    for axis, (tile, count, size) in enumerate(zip(tiles, grid, height_and_width(levels)), 1):
        levels = mirrored(levels, axis, 0, tile * count - size, 0, ops)
    levels = ops.reshape(levels, (grid[0], tiles[0], grid[1], tiles[1], channels))
    levels = ops.reshape(ops.transpose(levels, (0, 1, 3, 5, 2, 4)), (grid[0] * grid[1] * channels, pixels, 1))
    counts = ops.compare(levels, ops.constant(np.arange(LEVELS, dtype=np.float32)[None, None, None]), "equal")
    histogram = ops.reduce(ops.cast(counts, "float32"), "sum", (2,))
    if clip_limit > 0:
        clipped = ops.minimum(histogram, clip_limit * pixels / LEVELS)
        excess = ops.reduce(ops.subtract(histogram, clipped), "sum", (2,), keepdims=True)
        histogram = ops.add(clipped, ops.divide(excess, float(LEVELS)))
    summed = ops.cumsum(histogram, 2)
    least = ops.reduce(summed, "min", (2,), keepdims=True)
    rest = ops.subtract(float(pixels), least)
    rest = ops.where(ops.compare(rest, 0.0, "equal"), 1.0, rest)
    spread = ops.divide(ops.multiply(ops.subtract(summed, least), LEVELS - 1.0), rest)
    return ops.minimum(ops.maximum(spread, 0.0), LEVELS - 1.0)


def between_tiles(size: int, tile: int, count: int) -> Array:
    """By place the shares of the two tiles whose middles it lies between, (size, tiles)."""
    places = (np.arange(size, dtype=np.float32) - np.float32(tile / 2)) / np.float32(tile) + np.float32(1)
    first = np.floor(places)
    shares = np.zeros((size, count), np.float32)
    for tiles, share in ((first, 1 - (places - first)), (first + 1, places - first)):
        np.add.at(shares, (np.arange(size), np.clip(tiles - 1, 0, count - 1).astype(int)), share)
    return shares
