"""A net in two stages: its large layers are run with a row or two at a time, the small ones behind them with more.

The outputs of large layers stay in the cache between layers where few rows are run; small layers are matrix products of
few rows then, which take longer. A net is cut where one tensor is all that goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ...network import Array, TensorRef
from ..graph import Graph, Node, Port
from ..lowering.folding import is_fixed_scaling
from ..slots import AXES

if TYPE_CHECKING:
    from ..plan import Plan
    from ..values import Wire
    from .pool import NetPool

BATCH = AXES.index("B")
# By how many times layers must be smaller behind the cut than before it.
SMALLER = 4
# What computes every step of one row by itself takes far longer.
STEP_BY_STEP = {"Gru", "Irnn", "Lstm", "Recurrent"}


@dataclass(frozen=True)
class Stage:
    """Nets of one stage.

    Attributes:
        pool: the nets.
        rows: how many rows are run at once.
    """

    pool: NetPool
    rows: int

    def run(self, blobs: Mapping[str, Array]) -> Optional[dict[str, Array]]:
        """What it makes of blobs with any number of rows; None where that does not lie in as many rows.

        Raises:
            Mismatch: NeoML cannot run them.
        """
        from .blobs import run_checked

        rows = next(iter(blobs.values())).shape[BATCH]
        step = -(-rows // -(-rows // self.rows))
        with self.pool.borrowed() as runner:
            parts = [{name: blobs[name][:, at : at + step] for name in runner.reads} for at in range(0, rows, step)]
            made = [run_checked(runner, part) for part in parts]
        if any(_rows_of(part) != _rows_of(given) for part, given in zip(made, parts)):
            return None
        return {name: np.concatenate([part[name] for part in made], BATCH) for name in made[0]}


def _rows_of(blobs: Mapping[str, Array]) -> set[int]:
    return {blob.shape[BATCH] for blob in blobs.values()}


def place_to_cut(plan: Plan, outputs: Collection[TensorRef], large: int) -> Optional[tuple[TensorRef, int]]:
    """The tensor to cut at, and how many numbers a row of the largest from there on has; None where nothing is gained.

    Of the places from which on everything is smaller by `SMALLER` the first is taken, or one of fewer numbers as long
    as what follows is as large.

    Args:
        plan, outputs: what is run.
        large: numbers in a row of a tensor from which on layers are large.
    """
    graph = plan.graph.with_sinks({str(ref): plan.tensors[ref].port for ref in outputs})
    if graph.guards or graph.ids_below:
        return None
    nodes = graph.needed()
    if any(node.kind in STEP_BY_STEP for node in nodes):
        return None
    places = {id(node): at for at, node in enumerate(nodes)}
    refs = {places[id(wire.port.node)]: ref for ref, wire in plan.tensors.items() if id(wire.port.node) in places}
    sizes = {at: prod(size or 1 for size in plan.tensors[ref].shape[1:]) for at, ref in refs.items()}
    largest = max(sizes.values(), default=0)
    behind = {at: max(sizes[later] for later in sizes if later >= at) for at in sizes}
    narrow = _narrow_places(graph, nodes, places)
    found = [at for at in sorted(sizes) if at in narrow and behind[at] * SMALLER <= largest]
    found = [at for at in found if _has_rows(plan.tensors[refs[at]]) and behind[at] == behind[found[0]]]
    if largest < large or not found:
        return None
    best = min(found, key=lambda at: sizes[at])
    return refs[best], behind[best]


def _has_rows(wire: Wire) -> bool:
    return wire.dtype == "float32" and wire.shape[0] is None and wire.layout[0] == "B"


def _narrow_places(graph: Graph, nodes: list[Node], places: Mapping[int, int]) -> set[int]:
    """The nodes whose one output is all that later ones read.

    Left out are those that are read outside, and those that the next is folded into.
    """
    last = {(id(port.node), port.output): len(nodes) for port in graph.sinks.values()}
    for at, node in reversed(list(enumerate(nodes))):
        for port in node.inputs:
            last.setdefault((id(port.node), port.output), at)
    other = {id(node.inputs[0].node) for node in nodes if is_fixed_scaling(node)}
    other |= {id(port.node) for port in graph.sinks.values()}
    narrow, furthest = set(), -1
    for at, node in enumerate(nodes):
        # What was made before this one is read by this one at the latest.
        if furthest <= at and node.kind != "Source" and node.outputs == 1 and id(node) not in other:
            narrow.add(at)
        furthest = max([furthest, *(last.get((id(node), output), -1) for output in range(node.outputs))])
    return narrow


def cut(graph: Graph, name: str) -> tuple[Graph, Graph]:
    """The graph before and behind one of its sinks, which the latter is fed under the same name."""
    port = graph.sinks[name]

    def make(node: Node, moved: Node) -> list[Node]:
        return [Node("Source", name=name)] if node is port.node else [moved]

    behind: Any = graph.rebuilt(make)
    return graph.with_sinks({name: port}), behind.with_sinks(
        {sink: Port(one.node, one.output) for sink, one in behind.sinks.items() if sink != name}
    )
