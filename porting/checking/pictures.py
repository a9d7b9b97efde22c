"""Arrays as pictures: PNG files of a few hundred squares, made with zlib alone."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode

import numpy as np

from ..network import Array

__all__ = ["as_grid", "data_url", "diverging", "png"]

# The most squares along each side of a picture.
MOST = 64
MIDDLE, LOW, HIGH = (247, 247, 247), (33, 102, 172), (178, 24, 43)
NOTHING = (120, 120, 120)


def as_grid(array: Array) -> Array:
    """The numbers of an array's first rows as a matrix of at most 64 x 64: last axis across, the others down."""
    numbers = array.astype(np.float64) if array.dtype.kind in "fiub" else np.zeros(array.shape)
    flat = numbers.reshape(-1, numbers.shape[-1]) if numbers.ndim > 1 else numbers.reshape(1, -1)
    return flat[:MOST, :MOST]


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
