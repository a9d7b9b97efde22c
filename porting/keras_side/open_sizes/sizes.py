"""Open sizes of a walk: which axes have one size, whose steps a tensor's rows are, and what is made of sizes alone.

Two axes have one size where the operations between them keep it; the size is then read where it first was, at best off
the model's input.
"""

from __future__ import annotations

from typing import Any, Optional

from .graph import Applied, Graph, said_of_sizes

# Open axes are given these sizes and those that follow at such steps, to see which of them an operation hands on.
TRIED = ((100_003, 2), (60_013, -2))


def is_open(size: Any) -> bool:
    """Whether a size is a symbolic number."""
    return hasattr(size, "_keras_history")


def same_size(one: Any, other: Any) -> bool:
    """Whether two sizes, open or numbers, are known to be the same."""
    return one is other or (not is_open(one) and not is_open(other) and one == other)


class Sizes:
    """The open sizes of one walk.

    Attributes:
        known: by the tensor and axis where a size is first met.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[tuple[Any, int], Any] = {}
        self.batches: dict[Any, Any] = {}
        self._sources: dict[Any, tuple[Any, Any]] = {}
        self._of_sizes: dict[Any, tuple[Any, bool]] = {}
        self._origins: dict[tuple[Any, int], tuple[tuple[Any, int], Any]] = {}

    def of(self, tensor: Any, axis: int) -> Any:
        """The size of an open axis; that of axis 0 of the data is the batch everywhere, but for steps as rows."""
        tensor, axis = self.origin(tensor, axis)
        if axis == 0 and not self.made_of_sizes(tensor):
            source = self.rows_from(tensor)
            of_rows = None if source is None else self.graph.history(source)
            if of_rows not in self.batches:
                self.batches[of_rows] = self.graph.size(tensor, 0)
            return self.batches[of_rows]
        key = self.graph.history(tensor), axis
        if key not in self.known:
            self.known[key] = self.graph.size(tensor, axis)
        return self.known[key]

    def shape(self, tensor: Any) -> tuple[Any, ...]:
        """A tensor's shape with a size for every open axis."""
        return tuple(self.of(tensor, at) if size is None else size for at, size in enumerate(self.graph.shape(tensor)))

    def origin(self, tensor: Any, axis: int) -> tuple[Any, int]:
        """Where an axis' size was first met: at the model's input, or behind whatever changes sizes."""
        waiting = [(tensor, axis)]
        while waiting:
            one, at = waiting[-1]
            needed = [] if self._has_origin((one, at)) else self.given_open(one)
            needed = [place for place in needed if not self._has_origin(place)]
            if needed:
                waiting += needed
                continue
            place = waiting.pop()
            if not self._has_origin(place):
                before = self._before(one, at)
                found = place if before is None else self._origins[self.graph.history(before[0]), before[1]][0]
                self._origins[self.graph.history(one), at] = found, one
        return self._origins[self.graph.history(tensor), axis][0]

    def _has_origin(self, place: tuple[Any, int]) -> bool:
        return (self.graph.history(place[0]), place[1]) in self._origins

    def given_open(self, tensor: Any) -> list[tuple[Any, int]]:
        """The open axes of the data that a tensor was made of."""
        node = self.graph.node_of(tensor)
        given = [] if node is None else node.given
        data = [one for one in given if not self.made_of_sizes(one)]
        return [(one, at) for one in data for at, size in enumerate(self.graph.shape(one)) if size is None]

    def _before(self, tensor: Any, axis: int) -> Optional[tuple[Any, int]]:
        node = self.graph.node_of(tensor)
        if node is None or self.made_of_sizes(tensor):
            return None
        if not node.given or not self.graph.says_sizes(node):
            return None
        first, sizes = node.given[0], self.graph.shape(node.given[0])
        rank, kept = len(self.graph.shape(tensor)), said_of_sizes(node.name)
        if kept == "spread":
            return self._beside(node.given, rank, axis)
        axes = self.graph.axes(node)
        if axes is not None:
            return first, axes[axis]
        if not kept:
            return None if axis == 0 else self._found(tensor, axis)
        keeps = {
            "kept": True,
            "kept but the last": axis < rank - 1,
            "steps kept": axis == 1 and rank == 3,
        }.get(kept, False)
        return (first, axis) if keeps and axis < len(sizes) and sizes[axis] is None else None

    def _found(self, tensor: Any, axis: int) -> Optional[tuple[Any, int]]:
        """The open axis whose size an operation's result has along another, whatever that size is."""
        places = [(one, at) for one, at in self.given_open(tensor) if at]
        origins = [self._origins[self.graph.history(one), at][0] for one, at in places]
        keys = [(self.graph.history(one), at) for one, at in origins]
        found = []
        for first, step in TRIED:
            sizes = {(id(one), at): first + step * keys.index(key) for (one, at), key in zip(places, keys)}
            made = self.graph.size_made(tensor, axis, sizes)
            found.append([which for which, (one, at) in enumerate(places) if sizes[id(one), at] == made])
        return places[found[0][0]] if found[0] and found[0] == found[1] else None

    def _beside(self, given: list[Any], rank: int, axis: int) -> Optional[tuple[Any, int]]:
        """Of several tensors that spread over each other, one whose axis is open: it has the size of the result."""
        found = []
        for one in given:
            at = axis - (rank - len(self.graph.shape(one)))
            if at >= 0 and self.graph.shape(one)[at] is None and not self.made_of_sizes(one):
                found.append((one, at))
        return found[0] if found else None

    def made_of_sizes(self, tensor: Any) -> bool:
        """Whether a tensor is made of sizes, constants and weights alone."""
        waiting = [tensor]
        while waiting:
            key = self.graph.history(waiting[-1])
            if key in self._of_sizes:
                waiting.pop()
                continue
            needed = self._undecided(waiting[-1])
            if needed:
                waiting += needed
            else:
                self._of_sizes[key] = waiting[-1], self._decided(waiting.pop())
        return self._of_sizes[self.graph.history(tensor)][1]

    def _undecided(self, tensor: Any) -> list[Any]:
        node = self.graph.node_of(tensor)
        if node is None or node.reads is not None:
            return []
        return [one for one in node.given if self.graph.history(one) not in self._of_sizes]

    def _decided(self, tensor: Any) -> bool:
        node = self.graph.node_of(tensor)
        if node is None:
            return False
        if node.reads is not None:
            return True
        return all(self._of_sizes[self.graph.history(one)][1] for one in node.given)

    def rows_from(self, tensor: Any) -> Any:
        """The tensor (batch, steps, …) whose steps are a tensor's rows; None where these are the batch's."""
        made_by = self._rows_made_by(tensor)
        return None if made_by is None else made_by.given[0]

    def are_moved_rows(self, tensor: Any) -> bool:
        """Whether a tensor's rows are steps whose code had them in front of the batch."""
        made_by = self._rows_made_by(tensor)
        return made_by is not None and made_by.operation.moved

    def _rows_made_by(self, tensor: Any) -> Any:
        """The application that made a tensor's rows of steps; None where they are the batch's."""
        waiting = [tensor]
        while waiting:
            key, node = self.graph.history(waiting[-1]), self.graph.node_of(waiting[-1])
            if key in self._sources:
                waiting.pop()
                continue
            given = [] if node is None else self._in_rows(node)
            needed = [one for one in given if self.graph.history(one) not in self._sources]
            if needed:
                waiting += needed
                continue
            found = [self._sources[self.graph.history(one)][1] for one in given]
            made_by = next((one for one in found if one is not None), None)
            if node is not None and node.name == "StepsAsRows":
                made_by = node
            self._sources[key] = waiting.pop(), made_by
        return self._sources[self.graph.history(tensor)][1]

    def _in_rows(self, node: Applied) -> list[Any]:
        """The data that an application takes and whose rows its outputs have."""
        if node.name == "StepsAsRows" or node.reads is not None:
            return []
        if node.name == "RowsAsSteps":
            return list(node.given[1:])
        return [one for one in node.given if not self.made_of_sizes(one)]

    def rows_for_each(self, tensor: Any) -> int:
        """How many rows of a tensor each row of the batch has become; 1 where that is not known."""
        many = 1
        source = self.rows_from(tensor)
        while source is not None:
            many *= self.graph.shape(source)[1] or 1
            source = self.rows_from(source)
        return many

    def read_by(self, tensor: Any) -> list[tuple[Any, int]]:
        """The tensors of data and their axes whose sizes a tensor of sizes is made of."""
        found: dict[tuple[Any, int], tuple[Any, int]] = {}
        waiting, seen = [tensor], set()
        while waiting:
            one = waiting.pop()
            node = self.graph.node_of(one)
            if self.graph.history(one) in seen or node is None:
                continue
            seen.add(self.graph.history(one))
            if node.reads is not None and not self.made_of_sizes(node.reads[0]):
                found[self.graph.history(node.reads[0]), node.reads[1]] = node.reads
            else:
                waiting += node.given
        return list(found.values())
