"""NeoML layers from a graph, and what their slots hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import neoml

from ...errors import Unsupported
from ...network import Array
from ..graph import Graph, Node


def blob_of(math_engine: Any, array: Array, copy: bool = True) -> Any:
    """A NeoML blob holding a copy of a seven-dimensional float32 or int32 array, or the array itself."""
    return neoml.Blob.asblob(math_engine, array, array.shape, copy)


def from_blob(blob: Any) -> Array:
    """A copy of a blob, all seven dimensions kept."""
    copied: Array = blob.asarray(copy=True, keep_dims=True)
    return copied


def write_slot(math_engine: Any, layer: Any, slot: str, array: Array, copy: bool = True) -> None:
    """Put a seven-dimensional array into a slot of a live layer.

    `copy`: first into a blob of its own; most layers copy what they are given anyway.
    """
    blob = blob_of(math_engine, array, copy)
    if slot == "embeddings":
        layer.set_embeddings(0, blob)
    elif slot == "blob":
        layer.set_blob(blob)
    else:
        setattr(layer, slot, blob)


def read_slot(layer: Any, slot: str) -> Array:
    """What a slot of a live layer holds."""
    if slot == "embeddings":
        return from_blob(layer.get_embeddings(0))
    # Data.get_blob() is broken in NeoML 2.0.210: it calls a module.
    return from_blob(neoml.Blob.Blob(layer._internal.get_blob()) if slot == "blob" else getattr(layer, slot))


def make_layers(graph: Graph, nodes: Sequence[Node], dnn: Any, math_engine: Any) -> dict[int, Any]:
    """Make the nodes' layers in a Dnn, weights set; by ``id(node)``.

    Raises:
        Unsupported: a layer with settings or weights that NeoML does not take.
    """
    made: dict[int, Any] = {}
    for node in nodes:
        try:
            made[id(node)] = layer = _make_layer(node, made, dnn)
            for slot, parameter in node.parameters.items():
                # A lookup copies its table, which may be large.
                write_slot(math_engine, layer, slot, parameter.pack(), copy=slot != "embeddings")
        except Exception as error:
            what = f"NeoML does not take its {node.kind} {node.settings}: {type(error).__name__}: {error}"
            raise Unsupported(node.scope or node.name, what, "run it with engine='numpy'") from error
        if node.parameters and not any(parameter.weights for parameter in node.parameters.values()):
            layer.learning_enabled = False
    return made


def _make_layer(node: Node, made: Mapping[int, Any], dnn: Any) -> Any:
    if node.kind in ("Source", "Data"):
        return getattr(neoml.Dnn, node.kind)(dnn, name=node.name)
    links = [(made[id(port.node)], port.output) for port in node.inputs]
    if node.kind == "Recurrent":
        return place_cell(node, links)
    if node.shares is not None:
        return neoml.Dnn.TiedEmbeddings(links, node.shares.name, 0, name=node.name)
    kind = getattr(neoml.Dnn, node.kind)
    return kind(links[0] if len(links) == 1 else links, **node.settings, name=node.name)


def place_cell(node: Node, links: Sequence[tuple[Any, int]]) -> Any:
    """A layer that stands where a ``Recurrent`` node will be, with its name and inputs.

    Layers can be linked to any output of it: NeoML looks at the numbers of outputs only when a net runs.
    """
    return neoml.Dnn.EltwiseSum(list(links), name=node.name)
