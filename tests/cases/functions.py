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

# Signs of zero, the least and the largest numbers, ends of domains and of ranges that functions are reduced to.
HARD = np.array(
    [
        *(0.0, -0.0, 1.2e-38, -1e-30, 1e-30, 1e-7, -1e-4, 0.41421357, -0.4143, 0.5, 0.99999994, -0.99999994, 1.0, -1.0),
        *(1.0000001, -1.0000001, 1.5, 2.4142137, -3.0, 8.5, -30.0, 90.0, 2.7e8, 2.8e8, -1e10, 1e19, 1e30, -1e30),
        *(3.4028235e38, -3.4028235e38, np.inf, -np.inf, np.nan),
    ],
    "float32",
)
DIVIDENDS = np.array(
    [0.0, -0.0, 0.7, 1.4, 2.1, -2.1, 1e-30, -1e-30, 5.5, -7.0, 1e6, -123456.79, 8.4e6, 3e8, -2e9, np.inf, np.nan],
    "float32",
)
DIVISORS = np.array([0.7, -0.7, 1.0, 3.0, -3.5, 1e3, -0.3, 60.0, 86400.0, np.inf, -np.inf, np.nan, 0.0], "float32")


def hard(name: str, numbers: Any = HARD, others: Any = None) -> Case:
    """A function of fixed numbers, or of all pairs; the network's ends are finite, what they come from need not be."""

    def apply(ops: Any, *inputs: Any) -> list[Any]:
        fixed = [numbers] if others is None else [numbers[:, None], others[None]]
        made = getattr(ops, name)(*(ops.where(x > 9, x, one) for x, one in zip(inputs, fixed)))
        if "bool" in str(made.dtype):
            return [made]
        return [ops.nan_to_num(made), ops.isnan(made), ops.isinf(made)]

    shapes = [numbers.shape] if others is None else [(len(numbers), 1), (1, len(others))]
    return of(f"{name}_of_hard_numbers", apply, *shapes)
