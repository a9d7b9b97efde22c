"""Arrays as they are stored: which dtypes there are, their npy headers, and strings as bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..network import Array
from .limits import Limits

STRINGS = "str"
# numpy's own spelling of each dtype in an npy header; little-endian wherever that makes a difference.
DTYPES = {
    "float16": "<f2",
    "float32": "<f4",
    "float64": "<f8",
    "int8": "|i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "|u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "bool": "|b1",
}
_LENGTH = np.dtype("<u4")


@dataclass(frozen=True)
class Record:
    """What a description says of an array.

    Attributes:
        member: its name in the npz file, without ``.npy``.
        dtype: a key of `DTYPES`, or ``str``.
        shape: as numpy's; sizes only.
        sha256: of the stored bytes behind the npy header.
        bytes: number of stored bytes behind the npy header.
    """

    member: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    bytes: int

    @property
    def size(self) -> int:
        """Number of elements, an unbounded integer."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)


def record_of(array: Array) -> Record:
    """The record of an array as it will be stored; its member and its hash are yet to come.

    Raises:
        ValueError: a dtype that is not stored, or an element that is not a string.
    """
    if not isinstance(array, np.ndarray):
        raise ValueError(f"is not a numpy array but a {type(array).__name__}")
    sha256 = "0" * 64
    if array.dtype.kind in "OU":
        return Record("", STRINGS, array.shape, sha256, sum(map(len, _encoded(array))) + 4 * array.size)
    if array.dtype.name not in DTYPES or array.dtype.kind == "V":
        raise ValueError(f"has the dtype {array.dtype}, which is not stored")
    return Record("", array.dtype.name, array.shape, sha256, array.nbytes)


def to_stored(array: Array) -> Array:
    """The stored bytes, (n,) uint8: in C order, little-endian; copies only where the array is otherwise."""
    if array.dtype.kind in "OU":
        return _pack(array)
    plain: Array = np.ascontiguousarray(array, dtype=DTYPES[array.dtype.name])
    return plain.reshape(-1).view(np.uint8)


def from_stored(stored: Array, record: Record, limits: Limits) -> Array:
    """The array that `record` describes, from its stored bytes (n,) uint8; numbers share their memory.

    Raises:
        ValueError: bytes that are no bool, or no strings.
    """
    if record.dtype == STRINGS:
        return _unpack(stored, record, limits)
    if record.dtype == "bool" and int(stored.max(initial=0)) > 1:
        raise ValueError("holds bytes other than 0 and 1 where bools are declared")
    array: Array = stored.view(DTYPES[record.dtype]).reshape(record.shape)
    return array


def stored_header(record: Record) -> bytes:
    """The npy header in front of the stored bytes; strings are stored as a vector of bytes."""
    if record.dtype == STRINGS:
        return npy_header("|u1", (record.bytes,))
    return npy_header(DTYPES[record.dtype], record.shape)


def npy_header(descr: str, shape: tuple[int, ...]) -> bytes:
    """A header of npy format 1.0, padded with spaces to a multiple of 64 bytes.

    Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    sizes = f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {sizes}, }}"
    length = -(-(10 + len(text) + 1) // 64) * 64
    return b"\x93NUMPY\x01\x00" + (length - 10).to_bytes(2, "little") + f"{text:<{length - 11}}\n".encode("ascii")


def _encoded(array: Array) -> Iterator[bytes]:
    for element in array.reshape(-1).tolist():
        if not isinstance(element, str):
            raise ValueError(f"is an array of objects, and holds a {type(element).__name__} where strings are stored")
        try:
            yield element.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"holds the string {element[:40]!r}, which is not Unicode text") from error


def _pack(array: Array) -> Array:
    encoded = list(_encoded(array))
    lengths = np.array([len(one) for one in encoded], _LENGTH)
    return np.frombuffer(lengths.tobytes() + b"".join(encoded), np.uint8)


def _unpack(stored: Array, record: Record, limits: Limits) -> Array:
    count = record.size
    if 4 * count > stored.size:
        raise ValueError(f"has {stored.size} bytes, too few for the lengths of {count} strings")
    lengths = stored[: 4 * count].view(_LENGTH)
    if int(lengths.sum(dtype=np.uint64)) != stored.size - 4 * count:
        raise ValueError("holds strings whose lengths do not add up to its bytes")
    strings: Array = np.empty(count, object)
    start = 4 * count
    for index, length in enumerate(lengths.tolist()):
        try:
            strings[index] = stored[start : start + length].tobytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"holds bytes that are no UTF-8 in string {index}") from error
        if len(strings[index]) > limits.string_length:
            raise ValueError(f"holds a string of more than {limits.string_length} characters (Limits.string_length)")
        start += length
    array: Array = strings.reshape(record.shape)
    return array
