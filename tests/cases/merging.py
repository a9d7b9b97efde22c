"""Merges of tensors of one shape, and of shapes that spread over each other."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.cases import Case, layer

MERGES = ("Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
PAIRS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "flat": ((5,), (5,)),
    "sequences": ((None, 4), (None, 4)),
    "images": ((2, 3, 4), (2, 3, 4)),
}
SPREADS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "rows": ((3, 5), (1, 5)),
    "columns": ((3, 1), (3, 5)),
    "ranks": ((3, 5), (5,)),
    "time": ((None, 5), (1, 5)),
    "both": ((3, 1), (1, 5)),
    "images": ((2, 3, 4), (1, 1, 4)),
}


def merge_of_integers(keras: Any, name: str) -> Any:
    inputs = [keras.Input((4,), dtype="int32") for _ in range(2)]
    return keras.Model(inputs, getattr(keras.layers, name)()(inputs))


CASES = [
    *(
        Case(f"{merge.lower()}_{name}", layer(merge), shapes, together=True)
        for merge in MERGES
        for name, shapes in PAIRS.items()
    ),
    *(
        Case(f"{merge.lower()}_spread_{name}", layer(merge), shapes, together=True)
        for merge in MERGES[:-1]
        for name, shapes in SPREADS.items()
    ),
    Case("subtract", layer("Subtract"), ((None, 4), (None, 4)), together=True),
    Case("add_three", layer("Add"), ((5,),) * 3, together=True),
    *(
        Case(f"concatenate_axis_{axis}", layer("Concatenate", axis=axis), ((2, 3, 4), (2, 3, 4)), together=True)
        for axis in (1, 2, 3, -1, -2)
    ),
    Case("concatenate_time", layer("Concatenate", axis=1), ((None, 4), (None, 4)), together=True),
    *(
        Case(f"{name.lower()}_of_integers", partial(merge_of_integers, name=name))
        for name in ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average")
    ),
]
