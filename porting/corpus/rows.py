"""Rows as objects: the outputs of each of a list of texts, arrays or dicts by input name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..predicting import Predictor


def predict_each(
    net: Predictor, rows: Sequence[Any], batch_size: Optional[int] = None, threads: Optional[int] = 1
) -> list[Any]:
    """The outputs of each row, without the batch axis, in the structure that `predict` returns.

    Raises:
        Mismatch: as `PortedNetwork.predict`.
    """
    if not rows:
        return []
    given: Any = list(rows)
    if isinstance(given[0], Mapping):
        given = {name: [row[name] for row in rows] for name in given[0]}
    made = net.predict(given, batch_size, threads)
    return [_row_of(made, at) for at in range(len(rows))]


def _row_of(outputs: Any, at: int) -> Any:
    if isinstance(outputs, dict):
        return {name: _row_of(part, at) for name, part in outputs.items()}
    return [_row_of(part, at) for part in outputs] if isinstance(outputs, list) else outputs[at]
