"""What nets that learn are built of where NeoML has no layer: tensors that are weights, products."""

from __future__ import annotations

from math import prod

import numpy as np

from ...operations import Weight
from ..graph import Graph, Port
from ..slots import AXES, Parameter, Piece, blob_shape, blob_view


def learnt_tensor(graph: Graph, weight: Weight, layout: str) -> Port:
    """A weight as a tensor that learns, its axes lying as `layout` says: a table of one row, looked up.

    NeoML's Data layer holds a tensor too, but never learns.
    """
    shape = blob_shape(weight.shape, layout)
    count = prod(shape)
    table = Piece(weight, lambda slot: blob_view(slot.reshape(shape), layout))
    zero = graph.add("Data", parameters={"blob": Parameter(lambda: np.zeros((1,) * len(AXES), np.int32))})
    row = graph.add(
        "MultichannelLookup",
        zero,
        dimensions=[(1, count)],
        parameters={"embeddings": Parameter.of((*(1,) * (len(AXES) - 1), count), table)},
    )
    return graph.add("Transform", row, transforms=[("set", size) for size in shape])


def safe_product(graph: Graph, product: Port, first: Port) -> Port:
    """A product that does not lie over its first operand: that one has another reader, which adds nothing.

    NeoML writes a product over its first operand where nobody else reads it, and computes the others' gradients from
    what it finds there. A LeakyReLU of slope 1 between them would help too, but its own gradient is 0 at 0.
    """
    nothing = graph.add("Linear", first, multiplier=0.0, free_term=0.0)
    return graph.add("EltwiseSum", product, nothing)
