"""Spreading a tensor over another's axes in a net that learns: NeoML's Broadcast has no gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Optional

import numpy as np

from ...layers.rule import Refusal
from ..values import Wire
from .base import Part


def in_product_order(left: Wire, right: Wire) -> tuple[Wire, Wire]:
    """The operands of a product, the one that learns first."""
    return (right, left) if not learns(left) and learns(right) else (left, right)


def learns(x: Wire) -> bool:
    """Whether a weight stands before the tensor."""
    seen, waiting = set(), [x.port.node]
    while waiting:
        node = waiting.pop()
        if node.holds_weights:
            return True
        if id(node) not in seen:
            seen.add(id(node))
            waiting += [port.node for port in node.inputs]
    return False


class SpreadingOperations(Part):
    """Copies along axes of 1, each by a layer whose gradient adds the copies up."""

    def _spread_both(self, left: Wire, right: Wire, shape: Sequence[Optional[int]]) -> tuple[Wire, Wire]:
        """Both tensors in one shape and one layout."""
        first, second = self._spread_over(left, shape, right), self._spread_over(right, shape, left)
        return first, second.to(first.layout)

    def _spread_over(self, x: Wire, shape: Sequence[Optional[int]], like: Wire) -> Wire:
        spread = [axis for axis in range(1, x.rank) if x.shape[axis] == 1 and shape[axis] != 1]
        if x.shape[0] == 1 and shape[0] != 1:
            x = self._over_the_batch(x, like)
        for axis in [axis for axis in spread if shape[axis] is None]:
            x = self._along_open_axis(x, axis, like)
        for axis in spread:
            size = shape[axis]
            x = x if size is None else self.repeat(x, size, axis)
        return x

    def _along_open_axis(self, x: Wire, axis: int, like: Wire) -> Wire:
        """A column of ones times the tensor as one row."""
        others = [at for at in range(1, x.rank) if at != axis and x.shape[at] != 1]
        row = self.reshape(x, (1, -1) if others else (1, 1))
        ones = self.reshape(self._ones(like, axis), (-1, 1))
        copies = self.reshape(self.matmul(ones, row), (None, *(x.shape[at] or -1 for at in others)))
        copies = replace(copies, shape=(*copies.shape[:2], *(x.shape[at] for at in others)))
        ordered = sorted([axis, *others])
        copies = self.transpose(copies, [0, *(1 + [axis, *others].index(at) for at in ordered)])
        for at in range(1, x.rank):
            if at not in ordered:
                copies = self.expand_dims(copies, at)
        return copies

    def _over_the_batch(self, x: Wire, like: Wire) -> Wire:
        """A column of ones, a row of the batch each, times the tensor as one row."""
        sizes = [x.size(axis) for axis in range(1, x.rank)]
        row = self.reshape(x, (prod(sizes),)).to("HC")
        ones = self.reshape(self._ones(like, 0), (1,)).to("HC")
        port = self.graph.add("MatrixMultiplication", ones.port, row.port)
        copies = ones.made(port, (None, row.shape[1])).to("BC")
        return self.reshape(replace(copies, forms={}), sizes)

    def _ones(self, like: Wire, axis: int) -> Wire:
        """Ones along the batch and one axis, every other axis 1."""
        if like.shape[axis] == 1 and axis:
            raise Refusal(f"axis {axis} of shape {like.shape} is spread over an open axis that is not there")
        for other in range(1, like.rank):
            size = like.shape[other]
            if other == axis or size == 1:
                continue
            if size is not None and like.layout[other] == "C" and set(like.layout) <= set("BHWC"):
                like = self.resample(like, other, np.zeros((1, size), np.float32))  # as it lies: nothing is moved
            else:
                like = self.reduce(like, "sum", (other,), keepdims=True)
        return self.filled(like, 1.0)
