"""Arrays as pictures: PNG files of a few hundred squares, made with zlib alone."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode

import numpy as np

from ..network import Array

# The most squares along each side of a picture.
MOST = 64
MIDDLE, LOW, HIGH = (247, 247, 247), (33, 102, 172), (178, 24, 43)
NOTHING = (120, 120, 120)


def as_grid(array: Array) -> Array:
    """The numbers of an array as a matrix: last axis across, the others down."""
    numbers = array.astype(np.float64) if array.dtype.kind in "fiub" else np.zeros(array.shape)
    return numbers.reshape(-1, numbers.shape[-1]) if numbers.ndim > 1 else numbers.reshape(1, -1)


def window(grid: Array) -> tuple[slice, slice]:
    """At most 64 x 64 places of a matrix, with its largest number among them; NaN and infinity count most."""
    sizes = np.where(np.isfinite(grid), np.abs(grid), np.inf)
    centre = np.unravel_index(int(sizes.argmax()), sizes.shape)
    starts = [min(max(0, int(at) - MOST // 2), max(0, size - MOST)) for at, size in zip(centre, sizes.shape)]
    rows, columns = (slice(start, min(start + MOST, size)) for start, size in zip(starts, sizes.shape))
    return rows, columns


def diverging(grid: Array, largest: float) -> Array:
    """Colours from blue (−largest) over white (0) to red; grey where there is no number. (rows, columns, 3) uint8."""
    finite = np.isfinite(grid)
    share = np.clip(np.where(finite, grid, 0.0) / (largest or 1.0), -1, 1)[..., None]
    ends = np.where(share < 0, np.array(LOW, float), np.array(HIGH, float))
    mixed = np.array(MIDDLE, float) * (1 - np.abs(share)) + ends * np.abs(share)
    coloured = np.where(finite[..., None], mixed, np.array(NOTHING, float))
    return np.rint(coloured).astype(np.uint8)


def png(colours: Array) -> bytes:
    """A PNG file of (rows, columns, 3) uint8. Source: https://www.w3.org/TR/png-3/"""
    rows, columns = colours.shape[:2]
    lines = b"".join(b"\0" + colours[row].tobytes() for row in range(rows))
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def data_url(file: bytes) -> str:
    """A PNG file inside a page."""
    return f"data:image/png;base64,{b64encode(file).decode()}"
