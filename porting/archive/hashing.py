"""sha256 of files and arrays."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from ..network import Array

CHUNK = 1 << 20


def sha256_of_file(file: BinaryIO) -> tuple[str, int]:
    """The sha256 of an open file's bytes, in hexadecimal, and how many they are. Raises OSError."""
    digest = hashlib.sha256()
    count = 0
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        count += len(chunk)
    return digest.hexdigest(), count


def sha256_of_array(array: Array) -> str:
    """The sha256 of an array's bytes as a saved network stores them, in hexadecimal.

    Numbers are in C order and little-endian; strings are their lengths in UTF-8 bytes as uint32, then their UTF-8.
    The shape and the dtype are not part of it.

    Raises:
        ValueError: a dtype that saved networks do not have.
    """
    from .arrays import record_of, to_stored

    record_of(array)
    stored = to_stored(array)
    digest = hashlib.sha256()
    for start in range(0, stored.size, CHUNK):
        digest.update(stored[start : start + CHUNK].data)
    return digest.hexdigest()
