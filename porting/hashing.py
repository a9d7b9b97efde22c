"""sha256 of files and arrays, and a file's hash kept beside it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Union

from .errors import BadArchive, Problem
from .network import Array

__all__ = ["check_hash", "hash_path", "sha256_of_array", "sha256_of_file", "write_hash"]

CHUNK = 1 << 20
_LINE = re.compile(rb"([0-9a-f]{64})\n\Z")


def sha256_of_file(path: Union[str, os.PathLike[str]]) -> str:
    """The sha256 of a file's bytes, in hexadecimal. Raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_array(array: Array) -> str:
    """The sha256 of an array's bytes as a saved network stores them, in hexadecimal.

    Numbers are in C order and little-endian; strings are their lengths in UTF-8 bytes as uint32, then their UTF-8.
    The shape and the dtype are not part of it.

    Raises:
        ValueError: a dtype that saved networks do not have.
    """
    from .archive.arrays import record_of, to_stored

    record_of(array)
    stored = to_stored(array)
    digest = hashlib.sha256()
    for start in range(0, stored.size, CHUNK):
        digest.update(stored[start : start + CHUNK].data)
    return digest.hexdigest()


def hash_path(path: Union[str, os.PathLike[str]]) -> Path:
    """Where a file's hash is kept: ``NAME.sha256`` beside ``NAME``."""
    return Path(f"{os.fspath(path)}.sha256")


def write_hash(path: Union[str, os.PathLike[str]]) -> str:
    """Write a file's hash beside it, and return it. Raises OSError where that fails."""
    digest = sha256_of_file(path)
    with open(hash_path(path), "wb") as file:
        file.write(f"{digest}\n".encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
    return digest


def check_hash(path: Union[str, os.PathLike[str]]) -> str:
    """Compare a file with the hash beside it, and return the hash.

    Raises:
        BadArchive: no file, no hash, or another one.
    """
    way_out = "store the net again with porting; a file without its hash is not loaded"
    try:
        with open(hash_path(path), "rb") as file:
            line = _LINE.match(file.read(100))
        found = sha256_of_file(path)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise BadArchive(Problem(str(error.filename or path), what, way_out)) from error
    if line is None:
        raise BadArchive(Problem(str(hash_path(path)), "is not a sha256 in hexadecimal and a line end", way_out))
    if found != line[1].decode():
        what = f"has the sha256 {found}, not {line[1].decode()}: it was changed after it was stored"
        raise BadArchive(Problem(str(path), what, way_out))
    return found
