"""Open sizes by what they are computed of: as a saved layer keeps them, and as numbers that are tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...layers.unfolded import computed
from ..tracing import Untraceable
from .graph import Graph
from .sizes import Sizes, is_open

SYMBOLS = {
    "Add": "+",
    "FloorDivide": "//",
    "Maximum": "max",
    "Minimum": "min",
    "Mod": "%",
    "Multiply": "*",
    "Subtract": "-",
}  # fmt: skip
FIX_IT = "declare the size in keras.Input"
# At this batch a number of rows shows how many each row of the batch has become.
BATCH = 1_000_003
# What open sizes are tried as: each a multiple of what sizes are divided by, and of a number that no other is.
DIVIDED, TRIED = 5040, ((1, 11, 13, 17, 19, 23, 29, 31), (59, 53, 47, 43, 41, 37, 2, 3))


def written(size: Any, reads: list[Any], graph: Graph) -> Any:
    """A size as `porting.layers.unfolded.computed` takes it; the tensors whose sizes are in it are added to `reads`.

    Raises:
        Untraceable: it is made by an operation that is not known here, or of values.
    """
    if not is_open(size):
        return int(size)
    node = graph.node_of(size)
    if node is not None and node.name == "Cast" and graph.is_whole(size):
        return written(node.operands[0], reads, graph)
    if node is not None and node.name in SYMBOLS:
        return [SYMBOLS[node.name], *(written(one, reads, graph) for one in node.operands)]
    if node is None or node.reads is None:
        raise Untraceable("goes by a size that is no sum, product or share of others", FIX_IT)
    tensor, axis = node.reads
    known = [at for at, one in enumerate(reads) if graph.history(one) == graph.history(tensor)]
    if not known:
        reads.append(tensor)
    return ["of", known[0] if known else len(reads) - 1, axis]


class Trial:
    """Numbers for the open sizes of a walk, other ones in each of the `TRIED`."""

    def __init__(self, sizes: Sizes, numbers: Sequence[int]) -> None:
        self.sizes = sizes
        self._numbers = iter(numbers)
        self._known: dict[tuple[Any, int], int] = {}

    def number(self, size: Any) -> int:
        """A size, open or not."""
        reads: list[Any] = []
        formula = written(size, reads, self.sizes.graph)
        return int(computed(formula, [_Shape(self, one) for one in reads]))

    def rows(self, tensor: Any) -> int:
        """How many rows a tensor has."""
        many, source = BATCH, self.sizes.rows_from(tensor)
        while source is not None:
            many *= self.of(source, 1)
            source = self.sizes.rows_from(source)
        return many

    def of(self, tensor: Any, axis: int) -> int:
        if axis == 0:
            return self.rows(tensor)
        graph = self.sizes.graph
        size = graph.shape(tensor)[axis]
        if size is not None:
            return size
        tensor, axis = self.sizes.origin(tensor, axis)
        key = graph.history(tensor), axis
        if key not in self._known:
            given = {(id(one), at): self.of(one, at) for one, at in self.sizes.given_open(tensor)}
            made = graph.size_made(tensor, axis, given) if given else None
            self._known[key] = made or DIVIDED * self._next()
        return self._known[key]

    def _next(self) -> int:
        number = next(self._numbers, None)
        if number is None:
            raise Untraceable("goes by too many open sizes at once", FIX_IT)
        return number


class _Shape:
    """A tensor's sizes as they are tried."""

    def __init__(self, trial: Trial, tensor: Any) -> None:
        self._trial, self._tensor = trial, tensor

    def __getitem__(self, axis: int) -> int:
        return self._trial.of(self._tensor, axis)
