"""Statistics that follow those of the batches, as BatchNormalization's do in training."""

from __future__ import annotations

from math import isqrt
from typing import Optional

import numpy as np

from ..network import Array


def moments(x: Array, axis: int, mask: Optional[Array] = None, unbiased: bool = False) -> tuple[Array, Array]:
    """The mean and variance of a batch for each place along an axis.

    Args:
        x: the batch.
        axis: the one that stays.
        mask: which of the values count, for all axes but the last; 0 and 0 come out where none does.
        unbiased: divide the squares by one less than their number, where there are two or more.
    """
    rows = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    if mask is None:
        count = np.float32(len(rows))
        mean = _column_sums(rows) / count
        return mean, _column_sums(_squared(rows - mean)) / (max(count - 1, 1) if unbiased else count)
    kept = np.moveaxis(np.broadcast_to(mask[..., None], x.shape), axis, -1).reshape(rows.shape)
    counts = np.maximum(_column_sums(kept.astype(np.float32)), 1)
    mean = _column_sums(np.where(kept, rows, 0)) / counts
    return mean, _column_sums(_squared(np.where(kept, rows - mean, 0))) / counts


def _squared(values: Array) -> Array:
    return np.multiply(values, values, out=values)


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
