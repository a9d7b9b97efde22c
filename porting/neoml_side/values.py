"""Tensors of a NeoML net to be: Keras' shape, and which blob dimension holds which axis.

A layout is a string with one letter of ``LBSHWDC`` for each Keras axis, the batch first: ``BHC`` keeps
(batch, time, features) in Keras' own element order, ``BLC`` is time-first, as NeoML's recurrent layers want it, and
`TIME_FIRST` the same as one image, over whose rows a layer goes at once.
Permuting axes permutes letters and moves no data; data move only in `Wire.to`, when two layouts meet.

A tensor may come in any layout. An operation whose layer looks at certain dimensions says where it wants the axes with
`Wire.require`, or names a whole layout with `Wire.to`; only layers that go element by element take what they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Optional

import numpy as np

from ..dtypes import INT32, is_whole, limits
from ..layers.rule import Refusal
from ..network import Shape
from .graph import Graph, Guard, Port
from .slots import AXES, DIMENSIONS

CANONICAL = {1: "B", 2: "BC", 3: "BHC", 4: "BHWC", 5: "BHWDC", 6: "BSHWDC"}
IDS = {1: "B", 2: "BH", 3: "BHW", 4: "BHWD", 5: "BSHWD"}
MOST_AXES = 6
RUN_IN_NUMPY = "the numpy engine runs this network as it is"
TIME_FIRST = "WHC"
# The largest whole number up to which float32 holds them all.
EXACT = 2**24
# The least and the largest that whole numbers may be.
Range = tuple[int, int]


def holds_exactly(found: Range) -> bool:
    """Whether float32 holds all whole numbers within a range."""
    return found[0] >= -EXACT and found[1] <= EXACT


def canonical(rank: int, dtype: str = "float32") -> str:
    """The layout in Keras' element order; ids leave the channels free for a lookup."""
    table = IDS if is_whole(dtype) and rank in IDS else CANONICAL
    if rank not in table:
        raise Refusal(f"a tensor of rank {rank} does not fit a NeoML blob", f"keep tensors to rank {MOST_AXES}")
    return table[rank]


def is_ascending(layout: str) -> bool:
    """Whether the axes lie in memory in Keras' order, the batch in the batch."""
    places = [AXES.index(letter) for letter in layout]
    return layout[0] == "B" and places == sorted(places)


def free_letter(layout: str, preferred: str = "HWDCSL") -> str:
    """A blob dimension that no axis uses yet."""
    for letter in preferred + AXES:
        if letter not in layout:
            return letter
    raise Refusal("a tensor has more axes than a NeoML blob", f"keep tensors to rank {MOST_AXES}")


def swaps(have: str, want: str) -> list[tuple[str, str]]:
    """The exchanges of two blob dimensions that bring layout `have` to `want`."""
    current = list(have)
    found = []
    for axis, letter in enumerate(want):
        old = current[axis]
        if old == letter:
            continue
        found.append((old, letter))
        current = [letter if mark == old else old if mark == letter else mark for mark in current]
    return found


@cache
def nearest(layout: str, places: tuple[str, ...]) -> Optional[str]:
    """The layout that takes the fewest exchanges to come to and has each axis in one of its places, best ones first."""
    found = [""]
    for letters in places:
        found = [begun + letter for begun in found for letter in letters if letter not in begun]

    def cost(one: str) -> tuple[int, int]:
        return len(swaps(layout, one)), sum(letters.index(letter) for letters, letter in zip(places, one))

    return min(found, key=cost, default=None)


