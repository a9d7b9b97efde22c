"""Networks at one size: where a layer hangs on a size that is open, a net is planned and built for each that comes.

Most layers are the same layer of NeoML whatever the size of an axis. Margins of ``same`` padding, matrices that resize,
steps that are built one by one are not. Planning takes milliseconds, so it waits until an input shows the size.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, Generic, Optional, TypeVar

from ..errors import Mismatch, Problem, Unsupported
from ..network import Array, Input, Network, Shape
from .sizes import check_references

# The sizes behind the batch, of each input in model order.
Sizes = tuple[tuple[int, ...], ...]
T = TypeVar("T")
# Bytes for the nets of all sizes that are kept, and what a net costs at the least: there are 32 of them at most.
ROOM, LEAST_COST = 1 << 29, 1 << 24
# Rows of a batch, where it is about memory.
ROWS = 32


def has_open_sizes(network: Network) -> bool:
    """Whether an axis behind the batch is open in some input."""
    return any(None in one.shape[1:] for one in network.inputs)


def sizes_of(network: Network, arrays: Mapping[str, Array]) -> Sizes:
    """The sizes of a network's inputs."""
    return tuple(arrays[one.name].shape[1:] for one in network.inputs)


def at_sizes(network: Network, sizes: Sizes) -> Network:
    """The network for inputs of these sizes alone, with the references that have them."""
    inputs = tuple(replace(one, shape=(one.shape[0], *size)) for one, size in zip(network.inputs, sizes))
    cases = tuple(case for case in network.cases if sizes_of(network, case.inputs) == sizes)
    return replace(network, inputs=inputs, cases=cases)


def planned(network: Network, plan: Callable[[Network], T]) -> tuple[T, Optional[Unsupported]]:
    """What a network is planned as: for every size; or for one of the references', and why it is not for every one.

    Raises:
        Unsupported: with the problems that are there at the references' sizes too, or with whole numbers of the
            references' that NeoML does not have.
    """
    found = _planned(network, plan)
    check_references(network)
    return found


def _planned(network: Network, plan: Callable[[Network], T]) -> tuple[T, Optional[Unsupported]]:
    try:
        return plan(network), None
    except Unsupported as error:
        if not (has_open_sizes(network) and network.cases):
            raise
        refused, problems = error, error
    for sizes in dict.fromkeys(sizes_of(network, case.inputs) for case in network.cases):
        try:
            return plan(at_sizes(network, sizes)), refused
        except Unsupported as error:
            problems = error
    raise problems from refused


def planned_at(network: Network, sizes: Sizes, plan: Callable[[Network], T]) -> T:
    """What a network is planned as for inputs of these sizes. Raises Mismatch where it cannot be."""
    try:
        return plan(at_sizes(network, sizes))
    except Unsupported as error:
        shapes = ", ".join(f"{one.name} {(None, *size)}" for one, size in zip(network.inputs, sizes))
        first = error.problems[0]  # the others follow from stand-ins for what it would have made
        way_out = "give inputs of sizes that it is made for"
        raise Mismatch(f"inputs {shapes}", f"{first.where}: {first.what}", way_out) from error


def bytes_of(network: Network, shapes: Iterable[Shape], rows: int = ROWS) -> int:
    """About what a net holds: the weights, and tensors of these shapes for so many rows."""
    numbers = sum(prod(size or 1 for size in shape[1:]) for shape in shapes)
    return sum(array.nbytes for array in network.weights().values()) + 4 * rows * numbers


class BySize(Generic[T]):
    """What is made for each combination of sizes; those asked for last are kept, as many as there is room for.

    Safe in several threads, and in a child of a process that forks.
    """

    def __init__(self, make: Callable[[Sizes], T], cost: Callable[[T], int], room: int = ROOM) -> None:
        """
        Args:
            make: makes one.
            cost: the bytes that it holds, about.
            room: for so many bytes; the one asked for last is kept in any case.
        """
        self._make = make
        self._cost = cost
        self._room = room
        self._kept: dict[Sizes, T] = {}
        self._lock, self._process = threading.Lock(), os.getpid()

    def __getitem__(self, sizes: Sizes) -> T:
        if self._process != os.getpid():  # what a thread held as the process forked is held for ever
            self._lock, self._process = threading.Lock(), os.getpid()
        with self._lock:
            found = self._kept.pop(sizes, None)
            self._kept[sizes] = found = self._make(sizes) if found is None else found
            costs = {one: max(self._cost(made), LEAST_COST) for one, made in self._kept.items()}
            for longest_ago in list(self._kept)[:-1]:
                if sum(costs.values()) <= self._room:
                    break
                del self._kept[longest_ago], costs[longest_ago]
            return found

    def __contains__(self, sizes: Sizes) -> bool:
        return sizes in self._kept

    def clear(self) -> None:
        """Forget what was made."""
        self._kept.clear()

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._kept.values()))


def given_sizes(shape: Any, inputs: Sequence[Input]) -> Sizes:
    """The sizes that a user names: one shape for one input, a list in model order, or a dict by name.

    Raises:
        Mismatch: names or counts that do not fit, and every shape that is none or has other sizes where they are fixed.
    """
    names = [one.name for one in inputs]
    if isinstance(shape, Mapping):
        by_name = dict(shape)
    elif len(inputs) == 1 and not (isinstance(shape, (list, tuple)) and any(isinstance(one, tuple) for one in shape)):
        by_name = {names[0]: shape}
    else:
        by_name = dict(zip(names, shape)) if isinstance(shape, (list, tuple)) and len(shape) == len(names) else {}
    problems = [Problem("shape", f"names an input {name!r}, which is none") for name in by_name if name not in names]
    for one in inputs:
        given = by_name.get(one.name, one.shape[1:])
        if not _fits(given, one.shape[1:]):
            wanted = ", ".join("size" if size is None else str(size) for size in one.shape[1:])
            what = f"is {given!r:.80} for the input {one.name!r}"
            problems.append(Problem("shape", what, f"give whole numbers from 1 without the batch, as ({wanted})"))
    Mismatch.raise_for(problems)
    return tuple(tuple(by_name.get(one.name, one.shape[1:])) for one in inputs)


def _fits(given: Any, shape: Shape) -> bool:
    if not isinstance(given, (list, tuple)) or len(given) != len(shape):
        return False
    return all(type(size) is int and size > 0 and fixed in (None, size) for size, fixed in zip(given, shape))
