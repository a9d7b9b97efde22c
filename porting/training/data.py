"""Training data in form: arrays cut into batches, or batches as an iterator gives them, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..inputs import check_inputs, is_numbered
from ..network import Array, Input
from .arguments import takes


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch: inputs by name, labels and sample weights by output, None where there are none."""

    inputs: Mapping[str, Array]
    labels: Mapping[str, Optional[Array]]
    weights: Mapping[str, Optional[Array]]

    @property
    def rows(self) -> int:
        return next(iter(self.inputs.values())).shape[0]


@dataclass(frozen=True)
class Outputs:
    """Which outputs a network has, and how users name them."""

    names: tuple[str, ...]

    def spread(self, given: Any, what: str, one_for_all: bool = False) -> dict[str, Any]:
        """Something given once, in a list, or by name, by output name."""
        if isinstance(given, Mapping):
            unknown = [key for key in given if key not in self.names]
            if unknown:
                problems = [Problem(f"{what} {key!r}", f"no such output; there are {self.names}") for key in unknown]
                raise Mismatch(problems)
            return {name: given.get(name) for name in self.names}
        if given is None or (one_for_all and not isinstance(given, (list, tuple))):
            return dict.fromkeys(self.names, given)
        if len(self.names) == 1:
            alone = isinstance(given, (list, tuple)) and len(given) == 1 and np.ndim(given[0]) > 0
            return {self.names[0]: given[0] if alone else given}
        if not isinstance(given, (list, tuple)) or len(given) != len(self.names):
            raise Mismatch(what, f"needs one for each of the outputs {', '.join(self.names)}")
        return dict(zip(self.names, given))


def numbers(given: Any) -> Array:
    """An array of numbers. Raises ValueError or TypeError for anything else."""
    array = np.asarray(given)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"holds {array.dtype} values, needs numbers")
    return array


class Arrays:
    """Data that is held in arrays.

    Args:
        inputs: as `predict` takes them.
        labels, weights: by output, or a list in the network's order, or one array.

    Raises:
        Mismatch: arrays that fit neither the network nor each other.
    """

    def __init__(
        self,
        given: Any,
        labels: Any,
        weights: Any,
        inputs: Sequence[Input],
        outputs: Outputs,
        id_limits: Mapping[str, int],
    ) -> None:
        self.inputs = check_inputs(given, inputs, id_limits)
        self.rows = next(iter(self.inputs.values())).shape[0]
        self.labels = self._by_output(outputs.spread(labels, "labels"), "labels")
        self.weights = self._by_output(outputs.spread(weights, "sample_weight", one_for_all=True), "sample_weight")

    def _by_output(self, given: Mapping[str, Any], what: str) -> dict[str, Optional[Array]]:
        arrays: dict[str, Optional[Array]] = {}
        problems = []
        for name, one in given.items():
            try:
                arrays[name] = array = None if one is None else numbers(one)
            except (ValueError, TypeError) as error:
                problems.append(Problem(f"{what} for {name!r}", str(error), "give an array of numbers"))
                continue
            if what == "sample_weight" and array is not None and not np.isfinite(array).all():
                problems.append(Problem(f"{what} for {name!r}", "holds NaN or infinity", "give finite numbers"))
            if array is not None and (array.ndim == 0 or array.shape[0] != self.rows):
                problems.append(Problem(f"{what} for {name!r}", f"{array.shape} against {self.rows} rows of inputs"))
        Mismatch.raise_for(problems)
        return arrays

    def batch(self, rows: Any) -> Batch:
        """The rows of an index or a slice."""

        def cut(arrays: Mapping[str, Optional[Array]]) -> dict[str, Optional[Array]]:
            return {name: None if array is None else array[rows] for name, array in arrays.items()}

        return Batch({name: array[rows] for name, array in self.inputs.items()}, cut(self.labels), cut(self.weights))

    def split(self, share: float) -> tuple[Arrays, Arrays]:
        """The first rows, and the last `share` of them, as Keras' ``validation_split`` cuts."""
        at = int(np.floor(self.rows * (1 - share)))
        if not 0 < at < self.rows:
            raise Mismatch("validation_split", f"{share} of {self.rows} rows leaves a part empty")
        return self._cut(slice(None, at)), self._cut(slice(at, None))

    def _cut(self, rows: slice) -> Arrays:
        part = object.__new__(Arrays)
        batch = self.batch(rows)
        part.inputs, part.rows = dict(batch.inputs), batch.rows
        part.labels, part.weights = dict(batch.labels), dict(batch.weights)
        return part


