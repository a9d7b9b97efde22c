"""The functions of `keras.activations` on arrays, with Keras 3's arguments and definitions."""

from __future__ import annotations

from collections.abc import Callable
from math import erf as scalar_erf
from typing import Any, Optional

import numpy as np

from ..network import Array

__all__ = ["ACTIVATIONS", "KEEP_WHOLE", "activate", "sigmoid"]

# Of whole numbers they make whole numbers.
KEEP_WHOLE = frozenset({"linear", "relu", "relu6", "threshold"})

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def relu(x: Array, negative_slope: float = 0.0, max_value: Optional[float] = None, threshold: float = 0.0) -> Array:
    if not (negative_slope or threshold or max_value is not None):
        return np.maximum(x, np.zeros((), x.dtype))
    above = x if max_value is None else np.minimum(x, np.asarray(max_value, x.dtype))
    below = np.asarray(negative_slope, x.dtype) * (x - np.asarray(threshold, x.dtype))
    kept = x > threshold if threshold != 0 else x > 0
    return np.where(kept, above, below)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(−x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def celu(x: Array, alpha: float = 1.0) -> Array:
    return np.maximum(x, 0) + np.minimum(alpha * np.expm1(np.minimum(x, 0) / alpha), 0)


def erf(x: Array) -> Array:
    """The error function in float64, value by value through `math.erf` (numpy has none)."""
    flat = np.asarray(x, np.float64).ravel()
    return np.fromiter(map(scalar_erf, flat.tolist()), np.float64, flat.size).reshape(x.shape)


def gelu(x: Array, approximate: bool = False) -> Array:
    if approximate:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi).astype(x.dtype) * (x + 0.044715 * x**3)))
    return (0.5 * x.astype(np.float64) * (1 + erf(x / np.sqrt(2)))).astype(x.dtype)


def hard_sigmoid(x: Array, slope: float = 1 / 6, offset: float = 0.5) -> Array:
    return np.clip(np.asarray(slope, x.dtype) * x + np.asarray(offset, x.dtype), 0, 1)


def sparse_plus(x: Array) -> Array:
    return np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x))


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "relu": relu,
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x, negative_slope=0.2: relu(x, negative_slope),
    "elu": elu,
    "celu": celu,
    "selu": lambda x: SELU_SCALE * elu(x, SELU_ALPHA),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "hard_silu": lambda x: x * hard_sigmoid(x),
    "gelu": gelu,
    "exponential": np.exp,
    "mish": lambda x: x * np.tanh(softplus(x)),
    "log_sigmoid": lambda x: -softplus(-x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "hard_shrink": lambda x, threshold=0.5: np.where(np.abs(x) > threshold, x, 0),
    "soft_shrink": lambda x, threshold=0.5: np.maximum(x - threshold, 0) - np.maximum(-x - threshold, 0),
    "squareplus": lambda x, b=4: (x + np.sqrt(x**2 + b)) / 2,
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "threshold": lambda x, threshold, default_value: np.where(x > threshold, x, default_value),
}


def activate(x: Array, name: str, arguments: dict[str, Any]) -> Array:
    """Apply the named function; ``linear`` gives `x` itself. The result has the dtype of `x`."""
    if name == "linear":
        return x
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return ACTIVATIONS[name](x, **arguments).astype(x.dtype, copy=False)
