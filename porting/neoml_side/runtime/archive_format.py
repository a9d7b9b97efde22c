"""NeoML's archive format: the few records that are read and written here byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...network import Array
from ..graph import Port
from ..slots import AXES

VERSION = 2000
PLACEHOLDER = "FmlCnnEltwiseSumLayer"
RECURRENT = "FmlCnnRecurrentLayer"
FULLY_CONNECTED = "FmlCnnFullyConnectedLayer"
FLOATS, INTEGERS = 1, 2
# The slots of the blobs in the base of the layers that hold weights inside cells.
SLOTS = ("weights", "free_term")


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


@dataclass
class ArchiveReader:
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
