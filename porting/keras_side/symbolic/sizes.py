"""Open sizes: what ``ops.shape(x)[1]`` is where no number is known.

A size is a symbolic whole number, so Keras' operations compute with it and record what they do, and Python that needs a
number (``range(n)``, ``int(n)``, ``if n < 100``) fails at its own line. Two axes have one size where the operations
between them keep it; the size is then read where it first was, at best off the model's input.
"""

from __future__ import annotations

import sys
from typing import Any, Optional

import keras
from keras.src import tree
from keras.src.backend.common.keras_tensor import KerasTensor
from keras.src.ops.operation import Operation

from ...layers import RULES
from ..tracing import Untraceable, is_library
from .nodes import given_to, history, node_of, record, tensors_in

# Open axes are given these sizes and those that follow at such steps, to see which of them an operation hands on.
TRIED = ((100_003, 2), (60_013, -2))


class SizeOf(Operation):  # type: ignore[misc]
    """The size of one axis of a tensor."""

    def __init__(self, axis: int) -> None:
        super().__init__(name="size")
        self.axis = axis

    def call(self, x: Any) -> Any:
        return keras.ops.shape(x)[self.axis]

    def compute_output_spec(self, x: Any) -> Any:
        return KerasTensor((), "int32")


class OpenSize(KerasTensor):  # type: ignore[misc]
    """The size of an axis that differs from run to run."""

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if other is None or isinstance(other, (str, float)) or is_library(sys._getframe(1)):
            return False
        raise Untraceable(f"compares an open size with {_shown(other)}", "declare the size in keras.Input")

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return id(self)

    def __index__(self) -> int:
        raise Untraceable("needs an open size as a number (range, an index)", "declare the size in keras.Input")

    def __repr__(self) -> str:
        return "None"


class Shape(tuple):  # type: ignore[type-arg]
    """A shape as TensorFlow's tensors have it too, of which a layer's code may ask what it asks of theirs."""

    __slots__ = ()

    @property
    def rank(self) -> int:
        return len(self)

    ndims = rank

    def as_list(self) -> list[Any]:
        return list(self)


def shape_for(frame: Any, tensor: Any, sizes: Sizes) -> Any:
    """A tensor's shape, with sizes for open axes where a user's code reads it, itself or by `keras.ops.shape`."""
    module = str(frame.f_globals.get("__name__", ""))
    if module.startswith(("tensorflow.", "keras.src.legacy.backend")):
        return sys.modules["tensorflow"].TensorShape(tensor._shape)
    if is_library(frame) and not (frame.f_code.co_name == "shape" and module.endswith("ops.core")):
        return tensor._shape
    return Shape(sizes.shape(tensor))


def same_size(one: Any, other: Any) -> bool:
    """Whether two sizes, open or numbers, are known to be the same."""
    return one is other or (not isinstance(one, KerasTensor) and not isinstance(other, KerasTensor) and one == other)


def _shown(other: object) -> str:
    return "another" if isinstance(other, KerasTensor) else repr(other)[:40]


