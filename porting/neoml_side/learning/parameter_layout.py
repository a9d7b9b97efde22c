"""How Keras' weights lie in the slots of NeoML's layers, found by looking.

Every slot that learns is packed from weights by moving numbers, sometimes with a factor and beside fixed numbers: an
affine map. A plan is packed with weights that are all 0, all 1, and the numbers of their own places; that gives, for
every number of every slot, the place of the weight that it came from, its factor and what is fixed. With it weights
go in, and gradients come out, of any slot alike: transposed, cut in parts, joined, with zeros between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Optional, Union

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...errors import Problem, Unsupported
from ...network import Array, Network
from ...training.parameters import Theta
from ..graph import Graph, Node
from ..slots import Parameter

__all__ = ["Filling", "Packing", "Place", "Slot", "Turned", "Whole", "find_packings", "held", "slots_of"]

# Whole numbers up to 2²⁴ pass through float32; places are told in two digits.
DIGIT = 4096
MOST_BLOCKS = 9


@dataclass(frozen=True, eq=False)
class Slot:
    """A slot of a layer: the layer's place among the graph's nodes, and for a layer inside a cell its place there."""

    node: int
    inner: Optional[int]
    name: str


@dataclass(frozen=True, eq=False)
class Packing:
    """A slot as an affine map of `Theta`'s vector.

    Attributes:
        shape: the slot's seven sizes.
        fixed: what the slot holds where the weights are 0; None where that is 0 everywhere.
        places: the places in the slot, flat, that hold weights; None for all of them.
        sources: where in the vector the weight of each of those places is.
        factors: what each is multiplied by; None where that is 1 everywhere.
        single: no weight is in the slot twice.
    """

    shape: tuple[int, ...]
    fixed: Optional[Array]
    places: Optional[Array]
    sources: Array
    factors: Optional[Array]
    single: bool

    def pack(self, vector: Array) -> Array:
        """What the slot holds for these weights."""
        values = vector.take(self.sources)
        if self.factors is not None:
            values *= self.factors
        if self.places is None and self.fixed is None:
            return values.reshape(self.shape)
        slot = np.zeros(int(np.prod(self.shape)), np.float32) if self.fixed is None else self.fixed.copy()
        if self.places is None:
            slot += values
        else:
            slot[self.places] += values
        return slot.reshape(self.shape)

    @property
    def is_plain(self) -> bool:
        """Whether the slot holds weights and nothing else, each as it is."""
        return self.places is None and self.fixed is None and self.factors is None and self.single

    def unpack(self, slot: Array, vector: Array) -> None:
        """Write the weights that a slot holds into the vector. For plain packings."""
        vector[self.sources] = slot.reshape(-1)

    def add_gradient(self, slot: Array, gradient: Array) -> None:
        """Add the gradient by the slot to the gradient by the weights."""
        values = slot.reshape(-1) if self.places is None else slot.reshape(-1)[self.places]
        if self.factors is not None:
            values = values * self.factors
        if self.single:
            gradient[self.sources] += values
        else:
            np.add.at(gradient, self.sources, values)


@dataclass(frozen=True, eq=False)
class Turned:
    """A `Packing` that only transposes a matrix, whole or in blocks of columns; a good deal faster.

    Attributes:
        shape: the slot's seven sizes.
        start: where in the vector the matrix begins, or the one that it is a part of.
        sizes: that matrix's.
        blocks: first and last row in the slot, and the first column of the matrix that stands there.
    """

    shape: tuple[int, ...]
    start: int
    sizes: tuple[int, int]
    blocks: tuple[tuple[int, int, int], ...]
    is_plain = True

    def matrix(self, vector: Array) -> Array:
        """The matrix up to its last column that is used."""
        used = max(column + last - first for first, last, column in self.blocks)
        size = vector.itemsize
        return as_strided(vector[self.start :], (self.sizes[0], used), (self.sizes[1] * size, size))

    def pack(self, vector: Array) -> Array:
        """See `Packing.pack`."""
        matrix = self.matrix(vector)
        slot = np.empty((self.blocks[-1][1], self.sizes[0]), np.float32)
        for first, last, column in self.blocks:
            slot[first:last] = matrix[:, column : column + last - first].T
        return slot.reshape(self.shape)

    def unpack(self, slot: Array, vector: Array) -> None:
        """See `Packing.unpack`."""
        matrix, turned = self.matrix(vector), slot.reshape(-1, self.sizes[0])
        for first, last, column in self.blocks:
            matrix[:, column : column + last - first] = turned[first:last].T

    def add_gradient(self, slot: Array, gradient: Array) -> None:
        """See `Packing.add_gradient`."""
        matrix, turned = self.matrix(gradient), slot.reshape(-1, self.sizes[0])
        for first, last, column in self.blocks:
            matrix[:, column : column + last - first] += turned[first:last].T

    def span(self) -> tuple[int, int]:
        """The first place of the vector that it reads, and the one behind the last."""
        used = max(column + last - first for first, last, column in self.blocks)
        return self.start, self.start + (self.sizes[0] - 1) * self.sizes[1] + used

    def is_whole(self, shape: tuple[int, ...]) -> bool:
        """Whether it transposes a matrix of this shape and nothing else."""
        return self.sizes == shape and self.blocks == ((0, shape[1], 0),)


@dataclass(frozen=True, eq=False)
class Whole:
    """A slot that holds a part of the vector as it lies there."""

    shape: tuple[int, ...]
    start: int
    is_plain = True

    def part_of(self, vector: Array) -> Array:
        """Where in a vector like `Theta`'s the slot's numbers lie."""
        return vector[self.start : self.start + prod(self.shape)]

    def pack(self, vector: Array) -> Array:
        """See `Packing.pack`; a view of the vector."""
        return self.part_of(vector).reshape(self.shape)

    def unpack(self, slot: Array, vector: Array) -> None:
        """See `Packing.unpack`."""
        self.part_of(vector)[...] = slot.reshape(-1)

    def add_gradient(self, slot: Array, gradient: Array) -> None:
        """See `Packing.add_gradient`."""
        self.part_of(gradient)[...] += slot.reshape(-1)


Place = tuple[int, Optional[int], str]
Found = Union[Packing, Turned]
Filling = Union[Packing, Turned, Whole]


def turned(packing: Packing) -> Optional[Turned]:
    """The same packing, where it is one that only transposes; None elsewhere."""
    if not packing.is_plain:
        return None
    rows = packing.shape[1]
    width = len(packing.sources) // rows
    places = packing.sources.reshape(rows, width)
    stride = int(places[0, 1] - places[0, 0]) if width > 1 else rows
    start = int(places[:, 0].min())
    columns = places[:, 0] - start
    if rows == 1 or stride < 1 or columns.max() >= stride:
        return None
    if not np.array_equal(places, (places[:, :1] + stride * np.arange(width))):
        return None
    cuts = [0, *(np.flatnonzero(np.diff(columns) != 1) + 1).tolist(), rows]
    if len(cuts) > MOST_BLOCKS:
        return None
    blocks = tuple((first, last, int(columns[first])) for first, last in zip(cuts, cuts[1:]))
    return Turned(packing.shape, start, (width, stride), blocks)


def with_turned(theta: Theta, packings: Mapping[Place, Found]) -> tuple[Theta, dict[Place, Filling]]:
    """The same weights, but matrices that one slot alone holds, transposed, lie in `Theta` as they lie there.

    Optimizers do not mind, and nothing is transposed from step to step.
    """
    users = Counter(name for packing in packings.values() for name in _weights_in(theta, packing))
    wholes: dict[Place, str] = {}
    for place, packing in packings.items():
        (name, *others) = _weights_in(theta, packing)
        matrix = isinstance(packing, Turned) and packing.is_whole(theta.arrays[name].shape)
        if matrix and not others and users[name] == 1:
            wholes[place] = name
    kept: dict[Place, Filling] = dict(packings)
    kept.update((at, Whole(packings[at].shape, theta.starts[name])) for at, name in wholes.items())
    return Theta(theta.arrays, wholes.values()), kept


def _weights_in(theta: Theta, packing: Found) -> list[str]:
    """The weights that a slot holds numbers of."""
    held = packing.sources if isinstance(packing, Packing) else np.arange(*packing.span())
    names, starts = list(theta.starts), np.array(list(theta.starts.values()))
    return [names[at] for at in np.unique(np.searchsorted(starts, held, side="right") - 1)]


Planner = Callable[[Network], Graph]


def slots_of(graph: Graph) -> Iterator[tuple[Slot, Node, Parameter]]:
    """Every slot of every layer, those inside cells included."""
    for at, node in enumerate(graph.nodes):
        for name, parameter in node.parameters.items():
            yield Slot(at, None, name), node, parameter
        for inside, inner in enumerate(node.body.graph.nodes if node.body is not None else ()):
            for name, parameter in inner.parameters.items():
                yield Slot(at, inside, name), inner, parameter


def find_packings(network: Network, theta: Theta, plan: Planner, skip: Collection[int] = ()) -> dict[Place, Found]:
    """How every slot that holds weights of `theta` is packed, by (node, inner node, slot name).

    Args:
        network: the network.
        theta: its weights that learn.
        plan: lays a network out; gives the same nodes whatever the weights.
        skip: places of nodes to leave out.

    Raises:
        Unsupported: a slot that is not an affine map of the weights.
    """

    def packed(vector: Array) -> list[tuple[Slot, Node, Array]]:
        graph = plan(network.with_weights(theta.split(vector)))
        return [
            (slot, node, parameter.pack().astype(np.float32, copy=False))
            for slot, node, parameter in slots_of(graph)
            if set(theta.starts) & {weight.name for weight in parameter.weights} and slot.node not in skip
        ]

    size = theta.vector.size
    places = np.arange(size)
    probes = [
        np.zeros(size, np.float32),
        np.ones(size, np.float32),
        (places % DIGIT).astype(np.float32),
        (places // DIGIT).astype(np.float32),
        np.random.default_rng(0).normal(size=size).astype(np.float32),
    ]
    results = [packed(probe) for probe in probes]
    packings: dict[Place, Found] = {}
    for (slot, node, zero), (_, _, one), (_, _, low), (_, _, high), (_, _, proof) in zip(*results):
        packing = _affine(zero, one, low, high, size)
        if packing is None or not np.allclose(packing.pack(probes[-1]), proof, rtol=1e-5, atol=1e-6):
            what = f"slot {slot.name!r} of its NeoML layer {node.kind} is computed from weights, not made of them"
            raise Unsupported(Problem(node.scope or node.kind, what, "freeze this layer"))
        packings[slot.node, slot.inner, slot.name] = turned(packing) or packing
    return packings


def _affine(zero: Array, one: Array, low: Array, high: Array, size: int) -> Optional[Packing]:
    flat = zero.reshape(-1)
    factors = (one - zero).reshape(-1)
    places = np.flatnonzero(factors)
    if not len(places):
        return None
    factors = factors[places]
    digits = [((part.reshape(-1) - flat)[places].astype(np.float64) / factors) for part in (low, high)]
    sources = np.rint(digits[0]).astype(np.int64) + DIGIT * np.rint(digits[1]).astype(np.int64)
    if sources.min() < 0 or sources.max() >= size:
        return None
    return Packing(
        zero.shape,
        flat.copy() if flat.any() else None,
        None if len(places) == flat.size else places,
        sources,
        None if (factors == 1).all() else factors,
        len(np.unique(sources)) == len(sources),
    )


def held(network: Network, names: Iterable[str]) -> dict[str, Array]:
    """Weights of a network by ``layer/weight``."""
    weights = network.weights()
    return {name: weights[name] for name in names}
