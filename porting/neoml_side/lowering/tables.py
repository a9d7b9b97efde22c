"""Entries of tables, as many as a tensor has steps: lookups whose ids NeoML computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any, Optional

import numpy as np

from ...layers.rule import Refusal
from ...operations import Weight
from ..values import EXACT, Wire
from .lookups import LookupOperations
from .positions import PositionOperations
from .reshaping import flip


class TableOperations(LookupOperations, PositionOperations):
    """`porting.operations.PositionOperations.table` over a graph.

    No id is checked in a run: a net is run on no size that its plan with that size refuses (see `sizes`).
    """

    def table(self, values: Weight, like: Wire, places: Sequence[Any]) -> Wire:
        count = len(places)
        rows, rest = values.shape[:count], values.shape[count:]
        kept = [which for _, which, _ in places if which != "at"]
        ids = self._zeros_of_rows(like)
        for _ in kept:
            ids = self.expand_dims(ids, 1)
        for at, (many, which, start) in enumerate(places):
            entries = self._entries(rows[at], many, which, start)
            before = [one for _, one, _ in places[:at]]
            beside = self._beside(entries, which, before, len(kept))
            ids = self.add(ids, self.multiply(beside, float(prod(rows[at + 1 :]))))
        self.graph.has_tables = True
        if prod(rows) > EXACT:
            raise Refusal(f"a table of shape {values.shape} has more than 2**24 places", "use engine='numpy'")
        is_bool = values.value.dtype == bool
        plain = replace(values, value=values.value.astype(np.float32)) if is_bool else values
        made = replace(self.rows_of(ids, plain.arranged(shape=(prod(rows), prod(rest)))), ids_from=None)
        made = self._in_shape(made, rest, len(kept))
        return replace(made, dtype="bool") if is_bool else made

    def _in_shape(self, made: Wire, rest: Sequence[int], kept: int) -> Wire:
        """The rows in the shape of the table's."""
        if not rest:
            made = self.squeeze(made, -1)
        elif len(rest) > 1:
            front: list[Optional[int]] = [None] * kept
            made = self.reshape(made, [*front, *rest])
        return made

    def _zeros_of_rows(self, like: Wire) -> Wire:
        """A zero for each row of the batch."""
        x = self._floating(like)
        if x.rank > 1:
            x = self.reduce(x, "max", tuple(range(1, x.rank)))
        return self.filled(x, 0.0)

    def _entries(self, rows: int, many: Any, which: str, start: int) -> Wire:
        """Which entries of the table, along the one axis behind the batch; none behind it for ``at``."""
        size = many if isinstance(many, int) else many[0].shape[many[1]]
        if size is None:
            found = self._open_entries(rows, many[0], many[0].axis(many[1]), which, start)
        elif start + size > rows:
            raise Refusal(f"its table holds {rows - start} steps, {size} are asked for", "give shorter inputs")
        else:
            ranges = {
                "first": range(start, start + size),
                "last": range(rows - size, rows),
                "at": range(size - 1, size),
            }
            found = self.constant(np.array(ranges[which], np.float32)[None])
        return self.squeeze(found, 1) if which == "at" else found

    def _open_entries(self, rows: int, x: Wire, axis: int, which: str, start: int) -> Wire:
        found = self.positions(x, axis)
        for other in reversed([one for one in range(1, x.rank) if one != axis]):
            found = self.squeeze(found, other)
        if which == "at":
            return self.reduce(found, "max", (1,), keepdims=True)
        if which == "last":
            return self.add(self.multiply(flip(found, 1), -1.0), float(rows - 1))
        return self.add(found, float(start)) if start else found

    def _beside(self, entries: Wire, which: str, before: Sequence[str], kept: int) -> Wire:
        """The entries along their own axis of the ids."""
        if which == "at":
            for _ in range(kept):
                entries = self.expand_dims(entries, 1)
            return entries
        own = sum(one != "at" for one in before)
        for _ in range(own):
            entries = self.expand_dims(entries, 1)
        for _ in range(kept - own - 1):
            entries = self.expand_dims(entries, entries.rank)
        return entries
