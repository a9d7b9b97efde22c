"""Running an engine over rows, batch by batch: what `predict` does, and what the check proves of it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Optional, Protocol, TypeVar

import numpy as np

from .engine import Engine
from .errors import Mismatch
from .front import Front
from .inputs import batch_size_of
from .network import Array, Network, TensorRef
from .padded import Padding

Progress = Callable[[int, int, str], None]
Inputs = Mapping[str, Array]
Outputs = Mapping[TensorRef, Array]
# What share of the longest row's steps the others of its batch have.
ALIKE = 0.8
Given = TypeVar("Given")
Result = TypeVar("Result")


class Predictor(Protocol):
    """A network on an engine, such as `porting.load` gives."""

    @property
    def network(self) -> Network:
        """What was saved."""

    @property
    def engine(self) -> Engine:
        """What runs it."""

    def predict(self, inputs: Any, batch_size: Optional[int] = None, threads: Optional[int] = None) -> Any:
        """What Keras' ``predict`` returns for the same inputs."""


def cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_batches(
    engine: Engine,
    inputs: Inputs,
    refs: Sequence[TensorRef],
    size: int,
    workers: int,
    progress: Optional[Progress] = None,
) -> dict[TensorRef, Array]:
    """The wanted tensors of all rows.

    Where the network does not see padding, rows of like length are run together, and what is padding in all of them is
    left out.

    Args:
        engine: what runs.
        inputs: checked, by name.
        refs: the tensors wanted.
        size: rows in each batch, at the most, where rows are computed apart from each other.
        workers: batches that are run side by side.
        progress: called with rows done, rows in all, and a word.

    Raises:
        Mismatch: inputs that the network cannot be run on.
    """
    rows = batch_size_of(inputs)
    size = rows if engine.rows_together else size
    starts = range(0, rows, size)
    batches = ({name: array[start : start + size] for name, array in inputs.items()} for start in starts)
    if engine.padding and not engine.rows_together:
        if engine.front is None:
            return _Rows(engine, inputs).run(engine, refs, size, workers, progress)
        return _run_behind(engine.front, engine, list(batches), refs, size, workers, progress)
    return run_stream(engine, batches, refs, min(workers, len(starts)), progress, rows)


def run_stream(
    engine: Engine,
    batches: Iterable[Inputs],
    refs: Sequence[TensorRef],
    workers: int,
    progress: Optional[Progress] = None,
    rows: int = 0,
) -> dict[TensorRef, Array]:
    """The wanted tensors of all rows of batches as they come, of which few are held at a time.

    Args:
        engine, refs, workers, progress: as for `run_batches`.
        batches: checked inputs by name.
        rows: in all; 0 where only the end tells.

    Raises:
        Mismatch: as `run_batches`, and for batches whose outputs do not fit each other.
    """
    found: dict[TensorRef, list[Array]] = {ref: [] for ref in refs}
    done = 0
    for inputs, made in _in_order(lambda one: _run_batch(engine, one, refs), batches, workers):
        for ref in refs:
            found[ref].append(made[ref])
        done += batch_size_of(inputs)
        if progress is not None:
            progress(done, rows, "rows")
    if progress is not None and not rows:
        progress(done, done, "rows")
    return {ref: _joined(ref, parts) for ref, parts in found.items()}


def _run_batch(engine: Engine, inputs: Inputs, refs: Sequence[TensorRef]) -> Outputs:
    if engine.padding and not engine.rows_together:
        return run_batches(engine, inputs, refs, batch_size_of(inputs), 1)
    return engine.run(inputs, refs)


def _joined(ref: TensorRef, parts: list[Array]) -> Array:
    shapes = list(dict.fromkeys(part.shape[1:] for part in parts))
    if len(shapes) > 1:
        what = f"batches give outputs of the shapes {shapes[0]} and {shapes[1]} without the batch"
        raise Mismatch(str(ref), what, "predict them one by one, or pad all inputs to one length")
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _in_order(run: Callable[[Given], Result], batches: Iterable[Given], workers: int) -> Iterator[tuple[Given, Result]]:
    """Batches and what became of them, in their order, computed by up to `workers` threads."""
    if workers == 1:
        for batch in batches:
            yield batch, run(batch)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[Given, Future[Result]]] = deque()
        try:
            for batch in batches:
                waiting.append((batch, pool.submit(run, batch)))
                if len(waiting) > 2 * workers:
                    first, made = waiting.popleft()
                    yield first, made.result()
            while waiting:
                first, made = waiting.popleft()
                yield first, made.result()
        finally:
            for _, left in waiting:
                left.cancel()


