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

import errno
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import neoml
import numpy as np

from ..network import Array
from .build import make_layers
from .graph import AXES, CellBody, Node, Port
from .stepwise import input_name

__all__ = [
    "cell_parameters",
    "copy_of",
    "loaded",
    "place_cell",
    "splice",
    "stored",
    "teach_wrappers",
    "with_cell_parameters",
]

VERSION = 2000
PLACEHOLDER = "FmlCnnEltwiseSumLayer"
RECURRENT = "FmlCnnRecurrentLayer"
FULLY_CONNECTED = "FmlCnnFullyConnectedLayer"
FLOATS, INTEGERS = 1, 2
# The slots of the blobs in the base of the layers that hold weights inside cells.
SLOTS = ("weights", "free_term")


# ---- writing


def integer(value: int) -> bytes:
    return struct.pack("<i", value)


def short(value: int) -> bytes:
    """A length or a version."""
    return bytes([value]) if value < 255 else b"\xff" + integer(value)


def text(value: str) -> bytes:
    encoded = value.encode()
    return short(len(encoded)) + encoded


def head(class_name: str, ancestors: int) -> bytes:
    """The beginning of a layer whose class has `ancestors` ancestors, up to its base's version."""
    return text(class_name) + short(VERSION) * (ancestors + 1)


def link(name: str, output: int) -> bytes:
    return text(name) + integer(output)


def counted(records: Sequence[bytes]) -> bytes:
    return integer(len(records)) + b"".join(records)


def blob_record(array: Array) -> bytes:
    """A blob of float32 in seven dimensions."""
    sizes = struct.pack("<7iI", *array.shape, array.size)
    return (
        b"\x00" + short(VERSION) + integer(FLOATS) + integer(0) + sizes + np.ascontiguousarray(array, "<f4").tobytes()
    )


def base(name: str, inputs: Sequence[bytes]) -> bytes:
    """The base of a layer that learns and holds no blobs."""
    return text(name) + counted(inputs) + b"\x00\x01" + struct.pack("<fff", 1, 1, 1) + counted([])


def back_link(name: str, size: int, source: Port, initial: Sequence[bytes]) -> bytes:
    """A state: it gives out what `source` gave one step before, and at the first step its input, or zeros.

    Its blob's seven sizes follow a zero; within it lies the sink that catches its next value.
    """
    sink = head("FmlCnnCaptureSink", 1) + base(f"{name}@Sink", [link(source.node.name, source.output)]) + integer(0)
    sizes = [1] * (len(AXES) - 1) + [size]
    return head("FmlCnnBackLink", 1) + base(name, initial) + integer(0) + b"".join(map(integer, sizes)) + sink


# ---- reading


@dataclass
class Reader:
    """Reads an archive's fields from a position on."""

    archive: bytes
    at: int

    def integer(self) -> int:
        (value,) = struct.unpack_from("<i", self.archive, self.at)
        self.at += 4
        return int(value)

    def short(self) -> int:
        value = self.archive[self.at]
        self.at += 1
        return value if value < 255 else self.integer()

    def text(self) -> str:
        length = self.short()
        self.at += length
        return self.archive[self.at - length : self.at].decode()

    def blob(self) -> Array:
        """The values of a blob, in its seven dimensions; an empty array where there is none."""
        self.at += 1
        if self.archive[self.at - 1]:
            return np.empty((0,) * len(AXES), np.float32)
        self.short()
        kind = np.int32 if self.integer() == INTEGERS else np.float32
        self.at += 4
        sizes = [self.integer() for _ in AXES]
        count = self.integer()
        values = np.frombuffer(self.archive, kind, count, self.at).reshape(sizes)
        self.at += values.nbytes
        return values.copy()

    def blobs(self) -> list[Array]:
        return [self.blob() for _ in range(self.integer())]

    def base(self) -> tuple[str, list[Array]]:
        """A base after its version: its name and its blobs."""
        name, count = self.base_before_blobs()
        return name, [self.blob() for _ in range(count)]

    def base_before_blobs(self) -> tuple[str, int]:
        """A base's name and the number of the blobs that follow."""
        name = self.text()
        for _ in range(self.integer()):
            self.text()
            self.integer()
        self.at += 2 + 3 * 4
        return name, self.integer()


