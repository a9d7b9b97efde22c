"""What a NeoML net can be run on: sizes for which every window and slice has its place, and finite numbers.

NeoML takes a pool's window that is larger than its input, and reads memory that is not the input's or divides by zero.
So the least sizes of open axes are found beforehand: the network is planned with sizes that are fixed, which refuses
what has no place. Planning builds nothing and takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Optional

import numpy as np

from ..dtypes import holds
from ..errors import Mismatch, Problem, Unsupported
from ..inputs import way_to_an_id, way_to_computed_ids
from ..network import Array, Input, Network, TensorRef
from .graph import BEYOND_INT32, TOO_LARGE, Graph, Node

# By input, the least size of each axis; 1 for the batch and for axes that are fixed.
LeastSizes = Mapping[str, Sequence[int]]
# No input has as many steps.
MANY = 1 << 62
# The largest whole number up to which float32 holds them all.
FLOAT_EXACT = 1 << 24
# Tables that hold more steps are no limit.
LONGEST = 1 << 20
USE_NUMPY = "engine='numpy' runs this network as it is; for NeoML take the remainder before numbers grow"
SHORTER = "give shorter inputs, or save the network with longest=… where no weight sets the limit"
WIDER_THAN_INT32 = ("int64", "uint32", "uint64")
_TAKE_ANY_SIZE = frozenset({"MaxPooling", "MeanPooling", "MaxPooling3D", "MeanPooling3D", "SubSequence"})


class DoesNotRun(Mismatch):
    """What NeoML says when inputs fit neither the net nor each other."""


def needs_least_sizes(graph: Graph, inputs: Iterable[Input]) -> bool:
    """Whether a layer of the graph takes sizes that it should not, and an input has an axis of open size."""
    return any(None in one.shape[1:] for one in inputs) and any(map(_takes_any_size, graph.nodes))


def _takes_any_size(node: Node) -> bool:
    return node.kind in _TAKE_ANY_SIZE or (node.kind == "ImageResize" and min(node.settings["deltas"]) < 0)


def sizes_seen(network: Network) -> LeastSizes:
    """The least sizes of the inputs in the references."""
    if not network.cases:
        return {one.name: [MANY] * len(one.shape) for one in network.inputs}
    shapes = {one.name: [case.inputs[one.name].shape for case in network.cases] for one in network.inputs}
    return {name: [1, *map(min, list(zip(*seen))[1:])] for name, seen in shapes.items()}


def least_sizes(network: Network, plan: Callable[[Network], object]) -> LeastSizes:
    """The least sizes of a network's inputs that a plan with these sizes takes.

    Axes that have equal sizes in every reference are one axis. None is below what the references show where a plan
    with smaller sizes is refused, for whatever reason.

    Args:
        network: with references.
        plan: lays a network out; raises Unsupported.
    """
    tries = _Tries(network, plan)
    least = {group: tries.furthest(group, known, 0) for group, known in tries.known.items()}
    if not tries.takes(least):
        least = tries.known
    return tries.by_input(least, 1)


def most_sizes(network: Network, plan: Callable[[Network], object]) -> LeastSizes:
    """The greatest sizes that a plan takes: what tables hold; `MANY` where no table is in the way."""
    tries = _Tries(network, plan)
    most = {}
    for group, known in tries.known.items():
        beyond = known
        while beyond <= LONGEST and tries.takes({**tries.known, group: beyond}):
            known, beyond = beyond, 2 * beyond
        most[group] = MANY if beyond > LONGEST else tries.furthest(group, known, beyond)
    return tries.by_input(most, MANY)


Group = tuple[int, ...]


class _Tries:
    """Plans of a network at given sizes.

    Attributes:
        known: by the sizes that axes have in the references, the least of them: axes of equal sizes are one.
    """

    def __init__(self, network: Network, plan: Callable[[Network], object]) -> None:
        self.network = network
        self.plan = plan
        self.groups: dict[Group, list[tuple[str, int]]] = {}
        for one in network.inputs:
            for axis, size in enumerate(one.shape):
                if size is None and axis > 0:
                    seen = tuple(case.inputs[one.name].shape[axis] for case in network.cases)
                    self.groups.setdefault(seen, []).append((one.name, axis))
        self.known = {group: min(group, default=1) for group in self.groups}

    def takes(self, sizes: Mapping[Group, int]) -> bool:
        shapes = {one.name: list(one.shape) for one in self.network.inputs}
        for group, size in sizes.items():
            for name, axis in self.groups[group]:
                shapes[name][axis] = size
        inputs = tuple(replace(one, shape=tuple(shapes[one.name])) for one in self.network.inputs)
        try:
            self.plan(replace(self.network, inputs=inputs))
        except Unsupported:
            return False
        return True

    def furthest(self, group: Group, good: int, bad: int) -> int:
        """The size between a good one and a bad one, next to a bad one, beside the known sizes of the others."""
        while abs(good - bad) > 1:
            size = (good + bad) // 2
            if self.takes({**self.known, group: size}):
                good = size
            else:
                bad = size
        return good

    def by_input(self, sizes: Mapping[Group, int], other: int) -> LeastSizes:
        found = {one.name: [other] * len(one.shape) for one in self.network.inputs}
        for group, size in sizes.items():
            for name, axis in self.groups[group]:
                found[name][axis] = size
        return found


def check_most_sizes(arrays: Mapping[str, Array], most: LeastSizes) -> None:
    """Refuse inputs with more steps than tables hold. Raises Mismatch, by input."""
    problems = [
        Problem(f"input {name!r}", f"has shape {array.shape}: tables hold {size} steps of axis {axis}", SHORTER)
        for name, array in arrays.items()
        for axis, size in enumerate(most.get(name, ()))
        if array.shape[axis] > size
    ]
    Mismatch.raise_for(problems)


def check_inputs_of_net(arrays: Mapping[str, Array], least: LeastSizes) -> None:
    """Refuse what NeoML would answer with garbage.

    Args:
        arrays: by input, of its dtype.
        least: by input, the least sizes; inputs that are not in it take any.

    Raises:
        Mismatch: numbers that are not finite, whole numbers beyond int32, or sizes below the least, by input.
    """
    problems = []
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not _finite(array):
            worst = array[~np.isfinite(array)].flat[0]
            way_out = "give finite numbers; engine='numpy' computes with such ones as Keras does"
            problems.append(
                Problem(
                    f"input {name!r}", f"holds {worst}, from which NeoML computes other numbers than Keras", way_out
                )
            )
        found = _beyond_int32(array)
        if found is not None:
            what = f"holds numbers from {found[0]} to {found[1]}; those of NeoML are int32"
            problems.append(Problem(f"input {name!r}", what, "give smaller numbers, or use engine='numpy'"))
        for axis, size in enumerate(least.get(name, ())):
            if array.shape[axis] < size:
                what = f"has shape {array.shape}: axis {axis} needs a size of at least {size}"
                problems.append(Problem(f"input {name!r}", what, "pad it where padding is masked, or leave it out"))
    Mismatch.raise_for(problems)


def _beyond_int32(array: Array) -> Optional[tuple[int, int]]:
    """The least and the largest number of an array, where int32 does not hold both."""
    if array.dtype.name not in WIDER_THAN_INT32 or not array.size:
        return None
    found = int(array.min()), int(array.max())
    return None if holds("int32", *found) else found


def check_references(network: Network) -> None:
    """Refuse a network of which Keras itself made whole numbers that NeoML does not have.

    Raises:
        Unsupported: by each input and layer that makes such numbers of others.
    """
    made_by = {one.ref: f"input {one.name!r}" for one in network.inputs}
    read_by: dict[TensorRef, list[TensorRef]] = {}
    for call in network.calls:
        for ref in call.refs():
            made_by[ref] = f"{network.layers[call.layer].class_name} {call.name!r}"
            read_by[ref] = call.reads()
    beyond = {
        ref: (case.name, *found)
        for case in reversed(network.cases)
        for ref in made_by
        for found in [_beyond_int32(case.numbers(ref))]
        if found is not None
    }
    problems = [
        Problem(
            made_by[ref],
            f"in the reference {case!r} its numbers go from {low} to {high}: they are {TOO_LARGE}",
            USE_NUMPY,
        )
        for ref, (case, low, high) in beyond.items()
        if not beyond.keys() & set(read_by.get(ref, ()))
    ]
    Unsupported.raise_for(problems)


def check_small_numbers(arrays: Mapping[str, Array]) -> None:
    """Refuse whole numbers that nets of older versions round, in float32. Raises Mismatch, by input."""
    problems = [
        Problem(f"input {name!r}", "holds whole numbers beyond 2**24, which this net rounds", "store the net again")
        for name, array in arrays.items()
        if array.dtype.kind in "iu" and (int(array.max()) > FLOAT_EXACT or int(array.min()) < -FLOAT_EXACT)
    ]
    Mismatch.raise_for(problems)


def check_ids(arrays: Mapping[str, Array], below: Mapping[str, int]) -> None:
    """The guard before NeoML's lookups, which read foreign memory for an id outside: every net runs it on its feeds.

    Args:
        arrays: whole numbers, or floats that are cut to whole ones, by source.
        below: by source, the size of the smallest table that its values pick rows from.

    Raises:
        Mismatch: an id outside its table, or none.
    """
    problems = []
    for name in below.keys() & arrays.keys():
        least, largest = arrays[name].min(), arrays[name].max()
        # NaN is neither; and -0.5 is cut to 0.
        if not (least > -1 and largest < below[name]):
            worst = least if not least > -1 else largest
            what = f"holds id {worst}, outside 0 … {below[name] - 1}"
            problems.append(Problem(f"input {name!r}", what, way_to_an_id(worst, below[name])))
    Mismatch.raise_for(problems)


def check_guards(outputs: Mapping[str, Array], below: Mapping[str, int]) -> None:
    """What a net told of numbers that it computed and NeoML cannot take: what follows from them is no answer.

    Args:
        outputs: arrays by sink.
        below: by sink that tells of numbers, see `Guard`.

    Raises:
        Mismatch: an id was outside its table, or none; a whole number of a wider dtype was beyond int32.
    """
    problems = [
        _outside(name, int((outputs[name] != 0).sum()), rows) for name, rows in below.items() if outputs[name].any()
    ]
    Mismatch.raise_for(problems)


def _outside(name: str, count: int, rows: int) -> Problem:
    where = name.rpartition("/")[0]
    if rows == BEYOND_INT32:
        what = f"{count} of the whole numbers that it computes are {TOO_LARGE}"
        return Problem(f"layer {where!r}", what, "give inputs that make smaller ones; the numpy engine has them all")
    what = f"{count} of the ids that the network computes for it are outside 0 … {rows - 1}"
    return Problem(f"lookup {where!r}", what, way_to_computed_ids(rows))


def _finite(array: Array) -> bool:
    # A sum costs a fraction of isfinite, and no memory; it overflows only where numbers are very large.
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())
