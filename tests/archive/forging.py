"""Forged folders: seeded mutations of a saved network, some with every hash made good again so that reading goes on.

Each forger takes the files of a sound folder and a random generator, and gives other files.
"""

from __future__ import annotations

import copy
import hashlib
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from porting.archive.arrays import Record
from porting.archive.zips import directory, place

from .helpers import body_of, loads, seal, seal_text

Files = dict[str, bytes]
Forger = Callable[[Mapping[str, bytes], random.Random], Files]

NAMES = ("network.json", "weights.npz", "references.npz")
# Values that have broken readers before.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.0, -0.0, 1.0,
    1e308, 5e-324, "", "x", "x:0", "x:1", "x:00", ":0", "join:0", "join@2:0", ".", "..", "../x", "/x", "a/../b", "a//b",
    "é", "\0", "\ufeff", "a" * 300, "CON", "str", "bool", "int8", "float16", "float32", "float64", "uint64", "object",
    "string", "complex64", ">f4", "|O", "0" * 64, [], {}, [[]], [None], [0], [1, 2], [2**40, 2**40], [0, 2**62], [-1],
    {"tensor": "x:0"}, {"tensor": "nowhere:0"}, {"constant": "table"}, {"constant": "kernel"}, {"slice": [None, 1, 2]},
    {"slice": [1]}, {"dict": {}}, {"dict": {"a": {"tensor": "x:0"}}}, {"tensor": "x:0", "slice": []},
)  # fmt: skip
FRAGMENTS = (
    '"', "\\", "{", "}", "[", "]", ",", ":", "NaN", "Infinity", "-", "0", "1e999", "1" * 5000, "\\ud800", "\\u0000",
    "\0", "[" * 200, '{"a":' * 200, "\t", "\r", " ", "null", "true", "1.0", "1E1", "0x1",
    '"sha256": "', '"version": 3', '"version": 4', "\ufeff",
)  # fmt: skip
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def flip_bits(files: Mapping[str, bytes], generator: random.Random) -> Files:
    """One to four bits of one file."""
    name = generator.choice(NAMES)
    content = bytearray(files[name])
    for _ in range(generator.choice((1, 1, 1, 4))):
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    return {**files, name: bytes(content)}


def cut_and_splice(files: Mapping[str, bytes], generator: random.Random) -> Files:
    """A file cut short, a part left out, doubled, moved, or replaced by one of another file."""
    name = generator.choice(NAMES)
    content, other = files[name], files[generator.choice(NAMES)]
    start, stop = sorted(generator.randrange(len(content) + 1) for _ in range(2))
    begin, end = sorted(generator.randrange(len(other) + 1) for _ in range(2))
    changed = generator.choice(
        (
            content[:start],
            content[start:],
            content[:start] + content[stop:],
            content[:stop] + content[start:],
            content[:start] + other[begin:end] + content[stop:],
            content[:start] + generator.randbytes(generator.randrange(1, 30)) + content[start:],
            content + generator.randbytes(generator.randrange(1, 30)),
            other,
            b"",
        )
    )
    return {**files, name: changed}


def set_numbers(files: Mapping[str, bytes], generator: random.Random) -> Files:
    """A 16-, 32- or 64-bit field of a zip file set to an extreme."""
    name = generator.choice(NAMES[1:])
    content = bytearray(files[name])
    packed = struct.pack(generator.choice(("<H", "<I", "<Q")), generator.choice(EDGES) & 0xFFFF)
    at = generator.randrange(len(content) - len(packed))
    content[at : at + len(packed)] = packed
    return {**files, name: bytes(content)}


def edit_text(files: Mapping[str, bytes], generator: random.Random) -> Files:
    """The description's text changed by characters, its hash made good."""
    body = body_of(files["network.json"])
    for _ in range(generator.choice((1, 1, 2))):
        start = generator.randrange(len(body))
        stop = min(len(body), start + generator.choice((0, 0, 1, 1, 5, 100)))
        body = body[:start] + generator.choice((*FRAGMENTS, body[start:stop] * 2, "")) + body[stop:]
    return {**files, "network.json": seal_text(body)}


def edit_tree(files: Mapping[str, bytes], generator: random.Random) -> Files:
    """Values of the description replaced, removed, doubled or exchanged, canonical again, its hash made good."""
    description = loads(files["network.json"])
    for _ in range(generator.choice((1, 1, 1, 2, 3))):
        places = list(_places(description))
        holder, key = generator.choice(places)
        _edit(holder, key, places, generator)
    return {**files, "network.json": seal(description)}


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every list or dict with each of its keys."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in list(keys):
        yield tree, key
        yield from _places(tree[key])