def find_once(archive: bytes, record: bytes, what: str) -> int:
    """Where `record` stands in the archive.

    Raises:
        AssertionError: it is not there, or more than once.
    """
    found = archive.count(record)
    if found != 1:
        raise AssertionError(f"{what} is in the stored net {found} times instead of once")
    return archive.index(record)


# ---- nets as bytes


def stored(dnn: Any, with_solver: bool = False) -> bytes:
    """A net as NeoML stores it; `with_solver`: as a checkpoint.

    NeoML does not notice that a disk is full, and stores half an archive.
    """
    with _file() as path:
        (dnn.store_checkpoint if with_solver else dnn.store)(path)
        with open(path, "rb") as file:
            archive = file.read()
    check_file_limit(len(archive))
    return archive


def check_file_limit(size: int) -> None:
    """Raises OSError for a file as large as this process may write: NeoML does not notice where it was cut."""
    try:
        import resource
    except ImportError:  # a system without such limits
        return
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit not in (resource.RLIM_INFINITY, -1) and size >= limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def loaded(archive: bytes, math_engine: Any, random: Any = None, with_solver: bool = False) -> Any:
    """The net that an archive holds. The bytes must be our own: NeoML may crash on others.

    Random numbers are no part of an archive: without `random` every net begins with the same ones.
    """
    dnn = neoml.Dnn.Dnn(math_engine, random)
    with _file() as path:
        with open(path, "wb") as file:
            file.write(archive)
        (dnn.load_checkpoint if with_solver else dnn.load)(path)
    return dnn


@contextmanager
def _file() -> Iterator[str]:
    """The path of a file for a moment, in memory where there are such files."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        with open(os.memfd_create("net"), "rb") as memory:
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    with tempfile.TemporaryDirectory() as made:
        yield os.path.join(made, "net")


def copy_of(dnn: Any, math_engine: Any) -> Any:
    """A net with the same layers and weights that has not run yet."""
    teach_wrappers()
    return loaded(stored(dnn), math_engine)


# ---- cells


def place_cell(node: Node, links: Sequence[tuple[Any, int]]) -> Any:
    """A layer that stands where a ``Recurrent`` node will be, with its name and inputs.

    Layers can be linked to any output of it: NeoML looks at the numbers of outputs only when a net runs.
    """
    return neoml.Dnn.EltwiseSum(list(links), name=node.name)


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
    reader = Reader(archive, start + len(placeholder))
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
    reader = Reader(stored(dnn), 2 * 4)
    count = reader.integer()
    for node in nodes:
        if node.kind == "Source":
            _skip_source(reader, node.name)
            count -= 1
    return count, reader.archive[reader.at : -1]


def _skip_source(reader: Reader, expected: str) -> None:
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


def with_cell_parameters(archive: bytes, nodes: Iterable[Node], arrays: Mapping[tuple[str, str, str], Array]) -> bytes:
    """The archive with other numbers in slots inside cells, by cell's name, inner layer's name and slot."""
    changed = bytearray(archive)
    for node in nodes:
        for (inner, slot), (blob, end) in _cell_blobs(archive, node).items():
            given = arrays.get((node.name, inner, slot))
            if given is not None:
                changed[end - blob.nbytes : end] = np.ascontiguousarray(given, blob.dtype).tobytes()
    return bytes(changed)


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
        reader = Reader(archive, at + len(begin))
        _, count = reader.base_before_blobs()
        ends = [(reader.blob(), reader.at) for _ in range(count)]
        found.update(((inner.name, slot), end) for slot, end in zip(SLOTS, ends) if slot in inner.parameters)
    return found


# ---- Python's view of such nets


def teach_wrappers() -> None:
    """Let ``dnn.layers`` work on nets that hold cells.

    It looks for the class `neoml.PythonWrapper.X` for each layer of NeoML's class X, and there is none for these.
    """
    for name in ("Recurrent", "BackLink", "CaptureSink", "Composite", "CompositeSource", "CompositeSink"):
        if not hasattr(neoml.PythonWrapper, name):
            setattr(neoml.PythonWrapper, name, _PlainLayer)


class _PlainLayer:
    """Makes the general handle of a layer that has no class of its own."""

    def __init__(self, internal: Any) -> None:
        self.internal = internal

    def create_python_object(self) -> Any:
        return neoml.Dnn.Layer(self.internal)
