"""What nets that learn are built of where NeoML has no layer: rows of tables, tensors that are weights, products."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..layers.rule import Refusal
from ..network import Array
from ..operations import Weight
from .graph import AXES, Graph, Node, Parameter, Port, blob_array
from .wires import Wire

__all__ = ["Gathering", "gathered_rows", "learnt_tensor", "numbers_of", "safe_product"]


# Layers that copy: of two slices they would make one.
REPEATING = frozenset({"Upsampling2D"})


@dataclass(frozen=True, eq=False)
class Gathering:
    """A lookup whose table is, for each batch, the rows that the batch asks for, one for each id in turn.

    Attributes:
        node: the lookup.
        table: the weight that the rows are taken from.
        fed: the network's inputs that hold the ids, and for each the net's input that is fed the numbers of its ids
            among all, in its shape.
    """

    node: Node
    table: Weight
    fed: tuple[tuple[str, str], ...]


def numbers_of(graph: Graph, ids: Wire, name: str) -> tuple[Wire, list[tuple[str, str]]]:
    """A tensor that goes the way of `ids`, but from inputs that number the ids, and those (`Gathering.fed`).

    An input that comes by several ways is numbered for each: what is looked up twice has two slices.
    """
    fed: list[tuple[str, str]] = []

    def moved(port: Port) -> Port:
        node = port.node
        if node.kind == "Source":
            fed.append((node.name, f"{node.name}/{name}" + (f"/{len(fed)}" if fed else "")))
            return graph.add("Source", name=fed[-1][1])
        if node.kind in REPEATING:
            raise Refusal("ids that are repeated before they are looked up do not train", "repeat what was looked up")
        again = [moved(one) for one in node.inputs]
        made = graph.add(node.kind, *again, parameters=node.parameters, outputs=node.outputs, **node.settings)
        return Port(made.node, port.output)

    return replace(ids, port=moved(ids.port), forms={}), fed


def gathered_rows(table: Weight) -> Parameter:
    """The rows that the host picks, none so far."""
    return Parameter(lambda: np.zeros((1, 1, 1, 1, 1, 1, table.shape[1]), np.float32), (table,))


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
