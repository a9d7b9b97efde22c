"""Operations that both engines refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.functions import of, one

MIXES = "mixes the rows of a batch"
ACROSS_ROWS_OF_IDS: dict[str, Callable[..., Any]] = {
    "diag": lambda ops, x: ops.diag(x),
    "kron": lambda ops, x: ops.kron(x, np.ones((2, 2), "int32")),
    "outer": lambda ops, x: ops.outer(x, x),
    "vsplit": lambda ops, x: ops.vsplit(x, [1])[1],
}


def at_places(ops: Any, x: Any) -> Any:
    return ops.image.map_coordinates(x, np.zeros((2, 3, 2), "float32"), order=1)


ACROSS_ROWS: dict[str, Any] = {
    "corrcoef": lambda ops, x: ops.corrcoef(x),
    "diagflat": lambda ops, x: ops.diagflat(x),
    "lstsq": lambda ops, x: ops.linalg.lstsq(x, x),
    "meshgrid": lambda ops, x: ops.meshgrid(x, x),
    "scatter_update": lambda ops, x: ops.scatter_update(x, np.array([[0]]), np.zeros((1, 4), "float32")),
    **{
        name: lambda ops, x, name=name: getattr(ops, name)(x, np.zeros(1, "int32"), 1)
        for name in ("segment_max", "segment_min", "segment_prod", "segment_sum")
    },
    "repeat_over_all": lambda ops, x: ops.repeat(x, 2),
    "ravel": lambda ops, x: ops.ravel(x),
    "scatter": lambda ops, x: ops.scatter(ops.cast(x[:, :1] * 0, "int32"), x, (40, 4)),
}


CASES = [
    of("vstack", lambda ops, x, y: ops.vstack([x, y]), (3, 4), (3, 4), refused="mixes the rows", both=True),
    of("flipud", one("flipud"), refused="mixes the rows", both=True),
    of("map_coordinates", at_places, (4,), refused=MIXES, both=True),
    of("nonzero", one("nonzero"), (4,), refused="only a run tells", both=True),
    of("argpartition", one("argpartition", kth=2, axis=-1), (5,), refused="not determined", both=True),
    of("unravel_index", one("unravel_index", shape=(3, 4)), (5,), dtype="int32", refused="otherwise", both=True),
    *(
        of(f"{name}_of_rows", function, (4,), dtype="int32", refused=MIXES, both=True)
        for name, function in ACROSS_ROWS_OF_IDS.items()
    ),
    *(of(name, function, (4,), refused="the rows of a batch", both=True) for name, function in ACROSS_ROWS.items()),
    of("unique", one("unique"), (4,), refused="a shape that only a run tells", both=True),
]
