"""What float32 can hold of a tensor: measured, by moving numbers by a last bit.

A sum of float32 is known to about a last bit of its terms, not of itself: where terms of size 1000 cancel to 0.1, the
last digits differ from library to library. So numbers are moved by a last bit, up or down at random, and how far the
results move is what no port can be asked to get right. (Wilkinson's backward error analysis, by sampling:
D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002, 1997.) Over the recorded layers of this project's tests both
engines differ from Keras by 1.5 times that, at the most.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

import numpy as np

from ..network import Array, Noise

# Patterns of ups and downs that are tried.
PATTERNS = 3
# How far a tensor moves: at the most, and in relation to the number that moved.
Moves = tuple[float, float]
# A move that no number measures: NaN or infinity where there was a number.
UNBOUNDED = float(np.finfo(np.float32).max)

# By bytes of a floating dtype: its whole numbers, the step of one last bit (of float32 in a float64), and the bits that
# are all zero in a number of a short mantissa.
_LAST_BIT = {
    2: (np.uint16, 1, 0x3),
    4: (np.uint32, 1, 0xFF),
    8: (np.uint64, 1 << 29, (1 << 37) - 1),
}


def generator(pattern: int) -> np.random.Generator:
    """A pattern's random numbers: the same for every network, so that a model is saved as the same bytes again."""
    return np.random.default_rng(pattern)


def nudged(array: Array, random: np.random.Generator) -> Array:
    """The array with each number moved by a last bit, up or down at random.

    Numbers of a short mantissa stay: 0, 1, ids, grey values are data and no results of sums, and whatever compares
    them (a mask, a lookup, a threshold) would see another number. So do whole numbers, NaN and infinity.
    """
    if array.dtype.kind != "f" or array.dtype.itemsize not in _LAST_BIT:
        return array
    whole, step, short = _LAST_BIT[array.dtype.itemsize]
    plain = np.ascontiguousarray(array)
    bits = plain.view(whole)
    moving = np.isfinite(plain) & (bits & whole(short) != 0)
    up = random.integers(0, 2, array.shape, dtype=np.uint8).astype(bool)
    moved: Array = np.where(moving, np.where(up, bits + whole(step), bits - whole(step)), bits)
    return moved.view(array.dtype).reshape(array.shape)


def size_of(array: Array) -> float:
    """The largest number of an array, by its magnitude; 0 where there is none."""
    numbers = np.abs(array if array.dtype.kind == "f" else array.astype(np.float64))
    largest = float(numbers.max(initial=0.0))
    return largest if np.isfinite(largest) else float(numbers[np.isfinite(numbers)].max(initial=0.0))


def unit_of(array: Array, size: Optional[float] = None) -> Array:
    """What a move of each number is related to: its size and the tensor's, of which no more than 1 counts.

    Where a tensor's numbers are about 1 this is the ``1 + |b|`` of ``|a − b| ≤ t + t·|b|``.
    """
    unit: Array = np.abs(array.astype(np.float64)) + min(1.0, size_of(array) if size is None else size)
    return unit


def moves(moved: Array, kept: Array) -> tuple[float, float]:
    """How far numbers have moved: at the most, and in relation to `unit_of` them.

    Of whole numbers, whose moves are decisions that fell otherwise, the difference; of texts 0 or `UNBOUNDED`.
    """
    if moved.dtype.kind in "OUS" or moved.shape != kept.shape:
        same = moved.shape == kept.shape and bool((moved == kept).all())
        return (0.0, 0.0) if same else (UNBOUNDED, UNBOUNDED)
    one, other = moved.astype(np.float64), kept.astype(np.float64)
    finite = np.isfinite(other)
    if not np.array_equal(finite, np.isfinite(one)):
        return UNBOUNDED, UNBOUNDED
    apart = np.abs(one[finite] - other[finite])
    unit = unit_of(kept)[finite]
    relative = np.divide(apart, unit, out=np.zeros_like(apart), where=unit > 0)
    return _short(apart.max(initial=0.0)), _short(relative.max(initial=0.0))


def _short(number: float) -> float:
    """Three digits are enough, and are read more easily."""
    return float(f"{min(number, UNBOUNDED):.2e}")


def larger(one: Moves, other: Moves) -> Moves:
    """The larger of two measurements, in either respect."""
    return max(one[0], other[0]), max(one[1], other[1])


def united(measured: Iterable[Noise]) -> Noise:
    """The largest of several measurements."""
    alone, chain = (0.0, 0.0), (0.0, 0.0)
    for one in measured:
        alone, chain = larger(alone, one.alone), larger(chain, one.chain)
    return Noise(alone, chain)
