"""What nets that learn are built of where NeoML has no layer: tensors that are weights, products."""

from __future__ import annotations

from math import prod
from typing import Optional

import numpy as np

from ...operations import Weight
from ..graph import Graph, Port
from ..slots import Parameter, Piece, blob_shape, blob_view
from ..values import Wire


def learnt_tensor(graph: Graph, weight: Weight, layout: str) -> Port:
    """A weight as a tensor that learns, its axes lying as `layout` says: what a layer of its numbers makes of a 1.

    NeoML's Data layer holds a tensor too, but never learns.
    """
    shape = blob_shape(weight.shape, layout)
    count = prod(shape)
    column = Piece(weight, lambda slot: blob_view(slot.reshape(shape), layout))
    one = graph.add("Data", parameters={"blob": Parameter.fixed(np.ones(1, np.float32), "C")})
    made = graph.add(
        "FullyConnected",
        one,
        element_count=count,
        parameters={"weights": Parameter.of(blob_shape((count,), "B"), column)},
    )
    return graph.add("Transform", made, transforms=[("set", size) for size in shape])


def with_learnt_channels(
    graph: Graph, x: Port, factors: Optional[Weight], numbers: Optional[Weight], count: int
) -> Port:
    """x · factors + numbers, of images of any size with so many channels.

    Both are spread over x by convolutions of one channel of ones. A ChannelwiseConv holds as much in one layer, and
    takes four times as long to go back.
    """
    zeros, one = np.zeros((1, count), np.float32), np.ones(1, np.float32)
    fixed = {"filter": Parameter.fixed(zeros, "BC"), "free_term": Parameter.fixed(one, "C")}
    ones = graph.add("Conv", x, filter_count=1, filter_size=(1, 1), parameters=fixed)

    def spread(weight: Weight) -> Port:
        parameters = {"filter": Parameter.laid_out(weight, "B")}
        return graph.add("Conv", ones, filter_count=count, filter_size=(1, 1), parameters=parameters)

    if factors is not None:
        spread_factors = spread(factors)
        x = safe_product(graph, graph.add("EltwiseMul", spread_factors, x), spread_factors)
    return x if numbers is None else graph.add("EltwiseSum", x, spread(numbers))


def added_to_channels(x: Wire, bias: Weight) -> Wire:
    """x + bias for images of known height and width, the features in the channels.

    The gradient of a layer's own free term is summed place by place, each as many numbers as there are channels. Here
    it is summed image by image first: three times as quick for 16 channels.
    """
    sizes = dict(zip(x.layout, x.shape))
    image = x.graph.add(
        "Upsampling2D",
        learnt_tensor(x.graph, bias, "C"),
        height_copy_count=sizes.get("H", 1),
        width_copy_count=sizes.get("W", 1),
    )
    return x.made(x.graph.add("AddToObject", x.port, image))


def times_channels(graph: Graph, rows: Port, factors: Weight) -> Port:
    """rows · diag(factors), of one object whose height counts the rows, the features in the channels.

    For few channels this is the quickest, twice as quick as by `with_learnt_channels` for 16.
    """
    (count,) = factors.shape
    square = graph.add("Upsampling2D", learnt_tensor(graph, factors, "C"), height_copy_count=count, width_copy_count=1)
    # What a product writes over, its first operand, it needs for the gradient of the second, which has none.
    unit = graph.add("Data", parameters={"blob": Parameter.fixed(np.eye(count, dtype=np.float32), "HC")})
    return graph.add("MatrixMultiplication", rows, graph.add("EltwiseMul", square, unit))


def safe_product(graph: Graph, product: Port, first: Port) -> Port:
    """A product that does not lie over its first operand: that one has another reader, which adds nothing.

    NeoML writes a product over its first operand where nobody else reads it, and computes the others' gradients from
    what it finds there. A LeakyReLU of slope 1 between them would help too, but its own gradient is 0 at 0.
    """
    nothing = graph.add("Linear", first, multiplier=0.0, free_term=0.0)
    return graph.add("EltwiseSum", product, nothing)
