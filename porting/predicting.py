"""Running an engine over rows, batch by batch: what `predict` does, and what the check proves of it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Optional

import numpy as np

from .engine import Engine
from .errors import Mismatch, Problem
from .inputs import batch_size_of
from .network import Array, TensorRef

__all__ = ["Progress", "cores", "run_batches", "run_stream"]

Progress = Callable[[int, int, str], None]
Inputs = Mapping[str, Array]
Outputs = Mapping[TensorRef, Array]


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

    Args:
        engine: what runs.
        inputs: checked, by name.
        refs: the tensors wanted.
        size: rows a run, where rows are computed apart from each other.
        workers: batches that are run side by side.
        progress: called with rows done, rows in all, and a word.

    Raises:
        Mismatch: inputs that the network cannot be run on.
    """
    rows = batch_size_of(inputs)
    size = rows if engine.rows_together else size
    starts = range(0, rows, size)
    batches = ({name: array[start : start + size] for name, array in inputs.items()} for start in starts)
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
    for inputs, made in _in_order(lambda one: engine.run(one, refs), batches, workers):
        for ref in refs:
            found[ref].append(made[ref])
        done += batch_size_of(inputs)
        if progress is not None:
            progress(done, rows, "rows")
    if progress is not None and not rows:
        progress(done, done, "rows")
    return {ref: _joined(ref, parts) for ref, parts in found.items()}


def _joined(ref: TensorRef, parts: list[Array]) -> Array:
    shapes = list(dict.fromkeys(part.shape[1:] for part in parts))
    if len(shapes) > 1:
        what = f"batches give outputs of the shapes {shapes[0]} and {shapes[1]} without the batch"
        raise Mismatch(Problem(str(ref), what, "predict them one by one, or pad all inputs to one length"))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _in_order(
    run: Callable[[Inputs], Outputs], batches: Iterable[Inputs], workers: int
) -> Iterator[tuple[Inputs, Outputs]]:
    """Batches and what became of them, in their order, computed by up to `workers` threads."""
    if workers == 1:
        for batch in batches:
            yield batch, run(batch)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[Inputs, Future[Outputs]]] = deque()
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
