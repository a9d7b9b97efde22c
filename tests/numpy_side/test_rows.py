"""Where rows of a batch meet they are run as one batch, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from porting.numpy_side.operations import NumpyOperations
from porting.numpy_side.values import Value

ALONG: dict[str, Callable[[Any, Value, int], Any]] = {
    "sum": lambda ops, x, axis: ops.reduce(x, "sum", [axis]),
    "flip": lambda ops, x, axis: ops.flip(x, axis),
    "first": lambda ops, x, axis: ops.slice(x, axis, 0, 1),
    "softmax": lambda ops, x, axis: ops.softmax(x, [axis]),
    "normalize": lambda ops, x, axis: ops.normalize(x, [axis], 1e-3, None, None),
    "cumsum": lambda ops, x, axis: ops.cumsum(x, axis),
    "reverse_cumsum": lambda ops, x, axis: ops.cumsum(x, axis, reverse=True),
    "argmax": lambda ops, x, axis: ops.argmax(x, axis),
    "sort": lambda ops, x, axis: ops.array_function("sort", [x], axis=axis),
    "median": lambda ops, x, axis: ops.array_function("median", [x], axis=(axis,)),
    "concatenate": lambda ops, x, axis: ops.concatenate([x, x], axis),
    "repeat": lambda ops, x, axis: ops.repeat(x, 2, axis),
}


@pytest.mark.parametrize("name", ALONG)
@pytest.mark.parametrize("axis", range(-3, 3))
def test_rows_meet_along_the_batch_alone(name: str, axis: int) -> None:
    ops = NumpyOperations()
    ALONG[name](ops, Value(np.ones((2, 3, 4), np.float32)), axis)
    assert ops.rows_meet == (axis % 3 == 0)


def test_a_slice_of_all_rows_is_none() -> None:
    ops = NumpyOperations()
    ops.slice(Value(np.ones((2, 3), np.float32)), 0, None, None)
    assert not ops.rows_meet
