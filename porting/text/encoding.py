"""From indices to what the layers return: the indices themselves, one-hot rows, multi-hot rows, or counts."""

from __future__ import annotations

import math
from typing import Optional

import numpy as np

from ..errors import Mismatch
from ..network import Array

# The index that Keras gives to what shall appear in no count: beyond every depth.
DROPPED = int(np.iinfo(np.int64).max)


def encode(ids: Array, mode: str, depth: int, dtype: str, weights: Optional[Array] = None) -> Array:
    """Indices of any shape, encoded as Keras' ``encode_categorical_inputs`` does.

    ``int`` keeps them. ``one_hot`` adds an axis of `depth`, in the place of a last axis of 1 if there is one.
    ``multi_hot`` and ``count`` reduce the last axis to `depth`; from three axes on Keras reduces axis 1 instead, and
    so does this. Indices from `depth` on appear nowhere. `weights`, of the indices' shape, are added instead of ones.

    Raises:
        Mismatch: for negative indices to be counted, which Keras refuses as well.
    """
    if mode == "int":
        return ids.astype(dtype)
    if ids.ndim == 0:
        ids = ids[np.newaxis]
    if mode == "one_hot":
        rows = ids[..., 0] if ids.ndim > 1 and ids.shape[-1] == 1 else ids
        return _one_hot(rows, depth, dtype)
    if ids.ndim > 2:
        hot = _one_hot(ids, depth, dtype)
        if mode == "multi_hot":
            return np.asarray(hot.max(axis=1))
        weighed = hot if weights is None else hot * weights[..., np.newaxis]
        return np.asarray(weighed.sum(axis=1, dtype=weighed.dtype))
    if (ids < 0).any():
        raise Mismatch("indices", f"{ids.min()} is negative and cannot be counted", "give indices from 0 on")
    samples = math.prod(ids.shape[:-1])
    rows = np.repeat(np.arange(samples), ids.shape[-1])
    counts = count_rows(ids.ravel(), rows, (samples, depth), None if weights is None else weights.ravel())
    if mode == "multi_hot":
        counts = counts > 0
    return counts.astype(dtype).reshape(*ids.shape[:-1], depth)


def _one_hot(ids: Array, depth: int, dtype: str) -> Array:
    hot: Array = ids[..., np.newaxis] == np.arange(depth)
    return hot.astype(dtype)


def count_rows(ids: Array, rows: Array, shape: tuple[int, int], weights: Optional[Array] = None) -> Array:
    """How often each id below ``shape[1]`` stands in each row: `shape`, int64, or the weights' dtype."""
    inside = ids < shape[1]
    cells = rows[inside] * shape[1] + ids[inside]
    if weights is None:
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    sums = np.zeros(shape[0] * shape[1], weights.dtype)
    np.add.at(sums, cells, weights[inside])  # one after the other in the weights' own precision, as TensorFlow adds
    return sums.reshape(shape)
