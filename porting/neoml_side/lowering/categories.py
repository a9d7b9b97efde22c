"""Keras' preprocessing layers that stand inside a network, as NeoML layers: those that compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...layers.rule import Refusal
from ...network import Array
from ...text.categories import Discretization
from ..values import Wire
from .base import Part


class CategoryOperations(Part):
    """Functions of arrays that can be had of layers."""

    def computed(self, function: Callable[..., Array], inputs: Sequence[Any]) -> Wire:
        if isinstance(function, Discretization) and function.output_mode == "int":
            bins = self._bins(self._floating(self._wire(inputs[0])), np.asarray(function.bin_boundaries, np.float32))
            return bins if function.made_dtype == bins.dtype else self.cast(bins, function.made_dtype)
        raise Refusal(
            "stands inside the network, and NeoML has no layer for it",
            "put it straight after the inputs, where it runs before NeoML; the numpy engine runs this network as it is",
        )

    def _bins(self, x: Wire, boundaries: Array) -> Wire:
        """How many boundaries are not above each number. NaN is above all of them: nothing is below it."""
        if not boundaries.size:
            return self.cast(self.filled(x, 0.0), "int32")
        line = self.constant(boundaries.reshape((1,) * x.rank + boundaries.shape))
        above = self.cast(self.compare(self.expand_dims(x, -1), line, "less"), "float32")
        counted = self.reduce(above, "sum", (x.rank,))
        found = self.cast(self.add(self.multiply(counted, -1.0), float(boundaries.size)), "int32")
        return replace(found, bounds=(0, boundaries.size))