class Sizes:
    """The open sizes of one walk.

    Attributes:
        known: by the tensor and axis where a size is first met.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[Any, int], OpenSize] = {}
        self.batches: dict[Any, OpenSize] = {}
        self._sources: dict[Any, tuple[Any, Any]] = {}
        self._of_sizes: dict[tuple[int, int, int], tuple[Any, bool]] = {}
        self._origins: dict[tuple[Any, int], tuple[tuple[Any, int], Any]] = {}

    def of(self, tensor: Any, axis: int) -> OpenSize:
        """The size of an open axis; that of axis 0 of the data is the batch everywhere, but for steps as rows."""
        tensor, axis = self.origin(tensor, axis)
        if axis == 0 and not self.made_of_sizes(tensor):
            source = self.rows_from(tensor)
            of_rows = None if source is None else history(source)
            if of_rows not in self.batches:
                self.batches[of_rows] = _read(tensor, 0)
            return self.batches[of_rows]
        key = history(tensor), axis
        if key not in self.known:
            self.known[key] = _read(tensor, axis)
        return self.known[key]

    def shape(self, tensor: Any) -> tuple[Any, ...]:
        """A tensor's shape with a size for every open axis."""
        return tuple(self.of(tensor, at) if size is None else size for at, size in enumerate(tensor._shape))

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
                found = place if before is None else self._origins[history(before[0]), before[1]][0]
                self._origins[history(one), at] = found, one
        return self._origins[history(tensor), axis][0]

    def _has_origin(self, place: tuple[Any, int]) -> bool:
        return (history(place[0]), place[1]) in self._origins

    def given_open(self, tensor: Any) -> list[tuple[Any, int]]:
        """The open axes of the data that a tensor was made of."""
        node = node_of(tensor)
        given = [] if node is None else given_to(node)
        data = [one for one in given if not self.made_of_sizes(one)]
        return [(one, at) for one in data for at, size in enumerate(one._shape) if size is None]

    def _before(self, tensor: Any, axis: int) -> Optional[tuple[Any, int]]:
        node = node_of(tensor)
        if node is None or self.made_of_sizes(tensor):
            return None
        name = type(node.operation).__name__
        given = given_to(node)
        if not given or type(node.operation).__module__.partition(".")[0] not in ("keras", "porting"):
            return None
        first = given[0]
        rank, kept = len(tensor._shape), said_of_sizes(name)
        if kept == "spread":
            return self._beside(given, rank, axis)
        if name == "Transpose":
            axes = node.operation.axes
            return first, (axes[axis] % rank if axes is not None else rank - 1 - axis)
        if not kept:
            return None if axis == 0 else self._found(tensor, axis)
        keeps = {
            "kept": True,
            "kept but the last": axis < rank - 1,
            "steps kept": axis == 1 and rank == 3,
        }.get(kept, False)
        return (first, axis) if keeps and axis < len(first._shape) and first._shape[axis] is None else None

    def _found(self, tensor: Any, axis: int) -> Optional[tuple[Any, int]]:
        """The open axis whose size an operation's result has along another, whatever that size is."""
        places = [(one, at) for one, at in self.given_open(tensor) if at]
        origins = [self._origins[history(one), at][0] for one, at in places]
        keys = [(history(one), at) for one, at in origins]
        found = []
        for first, step in TRIED:
            sizes = {(id(one), at): first + step * keys.index(key) for (one, at), key in zip(places, keys)}
            made = size_made(tensor, axis, sizes)
            found.append([which for which, (one, at) in enumerate(places) if sizes[id(one), at] == made])
        return places[found[0][0]] if found[0] and found[0] == found[1] else None

    def _beside(self, given: list[Any], rank: int, axis: int) -> Optional[tuple[Any, int]]:
        """Of several tensors that spread over each other, one whose axis is open: it has the size of the result."""
        found = []
        for one in given:
            at = axis - (rank - len(one._shape))
            if at >= 0 and one._shape[at] is None and not self.made_of_sizes(one):
                found.append((one, at))
        return found[0] if found else None

    def made_of_sizes(self, tensor: Any) -> bool:
        """Whether a tensor is made of sizes, constants and weights alone."""
        waiting = [tensor]
        while waiting:
            key = history(waiting[-1])
            if key in self._of_sizes:
                waiting.pop()
                continue
            needed = self._undecided(waiting[-1])
            if needed:
                waiting += needed
            else:
                self._of_sizes[key] = waiting[-1], self._decided(waiting.pop())
        return self._of_sizes[history(tensor)][1]

    def _undecided(self, tensor: Any) -> list[Any]:
        node = node_of(tensor)
        if node is None or isinstance(node.operation, SizeOf):
            return []
        return [one for one in given_to(node) if history(one) not in self._of_sizes]

    def _decided(self, tensor: Any) -> bool:
        node = node_of(tensor)
        if node is None:
            return False
        if isinstance(node.operation, SizeOf):
            return True
        return all(self._of_sizes[history(one)][1] for one in given_to(node))

    def rows_from(self, tensor: Any) -> Any:
        """The tensor (batch, steps, …) whose steps are a tensor's rows; None where these are the batch's."""
        made_by = self._rows_made_by(tensor)
        return None if made_by is None else tensors_in(made_by.arguments.args)[0]

    def are_moved_rows(self, tensor: Any) -> bool:
        """Whether a tensor's rows are steps whose code had them in front of the batch."""
        made_by = self._rows_made_by(tensor)
        return made_by is not None and made_by.operation.moved

    def _rows_made_by(self, tensor: Any) -> Any:
        """The application that made a tensor's rows of steps; None where they are the batch's."""
        waiting = [tensor]
        while waiting:
            key, node = history(waiting[-1]), node_of(waiting[-1])
            if key in self._sources:
                waiting.pop()
                continue
            given = [] if node is None else self._in_rows(node)
            needed = [one for one in given if history(one) not in self._sources]
            if needed:
                waiting += needed
                continue
            found = [self._sources[history(one)][1] for one in given]
            made_by = next((one for one in found if one is not None), None)
            if node is not None and type(node.operation).__name__ == "StepsAsRows":
                made_by = node
            self._sources[key] = waiting.pop(), made_by
        return self._sources[history(tensor)][1]

    def _in_rows(self, node: Any) -> list[Any]:
        """The data that an application takes and whose rows its outputs have."""
        given = given_to(node)
        name = type(node.operation).__name__
        if name == "StepsAsRows" or isinstance(node.operation, SizeOf):
            return []
        if name == "RowsAsSteps":
            return given[1:]
        return [one for one in given if not self.made_of_sizes(one)]

    def rows_for_each(self, tensor: Any) -> int:
        """How many rows of a tensor each row of the batch has become; 1 where that is not known."""
        many = 1
        source = self.rows_from(tensor)
        while source is not None:
            many *= source._shape[1] or 1
            source = self.rows_from(source)
        return many

    def read_by(self, tensor: Any) -> list[tuple[Any, int]]:
        """The tensors of data and their axes whose sizes a tensor of sizes is made of."""
        found: dict[tuple[Any, int], tuple[Any, int]] = {}
        waiting, seen = [tensor], set()
        while waiting:
            one = waiting.pop()
            node = node_of(one)
            if history(one) in seen or node is None:
                continue
            seen.add(history(one))
            given = given_to(node)
            if isinstance(node.operation, SizeOf) and not self.made_of_sizes(given[0]):
                found[history(given[0]), node.operation.axis] = given[0], node.operation.axis
            else:
                waiting += given
        return list(found.values())


