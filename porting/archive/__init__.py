"""The saved network as a folder: strict reading, atomic writing. The format is described in docs/format.md.

A folder holds ``network.json``, the description, and ``weights.npz`` and ``references.npz``, the arrays. The
description determines every byte of the two others but the arrays' data, whose hashes it holds; it holds its own hash
too.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from ..errors import BadArchive, Problem
from ..network import Array, Network
from . import canonical
from .array_files import read_arrays, sync, write_arrays
from .checks import check_numbers, check_sketch, sound_network
from .decode import decode
from .folder import FILES, StrPath, as_bad_archive, new_folder, open_files, path_of
from .limits import LIMITS, Limits, bad_archive
from .sketch import array_places, describe_sketch, in_order, records_of, sketch_of, with_digests, with_member_names

__all__ = ["LIMITS", "Limits", "describe", "read_network", "write_network"]

DESCRIPTION, *ARRAY_FILES = FILES


def read_network(folder: StrPath, *, limits: Limits = LIMITS) -> Network:
    """Read a saved network.

    Args:
        folder: holds network.json, weights.npz and references.npz, and nothing else. It may be a link; they may not.
        limits: caps on sizes; memory stays below the sizes that the files have, and those below the caps.

    Returns:
        The network; every array is its own, hashed as it is returned.

    Raises:
        BadArchive: listing what departs from the format.
    """
    path = path_of(folder)
    with open_files(path) as files, as_bad_archive(path, "cannot be read"):
        text = _read_description(files[DESCRIPTION], limits)
        sketch = _understand(text, limits)
        problems: list[Problem] = []
        arrays: list[Array] = []
        for name in ARRAY_FILES:
            chosen = [place for place in array_places(sketch) if place.file == name]
            arrays += read_arrays(files[name], name, chosen, limits, problems)
        return sound_network(sketch, arrays, problems)


def _read_description(file: io.FileIO, limits: Limits) -> bytes:
    size = os.fstat(file.fileno()).st_size
    _check_length(size, limits)
    parts = []
    while size >= 0 and (part := file.read(size + 1)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _understand(text: bytes, limits: Limits) -> Network:
    """The sketch in a description's text, which is as this format would write it."""
    described = canonical.parse(text, limits)
    sketch = decode(described, limits)
    problems = check_sketch(sketch, limits)
    if problems:
        raise bad_archive(problems)
    again = describe_sketch(with_member_names(in_order(sketch)), limits, described["version"])
    if canonical.encode(again) != text:
        what = "says what it says in another way than this format writes it (order, spaces, numbers, member names)"
        raise BadArchive(DESCRIPTION, what, "save the network again; network.json is not for editing")
    return sketch


def _check_length(size: int, limits: Limits) -> None:
    if size > limits.description_bytes:
        what = f"has {size} bytes, more than {limits.description_bytes}"
        raise BadArchive(DESCRIPTION, what, "raise Limits.description_bytes")


def write_network(network: Network, folder: StrPath, *, overwrite: bool = False, limits: Limits = LIMITS) -> Path:
    """Write a network as a folder, whole or not at all. The same network gives the same bytes.

    Args:
        network: what to write; at least two cases.
        folder: its parent must exist. An empty folder is taken.
        overwrite: replace a saved network that is there; anything else is never replaced.
        limits: caps, as for `read_network`.

    Returns:
        The folder.

    Raises:
        BadArchive: the network is none that `read_network` would take, or the folder cannot be written.
    """
    path = path_of(folder)
    with new_folder(path, overwrite) as temporary:
        ordered, sketch = _checked_sketch(network, limits)
        digests: list[str] = []
        for name in ARRAY_FILES:
            arrays = [place.array for place in array_places(ordered) if place.file == name]
            digests += write_arrays(temporary / name, records_of(sketch, name), arrays)
        text = canonical.encode(describe_sketch(with_digests(sketch, digests), limits))
        with open(temporary / DESCRIPTION, "xb") as file:
            file.write(text)
            sync(file)
    return path


def describe(network: Network, *, limits: Limits = LIMITS) -> dict[str, Any]:
    """The contents of network.json for a network, ``sha256`` of the description left out.

    Raises:
        BadArchive: the network is none that `read_network` would take.
    """
    from .hashing import sha256_of_array

    ordered, sketch = _checked_sketch(network, limits)
    digests = [sha256_of_array(place.array) for place in array_places(ordered)]
    return describe_sketch(with_digests(sketch, digests), limits)


def _checked_sketch(network: Network, limits: Limits) -> tuple[Network, Network]:
    """The network in the order of the files, and its sketch, whose hashes are yet to come."""
    ordered = in_order(network)
    sketch = sketch_of(ordered)
    description = describe_sketch(sketch, limits)
    decoded = decode(description, limits)
    problems = [
        Problem(f"layer {layer.name!r}", f"is kept under the name {name!r}", "keep layers under their names")
        for name, layer in network.layers.items()
        if layer.name != name
    ]
    problems += [*check_sketch(decoded, limits), *check_numbers(ordered)]
    if problems:
        raise bad_archive(problems)
    text = canonical.encode(description)
    _check_length(len(text), limits)
    _understand(text, limits)
    return ordered, sketch
