"""Running an engine over rows, batch by batch: what `predict` does, and what the check proves of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Optional

import numpy as np

from .engine import Engine
from .inputs import batch_size_of
from .network import Array, TensorRef

__all__ = ["Progress", "run_batches"]

Progress = Callable[[int, int, str], None]
Span = tuple[int, int]


def run_batches(
    engine: Engine,
    inputs: Mapping[str, Array],
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
        size: rows a run.
        workers: batches that are run side by side.
        progress: called with rows done, rows in all, and a word.

    Raises:
        Mismatch: inputs that the network cannot be run on.
    """
    rows = batch_size_of(inputs)
    spans = [(start, min(start + size, rows)) for start in range(0, rows, size)]

    def run(span: Span) -> dict[TensorRef, Array]:
        return engine.run({name: array[slice(*span)] for name, array in inputs.items()}, refs)

    outputs: dict[TensorRef, list[Array]] = {ref: [] for ref in refs}
    for (_, stop), made in zip(spans, _in_order(run, spans, workers)):
        for ref in refs:
            outputs[ref].append(made[ref])
        if progress is not None:
            progress(stop, rows, "rows")
    return {ref: parts[0] if len(parts) == 1 else np.concatenate(parts) for ref, parts in outputs.items()}


def _in_order(
    run: Callable[[Span], Mapping[TensorRef, Array]], spans: list[Span], workers: int
) -> Iterator[Mapping[TensorRef, Array]]:
    """Results in the order of the spans, computed by up to `workers` threads."""
    if workers == 1 or len(spans) == 1:
        yield from map(run, spans)
        return
    with ThreadPoolExecutor(min(workers, len(spans))) as pool:
        yield from pool.map(run, spans)
