"""A case as a function of tensors, for operations used as layers in functional models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np

from tests.cases import Case

Shape = tuple[Optional[int], ...]

ONLY_NUMPY = "NeoML has no layer for"

BATCH = "batch"


def of(
    name: str,
    function: Callable[..., Any],
    *shapes: Shape,
    dtype: str = "float32",
    refused: Optional[str] = None,
    positive: bool = False,
    both: bool = False,
) -> Case:
    """A case whose network is `function(keras.ops, *inputs)`; `refused` by NeoML, or by both engines."""

    def build(keras: Any) -> Any:
        inputs = [keras.Input(shape, dtype=dtype) for shape in shapes or ((None, 4),)]
        given = [keras.layers.Activation("exponential")(x) for x in inputs] if positive else inputs
        return keras.Model(inputs, function(keras.ops, *given))

    engines = ("neoml", "numpy") if both else ("neoml",)
    return Case(name, build, refused=dict.fromkeys(engines, refused) if refused else {})


def one(name: str, **arguments: Any) -> Callable[..., Any]:
    return lambda ops, x: getattr(ops, name)(x, **arguments)


ROW = np.linspace(-1, 1, 4, dtype="float32")

TABLE = np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)
