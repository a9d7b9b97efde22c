"""A graph as a live net that runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import neoml

from ...network import Array
from ..graph import Graph
from ..sizes import check_guards, check_ids
from .archives import copy_of
from .build import blob_of, from_blob, make_layers
from .cells import splice


class Runner:
    """One live net: its Dnn, what it reads and what it gives.

    A Runner belongs to one thread at a time: NeoML's Dnn is not made for more.
    """

    def __init__(self, graph: Graph, math_engine: Any) -> None:
        self.graph = graph
        self.math_engine = math_engine
        graph.name_nodes()
        self.nodes = graph.needed()
        self.dnn = neoml.Dnn.Dnn(math_engine)
        layers = make_layers(graph, self.nodes, self.dnn, math_engine)
        for name, port in graph.sinks.items():
            neoml.Dnn.Sink((layers[id(port.node)], port.output), name)
        for number, port in enumerate(graph.unconsumed()):
            neoml.Dnn.Sink((layers[id(port.node)], port.output), f"unused/{number}")
        if any(node.kind == "Recurrent" for node in self.nodes):
            self.dnn = splice(self.dnn, self.nodes, math_engine)
        self.reads = [node.name for node in self.nodes if node.kind == "Source"]

    def run(self, blobs: Mapping[str, Array]) -> dict[str, Array]:
        """Run on seven-dimensional arrays by source name; seven-dimensional copies by sink name.

        Raises:
            Mismatch: an id outside its table, fed or computed.
        """
        check_ids(blobs, self.graph.ids_below)
        feeds = {name: blob_of(self.math_engine, blobs[name]) for name in self.reads}
        outputs = self.dnn.run(feeds)
        found = {name: from_blob(outputs[name]) for name in self.graph.sinks}
        check_guards(found, {name: guard.below for name, guard in self.graph.guards.items()})
        return found

    def renew(self) -> None:
        """Exchange the Dnn for a copy that has not run, its weights as they are."""
        self.dnn = copy_of(self.dnn, self.math_engine)
