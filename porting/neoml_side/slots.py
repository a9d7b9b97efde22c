"""How Keras' weights lie in the slots of NeoML's layers: said once, and followed there and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np

from ..layers.rule import Refusal
from ..network import Array
from ..operations import Weight

# The letters of a blob's seven dimensions, in memory order.
AXES = "LBSHWDC"
DIMENSIONS = dict(zip(AXES, ("batch_length", "batch_width", "list_size", "height", "width", "depth", "channels")))

View = Callable[[Array], Array]


def blob_array(array: Array, layout: str) -> Array:
    """The array with its axes, named by `layout`, put into a blob's seven dimensions."""
    if array.ndim != len(layout):
        raise ValueError(f"an array of shape {array.shape} does not fit layout {layout!r}")
    order = sorted(range(array.ndim), key=lambda axis: AXES.index(layout[axis]))
    return np.ascontiguousarray(array.transpose(order)).reshape(blob_shape(array.shape, layout))


def blob_shape(shape: Iterable[int], layout: str) -> tuple[int, ...]:
    """The seven sizes of a blob that holds an array of this shape."""
    sizes = dict(zip(layout, shape))
    return tuple(sizes.get(letter, 1) for letter in AXES)


def blob_view(blob: Array, layout: str) -> Array:
    """What a blob holds, as an array whose axes `layout` names: `blob_array` undone, without a copy."""
    places = [AXES.index(letter) for letter in layout]
    others = [at for at in range(len(AXES)) if at not in places]
    return blob.transpose(places + others).reshape([blob.shape[at] for at in places])


@dataclass(frozen=True, eq=False)
class Piece:
    """A weight, or a part of one, in a slot.

    Attributes:
        weight: whose numbers they are.
        seen: the view of the slot's array that lies as ``weight.value[place]`` does.
        place: which part; ``...`` for all of it.
        factor: what the numbers are multiplied by in the slot.

    Raises:
        Refusal: a part of a weight that was arranged, whose places are not Keras'.
    """

    weight: Weight
    seen: View
    place: Any = ...
    factor: float = 1.0

    def __post_init__(self) -> None:
        if self.place is not ... and self.weight.undo is not None:
            what = f"a part of the weight {self.weight.name}, which was arranged"
            raise Refusal(what, "hand the weight on as Keras has it")

    def within(self, part: View) -> Piece:
        """The same in a part of a larger slot."""
        return replace(self, seen=lambda slot: self.seen(part(slot)))

    def write(self, slot: Array, value: Optional[Array] = None) -> None:
        """Put the numbers into a slot's array: the weight's own, or those of an array as Keras has the weight."""
        view = self.seen(slot)
        if value is None:
            assert np.may_share_memory(view, slot), "a slot is seen through views"
            value = self.weight.value
        else:
            value = self.weight.like_value(value)
        view[...] = value[self.place]
        if self.factor != 1:
            view *= np.float32(self.factor)

    def read(self, slot: Array) -> Array:
        """The numbers that a slot's array holds, as Keras has them."""
        values = self.seen(slot)
        return self._in_keras(values if self.factor == 1 else values / np.float32(self.factor))

    def gradient(self, slot: Array) -> Array:
        """The gradient by the weight's part, as Keras has it, of the gradient by the slot."""
        values = self.seen(slot)
        return self._in_keras(values if self.factor == 1 else values * np.float32(self.factor))

    def _in_keras(self, values: Array) -> Array:
        return self.weight.in_keras(values) if self.place is ... else values


@dataclass(frozen=True, eq=False)
class Parameter:
    """What a NeoML layer is given in one of its slots.

    Attributes:
        pack: makes the slot's seven-dimensional array.
        weights: the Keras weights that went in; none for a fixed array.
        pieces: how they lie there; none where another slot gives them back.
        computed: it is computed from the weights, which are given back while the slot is as it was packed.
        single: what it holds several times; stored nets hold it once.
    """

    pack: Callable[[], Array]
    weights: tuple[Weight, ...] = ()
    pieces: tuple[Piece, ...] = ()
    computed: bool = False
    single: Optional[Parameter] = None

    @classmethod
    def fixed(cls, array: Array, layout: str, dtype: Any = np.float32) -> Parameter:
        """A slot that holds no weight and never learns."""
        return cls(lambda: blob_array(np.asarray(array, dtype), layout))

    @classmethod
    def whole(cls, weight: Weight, shape: Optional[tuple[int, ...]] = None) -> Parameter:
        """A slot of these seven sizes whose memory is the weight's own; by default a row of channels."""
        sizes = shape or (*(1,) * (len(AXES) - 1), -1)
        piece = Piece(weight, lambda slot: slot.reshape(weight.shape))
        return cls._named(lambda: np.asarray(weight.value, np.float32).reshape(sizes), piece)

    @classmethod
    def laid_out(cls, weight: Weight, layout: str, place: Any = ...) -> Parameter:
        """A slot of a weight, or a part of one, whose axes lie as the letters say."""
        shape = blob_shape(weight.value[place].shape, layout)
        return cls.of(shape, Piece(weight, lambda slot: blob_view(slot.reshape(shape), layout), place))

    @classmethod
    def of(cls, shape: Iterable[int], *pieces: Piece) -> Parameter:
        """A slot of seven sizes that holds parts of weights, and zeros."""
        sizes = tuple(shape)

        def pack() -> Array:
            slot = np.zeros(sizes, np.float32)
            for piece in pieces:
                piece.write(slot)
            return slot

        return cls._named(pack, *pieces)

    @classmethod
    def computed_from(cls, pack: Callable[[], Array], weights: Iterable[Weight]) -> Parameter:
        """A slot that several weights were joined in: changed, it cannot tell them apart."""
        return cls(pack, tuple(weight for weight in weights if weight.name), computed=True)

    def repeated(self, shape: tuple[int, ...], parts: Sequence[View]) -> Parameter:
        """A larger slot that holds the same in each of these parts of it, and zeros."""

        def pack() -> Array:
            slot = np.zeros(shape, np.float32)
            once = self.pack()
            for part in parts:
                part(slot)[...] = once
            return slot

        pieces = tuple(piece.within(part) for piece in self.pieces for part in parts)
        return Parameter(pack, self.weights, pieces, self.computed, self)

    def as_held(self, slot: Array) -> Parameter:
        """This one, or what it holds several times where the slot holds it once."""
        single = self.single
        return single if single is not None and slot.size == single.pack().size else self

    @classmethod
    def _named(cls, pack: Callable[[], Array], *pieces: Piece) -> Parameter:
        """Fixed arrays, which have no names, are packed and not given back."""
        named = tuple(piece for piece in pieces if piece.weight.name)
        return cls(pack, tuple({id(piece.weight): piece.weight for piece in named}.values()), named)

    @property
    def is_exact(self) -> bool:
        """Whether every bit of the weights comes back from the slot."""
        return not self.computed and all(piece.factor == 1 for piece in self.pieces)
