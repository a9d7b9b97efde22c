"""Statistics that follow those of the batches, as BatchNormalization's do in training."""

from __future__ import annotations

from math import isqrt
from typing import Optional

import numpy as np

from ..network import Array

# So many numbers stay in the core's cache from one pass over them to the next.
IN_CACHE = 2**16


def moments(x: Array, axis: int, mask: Optional[Array] = None, unbiased: bool = False) -> tuple[Array, Array]:
    """The mean and variance of a batch for each place along an axis.

    Args:
        x: the batch.
        axis: the one that stays.
        mask: which of the values count, for all axes but the last; 0 and 0 come out where none does.
        unbiased: divide the squares by one less than their number, where there are two or more.
    """
    if mask is None:
        rows = np.ascontiguousarray(np.moveaxis(x, axis, 0))  # other rows are not summed pairwise
        return moments_of_rows(rows.reshape(x.shape[axis], -1), unbiased)
    rows = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    kept = np.moveaxis(np.broadcast_to(mask[..., None], x.shape), axis, -1).reshape(rows.shape)
    counts = np.maximum(_column_sums(kept.astype(np.float32)), 1)
    mean = _column_sums(np.where(kept, rows, 0)) / counts
    return mean, _column_sums(np.square(np.where(kept, rows - mean, 0))) / counts


def moments_of_rows(rows: Array, unbiased: bool = False) -> tuple[Array, Array]:
    """The mean and variance of each row of a matrix; `unbiased` as in `moments`."""
    count = rows.shape[1]
    mean, squares = rows.mean(axis=1), np.empty(len(rows), np.float32)
    at_once = max(IN_CACHE // count, 1)
    for start in range(0, len(rows), at_once):
        part = slice(start, start + at_once)
        centred = rows[part] - mean[part, None]
        squares[part] = np.matmul(centred[:, None, :], centred[:, :, None])[:, 0, 0]
    return mean, squares / np.float32(max(count - 1, 1) if unbiased else count)


def _column_sums(rows: Array) -> Array:
    """In two turns: a float32 forgets the ends of what is added to it once it is large."""
    at_once = isqrt(len(rows))
    whole = len(rows) - len(rows) % at_once
    wide = np.ascontiguousarray(rows[:whole]).reshape(whole // at_once, -1).sum(axis=0)
    total: Array = np.concatenate([wide.reshape(at_once, -1), rows[whole:]]).sum(axis=0)
    return total


def followed(old: Array, new: Array, momentum: float) -> Array:
    """A statistic after a step: old · momentum + new · (1 − momentum), in float32 as Keras computes it."""
    made: Array = old * np.float32(momentum) + new * np.float32(1.0 - momentum)
    return made
