"""Convolutions of pictures for few filters: several columns of the result at once.

NeoML gathers the windows of a convolution into a matrix and multiplies it by the filters. A picture has three channels,
so windows are gathered in short pieces, and a product for sixteen filters takes as long as one for 32. Here the columns
and channels of a row are one axis; a window holds what several columns of the result need, and each of these has
filters of its own in it, with zeros where another's window is. The sums are the same, but for zeros. Inference only:
the zeros would train. On processors with AVX-512 only: without it NeoML has kernels for 3, 6, 8, 16, 18, 24 and 32
filters that gather nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...network import Array
from ..graph import Graph, Node, Port
from ..slots import AXES, Parameter, View
from .folding import FREE

# As measured (benchmarks/inference.md): for more filters the zeros cost more than the product gains.
MOST_FILTERS, MOST_CHANNELS = 32, 4
COLUMNS = (4, 2)
# What gives finite numbers for those that are fed: 0 times an infinite one would be no number.
KEEPS_FINITE = {"Cast", "ChannelwiseConv", "ImageResize", "Linear", "Transform", "Transpose"}


def side_by_side(graph: Graph) -> Graph:
    """The graph with each such convolution of what is fed in its other form."""

    def make(_: Node, node: Node) -> Sequence[Node]:
        columns = columns_at_once(node)
        return [node] if columns == 1 or graph.infinite else _wide(node, columns)

    return graph.rebuilt(make)


def columns_at_once(node: Node) -> int:
    """How many columns of its result a convolution makes at once; 1 where it stays as it is."""
    if node.kind != "Conv" or node.image_width is None or not _reads_what_is_fed(node):
        return 1
    (_, width), (_, stride), (_, padding) = (node.settings[f"{name}_size"] for name in ("filter", "stride", "padding"))
    filters, channels = node.settings["filter_count"], _shape(node)[-1]
    if width == 1 or channels > MOST_CHANNELS or node.settings["dilation_size"] != (1, 1):
        return 1
    made = (node.image_width + 2 * padding - width) // stride + 1
    return next((count for count in COLUMNS if made % count == 0 and count * filters <= MOST_FILTERS), 1)


def _reads_what_is_fed(node: Node) -> bool:
    before = node.inputs[0].node
    while before.kind in KEEPS_FINITE:
        before = before.inputs[0].node
    return before.kind == "Source"


def _shape(node: Node) -> tuple[int, ...]:
    shape: tuple[int, ...] = node.parameters["filter"].pack().shape
    return shape


def _wide(node: Node, columns: int) -> list[Node]:
    """A convolution over single numbers, between layers that name the axes otherwise and move nothing."""
    channels = _shape(node)[-1]
    (height, width), (down, right), (above, left) = (
        node.settings[f"{name}_size"] for name in ("filter", "stride", "padding")
    )
    settings = {
        **node.settings,
        "filter_count": columns * node.settings["filter_count"],
        "filter_size": (height, ((columns - 1) * right + width) * channels),
        "stride_size": (down, columns * right * channels),
        "padding_size": (above, left * channels),
    }
    parameters = {"filter": _wide_filter(node.parameters["filter"], columns, right)}
    if FREE in node.parameters:
        parameters[FREE] = _repeated_bias(node.parameters[FREE], columns)
    flat = _transform(node, node.inputs[0], W=("multiply", channels), C=("divide", channels))
    wide = replace(node, inputs=(Port(flat),), settings=settings, parameters=parameters, image_width=None)
    return [flat, wide, _transform(node, Port(wide), W=("multiply", columns), C=("divide", columns))]


def _transform(node: Node, port: Port, **rules: Any) -> Node:
    transforms = [rules.get(letter, ("multiply", 1)) for letter in AXES]
    return Node("Transform", (port,), {"transforms": transforms}, scope=node.scope)


def _wide_filter(kernel: Parameter, columns: int, stride: int) -> Parameter:
    single = kernel.pack().shape
    _, filters, _, height, width, _, channels = single
    shape = (1, columns * filters, 1, height, ((columns - 1) * stride + width) * channels, 1, 1)

    def part(column: int) -> View:
        first = column * stride * channels
        across, own = slice(first, first + width * channels), slice(column * filters, (column + 1) * filters)
        return lambda slot: slot.reshape(shape)[:, own, :, :, across].reshape(single)

    return kernel.repeated(shape, [part(column) for column in range(columns)])


def _repeated_bias(bias: Parameter, columns: int) -> Parameter:
    single = bias.pack().shape
    count = single[-1]

    def part(column: int) -> View:
        def seen(slot: Array) -> Array:
            return slot.reshape(-1)[column * count : (column + 1) * count].reshape(single)

        return seen

    return bias.repeated((*single[:-1], columns * count), [part(column) for column in range(columns)])
