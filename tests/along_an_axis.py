"""Operations that go along one axis of a tensor, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ALONG: dict[str, Callable[[Any, Any, int], Any]] = {
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
