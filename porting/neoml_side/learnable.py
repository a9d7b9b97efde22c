"""What nets that learn are built of where NeoML has no layer: rows of tables, tensors that are weights, products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..network import Array
from ..operations import Weight
from .graph import AXES, Graph, Node, Parameter, Port, blob_array

__all__ = ["Gathering", "gathered_rows", "learnt_tensor", "safe_product"]


@dataclass(frozen=True, eq=False)
class Gathering:
    """A lookup whose table is, for each batch, the rows that the batch asks for, one for each id in turn.

    Attributes:
        node: the lookup.
        ids: the network's input that holds the ids.
        table: the weight that the rows are taken from.
        positions: the net's input that is fed 0, 1, 2 … in the shape of the ids.
        layout: how the ids lie in it.
    """

    node: Node
    ids: str
    table: Weight
    positions: str
    layout: str


def gathered_rows(graph: Graph, ids: str, layout: str, table: Weight, number: int) -> tuple[Gathering, Port]:
    """Add a lookup of rows that the host picks; `number` tells it from other lookups."""
    positions = f"{ids}/rows {number}"
    source = graph.add("Source", name=positions)
    width = table.shape[1]
    row = Parameter(lambda: np.zeros((1, 1, 1, 1, 1, 1, width), np.float32), (table,))
    port = graph.add("MultichannelLookup", source, dimensions=[(1, width)], parameters={"embeddings": row})
    return Gathering(port.node, ids, table, positions, layout), port


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
