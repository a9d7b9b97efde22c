"""A NeoML net as data: what would be built, before anything is.

The operations write nodes here; `build` makes NeoML layers of them, `porting plan` only names them. A node's
`kind` is the class in `neoml.Dnn` (``FullyConnected``), or ``Recurrent`` for a cell that only an archive can hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ..network import Shape
from ..operations import Weight
from .slots import Parameter


@dataclass(frozen=True)
class Port:
    """One output of a node."""

    node: Node
    output: int = 0


@dataclass(eq=False, repr=False)
class Node:
    """A NeoML layer to be.

    Attributes:
        kind: class in `neoml.Dnn`.
        inputs: the ports that feed it, in NeoML's order.
        settings: the constructor's keyword arguments.
        parameters: by slot: an attribute of the layer (``weights``), or ``embeddings`` for a lookup's table.
        scope: the Keras call that it belongs to.
        name: the NeoML layer's name; given by `Graph.name_nodes`.
        outputs: how many outputs must be consumed, where NeoML insists on all.
        body: the cell, for ``Recurrent``.
        shares: the lookup whose table it multiplies with, for ``TiedEmbeddings``.
        image_width: of the image that a ``Conv`` over two axes reads, where it is known.
    """

    kind: str
    inputs: tuple[Port, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    scope: str = ""
    name: str = ""
    label: str = ""
    outputs: int = 1
    body: Optional[CellBody] = None
    shares: Optional[Node] = None
    image_width: Optional[int] = None

    def __repr__(self) -> str:
        return f"Node({self.kind!r}, {self.name!r}, {self.scope!r})"  # a node's inputs lead to the whole graph

    @property
    def holds_weights(self) -> bool:
        return next(self.weights(), None) is not None

    def weights(self) -> Iterator[Weight]:
        """The Keras weights that it holds."""
        for parameter in self.parameters.values():
            yield from parameter.weights
        for node in self.body.graph.nodes if self.body is not None else ():
            yield from node.weights()

    def owner(self) -> str:
        """The call, or the layer held by the call's layer, whose weights it holds."""
        folder = next(self.weights()).name.rpartition("/")[0]
        layer = self.scope.partition("@")[0]
        inside = folder[len(layer) :] if folder.startswith(layer) else ""
        return self.scope + inside


@dataclass(frozen=True, eq=False)
class CellBody:
    """The inside of a ``Recurrent`` node: one step.

    Attributes:
        graph: its Sources are named ``CompositeSource.0`` … for the node's inputs in order (those with one
            blob a step), and as the states are; the rest computes the step.
        states: for each state its Source's name, its size, the port that gives its next value, and the number of
            the node's input that holds its first value (None: zeros).
        outputs: the ports that the node puts out, in order.
        reverse: time runs from the end; outputs stay in the order of the inputs.
    """

    graph: Graph
    states: tuple[tuple[str, int, Port, Optional[int]], ...]
    outputs: tuple[Port, ...]
    reverse: bool = False


@dataclass(frozen=True, eq=False)
class Guard:
    """What tells whether a number that a net computes was outside what NeoML can take: an id outside its table.

    Attributes:
        reader: reads the numbers; of ids those outside as 0.
        outside: for each number 1 where it was outside, else 0.
        shape, layout: of the numbers.
        below: the number of the table's rows; `BEYOND_INT32` of other whole numbers.
    """

    reader: Node
    outside: Port
    shape: Shape
    layout: str
    below: int


# No table has as many rows.
BEYOND_INT32 = 2**31
TOO_LARGE = "beyond int32, and NeoML has no larger ones"

WITH_FREE_TERM = {"FullyConnected", "Conv", "Conv3D", "ChannelwiseConv", "TransposedConv", "TransposedConv3D"}