@dataclass(frozen=True, eq=False)
class Wire:
    """A tensor in a graph.

    Attributes:
        shape: Keras' shape, None where only a run will tell.
        dtype: as Keras names it. Whole numbers lie in an int32 blob, ``bool`` as 0 or 1 in a float blob.
        layout: the blob dimension of each axis.
        port: where the blob comes from.
        graph: the graph that the port belongs to.
        mask: its Keras mask.
        origin: the input that it comes from through operations that keep the layout.
        ids_from: the inputs whose values it holds unchanged; None once anything was computed.
        flipped: the wire that this one is the reverse of, and along which axis.
        on_move: told ``(origin, layout, wanted layout)`` where a tensor close to an input would better lie.
        forms: ports of the same tensor by layout.
        bounds: within what its whole numbers lie, where more is known than their dtype says.
    """

    shape: Shape
    dtype: str
    layout: str
    port: Port
    graph: Graph
    mask: Optional[Wire] = None
    origin: Optional[str] = None
    ids_from: Optional[frozenset[str]] = None
    flipped: Optional[tuple[Wire, int]] = None
    on_move: Optional[Callable[[str, str, str], None]] = None
    forms: dict[str, Port] = field(default_factory=dict)
    bounds: Optional[Range] = None

    def __post_init__(self) -> None:
        self.forms.setdefault(self.layout, self.port)

    def with_axes(self, shape: Shape, layout: str) -> Wire:
        """The same numbers under other axes."""
        return replace(self, shape=shape, layout=layout, forms={}, flipped=None, mask=None)

    def with_mask(self, mask: Optional[Wire]) -> Wire:
        return replace(self, mask=mask)

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_whole(self) -> bool:
        return is_whole(self.dtype)

    @property
    def range(self) -> Range:
        """Within what its whole numbers lie; inputs beyond int32 are refused, and so is what may be."""
        if self.bounds is not None:
            return self.bounds
        low, high = limits(self.dtype)
        return max(low, INT32[0]), min(high, INT32[1])

    @property
    def blob_dtype(self) -> str:
        """``int32`` or ``float32``; ``bool`` where floats hold truths."""
        return "int32" if self.is_whole else "bool" if self.dtype == "bool" else "float32"

    def axis(self, axis: int) -> int:
        """The axis counted from the front. Raises Refusal for several, or none."""
        if not isinstance(axis, (int, np.integer)):
            raise Refusal(f"{axis!r} is not an axis: the operation takes one, a whole number", "call it for each axis")
        if not -self.rank <= axis < self.rank:
            raise Refusal(f"axis {axis} of a tensor of rank {self.rank}")
        return int(axis) % self.rank

    def size(self, axis: int) -> int:
        """The size of an axis that must be known."""
        size = self.shape[axis]
        if size is None:
            raise Refusal(f"axis {axis} of shape {self.shape} is open, but its size is needed", "fix it in the Input")
        return size

    def wish(self, layout: str) -> None:
        """Tell that the tensor would better lie so, for whoever lays out the input that it is close to."""
        if self.origin is not None and self.on_move is not None:
            self.on_move(self.origin, self.layout, layout)

    def to(self, layout: str) -> Wire:
        """The same tensor with its axes in these blob dimensions."""
        if layout == self.layout:
            return self
        self.wish(layout)
        if layout not in self.forms:
            port = self.port
            for first, second in swaps(self.layout, layout):
                port = self.graph.add("Transpose", port, first_dim=DIMENSIONS[first], second_dim=DIMENSIONS[second])
            self.forms[layout] = port
        return replace(self, layout=layout, port=self.forms[layout])

    def require(self, places: Mapping[int, str], others: str = "HWDCSL") -> Wire:
        """The same tensor with each of these axes in one of its dimensions, and the rest of them in `others`.

        The batch stays in the batch. What lies right already is left there, and as little as possible is moved.
        """
        wanted = {self.axis(axis): letters for axis, letters in places.items()}
        if 0 in wanted:
            raise Refusal("computes over the batch axis", RUN_IN_NUMPY)
        layout = nearest(self.layout, ("B", *(wanted.get(axis, others) for axis in range(1, self.rank))))
        if layout is None:
            raise Refusal(f"a tensor of shape {self.shape} has too many axes for NeoML's layer", "use fewer axes")
        return self.to(layout)

    def made(
        self,
        port: Port,
        shape: Optional[Sequence[Optional[int]]] = None,
        dtype: Optional[str] = None,
        layout: Optional[str] = None,
    ) -> Wire:
        """What an operation made of this tensor, without its mask."""
        kept = layout is None or layout[:2] == self.layout[:2]
        return Wire(
            self.shape if shape is None else tuple(shape),
            dtype or self.dtype,
            layout or self.layout,
            port,
            self.graph,
            origin=self.origin if kept else None,
            on_move=self.on_move,
        )


@dataclass(frozen=True)
class Terminal:
    """A source or a sink of a stored net: Keras' shape and dtype, and where its axes lie in the blob.

    Attributes:
        shape, layout: as a wire has them.
        dtype: of the blob, ``bool`` where floats hold truths.
        keras_dtype: of the network's input, or of the wire.
        ids_below: ids must be at least 0 and below this; None for what is not an id. A sink that has it tells which of
            the ids that the net computes are not: 1, else 0.
        at_least: the least size of each axis that the net can be run on; empty where any will do.
        at_most: the greatest, None where there is none; empty where any will do.
    """

    name: str
    shape: Shape
    dtype: str
    layout: str
    keras_dtype: str = "float32"
    ids_below: Optional[int] = None
    at_least: tuple[int, ...] = ()
    at_most: Shape = ()

    @classmethod
    def of(
        cls,
        name: str,
        wire: Wire,
        keras_dtype: str,
        ids_below: Optional[int] = None,
        at_least: Sequence[int] = (),
        at_most: Shape = (),
    ) -> Terminal:
        sizes = (tuple(at_least), tuple(at_most))
        return cls(name, wire.shape, wire.blob_dtype, wire.layout, keras_dtype, ids_below, *sizes)

    @classmethod
    def of_guard(cls, name: str, guard: Guard) -> Terminal:
        """The sink that tells of the ids that a net computes."""
        return cls(name, guard.shape, "bool", guard.layout, "bool", guard.below)

    def to_json(self, knows_at_most: bool) -> dict[str, Any]:
        """As the description has it, which knows of greatest sizes from version 4 on."""
        described = {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "keras_dtype": self.keras_dtype,
            "layout": self.layout,
            "dimensions": [DIMENSIONS[letter] for letter in self.layout],
            "ids_below": self.ids_below,
            "at_least": list(self.at_least),
        }
        return {**described, "at_most": list(self.at_most)} if knows_at_most else described
