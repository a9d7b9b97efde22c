"""A user's code that is followed: what it makes of sizes, and whose operations are whose."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from string import ascii_lowercase
from typing import Any

from ..tracing import CodeInARun
from .graph import Graph, said_of_sizes
from .sizes import Sizes
from .tables import Meeting, Tables, variables_in


class FollowedCode(CodeInARun):
    """A user's code in a run.

    Attributes:
        sizes: the open sizes of the walk.
        tables: what is made of sizes alone.
        kept: operations that must not die, since they are known by their ids.
    """

    alone = Meeting()

    def __init__(self, graph: Graph, longest: int) -> None:
        super().__init__()
        self.sizes = Sizes(graph)
        self.tables = Tables(self.sizes, longest)
        self.kept: list[Any] = []

    def own(self, operation: Any) -> None:
        """Note whose code called an operation."""
        self.kept.append(operation)  # ids are of living objects
        if self._stack:
            self.owners.setdefault(id(operation), (operation, self._stack[-1]))

    # ---- how a tensor of sizes meets others

    def meeting(self, operation: Any, rank: int, beside: Any) -> Meeting:
        """In an operation, or beside which it is given to a layer."""
        spreads = said_of_sizes(getattr(operation, "class_name", type(operation).__name__)) == "spread"
        if self.sizes.graph.is_layer(operation) and not spreads:
            return Meeting(None, beside, given=True)
        return Meeting(rank, beside, spreads=spreads)

    def beside(self, tensor: Any, rank: int) -> Meeting:
        return Meeting(rank, tensor)

    def product(self, beside: Any) -> Meeting:
        return Meeting(len(self.sizes.graph.shape(beside)), None, product=True)

    def turned_product(self, product: Any, rank: int) -> Any:
        """An operation for x · weightᵀ, x of this rank, in place of another product, as its owner's."""
        axes = ascii_lowercase[:rank]  # TensorFlow 2.19 computes "...i,ji->...j" wrongly for two axes
        return self.einsum_instead(product, f"{axes},z{axes[-1]}->{axes[:-1]}z")

    def einsum_instead(self, product: Any, subscripts: str) -> Any:
        """A product by subscripts in place of another, as its owner's."""
        made = self._einsum(subscripts)
        self.kept.append(made)
        if id(product) in self.owners:
            self.owners[id(made)] = made, self.owners[id(product)][1]
        return made

    @abstractmethod
    def _einsum(self, subscripts: str) -> Any: ...

    def follow(self, tensor: Any, held: Any) -> None:
        """Note the weights that a tensor of sizes was computed with, but for one that stands for it."""
        node = self.sizes.graph.node_of(tensor)
        assert node is not None, "what is made of sizes is no input"
        owner = self.owners.get(id(node.operation)) or self.callers.get(id(node.operation))
        for variable in variables_in(tensor, self.sizes.graph):
            if variable is not held and owner is not None:
                self.computed_with(variable, owner[1])

    def put_together(self, tensor: Any, meets: Meeting, stands_for: Any) -> Any:
        """What stands for a tensor of several sizes that no table holds; None where that is not known here."""
        return None

    @contextmanager
    def on_behalf_of(self, operation: Any) -> Iterator[None]:
        """While operations are added beside one, as its owner's."""
        before, owner = self._stack, self.owners.get(id(operation)) or self.callers.get(id(operation))
        self._stack = [] if owner is None else [owner[1]]
        try:
            yield
        finally:
            self._stack = before

    # ---- layers of this package

    def plain_call(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """A layer of this package applied."""
        with self.resting():
            return layer(*args, **kwargs)

    def put_in(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """A layer of this package applied, as the running code's own."""
        self.own(layer)
        return self.plain_call(layer, *args, **kwargs)
