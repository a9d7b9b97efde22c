"""Normalisation of each row, as NeoML layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np

from ...layers.rule import Refusal
from ...operations import Weight
from ..slots import Parameter
from ..values import Wire
from .base import Part

MOST_KEPT = 2


class ScalingOperations(Part):
    """`porting.operations.ScalingOperations` over a graph."""

    def normalize(
        self, x: Wire, axes: Sequence[int], epsilon: float, gamma: Optional[Weight], beta: Optional[Weight]
    ) -> Wire:
        x = self._floating(x)
        over = [x.axis(axis) for axis in axes]
        sizes = [x.size(axis) for axis in over]
        kept = [axis for axis in range(1, x.rank) if axis not in over]
        if 0 in over:
            raise Refusal("a normalisation over the batch axis")
        # Objects of NeoML's layer lie in batch, list and length, their values in the other dimensions.
        turned = self.transpose(x, (0, *kept, *over))
        rows = self._rows(turned, len(kept))
        flat = rows.to("B" + "SL"[: rows.rank - 1 - len(over)] + "HWDC"[4 - len(over) :])
        port = self.graph.add(
            "ObjectNormalization",
            flat.port,
            epsilon=float(epsilon),
            parameters={"scale": _slot(gamma, 1.0, sizes), "bias": _slot(beta, 0.0, sizes)},
        )
        result = flat.made(port)
        if rows is not turned:
            result = self.reshape(result, [-1 if size is None else size for size in turned.shape[1:]])
        order = [0, *kept, *over]
        return self.transpose(result, [order.index(axis) for axis in range(x.rank)])

    def _rows(self, x: Wire, kept: int) -> Wire:
        """The tensor with its kept axes, those behind the batch, merged where they are too many."""
        if kept <= MOST_KEPT:
            return x
        return self.reshape(x, (-1, *(x.size(axis) for axis in range(kept + 1, x.rank))))


def _slot(weight: Optional[Weight], otherwise: float, sizes: Sequence[int]) -> Parameter:
    """A weight as the layer wants it: as many values as an object has."""
    count = int(np.prod(sizes))
    if weight is None:
        return Parameter.fixed(np.full(count, otherwise, np.float32), "C")
    if weight.value.size != count:
        raise Refusal(f"weight {weight.name} of shape {weight.shape} for axes of sizes {tuple(sizes)}")
    return Parameter.whole(weight)