def _edit(holder: Any, key: Any, places: list[tuple[Any, Any]], generator: random.Random) -> None:
    other, place = generator.choice(places)
    copied = copy.deepcopy(other[place])
    kind = generator.randrange(6)
    if kind <= 1:
        holder[key] = copy.deepcopy(generator.choice(VALUES))
    elif kind == 2:
        holder[key] = copied
    elif kind == 3:
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, copied if kind == 4 else copy.deepcopy(holder[key]))
    elif kind == 4:
        holder[generator.choice(("x", "extra", "", "dict", "é", str(key) * 2))] = copied
    elif isinstance(holder[key], (int, float)):
        holder[key] += generator.choice((-1, 1))
    elif isinstance(holder[key], str) and holder[key]:
        at = generator.randrange(len(holder[key]))
        holder[key] = holder[key][:at] + generator.choice("aA0./:~@é\0") + holder[key][at + 1 :]


def edit_data(files: Mapping[str, bytes], generator: random.Random) -> Files:
    """Arrays' data, dtypes and shapes changed, and the zip file and every hash made good."""
    description = loads(files["network.json"])
    file = generator.choice(NAMES[1:])
    entries = list(array_entries(description, file))
    data = [files[file][start:stop] for start, stop in data_spans(files[file], entries)]
    for index in generator.sample(range(len(entries)), k=min(len(entries), generator.choice((1, 1, 2)))):
        data[index] = _changed_data(entries[index], data[index], generator)
    return {**files, file: zip_of(entries, data), "network.json": seal(description)}


def _changed_data(entry: dict[str, Any], data: bytes, generator: random.Random) -> bytes:
    kind = generator.randrange(3)
    if kind == 0:
        dtypes = ("float16", "float32", "float64", "int8", "int32", "uint64", "bool")
        entry["dtype"] = generator.choice(dtypes)
        entry.pop("bytes", None)
        size = np.dtype(entry["dtype"]).itemsize
        entry["shape"] = generator.choice(([len(data) // size], [1, len(data) // size], entry["shape"]))
        return data[: len(data) // size * size]
    if kind == 1 and "bytes" in entry:
        entry["shape"] = [generator.choice((0, 1, 2, 3, 4, 5, 2**20))]
        return data
    if not data:
        return data
    changed = bytearray(data)
    for _ in range(generator.choice((1, 2, 8))):
        changed[generator.randrange(len(changed))] = generator.choice((0, 1, 2, 0x7F, 0x80, 0xC0, 0xED, 0xFF))
    return bytes(changed)


def array_entries(description: Mapping[str, Any], file: str) -> Iterator[dict[str, Any]]:
    """The description's entries for one file's arrays, in the file's order."""
    if file == "weights.npz":
        for layer in description["layers"]:
            yield from layer["weights"]
    else:
        for case in description["cases"]:
            for kind in ("inputs", "outputs", "masks", "sampled", "shifted"):
                yield from case[kind]


def record_in(entry: Mapping[str, Any]) -> Record:
    """The record that an entry of a sound description holds."""
    shape = tuple(entry["shape"])
    if entry["dtype"] == "str":
        return Record(entry["member"], "str", shape, entry["sha256"], entry["bytes"])
    size = int(np.prod(shape, dtype=object)) * np.dtype(entry["dtype"]).itemsize
    return Record(entry["member"], entry["dtype"], shape, entry["sha256"], size)


def data_spans(content: bytes, entries: list[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    """Where each array's data begins and ends."""
    for member in place([record_in(entry) for entry in entries]):
        yield member.end - member.record.bytes, member.end


def zip_of(entries: list[dict[str, Any]], data: list[bytes]) -> bytes:
    """The zip file with these data, whose hashes are put into the entries."""
    for entry, one in zip(entries, data):
        entry["sha256"] = hashlib.sha256(one).hexdigest()
    records = [replace(record_in(entry), bytes=len(one)) for entry, one in zip(entries, data)]
    members = place(records)
    crcs = [zlib.crc32(member.header + one) for member, one in zip(members, data)]
    parts = [member.local(crc) + one for member, crc, one in zip(members, crcs, data)]
    return b"".join(parts) + directory(members, crcs)


BLIND: tuple[Forger, ...] = (flip_bits, cut_and_splice, set_numbers)
SEALED: tuple[Forger, ...] = (edit_text, edit_tree, edit_data)