# ---- without padding


def _run_behind(
    front: Front,
    engine: Engine,
    batches: Sequence[Inputs],
    refs: Sequence[TensorRef],
    size: int,
    workers: int,
    progress: Optional[Progress],
) -> dict[TensorRef, Array]:
    """The wanted tensors of all rows, padding left out of what the front makes of them."""
    prepared = [made for _, made in _in_order(engine.prepared, batches, workers)]
    steps = {TensorRef(step.call.name) for step in front.steps}
    own = {ref: _joined(ref, [tensors[ref] for tensors, _ in prepared]) for ref in refs if ref in steps}
    left = [ref for ref in refs if ref not in steps]
    given = [core for _, core in prepared]
    if not left:
        return own
    if front.pads_to_longest and not _may_join(engine.padding, given):
        return {**own, **run_stream(engine.core, given, left, workers, progress, sum(map(batch_size_of, given)))}
    rows = _Rows(engine.core, _stacked(given, engine.padding.numbers))
    return {**own, **rows.run(engine.core, left, size, workers, progress)}


class _Rows:
    """Rows that are run together where they are of like length.

    Attributes:
        padding: what may be left out of them; behind or in front, where there is more.
        inputs: of all rows.
        lengths: by sequences and row, how many steps count.
    """

    def __init__(self, engine: Engine, inputs: Inputs) -> None:
        self.inputs = inputs
        self.padding, self.lengths = engine.padding.best_for(inputs, engine.least_sizes)

    def run(
        self, engine: Engine, refs: Sequence[TensorRef], size: int, workers: int, progress: Optional[Progress]
    ) -> dict[TensorRef, Array]:
        """The wanted tensors, in the order of the rows. Raises Mismatch as `run_batches`."""
        rows = batch_size_of(self.inputs)
        order = np.lexsort(self.lengths)[::-1]

        def run(batch: Array) -> Outputs:
            whole = {name: array[batch] for name, array in self.inputs.items()}
            given = self.padding.cut(whole, self.lengths[:, batch])
            return self.padding.filled_up(engine.run(given, refs), self.inputs)

        outputs: dict[TensorRef, Array] = {}
        done = 0
        batches = list(self._of_like_length(order, size, engine.few))
        for batch, made in _in_order(run, batches, min(workers, len(batches))):
            for ref in refs:
                if ref not in outputs:
                    outputs[ref] = np.empty((rows, *made[ref].shape[1:]), made[ref].dtype)
                outputs[ref][batch] = made[ref]
            done += len(batch)
            if progress is not None:
                progress(done, rows, "rows")
        return outputs

    def _of_like_length(self, order: Array, size: int, few: int) -> Iterator[Array]:
        """Up to so many rows at a time; beyond a few only those about as long as the first."""
        steps = self.lengths.sum(axis=0)[order]
        start = 0
        while start < len(order):
            stop = start + size
            shorter = np.flatnonzero(steps[start + few : stop] < ALIKE * steps[start])
            stop = start + few + int(shorter[0]) if len(shorter) else stop
            yield order[start:stop]
            start = stop


def _may_join(padding: Padding, batches: Sequence[Inputs]) -> bool:
    """Whether rows of batches of several lengths may be run together: nothing hangs on the length of a row's own.

    Where one padded step has to stay, a row without any would get one.
    """
    needs_step = any(one.keeps_step for one in padding.sequences)
    return not (padding.filled or needs_step or any(padding.stays(batch).any() for batch in batches))


def _stacked(batches: Sequence[Inputs], padding: Mapping[str, float]) -> dict[str, Array]:
    """The inputs of batches one behind the other, padding behind those that are shorter than others."""
    found = {}
    for name in batches[0]:
        arrays = [batch[name] for batch in batches]
        longest = [max(sizes) for sizes in zip(*(array.shape[1:] for array in arrays))]
        if all(list(array.shape[1:]) == longest for array in arrays):
            found[name] = np.concatenate(arrays)
            continue
        found[name] = np.full((sum(map(len, arrays)), *longest), padding.get(name, 0), arrays[0].dtype)
        start = 0
        for array in arrays:
            place = (slice(start, start + len(array)), *map(slice, array.shape[1:]))
            found[name][place] = array
            start += len(array)
    return found