class Graph:
    """Nodes in building order, and the ports to be read under a name.

    Attributes:
        nodes: every node after those that feed it.
        sinks: port by the name under which NeoML gives it out.
        ids_below: by source, the size of the smallest table that its values pick rows from.
        guards: by the name under which it is read; with each reader that a sink needs its guard is a sink too.
        ids_known: `ids_below` as known beforehand; None while nodes are laid out only to find it.
        unproved: whether the nodes would be others, were `ids_known`.
        has_tables: it looks rows up by sizes, of which tables hold so many.
        infinite: it holds an infinite number, so a maximum may be one.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.sinks: dict[str, Port] = {}
        self.ids_below: dict[str, int] = {}
        self.guards: dict[str, Guard] = {}
        self.ids_known: Optional[Mapping[str, int]] = {}
        self.unproved = False
        self.has_tables = False
        self.infinite = False
        self.scope = ""

    def add(
        self,
        kind: str,
        *inputs: Port,
        parameters: Optional[Mapping[str, Parameter]] = None,
        label: str = "",
        name: str = "",
        outputs: int = 1,
        body: Optional[CellBody] = None,
        shares: Optional[Node] = None,
        **settings: Any,
    ) -> Port:
        """Append a node; returns its first output.

        `label` tells it from others of its scope (``forward``), `name` fixes its name.
        """
        if kind in WITH_FREE_TERM:
            settings["is_zero_free_term"] = "free_term" not in (parameters or {})
        node = Node(kind, inputs, settings, dict(parameters or {}), self.scope, name, label, outputs, body, shares)
        self.nodes.append(node)
        return Port(node)

    def guard(self, guard: Guard) -> None:
        """Have numbers that are outside told of."""
        name = f"{self.scope}/{'beyond int32' if guard.below == BEYOND_INT32 else 'ids outside'}"
        self.guards[name if name not in self.guards else f"{name} {len(self.guards)}"] = guard

    def with_sinks(self, sinks: Mapping[str, Port]) -> Graph:
        """The same nodes, read at other ports."""
        graph = Graph()
        graph.nodes = self.nodes
        graph.sinks = dict(sinks)
        graph.ids_below = self.ids_below
        here = {id(node) for node in graph.needed()}
        graph.guards = {name: guard for name, guard in self.guards.items() if id(guard.reader) in here}
        graph.sinks.update((name, guard.outside) for name, guard in graph.guards.items())
        graph.has_tables = self.has_tables
        graph.infinite = self.infinite
        return graph

    def rebuilt(self, make: Callable[[Node, Node], Sequence[Node]]) -> Graph:
        """The same outputs from other nodes.

        `make` is given each needed node, as it was and over what its inputs have become, and names those that stand
        in its place; of none its first input does.
        """
        made: dict[int, Node] = {}
        graph = Graph()
        for node in self.needed():
            inputs = tuple(Port(made[id(port.node)], port.output) for port in node.inputs)
            shares = node.shares and made[id(node.shares)]
            same = inputs == node.inputs and shares is node.shares
            stead = make(node, node if same else replace(node, inputs=inputs, shares=shares))
            graph.nodes += stead
            made[id(node)] = stead[-1] if stead else inputs[0].node
        graph.ids_below, graph.guards, graph.infinite = self.ids_below, self.guards, self.infinite
        graph.sinks = {name: Port(made[id(port.node)], port.output) for name, port in self.sinks.items()}
        return graph

    def sources(self) -> list[Node]:
        return [node for node in self.nodes if node.kind == "Source"]

    def needed(self) -> list[Node]:
        """The nodes that some sink depends on, and every Source, in building order."""
        wanted: set[int] = set()
        waiting = [port.node for port in self.sinks.values()]
        while waiting:
            node = waiting.pop()
            if id(node) not in wanted:
                wanted.add(id(node))
                waiting += [port.node for port in node.inputs]
                waiting += [] if node.shares is None else [node.shares]
        return [node for node in self.nodes if id(node) in wanted]

    def unconsumed(self) -> Iterator[Port]:
        """Outputs that NeoML wants consumed and nobody reads."""
        needed = self.needed()
        read = {(id(port.node), port.output) for node in needed for port in node.inputs}
        read |= {(id(port.node), port.output) for port in self.sinks.values()}
        for node in needed:
            for output in range(node.outputs):
                if (id(node), output) not in read:
                    yield Port(node, output)

    def name_nodes(self) -> None:
        """Name the needed nodes after their Keras layers; names once given stay.

        The one node that holds a layer's weights has the layer's name (``dense``), or that of the layer inside
        (``bidirectional/forward_layer``); where several hold them, and for the rest, the name is ``layer/label`` or
        ``layer/kind``, numbered from the second on.
        """
        needed = self.needed()
        taken = {node.name for node in self.nodes if node.name} | set(self.sinks)
        holders: dict[str, list[Node]] = {}
        for node in needed:
            if node.holds_weights:
                holders.setdefault(node.owner(), []).append(node)
        for owner, nodes in holders.items():
            if len(nodes) == 1 and owner and owner not in taken and not nodes[0].name:
                nodes[0].name = owner
                taken.add(owner)
        for node in needed:
            if not node.name:
                node.name = _free_name(f"{node.scope}/{node.label or node.kind.lower()}".lstrip("/"), taken)
                taken.add(node.name)


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}@{number}"
    return name
