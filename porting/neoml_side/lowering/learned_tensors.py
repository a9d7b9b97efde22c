"""What nets that learn are built of where NeoML has no layer: tensors that are weights, products."""

from __future__ import annotations

import numpy as np

from ...network import Array
from ...operations import Weight
from ..graph import AXES, Graph, Parameter, Port, blob_array

__all__ = ["learnt_tensor", "safe_product"]


def learnt_tensor(graph: Graph, weight: Weight, layout: str) -> Port:
    """A weight as a tensor that learns, its axes lying as `layout` says: a table of one row, looked up.

    NeoML's Data layer holds a tensor too, but never learns.
    """
    shape = blob_array(np.asarray(weight.value), layout).shape

    def pack(value: Array) -> Array:
        return blob_array(value, layout).reshape(1, 1, 1, 1, 1, 1, -1)

    def unpack(slot: Array) -> Array:
        order = sorted(range(len(layout)), key=lambda axis: AXES.index(layout[axis]))
        packed = slot.reshape([weight.shape[axis] for axis in order])
        return packed.transpose(np.argsort(order))

    count = int(np.prod(shape))
    zero = graph.add("Data", parameters={"blob": Parameter(lambda: np.zeros((1,) * len(AXES), np.int32))})
    row = graph.add(
        "MultichannelLookup",
        zero,
        dimensions=[(1, count)],
        parameters={"embeddings": Parameter.of(weight, pack, unpack)},
    )
    return graph.add("Transform", row, transforms=[("set", size) for size in shape])


def safe_product(graph: Graph, product: Port, first: Port) -> Port:
    """A product that does not lie over its first operand: that one has another reader, which adds nothing.

    NeoML writes a product over its first operand where nobody else reads it, and computes the others' gradients from
    what it finds there. A LeakyReLU of slope 1 between them would help too, but its own gradient is 0 at 0.
    """
    nothing = graph.add("Linear", first, multiplier=0.0, free_term=0.0)
    return graph.add("EltwiseSum", product, nothing)
