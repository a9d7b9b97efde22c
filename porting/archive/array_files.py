"""The array files: npz files whose arrays a description lists, read and written one array after the other."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import Problem
from ..network import Array
from .arrays import Record, from_stored, to_stored
from .diagnosis import explain
from .limits import Limits
from .sketch import ArrayPlace
from .zips import expected_bytes, place, read_member, read_tail, write_member, write_tail

_COPY_AGAIN = "copy it again from where it was saved"


def read_arrays(
    file: io.FileIO, name: str, chosen: Sequence[ArrayPlace], limits: Limits, problems: list[Problem]
) -> list[Array]:
    """The arrays of one file in order; problems are added to the list, and then arrays are missing.

    Args:
        file: unbuffered.
        name: for people.
        chosen: every array of the file, with its record.
        limits: caps on strings.
        problems: takes what departs.
    """
    members = place([wanted.array for wanted in chosen])
    size, expected = os.fstat(file.fileno()).st_size, expected_bytes(members)
    if size != expected:
        what = f"has {size} bytes; with the arrays that its description lists it has {expected}"
        problems += [Problem(name, text, _COPY_AGAIN) for text in [what, *explain(file, members)]]
        return []
    arrays, crcs = [], []
    for wanted, member in zip(chosen, members):
        try:
            stored, crc = read_member(file, member)
            crcs.append(crc)
            arrays.append(from_stored(stored, member.record, limits))
        except ValueError as error:
            problems.append(Problem(f"{name}, {wanted.where}", str(error), _COPY_AGAIN))
    if len(crcs) == len(members):
        try:
            read_tail(file, members, crcs)
        except ValueError as error:
            problems.append(Problem(name, str(error), _COPY_AGAIN))
    return arrays


def write_arrays(path: Path, records: Sequence[Record], arrays: Sequence[Array]) -> list[str]:
    """Write an npz file; returns the arrays' hashes."""
    members = place(records)
    written = []
    with open(path, "xb") as file:
        for member, array in zip(members, arrays):
            written.append(write_member(file, member, to_stored(array)))
        write_tail(file, members, [crc for _, crc in written])
        sync(file)
    return [digest for digest, _ in written]


def sync(file: io.BufferedWriter) -> None:
    """See that what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())
