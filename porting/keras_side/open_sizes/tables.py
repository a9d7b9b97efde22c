"""What is made of sizes alone, as a table: computed at the longest length, and proved to hold the shorter ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, Optional

import numpy as np

from ...network import Array
from ..tracing import Untraceable
from .graph import Applied, Graph
from .sizes import Sizes

# The lengths at which a table is compared with what the layer computes there, up to its own.
PROBES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 127, 128, 129, 200, 255, 256, 257)
ROUNDING = 2e-6

# A size: whose tensor's, which axis.
Key = tuple[Any, int]


@dataclass(frozen=True)
class TensorOfSizes:
    """What a tensor of sizes is.

    Attributes:
        value: an array or a weight, where no size is open.
        turned: the weight is to be transposed.
        table: to be applied, where one is.
        reads: the tensors that the table is called on.
    """

    value: Any = None
    turned: bool = False
    table: Any = None
    reads: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Meeting:
    """Where a tensor of sizes goes.

    Attributes:
        rank: of the tensors that it meets; None where it goes alone.
        beside: one of these tensors.
        spreads: they are spread over each other, as numpy does.
        product: it is the right side of a matrix product.
        given: it is given to a layer, which takes tensors alone.
    """

    rank: Optional[int] = None
    beside: Any = None
    spreads: bool = False
    product: bool = False
    given: bool = False

    def spreads_to(self, variable: Any, array: Array) -> bool:
        """Whether a weight does as well as itself with axes of 1 in front."""
        rank = len(variable.shape)
        return (
            self.spreads
            and array.shape[-rank:] == tuple(variable.shape)
            and array.size == int(np.prod(array.shape[-rank:]))
        )


@dataclass(frozen=True)
class _Axes:
    """How a tensor's axes go by the sizes: the size that each has, None where it is fixed."""

    batch: bool
    of: tuple[Optional[Key], ...]


