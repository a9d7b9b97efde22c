"""Rows of tables, looked up by ids; in a net that learns by the host, so that each id has a gradient of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...dtypes import is_whole
from ...layers.rule import Refusal
from ...operations import Weight
from ..graph import Graph, Guard, Node, Port
from ..slots import Parameter
from ..values import RUN_IN_NUMPY, Wire, holds_exactly
from .activations import linear
from .base import Part
from .reshaping import as_whole, filled_whole
from .spreading import learns

# Layers that copy: of two slices they would make one.
REPEATING = frozenset({"Upsampling2D"})
# Float32 holds every whole number up to it.
MOST_ROWS = 1 << 24


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


class LookupOperations(Part):
    """Lookups of the rows of a table.

    Attributes:
        gathered: lookups, in a net that learns, whose rows the host picks.
        of_computed_ids: lookups of ids that the net computes.
    """

    gathered: list[Gathering]
    of_computed_ids: list[Node]

    def embedding(self, ids: Wire, table: Weight) -> Wire:
        for name in ids.ids_from or ():
            self.graph.ids_below[name] = min(self.graph.ids_below.get(name, table.shape[0]), table.shape[0])
        outside = None
        computed = ids.ids_from is None
        proved = ids.is_whole and ids.range[0] >= 0 and ids.range[1] < table.shape[0]
        if computed and not proved:
            ids, outside = self._whole_within(ids, table) if ids.is_whole else self._within(ids, table)
        fed: list[tuple[str, str]] = []
        if self.in_training and ids.ids_from:  # the host picks the rows, so that each has a gradient of its own
            ids, fed = numbers_of(self.graph, ids, f"rows {len(self.gathered)}")
        if fed:
            found = self._looked_up(ids, table, gathered_rows(table), 1)
            self.gathered.append(Gathering(found.port.node, table, tuple(fed)))
        else:
            found = self.rows_of(ids, table)
        if computed:
            self.of_computed_ids.append(found.port.node)
        if outside is not None:
            self.graph.guard(Guard(found.port.node, outside.port, outside.shape, outside.layout, table.shape[0]))
        return found

    def rows_of(self, ids: Wire, table: Weight) -> Wire:
        """Rows of a table for ids that are known to be below its size."""
        rows, width = table.shape
        if self.in_training and not ids.is_whole and learns(ids):
            return self._rows_by_product(ids, table)
        return self._looked_up(ids, table, Parameter.whole(table, (1, rows, 1, 1, 1, 1, width)), rows)

    def _rows_by_product(self, ids: Wire, table: Weight) -> Wire:
        """The rows by products with 0 and 1: NeoML's lookup goes no way back, not even with a gradient of 0."""
        rows = table.shape[0]
        away = self.dense(self.expand_dims(ids, -1), Weight.fixed(np.ones((1, rows))), Weight.fixed(-np.arange(rows)))
        chosen = self.activation(self.subtract(1.0, self.unary(away, "abs")), "relu")
        return self.dense(chosen, table)

    def _looked_up(self, ids: Wire, table: Weight, embeddings: Parameter, rows: int) -> Wire:
        if not ids.is_whole:
            ids = replace(ids, port=self.graph.add("Cast", ids.port, output_type="int"), dtype="int32", forms={})
        if "C" in ids.layout:
            ids = ids.require({}, others="HWDSL")
        width = table.shape[1]
        parameters = {"embeddings": embeddings}
        port = self.graph.add("MultichannelLookup", ids.port, parameters=parameters, dimensions=[(rows, width)])
        made = ids.made(port, (*ids.shape, width), "float32", ids.layout + "C")
        return self._whole_rows(made, table) if is_whole(table.value.dtype.name) else made

    def _whole_rows(self, rows: Wire, table: Weight) -> Wire:
        """Rows of whole numbers, which NeoML keeps as floats."""
        found = int(table.value.min()), int(table.value.max())
        if not holds_exactly(found):
            what = f"table {table.name} holds whole numbers beyond 2**24, up to which NeoML's tables are exact"
            raise Refusal(what, RUN_IN_NUMPY)
        return replace(as_whole(rows), dtype=table.value.dtype.name, bounds=found)

    def _within(self, ids: Wire, table: Weight) -> tuple[Wire, Wire]:
        """Ids that the net computes, 0 for those outside the table, and which these are. NaN is outside; -0.5 is 0."""
        rows = table.shape[0]
        if rows > MOST_ROWS:
            what = f"its ids are computed inside the network, which NeoML does in float32, and pick of {rows} rows"
            raise Refusal(what, f"feed the ids as an input; {RUN_IN_NUMPY}")
        add = self.graph.add
        # By layers that compare and pick, which take NaN and infinity: products with them would be NaN.
        nothing = add("Cast", add("Less", ids.port, ids.port), output_type="float")
        below = add("Less", ids.port, linear(self.graph, nothing, 1.0, float(rows)))
        above = add("Less", linear(self.graph, nothing, 1.0, -1.0), ids.port)
        kept = add("Where", above, add("Where", below, ids.port, nothing), nothing)
        both = add("EltwiseMul", *(add("Cast", one, output_type="float") for one in (below, above)))
        return ids.made(kept), ids.made(linear(self.graph, both, -1.0, 1.0), dtype="bool")

    def _whole_within(self, ids: Wire, table: Weight) -> tuple[Wire, Wire]:
        """The same of whole numbers, compared as such."""
        add, rows = self.graph.add, table.shape[0]
        nothing = filled_whole(ids, 0)
        below = add("Less", ids.port, filled_whole(ids, rows).port)
        both = add("EltwiseMul", below, add("Less", filled_whole(ids, -1).port, ids.port))
        kept = replace(ids.made(add("Where", both, ids.port, nothing.port)), bounds=(0, rows - 1))
        return kept, ids.made(add("Cast", add("Not", both), output_type="float"), dtype="bool")
