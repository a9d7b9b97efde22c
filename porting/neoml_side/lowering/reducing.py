"""Reductions of tensors that have too many axes for one pooling layer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import prod
from typing import Any, Optional

from ..values import Wire
from .base import Part

# NeoML pools over height, width and depth; batch, list, length and channels stay.
MOST_POOLED = 3
MOST_KEPT = 4
# NeoML's pools over windows go from channel to channel.
WINDOWS = {"max": "MaxPooling", "mean": "MeanPooling"}
FEW_CHANNELS = 8


def fits(x: Wire, reduced: Collection[int]) -> bool:
    """Whether one pooling layer can reduce these axes."""
    return len(reduced) <= MOST_POOLED and x.rank - len(reduced) <= MOST_KEPT


def one_window(x: Wire, name: str, reduced: Collection[int]) -> Optional[tuple[str, dict[str, Any]]]:
    """A pool over one window as large as the image, of many channels: two to fifteen times as quick as a global pool.

    Its mean is the more exact one too. None where a size is open, or depth is reduced.
    """
    sizes = {letter: x.shape[axis] for axis, letter in enumerate(x.layout)}
    window = {letter: sizes[letter] for axis, letter in enumerate(x.layout) if axis in reduced}
    height, width = window.get("H", 1), window.get("W", 1)
    if name not in WINDOWS or "D" in window or (sizes.get("C") or 1) < FEW_CHANNELS or not height or not width:
        return None
    return WINDOWS[name], {"filter_size": (height, width), "stride_size": (1, 1)}


def reduce_in_rows(
    ops: Part, x: Wire, reduced: Collection[int], keepdims: bool, reduce_last: Callable[[Wire], Wire]
) -> Wire:
    """Reduce with all kept axes as one and all reduced axes as one, the last."""
    kept = [axis for axis in range(1, x.rank) if axis not in reduced]
    turned = ops.transpose(x, (0, *kept, *sorted(reduced)))
    rows, columns = (_joint([x.shape[axis] for axis in axes]) for axes in (kept, sorted(reduced)))
    made = reduce_last(ops.reshape(turned, (rows, columns)))
    sizes = [1 if axis in reduced else x.shape[axis] for axis in range(1, x.rank) if keepdims or axis not in reduced]
    return ops.reshape(made, [-1 if size is None else size for size in sizes])


def _joint(sizes: list[Optional[int]]) -> int:
    return -1 if None in sizes else prod(size for size in sizes if size is not None)
