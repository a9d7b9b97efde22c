"""A network as a NeoML graph: planned in milliseconds, without neoml, with every problem named at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Optional

from ..errors import Unsupported
from ..layers import RULES, Refusal, Rule
from ..layers.execution import walk
from ..network import Call, Input, Network, Shape, TensorRef
from .graph import Graph, Node
from .lowering.operations import NeomlOperations
from .values import TIME_FIRST, Wire, canonical


@dataclass(frozen=True, eq=False)
class Plan:
    """A network as a NeoML graph.

    Attributes:
        graph: the nodes; sinks are set by whoever builds it.
        tensors: every tensor of the network as a wire.
        ops: the operations that made them, with the limits of ids.
    """

    graph: Graph
    tensors: dict[TensorRef, Wire]
    ops: NeomlOperations

    def needed_nodes(self, network: Network) -> dict[str, list[Node]]:
        """By call, the nodes that the network's outputs need."""
        graph = self.graph.with_sinks({str(ref): self.tensors[ref].port for ref in network.output_refs()})
        by_call: dict[str, list[Node]] = {call.name: [] for call in network.calls}
        for node in graph.needed():
            if node.scope in by_call and node.kind != "Source":
                by_call[node.scope].append(node)
        return by_call


def observed_shape(network: Network, ref: TensorRef) -> Shape:
    """A tensor's shape as the references show it: sizes that differ between cases are open."""
    shapes = [case.shape(ref) for case in network.cases if ref in case.covered()]
    if not shapes:
        return (None,)
    return (None, *(sizes[0] if len(set(sizes)) == 1 else None for sizes in list(zip(*shapes))[1:]))


def _stand_in(network: Network, graph: Graph, ref: TensorRef) -> Wire:
    shape = observed_shape(network, ref)
    shown = next((case.dtype(ref) for case in network.cases if ref in case.covered()), None)
    dtype = "float32" if shown is None or shown.kind not in "biu" else shown.name
    layout = canonical(len(shape), dtype)
    wire = Wire(shape, dtype, layout, graph.add("Source", name=f"stand-in {ref}"), graph, ids_from=frozenset())
    masks = [case.masks[ref] for case in network.cases if ref in case.masks]
    if not masks:
        return wire
    rank = masks[0].ndim
    mask = Wire(shape[:rank], "bool", canonical(rank), graph.add("Source", name=f"stand-in mask {ref}"), graph)
    return wire.with_mask(mask)


def plan_network(
    network: Network,
    rules: Mapping[str, Rule] = RULES,
    training: bool = False,
    moving: Collection[str] = frozenset(),
) -> Plan:
    """Lay a network out as a NeoML graph, in training with statistics that follow the batches.

    Builds nothing and needs no neoml.

    Inputs whose tensors mostly meet recurrent layers, or a maximum over the time that learns, are laid out time-first.

    Raises:
        Unsupported: with every problem of every call.
    """
    first = _plan(network, rules, training, moving, {}, None)
    layouts: dict[str, str] = {}
    for one in network.inputs:
        moves = first.ops.moves.get(one.name, {})
        wanted = next((axes for axes in ("BL", TIME_FIRST[:2]) if 2 * moves.get(axes, 0) > sum(moves.values())), None)
        layout = first.tensors[one.ref].layout
        if wanted is not None and len(one.shape) in (2, 3) and layout[1:2] == "H":
            layouts[one.name] = wanted + layout[2:]
    again = layouts or first.graph.unproved
    return _plan(network, rules, training, moving, layouts, first.graph.ids_below) if again else first


def _plan(
    network: Network,
    rules: Mapping[str, Rule],
    training: bool,
    moving: Collection[str],
    layouts: Mapping[str, str],
    ids_known: Optional[Mapping[str, int]],
) -> Plan:
    graph = Graph()
    graph.ids_known = None if ids_known is None else dict(ids_known)
    ops = NeomlOperations(graph, training, moving)
    inputs = {one.ref: _source(ops, one, layouts.get(one.name)) for one in network.inputs}

    def enter(call: Call) -> None:
        graph.scope = call.name

    tensors = walk(network, ops, inputs, rules, stand_in=lambda ref: _stand_in(network, graph, ref), before=enter)
    return Plan(graph, tensors, ops)


def _source(ops: NeomlOperations, given: Input, layout: Optional[str]) -> Wire:
    try:
        return ops.source(given, layout)
    except Refusal as refusal:
        raise Unsupported(f"input {given.name!r}", refusal.what, refusal.way_out) from refusal
