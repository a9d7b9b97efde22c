"""Weights that learn in the slots of NeoML's layers: into a slot, out of it, and gradients out of it.

Every parameter says how its weights lie in its slot (`porting.neoml_side.slots.Piece`), and `Theta` how they lie in its
vector. So numbers go from the one to the other through two views, transposed, cut in parts, joined, with zeros between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Optional

import numpy as np

from ...errors import Problem, Unsupported
from ...network import Array, Network
from ...training.parameters import Theta
from ..graph import Graph, Node
from ..slots import Parameter, Piece

MATRIX = 2


@dataclass(frozen=True, eq=False)
class Slot:
    """A slot of a layer: the layer's place among the graph's nodes, and for a layer inside a cell its place there."""

    node: int
    inner: Optional[int]
    name: str


@dataclass(frozen=True, eq=False)
class Filling:
    """A slot with weights of `Theta`.

    Attributes:
        theta: where the weights lie in vectors.
        shape: the slot's seven sizes.
        pieces: the weights that learn, or parts of them.
        fixed: what the slot holds besides, 0 where the pieces lie; None where they fill it.
        is_whole: the slot holds a part of the vector as it lies there.
    """

    theta: Theta
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]
    fixed: Optional[Array]
    is_whole: bool = False

    def pack(self, vector: Array) -> Array:
        """What the slot holds for these weights; where it is whole, a view of the vector."""
        if self.is_whole:
            return self.part_of(vector).reshape(self.shape)
        slot = np.empty(self.shape, np.float32) if self.fixed is None else self.fixed.copy()
        for piece in self.pieces:
            piece.write(slot, self.theta.view(vector, piece.weight.name))
        return slot

    def unpack(self, slot: Array, vector: Array) -> None:
        """Write the weights that a slot holds into the vector."""
        slot = slot.reshape(self.shape)
        for piece in self.pieces:
            self.theta.view(vector, piece.weight.name)[piece.place] = piece.read(slot)

    def add_gradient(self, slot: Array, gradient: Array) -> None:
        """Add the gradient by the slot to the gradient by the weights."""
        slot = slot.reshape(self.shape)
        for piece in self.pieces:
            part = self.theta.view(gradient, piece.weight.name)[piece.place]
            part += piece.gradient(slot)

    def part_of(self, vector: Array) -> Array:
        """Where in a vector like `Theta`'s the numbers of a whole slot lie."""
        start = self.theta.starts[self.pieces[0].weight.name]
        return vector[start : start + prod(self.shape)]

    @cached_property
    def names(self) -> frozenset[str]:
        """The weights that it holds numbers of."""
        return frozenset(piece.weight.name for piece in self.pieces)

    @cached_property
    def is_plain(self) -> bool:
        """Whether the slot holds weights and nothing else, each as it is and once."""
        ones = np.ones(self.shape, np.float32)
        counts = {name: np.zeros_like(self.theta.here(name)) for name in self.names}
        for piece in self.pieces:
            counts[piece.weight.name][piece.place] += piece.gradient(ones)
        found = np.concatenate([one.reshape(-1) for one in counts.values()])
        return int(np.count_nonzero(found)) == ones.size and bool((found[found != 0] == 1).all())

    def lies_as(self, array: Array) -> bool:
        """Whether the slot holds one weight whole, its numbers in this array's order."""
        (piece, *others), slot = self.pieces, np.empty(self.shape, np.float32)
        given, seen = piece.weight.like_value(array)[piece.place], piece.seen(slot)
        is_one = not others and piece.factor == 1 and given.size == seen.size == array.size == slot.size
        return is_one and np.may_share_memory(given, array) and _steps(given) == _steps(seen)


def _steps(array: Array) -> list[tuple[int, int]]:
    return [one for one in zip(array.shape, array.strides) if one[0] > 1]


Place = tuple[int, Optional[int], str]


def with_turned(
    theta: Theta, fillings: Mapping[Place, Filling], moving: Collection[str]
) -> tuple[Theta, dict[Place, Filling]]:
    """The same weights, but matrices that one slot alone holds, transposed, lie in `Theta` as they lie there.

    Optimizers do not mind, and nothing is transposed, or copied, from step to step. The statistics that move do so in
    the middle of a step, when the net still needs what it was given.
    """
    users = Counter(name for filling in fillings.values() for name in filling.names)
    turned, wholes = set(), set()
    for place, filling in fillings.items():
        (name, *others) = filling.names
        if others or users[name] > 1 or name in moving:
            continue
        shape = theta.here(name).shape
        if filling.lies_as(np.empty(shape, np.float32)):
            wholes.add(place)
        elif len(shape) == MATRIX and filling.lies_as(np.empty(shape[::-1], np.float32).T):
            wholes.add(place)
            turned.add(name)
    theta = Theta(theta.arrays, turned)
    return theta, {at: replace(one, theta=theta, is_whole=at in wholes) for at, one in fillings.items()}


def slots_of(graph: Graph) -> Iterator[tuple[Slot, Node, Parameter]]:
    """Every slot of every layer, those inside cells included."""
    for at, node in enumerate(graph.nodes):
        for name, parameter in node.parameters.items():
            yield Slot(at, None, name), node, parameter
        for inside, inner in enumerate(node.body.graph.nodes if node.body is not None else ()):
            for name, parameter in inner.parameters.items():
                yield Slot(at, inside, name), inner, parameter


def find_fillings(network: Network, graph: Graph, theta: Theta, skip: Collection[int] = ()) -> dict[Place, Filling]:
    """How every slot that holds weights of `theta` is filled, by (node, inner node, slot name).

    Args:
        network: the network.
        graph: it, laid out.
        theta: its weights that learn, perhaps with newer numbers.
        skip: places of nodes to leave out.

    Raises:
        Unsupported: a slot that is computed from weights.
    """
    saved = Theta(held(network, theta.starts), theta.turned).vector
    fillings: dict[Place, Filling] = {}
    for slot, node, parameter in slots_of(graph):
        names = {weight.name for weight in parameter.weights}
        if slot.node in skip or not names & set(theta.starts):
            continue
        filling = _filling(parameter, theta)
        if not filling.pieces or not np.array_equal(filling.pack(saved), parameter.pack(), equal_nan=True):
            what = f"slot {slot.name!r} of its NeoML layer {node.kind} is computed from weights, not made of them"
            raise Unsupported(Problem(node.scope or node.kind, what, "freeze this layer"))
        fillings[slot.node, slot.inner, slot.name] = filling
    return fillings


def _filling(parameter: Parameter, theta: Theta) -> Filling:
    pieces = tuple(piece for piece in parameter.pieces if piece.weight.name in theta.starts)
    slot = np.array(parameter.pack(), np.float32)
    for piece in pieces:
        piece.seen(slot)[...] = 0
    fills = sum(piece.seen(slot).size for piece in pieces) == slot.size
    return Filling(theta, slot.shape, pieces, None if fills else slot)


def held(network: Network, names: Iterable[str]) -> dict[str, Array]:
    """Weights of a network by ``layer/weight``."""
    weights = network.weights()
    return {name: weights[name] for name in names}
