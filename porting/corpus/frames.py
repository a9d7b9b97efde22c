"""Frames of pandas through a network: a row's outputs in columns of their names, with the frame's index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
import pandas as pd
import pyarrow as pa

from ..errors import Mismatch, Problem
from ..network import Array
from ..predicting import Predictor
from .outputs import Output
from .scoring import Scoring


def score_frame(
    frame: Any,
    net: Predictor,
    columns: Mapping[str, str],
    outputs: Sequence[Output],
    batch_size: Optional[int] = None,
    threads: Optional[int] = 1,
) -> Any:
    """The outputs of a frame's rows, or of a series'.

    Raises:
        Mismatch: rows that the network does not take, the first twenty by their labels.
    """
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(name=next(iter(columns.values())))
    batch = as_batch(frame, sorted(set(columns.values())))
    scored = Scoring(columns, outputs, batch_size, threads).score(net, batch)
    if scored.bad:
        bad = sorted(scored.bad.items())[:20]
        raise Mismatch([Problem(f"row {frame.index[row]!r}", why, "take the row out, or mend it") for row, why in bad])
    made = {one.name: _series(one, list(scored.column(at).values()), frame.index) for at, one in enumerate(outputs)}
    return pd.DataFrame(made, index=frame.index)


def _series(output: Output, values: Sequence[Array], index: Any) -> Any:
    """A column of numbers, or of arrays where rows have several."""
    if output.is_scalar:
        numbers = np.array([value.reshape(()) for value in values], output.dtype)
        return pd.Series(numbers, index, dtype=output.dtype)
    cells = np.empty(len(values), object)
    cells[:] = values
    return pd.Series(cells, index, dtype=object)


def as_batch(frame: Any, names: Sequence[str]) -> Any:
    """Columns of a frame as a `pyarrow.RecordBatch`. NaN among numbers stays NaN; elsewhere it is null.

    Raises:
        Mismatch: a column of mixed kinds.
    """
    arrays = []
    for name in names:
        values = frame[name]
        try:
            made = pa.array(_listed(values), from_pandas=values.dtype.kind != "f")
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise Mismatch(f"column {name!r}", f"holds values of several kinds: {error}", "give one") from error
        arrays.append(made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made)
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _listed(values: Any) -> Any:
    """Arrow takes arrays of one axis in cells, and lists of lists."""
    if not any(isinstance(value, np.ndarray) and value.ndim > 1 for value in values[:1]):
        return values
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
