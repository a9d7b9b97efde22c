"""Operations whose cases are nothing but their names: on one tensor, on two, and those that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases import Case
from tests.cases.operation_layers import ONLY_NUMPY, of, one

ANGLES = ("arccos", "arcsin", "arctanh")
SINGLE = ("rad2deg", "copy", "conj", "fliplr", "isinf", "isfinite")

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
    "ravel": lambda ops, x: ops.ravel(x),
    "scatter": lambda ops, x: ops.scatter(ops.cast(x[:, :1] * 0, "int32"), x, (40, 4)),
}

CASES: list[Case] = [
    *(of(name, one(name)) for name in SINGLE),
    *(of(name, lambda ops, x, name=name: getattr(ops, name)(ops.tanh(x) * 0.9), refused=ONLY_NUMPY) for name in ANGLES),
    of("arccosh", lambda ops, x: ops.arccosh(ops.exp(x) + 1), refused=ONLY_NUMPY),
    of("cbrt", one("cbrt"), refused=ONLY_NUMPY),
    *(of(name, one(name, axis=1)) for name in ("amax", "amin")),
    of("array", lambda ops, x: ops.array(x)),
    of("divide", lambda ops, x, y: ops.divide(x, ops.exp(y)), (None, 4), (None, 4)),
    of("arctan2", lambda ops, x, y: ops.arctan2(x, y), (4,), (4,), refused=ONLY_NUMPY),
    of(
        "depthwise_conv",
        lambda ops, x: ops.depthwise_conv(x, np.linspace(-1, 1, 16, dtype="float32").reshape(2, 2, 2, 2), 1, "same"),
        (5, 4, 2),
    ),
    *(of(name, function, (4,), refused="the rows of a batch", both=True) for name, function in ACROSS_ROWS.items()),
    of("unique", one("unique"), (4,), refused="a shape that only a run tells", both=True),
    of("slice", lambda ops, x: ops.slice(x, (0, 1), (1, 2)), (4,), refused="batch", both=True),
]
