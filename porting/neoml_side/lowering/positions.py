"""Where values stand along an axis, as NeoML layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...layers.rule import Refusal
from ..graph import Port
from ..slots import DIMENSIONS
from ..values import Wire
from .base import Part

# No axis is as long.
BEYOND = 2**24


class PositionOperations(Part):
    """`porting.operations.PositionOperations` over a graph.

    Attributes:
        whole_numbers: the nodes, by id, that are known to give whole numbers: they can be compared with a gradient.
    """

    whole_numbers: set[int]

    def full_like(self, x: Wire, value: float) -> Wire:
        made = self.filled(self._floating(x), value)
        return replace(made, bounds=(int(value), int(value))) if float(value).is_integer() else made

    def positions(self, x: Wire, axis: int) -> Wire:
        at = x.axis(axis)
        size = x.shape[at]
        if size is not None:
            shape = [1] * x.rank
            shape[at] = size
            return self.constant(np.arange(size, dtype=np.float32).reshape(shape))
        ones = self.filled(self._one_row(x, at), 1.0)
        places = self.add(self.cumsum(ones, at), -1.0)
        self.whole_numbers.add(id(places.port.node))
        return places

    def _one_row(self, x: Wire, axis: int) -> Wire:
        """One axis of `x`, every other axis 1; of one row of the batch, except in a net that learns."""
        x = self._floating(x)
        for other in range(1, x.rank):
            if other != axis and x.shape[other] != 1:
                x = self.reduce(x, "max", (other,), keepdims=True)
        if self.in_training:  # a cut has a gradient, but a batch of one would have to be spread again
            return x

        def exchanged(port: Port) -> Port:
            return self.graph.add("Transpose", port, first_dim=DIMENSIONS["B"], second_dim=DIMENSIONS["L"])

        row = self.graph.add("SubSequence", exchanged(x.port), start_pos=0, length=1)
        return x.made(exchanged(row), (1, *x.shape[1:]))

    def cumsum(self, x: Wire, axis: int, reverse: bool = False) -> Wire:
        at = x.axis(axis)
        if at == 0:
            raise Refusal("a running sum over the batch")
        if x.dtype == "bool":
            x = replace(x, dtype="float32", mask=None)
        port = self.graph.add("CumSum", x.port, dimension=DIMENSIONS[x.layout[at]], reverse=reverse)
        return self.whole_cumsum(x, at, port, reverse) if x.is_whole else x.made(port)

    def argmax(self, x: Wire, axis: int) -> Wire:
        at = x.axis(axis)
        if at == 0:
            raise Refusal("the place of the maximum over the batch")
        x = x if x.is_whole else self._floating(x)
        # NeoML's Argmax takes another than the first of equal values where the axis is the innermost one.
        highest = self.compare(x, self.reduce(x, "max", (at,), keepdims=True), "equal")
        places = self.where(highest, self.positions(x, at), float(BEYOND))
        return replace(self.cast(self.reduce(places, "min", (at,)), "int32"), bounds=(0, (x.shape[at] or BEYOND) - 1))
