"""What is asked of a generation's graph of symbolic tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Protocol

from ...layers import RULES


@dataclass(frozen=True, eq=False)
class Applied:
    """One application of an operation or a layer.

    Attributes:
        name: the class of Keras 3 that says what it computes.
        operation: what is applied.
        args, kwargs: what on.
        operands: the arguments of the operation of that name.
        outputs: the symbolic tensors that it makes.
        given: the symbolic tensors among its arguments.
        reads: the tensor and its axis whose size it is; None of others.
    """

    name: str
    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    operands: Sequence[Any]
    outputs: tuple[Any, ...]
    given: list[Any] = field(default_factory=list)
    reads: Optional[tuple[Any, int]] = None


class Graph(Protocol):
    """A generation's graph.

    Attributes:
        kinds: the layers of `own_layers` by their names.
    """

    kinds: Any

    def is_symbolic(self, value: Any) -> bool: ...
    def is_variable(self, value: Any) -> bool: ...
    def is_layer(self, operation: Any) -> bool: ...
    def dtype(self, value: Any) -> str: ...
    def is_whole(self, tensor: Any) -> bool:
        """Whether a symbolic tensor holds whole numbers."""

    def tensors_in(self, structure: Any) -> list[Any]:
        """The symbolic tensors of a structure, in slices too."""

    def history(self, tensor: Any) -> Any:
        """A tensor's identity."""

    def node_of(self, tensor: Any) -> Optional[Applied]:
        """The application that made a tensor; None for an input of a model."""

    def shape(self, tensor: Any) -> tuple[Optional[int], ...]: ...
    def size(self, tensor: Any, axis: int) -> Any:
        """A symbolic number: the size of an open axis."""

    def axes(self, node: Applied) -> Optional[list[int]]:
        """The axes that a transposition gives, in their order; None of another operation."""

    def says_sizes(self, node: Applied) -> bool:
        """Whether the rule of that name says what an application makes of sizes."""

    def size_made(self, tensor: Any, axis: int, sizes: Mapping[tuple[int, int], int]) -> Optional[int]:
        """The size of an axis that an operation makes of tensors of these sizes, by id and axis; None if unknown."""

    def run(self, node: Applied, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What an application makes of arrays."""

    def flatten(self, structure: Any) -> list[Any]: ...
    def weights_of(self, operation: Any) -> list[Any]:
        """A layer's weights; none of an operation."""

    def to_numpy(self, value: Any) -> Any: ...
    def line(self, operation: Any) -> str:
        """``file.py:12``, where a user's code makes it; "" if unknown."""


def said_of_sizes(name: str) -> str:
    """What the rule of a layer or an operation says of sizes; see `Rule.sizes`."""
    found = next((RULES[one] for one in (name, f"ops.{name}", f"porting>{name}") if one in RULES), None)
    return "" if found is None else found.sizes