class Tables:
    """Tensors of sizes, computed by running what was noted."""

    def __init__(self, sizes: Sizes, longest: int) -> None:
        self.sizes = sizes
        self.graph = sizes.graph
        self.longest = longest

    def number(self, tensor: Any, size: Any, value: int) -> int:
        """A whole number made of one size, where that has a value; of others, numbers that nobody takes for it."""
        env = {key: 1009 + 97 * at for at, key in enumerate(self.keys(tensor))}
        reads = getattr(self.graph.node_of(size), "reads", None)
        assert reads is not None, "is the size of an axis"
        env[self.graph.history(reads[0]), reads[1]] = value
        return int(np.asarray(self._at(tensor, env, 7)))

    def rows(self, size: Any, batch: int) -> Optional[int]:
        """The value of a size that is made of the batch alone; None where others are in it."""
        return None if self.keys(size) else int(np.asarray(self._at(size, {}, batch)))

    def described(self, tensor: Any) -> tuple[tuple[Optional[int], ...], str]:
        """The shape, with None for open axes, and the dtype that a tensor of sizes has when it is computed."""
        keys = self.keys(tensor)
        axes = self._axes(tensor, keys)
        array = self._at(tensor, dict.fromkeys(keys, 3), 2)
        is_open = [key is not None or (axes.batch and at == 0) for at, key in enumerate(axes.of)]
        return tuple(None if one else size for one, size in zip(is_open, array.shape)), array.dtype.name

    def make(self, tensor: Any, meets: Meeting) -> TensorOfSizes:
        """What stands for a tensor of sizes where it meets others."""
        keys = self.keys(tensor)
        axes = self._axes(tensor, keys)
        variables = variables_in(tensor, self.graph)
        if not axes.batch and not keys:
            return self._fixed(tensor, variables, meets)
        longest = self._longest(tensor, keys, axes, variables)
        whole = self._whole(tensor, keys, longest, axes)
        kinds = self._kinds(tensor, keys, axes, whole, longest)
        if kinds is None:
            return self._by_size(tensor, keys, axes, longest, meets)
        places = [(at, key, kind) for (at, key), kind in zip(_open(axes), kinds)]
        return self._table(tensor, whole, places, axes.batch, meets, variables)

    # ---- running

    def keys(self, tensor: Any) -> list[Key]:
        """The open sizes that a tensor is made of, without the batch."""
        read = self.sizes.read_by(tensor)
        return [(self.graph.history(one), axis) for one, axis in read if axis or self.sizes.made_of_sizes(one)]

    def _tensor_of(self, tensor: Any, key: Key) -> Any:
        return next(one for one, axis in self.sizes.read_by(tensor) if (self.graph.history(one), axis) == key)

    def _at(self, tensor: Any, env: Mapping[Key, int], batch: int) -> Array:
        return np.array(self.graph.to_numpy(_Run(self.sizes, env, batch).value(tensor)))

    def _tried(self, tensor: Any, env: Mapping[Key, int], batch: int = 1) -> Optional[Array]:
        """The tensor at these sizes; None where the layer's code does not run there."""
        try:
            return self._at(tensor, env, batch)
        except Exception:  # whatever Keras says to sizes that do not fit
            return None

    def _fixed(self, tensor: Any, variables: Sequence[Any], meets: Meeting) -> TensorOfSizes:
        """An array, a weight, or the numbers of a weight arranged otherwise, for every row of a tensor beside it."""
        array = self._at(tensor, {}, 1)
        for variable in variables:
            found = self._arranged(tensor, variable, array, 1)
            if found is None:
                continue
            axes, _ = found
            as_it_is = axes == tuple(range(len(axes))) and array.size == int(np.prod(variable.shape))
            if as_it_is and (tuple(variable.shape) == array.shape or meets.spreads_to(variable, array)):
                return TensorOfSizes(variable)
            if meets.product and axes == (1, 0) and array.shape == tuple(variable.shape)[::-1]:
                return TensorOfSizes(variable, turned=True)
            if meets.beside is not None and meets.rank is not None and array.ndim <= meets.rank:
                batched = array.ndim == meets.rank and array.shape[0] == 1
                own = array[0] if batched else array
                if own.ndim < meets.rank:
                    return self._table(tensor, own, [], batched, meets, variables)
        if meets.given:
            batched = array.ndim > 0 and array.shape[0] == 1
            return self._table(tensor, array[0] if batched else array, [], batched, meets, variables)
        return TensorOfSizes(array)

    # ---- how a tensor goes by its sizes

    def _axes(self, tensor: Any, keys: Sequence[Key]) -> _Axes:
        first = {key: 3 + 2 * at for at, key in enumerate(keys)}
        second = {key: 4 + 3 * at for at, key in enumerate(keys)}
        one, other = self._at(tensor, first, 2), self._at(tensor, second, 3)
        third = self._at(tensor, second, 2)
        if one.ndim != other.ndim:
            raise Untraceable("makes another number of axes at other sizes")
        batch = other.shape != third.shape
        if batch and other.shape[1:] != third.shape[1:]:
            raise Untraceable("makes an axis other than the first as long as the batch")
        of: list[Optional[Key]] = []
        for at in range(one.ndim):
            pair = third.shape[at], one.shape[at]
            if (at == 0 and batch) or pair[0] == pair[1]:
                of.append(None)
                continue
            found = [key for key in keys if (second[key], first[key]) == pair]
            if not found:
                lengths = " and ".join(str(sorted(sizes.values())) for sizes in (first, second))
                what = f"makes an axis of {pair[1]} and {pair[0]} steps at lengths {lengths}, which are none of these"
                raise Untraceable(what, "make one step for each of an input's, or declare the size in keras.Input")
            of.append(found[0])
        return _Axes(batch, tuple(of))

    def _fits(self, tensor: Any, keys: Sequence[Key], axes: _Axes, length: int) -> bool:
        array = self._tried(tensor, dict.fromkeys(keys, length))
        if array is None or array.ndim != len(axes.of):
            return False
        return all(array.shape[at] == length for at, key in enumerate(axes.of) if key is not None)

    def _longest(self, tensor: Any, keys: Sequence[Key], axes: _Axes, variables: Sequence[Any]) -> int:
        """The greatest length at which the layer's code runs, up to that of its tables."""
        rows = [int(size) for variable in variables for size in variable.shape]
        high = max([self.longest, *rows])
        if not keys or self._fits(tensor, keys, axes, high):
            return high
        low = 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fits(tensor, keys, axes, middle) else (low, middle)
        return low

    def _whole(self, tensor: Any, keys: Sequence[Key], longest: int, axes: _Axes) -> Array:
        array = self._at(tensor, dict.fromkeys(keys, longest), 2 if axes.batch else 1)
        if axes.batch and not np.array_equal(array[0], array[1]):
            raise Untraceable("makes other numbers for each row of the batch")
        return array[0] if axes.batch else array

    def _probes(self, keys: Sequence[Key], longest: int) -> Iterator[dict[Key, int]]:
        lengths = sorted({*(one for one in PROBES if one <= longest), longest - 1, longest} - {0})
        for at, length in enumerate(lengths):
            yield dict.fromkeys(keys, length)
            if len(keys) > 1:
                yield {key: lengths[(at + 3 * place) % len(lengths)] for place, key in enumerate(keys)}

    def _kinds(
        self, tensor: Any, keys: Sequence[Key], axes: _Axes, whole: Array, longest: int
    ) -> Optional[tuple[str, ...]]:
        """Whether each open axis holds the table's first entries or its last; None where its numbers go by the size."""
        made = []
        for env in self._probes(keys, longest):
            array = self._tried(tensor, env)
            if array is not None:
                made.append((env, array[0] if axes.batch else array))
        opened = _open(axes)
        for kinds in product(("first", "last"), repeat=len(opened)):
            if all(_same(_cut(whole, opened, kinds, env), array) for env, array in made):
                return kinds
        return None

    def _by_size(self, tensor: Any, keys: Sequence[Key], axes: _Axes, longest: int, meets: Meeting) -> TensorOfSizes:
        """A table of what the layer makes at every length."""
        if len(keys) != 1 or len(_open(axes)) > 1:
            raise Untraceable("makes numbers of several sizes that no table holds")
        rows = []
        for length in range(1, longest + 1):
            array = self._tried(tensor, {keys[0]: length}, 1)
            if array is None:
                longest = length - 1
                break
            array = array[0] if axes.batch else array
            for at, _ in _open(axes):
                behind = [(0, 0)] * array.ndim
                behind[at] = (0, longest - length)
                array = np.pad(array, behind)
            rows.append(array)
        if not rows:
            raise Untraceable("does not run at one step")
        whole = np.stack(
            [
                row[tuple(slice(longest) if at in dict(_open(axes)) else slice(None) for at in range(row.ndim))]
                for row in rows
            ]
        )
        places = [(0, keys[0], "at"), *((at + 1, key, "first") for at, key in _open(axes))]
        return self._table(tensor, whole, places, axes.batch, meets, (), dropped=1)

    # ---- tables

    def _table(
        self,
        tensor: Any,
        whole: Array,
        places: list[tuple[int, Key, str]],
        batched: bool,
        meets: Meeting,
        variables: Sequence[Any],
        dropped: int = 0,
    ) -> TensorOfSizes:
        own = whole.ndim - dropped + batched
        rank = own if meets.rank is None else max(meets.rank, own)
        if not batched and own == rank:
            if not whole.ndim or whole.shape[dropped] != 1 or any(at == dropped for at, _, _ in places):
                raise Untraceable("makes a tensor without the batch in front", "give it an axis of 1 in front")
            whole = whole.reshape(*whole.shape[:dropped], *whole.shape[dropped + 1 :])
            places = [(at - (at > dropped), key, kind) for at, key, kind in places]
        ones = rank - 1 - (whole.ndim - dropped)
        first = self.sizes.read_by(tensor)[0][0] if meets.beside is None else meets.beside
        read = {key: self._read_from(tensor, key, first) for _, key, _ in places}
        tensors = {self.graph.history(one): one for one, _ in read.values()}
        if not tensors or self.sizes.rows_from(next(iter(tensors.values()))) is not self.sizes.rows_from(first):
            tensors = {self.graph.history(first): first, **tensors}
        at_of = list(tensors)
        described: list[Any] = [
            [at, at_of.index(self.graph.history(read[key][0])), read[key][1], kind, 0] for at, key, kind in places
        ]
        held = self._held(tensor, variables, whole, described)
        return TensorOfSizes(table=self.graph.kinds.Table(*held, described, ones), reads=tuple(tensors.values()))

    def _read_from(self, tensor: Any, key: Key, beside: Any) -> tuple[Any, int]:
        """The tensor and its axis that a size is read off: at best one with the rows of the tensor beside."""
        first = self._tensor_of(tensor, key)
        if self.sizes.rows_from(first) is not self.sizes.rows_from(beside):
            for axis, size in enumerate(self.graph.shape(beside)[1:], 1):
                one, at = self.sizes.origin(beside, axis) if size is None else (beside, 0)
                if (self.graph.history(one), at) == key:
                    return beside, axis
        return first, key[1]

    def _held(
        self, tensor: Any, variables: Sequence[Any], whole: Array, places: list[Any]
    ) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
        """The array or the weight that a table is made of, its axes in their order there, and its shape then."""
        longest = whole.shape[places[0][0]] if places else 1
        for variable in variables:
            found = self._arranged(tensor, variable, whole, longest)
            if found is None or not whole.ndim:
                continue
            axes, start = found
            if whole.size == int(np.prod(variable.shape)):
                return variable, axes, whole.shape
            rows = int(np.prod(variable.shape)) // int(np.prod(whole.shape[1:]))
            looked_up = next((place for place in places if place[0] == 0), None)
            if looked_up is not None and looked_up[3] != "first":
                continue
            if looked_up is None:
                places.insert(0, [0, None, len(whole), "first", start])
            else:
                looked_up[4] = start
            return variable, axes, (rows, *whole.shape[1:])
        return whole, tuple(range(whole.ndim)), whole.shape

    def _arranged(
        self, tensor: Any, variable: Any, whole: Array, longest: int
    ) -> Optional[tuple[tuple[int, ...], int]]:
        """How a table of this length holds a weight's numbers, whatever they are: its axes' order, and the first row.

        None where it holds others, or not all numbers of its rows.
        """
        if self.graph.dtype(variable) != whole.dtype.name or not variable.shape or not whole.size:
            return None
        env = dict.fromkeys(self.keys(tensor), longest)
        with _probing(variable, self.graph) as probe:
            found = self._tried(tensor, env, 1)
        if found is None or found.size != whole.size:
            return None
        flat = found.reshape(-1)
        for axes in permutations(range(probe.ndim)):
            turned = probe.transpose(axes).reshape(-1)
            start = int(np.argmax(turned == flat[0]))
            width = int(np.prod(whole.shape[1:])) if len(turned) != len(flat) else 1
            if start % width == 0 and np.array_equal(turned[start : start + len(flat)], flat):
                return tuple(axes), start // width if len(turned) != len(flat) else 0
        return None