class Batches:
    """What an epoch reads, once for each epoch, from any of its batches on.

    Attributes:
        count: batches an epoch; None where only the end tells.
    """

    def __init__(self, epoch: Callable[[int, int], Iterator[Batch]], count: Optional[int]) -> None:
        self._epoch = epoch
        self.count = count

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on."""
        return self._epoch(number, start)

    @classmethod
    def of_arrays(cls, arrays: Arrays, size: int, seed: Optional[int]) -> Batches:
        """Cut arrays; with a seed in another order each epoch, told by the seed and the epoch alone."""

        def epoch(number: int, start: int) -> Iterator[Batch]:
            order = None if seed is None else np.random.default_rng([seed, number]).permutation(arrays.rows)
            for first in range(start * size, arrays.rows, size):
                rows = slice(first, first + size)
                yield arrays.batch(rows if order is None else order[rows])

        return cls(epoch, -(-arrays.rows // size))

    @classmethod
    def of_sequence(
        cls, source: Any, check: Callable[[Any], Batch], seed: Optional[int], count: Optional[int]
    ) -> Batches:
        """Batches by number, as ``keras.utils.PyDataset`` gives them; with a seed in another order each epoch."""
        length = len(source) if count is None else min(count, len(source))

        def epoch(number: int, start: int) -> Iterator[Batch]:
            order = (
                range(len(source)) if seed is None else np.random.default_rng([seed, number]).permutation(len(source))
            )
            for at in order[start:length]:
                yield check(source[int(at)])
            if callable(getattr(source, "on_epoch_end", None)):
                source.on_epoch_end()

        return cls(epoch, length)

    @classmethod
    def of_iterator(
        cls,
        source: Union[Iterable[Any], Callable[[], Iterable[Any]]],
        check: Callable[[Any], Batch],
        count: Optional[int],
    ) -> Batches:
        """Batches as they come. A function is called anew for each epoch; what runs on is read `count` at a time."""
        if callable(source) and not takes(source, 0):
            raise Mismatch("data", f"is {source!r:.80}", "give a function without arguments")
        running = None if callable(source) else _running(source)

        def epoch(number: int, start: int) -> Iterator[Batch]:
            given = running if running is not None else _iterator(source() if callable(source) else source)
            at = -1
            for at, one in enumerate(given):
                if at >= start:
                    yield check(one)
                if count is not None and at + 1 == count:
                    return
            if count is not None and at >= 0:
                what = f"ended after {at + 1} of {count} batches in epoch {number + 1}"
                raise Mismatch("data", what, "give more batches, or ask for fewer steps")

        return cls(epoch, count)


def _iterator(source: Any) -> Iterator[Any]:
    try:
        return iter(source)
    except TypeError:
        what = f"is {type(source).__name__}"
        way_out = "give arrays x and y, an iterable of batches (x, y), or a function that returns one"
        raise Mismatch("data", what, way_out) from None


def _running(source: Any) -> Optional[Iterator[Any]]:
    """The source itself where it is an iterator, which goes on from epoch to epoch."""
    made = _iterator(source)
    return made if made is source else None


def as_batches(
    given: Any,
    labels: Any,
    weights: Any,
    inputs: Sequence[Input],
    outputs: Outputs,
    id_limits: Mapping[str, int],
    size: int,
    seed: Optional[int],
    count: Optional[int] = None,
) -> Batches:
    """Data as `fit` takes them, as batches: arrays, or without labels batches by iteration or by number."""
    if labels is not None or isinstance(given, (np.ndarray, Mapping)):
        if count is not None:
            problem = Problem("steps", f"is {count}, but the data are arrays", "leave it out: arrays are read whole")
            raise Unsupported(problem)
        return Batches.of_arrays(Arrays(given, labels, weights, inputs, outputs, id_limits), size, seed)

    def check(one: Any) -> Batch:
        if not isinstance(one, (tuple, list)) or len(one) not in (2, 3):
            raise Mismatch("data", "an iterator gives (x, y) or (x, y, sample_weight)")
        x, y, rest = one[0], one[1], one[2] if len(one) == 3 else None
        return Arrays(x, y, rest, inputs, outputs, id_limits).batch(slice(None))

    if is_numbered(given):
        return Batches.of_sequence(given, check, seed, count)
    return Batches.of_iterator(given, check, count)