def said_of_sizes(name: str) -> str:
    """What the rule of a layer or an operation says of sizes; see `Rule.sizes`."""
    found = next((RULES[one] for one in (name, f"ops.{name}", f"porting>{name}") if one in RULES), None)
    return "" if found is None else found.sizes


def size_made(tensor: Any, axis: int, sizes: dict[tuple[int, int], int]) -> Optional[int]:
    """The size of an axis that an operation makes of tensors of these sizes; None where it takes none such."""
    node = node_of(tensor)
    if isinstance(node.operation, keras.layers.Layer) and not type(node.operation).__module__.startswith("porting"):
        return None

    def sized(part: Any) -> Any:
        if not isinstance(part, KerasTensor):
            return part
        return KerasTensor([sizes.get((id(part), at), size) for at, size in enumerate(part._shape)], part.dtype)

    try:
        args, kwargs = tree.map_structure(sized, (tuple(node.arguments.args), dict(node.arguments.kwargs)))
        made = tree.flatten(node.operation.compute_output_spec(*args, **kwargs))
    except Exception:  # whatever Keras says to sizes that do not fit
        return None
    size: Optional[int] = made[history(tensor)[2]]._shape[axis]
    return size


def _read(tensor: Any, axis: int) -> OpenSize:
    size = OpenSize((), "int32")
    record(SizeOf(axis), (tensor,), {}, size)
    return size
