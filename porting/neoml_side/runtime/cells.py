"""Recurrent cells that NeoML runs but its Python interface cannot make, written into NeoML's archives.

`neoml.Dnn` has no class for NeoML's general recurrent layer, which runs a small net once a step. NeoML stores and
loads it like any other layer, though, and a net that was loaded runs, learns and stores. So a ``Recurrent`` node
first becomes a placeholder; the net is stored, the placeholder's record is exchanged for the cell's, and the net is
loaded again. The layers inside the cell are made by `neoml` itself, and their records taken from a stored net.

The archive as NeoML 2.0.210 writes it, little-endian:

- a net: int32 version, int32 100, int32 count of layers, the layers in the order in which they were added, a byte
- a layer: text class, a version for each class it inherits from, the last of them the base layer's, the base, and
  then what the classes add, from the base upwards
- the base: text name, int32 count of inputs with text layer and int32 output each, a byte (gradients are forced),
  a byte (it learns), three float32 factors (rates of learning, L2, L1), int32 count of blobs with a blob each
- a blob: a byte (1: there is none); a version, int32 type (2 for integers), int32 0, seven int32 sizes, uint32
  count, the values
- a text: its length in UTF-8, then its bytes; lengths and versions are a byte, or 255 and an int32

The recurrent layer adds to its base the inner layers, the outputs (text inner layer, int32 output) and the back
links, each list with its count, then a byte (time runs from the end) and an int32 count of repetitions. Its inner
layers find its inputs under the names ``CompositeSource.0``, ``CompositeSource.1`` …
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import neoml

from ...network import Array
from ..graph import CellBody, Node
from ..lowering.stepwise import input_name
from .archive_format import (
    FULLY_CONNECTED,
    PLACEHOLDER,
    RECURRENT,
    SLOTS,
    ArchiveReader,
    back_link,
    counted,
    find_once,
    head,
    integer,
    link,
    text,
)
from .archives import loaded, stored, teach_wrappers
from .build import make_layers


def splice(dnn: Any, nodes: Iterable[Node], math_engine: Any, random: Any = None) -> Any:
    """The net with its placeholders replaced by the cells of the ``Recurrent`` nodes.

    It is a new Dnn: handles on the old one's layers say nothing about it.
    """
    archive = stored(dnn)
    for node in nodes:
        if node.body is not None:
            archive = _with_cell(archive, node.name, node.body, math_engine)
    teach_wrappers()
    return loaded(archive, math_engine, random)


def _with_cell(archive: bytes, name: str, body: CellBody, math_engine: Any) -> bytes:
    """The archive with one placeholder replaced. What its base says stays: name, inputs, whether it learns."""
    placeholder = head(PLACEHOLDER, 2)
    start = find_once(archive, placeholder + text(name), f"the placeholder of cell {name!r}")
    reader = ArchiveReader(archive, start + len(placeholder))
    reader.base()
    kept = archive[start + len(placeholder) : reader.at]
    return b"".join((archive[:start], head(RECURRENT, 2), kept, _body_record(body, math_engine), archive[reader.at :]))


def _body_record(body: CellBody, math_engine: Any) -> bytes:
    """What a recurrent layer's record holds after its base."""
    count, layers = _inner_layers(body, math_engine)
    links = [
        back_link(state, size, source, [] if initial is None else [link(input_name(initial), 0)])
        for state, size, source, initial in body.states
    ]
    outputs = [link(port.node.name, port.output) for port in body.outputs]
    return b"".join(
        (
            integer(len(links) + count),
            *links,
            layers,
            counted(outputs),
            counted(links),
            bytes([body.reverse]),
            integer(1),
        )
    )


def _inner_layers(body: CellBody, math_engine: Any) -> tuple[int, bytes]:
    """The records of the layers inside a cell, and their count.

    They are made in a net whose Sources have the names of the cell's inputs and states; the Sources are left out.
    """
    wanted = {f"{number}": port for number, port in enumerate([*body.outputs, *(state[2] for state in body.states)])}
    graph = body.graph.with_sinks(wanted)
    graph.name_nodes()
    nodes = sorted(graph.needed(), key=lambda node: node.kind != "Source")
    dnn = neoml.Dnn.Dnn(math_engine)
    make_layers(graph, nodes, dnn, math_engine)
    reader = ArchiveReader(stored(dnn), 2 * 4)
    count = reader.integer()
    for node in nodes:
        if node.kind == "Source":
            _skip_source(reader, node.name)
            count -= 1
    return count, reader.archive[reader.at : -1]


def _skip_source(reader: ArchiveReader, expected: str) -> None:
    class_name = reader.text()
    reader.short()
    reader.short()
    name, _ = reader.base()
    reader.at += 1
    if (class_name, name) != ("FmlCnnSourceLayer", expected):
        raise AssertionError(f"{class_name} {name!r} is stored in place of Source {expected!r}")


def cell_parameters(archive: bytes, node: Node) -> dict[tuple[str, str], Array]:
    """What the slots inside a cell hold, by inner layer's name and slot.

    Blobs come as they are stored: NeoML keeps a free term along the first dimension, not in the channels.

    Arguments:
        archive: the `stored` net.
        node: the cell's ``Recurrent`` node.
    """
    return {key: blob for key, (blob, _) in _cell_blobs(archive, node).items()}


def cell_places(archive: bytes, nodes: Iterable[Node]) -> dict[tuple[str, str, str], slice]:
    """Where the numbers of slots inside cells stand in an archive, by cell's name, inner layer's name and slot."""
    return {
        (node.name, inner, slot): slice(end - blob.nbytes, end)
        for node in nodes
        for (inner, slot), (blob, end) in _cell_blobs(archive, node).items()
    }


def _cell_blobs(archive: bytes, node: Node) -> dict[tuple[str, str], tuple[Array, int]]:
    """The blobs inside a cell by inner layer's name and slot, and where in the archive each ends."""
    assert node.body is not None
    record = head(RECURRENT, 2) + text(node.name)
    start = find_once(archive, record, f"cell {node.name!r}") + len(record)
    found: dict[tuple[str, str], tuple[Array, int]] = {}
    for inner in node.body.graph.nodes:
        if not inner.parameters:
            continue
        if inner.kind != "FullyConnected":
            raise AssertionError(f"weights of {inner.kind} inside a cell cannot be read")
        begin = head(FULLY_CONNECTED, 1)
        at = archive.find(begin + text(inner.name), start)
        if at < 0:
            raise AssertionError(f"layer {inner.name!r} of cell {node.name!r} is not in the stored net")
        reader = ArchiveReader(archive, at + len(begin))
        _, count = reader.base_before_blobs()
        ends = [(reader.blob(), reader.at) for _ in range(count)]
        found.update(((inner.name, slot), end) for slot, end in zip(SLOTS, ends) if slot in inner.parameters)
    return found


# ---- Python's view of such nets