def _open(axes: _Axes) -> list[tuple[int, Key]]:
    shift = int(axes.batch)
    return [(at - shift, key) for at, key in enumerate(axes.of) if key is not None]


def _cut(whole: Array, opened: Sequence[tuple[int, Key]], kinds: Sequence[str], env: Mapping[Key, int]) -> Array:
    key: list[Any] = [slice(None)] * whole.ndim
    for (axis, size), kind in zip(opened, kinds):
        rows = whole.shape[axis]
        key[axis] = slice(0, env[size]) if kind == "first" else slice(rows - env[size], rows)
    return whole[tuple(key)]


def _same(one: Array, other: Array) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    return bool(np.allclose(one, other, rtol=ROUNDING, atol=ROUNDING, equal_nan=True))


@contextmanager
def _probing(variable: Any, graph: Graph) -> Iterator[Array]:
    """A weight with numbers that nothing else has, for a while."""
    kept = np.array(graph.to_numpy(variable))
    probe = np.random.default_rng(5).normal(size=kept.shape).astype(kept.dtype)
    variable.assign(probe)
    try:
        yield probe
    finally:
        variable.assign(kept)


def variables_in(tensor: Any, graph: Graph) -> list[Any]:
    """The weights that a tensor of sizes is made of."""
    found: dict[int, Any] = {}
    waiting, seen = [tensor], set()
    while waiting:
        one = waiting.pop()
        node = graph.node_of(one)
        if node is None or graph.history(one) in seen or node.reads is not None:
            continue
        seen.add(graph.history(one))
        given = [part for part in graph.flatten((node.args, dict(node.kwargs))) if graph.is_variable(part)]
        found.update((id(variable), variable) for variable in [*graph.weights_of(node.operation), *given])
        waiting += node.given
    return list(found.values())


