"""Arrays as pictures: PNG files of a few hundred squares, made with zlib alone."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from dataclasses import dataclass
from typing import Union

import numpy as np

from ..network import Array

# The most squares along each side of a picture.
MOST = 64
MIDDLE, LOW, HIGH = (247, 247, 247), (33, 102, 172), (178, 24, 43)
NOTHING = (120, 120, 120)


@dataclass(frozen=True)
class View:
    """What is shown of an array: two of its axes, at most 64 places of each.

    Attributes:
        index: picks them out of the array.
        words: which they are.
    """

    index: tuple[Union[int, slice], ...]
    words: str

    def of(self, array: Array) -> Array:
        """The numbers that are shown, as a matrix."""
        numbers = array.astype(np.float64) if array.dtype.kind in "fiub" else np.zeros(array.shape)
        return np.atleast_2d(numbers[self.index])


def view_of_worst(apart: Array) -> View:
    """The part of an array with its largest number; NaN and infinity count most.

    Of sequences one row of the batch is shown, steps downwards; of pictures one channel of one row.
    """
    sizes = np.where(np.isfinite(apart), np.abs(apart), np.inf)
    at = [int(place) for place in np.unravel_index(int(sizes.argmax()), sizes.shape)]
    rank = apart.ndim
    down, across = (rank - 2, rank - 1) if rank < 4 else (rank - 3, rank - 2)
    index: list[Union[int, slice]] = list(at)
    for axis in {max(down, 0), across}:
        index[axis] = window(at[axis], apart.shape[axis])
    fixed = [f"{_name(axis, rank)} {place}" for axis, place in enumerate(index) if not isinstance(place, slice)]
    shown = [
        f"{_name(axis, rank)}s {part.start}–{part.stop - 1} of {apart.shape[axis]} {way}"
        for axis, way in ((down, "downwards"), (across, "across"))
        if axis >= 0 and isinstance(part := index[axis], slice)
    ]
    return View(tuple(index), ", ".join([*fixed, *shown]))


def _name(axis: int, rank: int) -> str:
    if axis == 0:
        return "row"
    if axis == rank - 1:
        return "feature" if rank < 4 else "channel"
    return "step" if rank == 3 else f"axis {axis}: place"


def window(centre: int, size: int) -> slice:
    """At most 64 places of an axis, one of them among them."""
    start = min(max(0, centre - MOST // 2), max(0, size - MOST))
    return slice(start, min(start + MOST, size))


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