class _Run:
    """One run of what was noted, at given sizes."""

    def __init__(self, sizes: Sizes, env: Mapping[Key, int], batch: int) -> None:
        self.sizes = sizes
        self.graph = sizes.graph
        self.env = env
        self.batch = batch
        self.cache: dict[Any, Any] = {}

    def value(self, tensor: Any) -> Any:
        waiting = [tensor]
        while waiting:
            one = waiting[-1]
            if self.graph.history(one) in self.cache:
                waiting.pop()
                continue
            node = self.graph.node_of(one)
            assert node is not None, "what is made of sizes is no input"
            needed = [] if self._is_size(node) else self._missing(node)
            if needed:
                waiting += needed
            else:
                self._run(node)
        return self.cache[self.graph.history(tensor)]

    def _is_size(self, node: Applied) -> bool:
        return node.reads is not None and not self.sizes.made_of_sizes(node.reads[0])

    def _missing(self, node: Applied) -> list[Any]:
        return [one for one in node.given if self.graph.history(one) not in self.cache]

    def _run(self, node: Applied) -> None:
        if node.reads is not None and self._is_size(node):
            tensor, axis = node.reads
            rows = self.sizes.rows_for_each(tensor)
            made: Any = self.env[self.graph.history(tensor), axis] if axis else self.batch * rows
        else:
            args, kwargs = self._filled(tuple(node.args)), self._filled(dict(node.kwargs))
            try:
                made = self.graph.run(node, args, kwargs)
            except Exception as error:  # whatever Keras says to what a layer's code has made
                line = self.graph.line(node.operation)
                what = f"makes numbers of sizes that cannot be computed: {type(error).__name__}{line and f' ({line})'}"
                raise Untraceable(what, "make them in build, or in the call alone") from error
        for output, value in zip(node.outputs, self.graph.flatten(made)):
            self.cache[self.graph.history(output)] = value

    def _filled(self, structure: Any) -> Any:
        if self.graph.is_symbolic(structure):
            return self.cache[self.graph.history(structure)]
        if isinstance(structure, slice):
            return slice(*(self._plain(part) for part in (structure.start, structure.stop, structure.step)))
        if isinstance(structure, (list, tuple)):
            return type(structure)(self._plain(part) for part in structure)
        if isinstance(structure, dict):
            return {key: self._filled(part) for key, part in structure.items()}
        return structure

    def _plain(self, part: Any) -> Any:
        """A size within a shape or a slice is a plain number."""
        value = self._filled(part)
        if self.graph.is_symbolic(part) and not self.graph.shape(part) and self.graph.is_whole(part):
            return int(np.asarray(value))
        return value
