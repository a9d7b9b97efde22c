"""The functions of `keras.activations` on arrays, with Keras 3's arguments and definitions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, Optional

import numpy as np

from ..network import Array

# Of whole numbers they make whole numbers.
KEEP_WHOLE = frozenset({"linear", "relu", "relu6", "threshold"})

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946

# The first coefficients of erf's Taylor series around every 256th of 0 … 6, where it is 1 in float64.
ERF_NODES = np.arange(6 * 256 + 1) / 256
ERF_SLOPES = 2 / math.sqrt(math.pi) * np.exp(-(ERF_NODES**2))
ERF_SERIES = [
    np.array([math.erf(node) for node in ERF_NODES]),
    ERF_SLOPES,
    ERF_SLOPES * -ERF_NODES,
    ERF_SLOPES * (2 * ERF_NODES**2 - 1) / 3,
    ERF_SLOPES * (3 * ERF_NODES - 2 * ERF_NODES**3) / 6,
    ERF_SLOPES * (4 * ERF_NODES**4 - 12 * ERF_NODES**2 + 3) / 30,
]
# The normal distribution at every 512th of -9 … 9, right to a float32's last bit, and its density.
NORMAL_NODES = np.arange(-9 * 512, 9 * 512 + 1) / 512
NORMAL = np.array([0.0, *(math.erfc(-node / math.sqrt(2)) / 2 for node in NORMAL_NODES[1:].tolist())])
NORMAL_DENSITY = (np.exp(-(NORMAL_NODES**2) / 2) / math.sqrt(2 * math.pi)).astype(np.float32)
# A float32 plus this is rounded to a 512th, the number of which stands in its bits; and the bits of the first node.
TO_512THS = np.float32(3 * 2**13)
FIRST_NODE = int((TO_512THS - np.float32(9)).view(np.int32))
# So many values in float64, and what is made of them, stay in the cache.
BLOCK = 2**15


def relu(x: Array, negative_slope: float = 0.0, max_value: Optional[float] = None, threshold: float = 0.0) -> Array:
    if not (negative_slope or threshold) and (max_value is None or max_value >= 0):
        return bounded(x, 0, max_value)
    above = x if max_value is None else np.minimum(x, np.asarray(max_value, x.dtype))
    below = np.asarray(negative_slope, x.dtype) * (x - np.asarray(threshold, x.dtype))
    kept = x > threshold if threshold != 0 else x > 0
    return np.where(kept, above, below)


def bounded(x: Array, least: float, most: Optional[float]) -> Array:
    """Values brought between bounds; numpy is quicker where a bound is an array, four times with a float32's."""
    lows = np.full(min(x.size, BLOCK), least, x.dtype)
    highs = None if most is None else np.full_like(lows, most)

    def write(x: Array, y: Array) -> None:
        np.maximum(x, lows[: x.size], out=y)
        if highs is not None:
            np.minimum(y, highs[: x.size], out=y)

    return blockwise(write, x)


def relu6(x: Array) -> Array:
    return bounded(x, 0, 6)


def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    return relu(x, negative_slope)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(−x)); an exponential that overflows makes it 0."""
    y = np.negative(x)
    np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)


def softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softsign(x: Array) -> Array:
    return x / (1 + np.abs(x))


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def selu(x: Array) -> Array:
    return SELU_SCALE * elu(x, SELU_ALPHA)


def celu(x: Array, alpha: float = 1.0) -> Array:
    return np.maximum(x, 0) + np.minimum(alpha * np.expm1(np.minimum(x, 0) / alpha), 0)


def erf(x: Array) -> Array:
    """The error function in float64, to its last bits: the Taylor series around the nearest node."""
    return blockwise(erf_of_block, np.asarray(x, np.float64))


def erf_of_block(x: Array, y: Array) -> None:
    size = np.minimum(np.abs(x), 6)
    nearest = np.rint(size * 256)
    size -= nearest / 256
    np.copysign(taylor(ERF_SERIES, nearest, size), x, out=y)


def taylor(series: Sequence[Array], nodes: Array, apart: Array) -> Array:
    """The sum of a Taylor series around each value's node, of which its coefficients are picked."""
    picked = nodes.astype(np.intp)
    *lower, highest = series
    y = highest.take(picked, mode="clip")
    for coefficients in reversed(lower):
        y *= apart
        y += coefficients.take(picked, mode="clip")
    return y


def blockwise(function: Callable[[Array, Array], None], x: Array) -> Array:
    """What a function of single values writes, of parts of an array that fit the cache; of the array's dtype."""
    flat, y = x.reshape(-1), np.empty(x.size, x.dtype)
    for at in range(0, x.size, BLOCK):
        function(flat[at : at + BLOCK], y[at : at + BLOCK])
    return y.reshape(x.shape)


def gelu(x: Array, approximate: bool = False) -> Array:
    if approximate:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi).astype(x.dtype) * (x + 0.044715 * x**3)))
    return blockwise(exact_gelu, x)


def exact_gelu(x: Array, y: Array) -> None:
    """x times the share of the normal distribution that lies below it, as y.

    The share is a Taylor series around the nearest node n: the next coefficient after the density's is -n / 2 times it.
    """
    within = x.max() <= 9 and x.min() >= -9
    mode: Literal["wrap", "clip"] = "wrap" if within else "clip"  # the quickest of numpy's; and for what is no number
    near = (x if within else np.clip(x, -9, 9)).astype(np.result_type(x, np.float32), copy=False)
    rounded = near.astype(np.float32, copy=False) + TO_512THS
    picked = (rounded.view(np.int32) - np.int32(FIRST_NODE)).astype(np.intp)
    rounded -= TO_512THS
    apart = near - rounded
    beyond = NORMAL_DENSITY.take(picked, mode=mode) * apart
    apart *= rounded
    apart *= np.float32(-0.5)
    apart += np.float32(1)
    beyond *= apart
    share = NORMAL.take(picked, mode=mode)
    share += beyond
    np.multiply(share.astype(apart.dtype, copy=False), x, out=y, casting="same_kind")


def exponential(x: Array) -> Array:
    return np.exp(x)


def tanh(x: Array) -> Array:
    return np.tanh(x)


def hard_sigmoid(x: Array, slope: float = 1 / 6, offset: float = 0.5) -> Array:
    return np.clip(np.asarray(slope, x.dtype) * x + np.asarray(offset, x.dtype), 0, 1)


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def hard_silu(x: Array) -> Array:
    return x * hard_sigmoid(x)


def mish(x: Array) -> Array:
    return x * np.tanh(softplus(x))


def log_sigmoid(x: Array) -> Array:
    return -softplus(-x)


def hard_tanh(x: Array) -> Array:
    return np.clip(x, -1, 1)


def tanh_shrink(x: Array) -> Array:
    return x - np.tanh(x)


def hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    return np.where(np.abs(x) > threshold, x, 0)


def soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    return np.maximum(x - threshold, 0) - np.maximum(-x - threshold, 0)


def squareplus(x: Array, b: float = 4) -> Array:
    return (x + np.sqrt(x**2 + b)) / 2


def sparse_plus(x: Array) -> Array:
    return np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x))


def sparse_sigmoid(x: Array) -> Array:
    return np.clip((x + 1) / 2, 0, 1)


def threshold(x: Array, threshold: float, default_value: float) -> Array:
    return np.where(x > threshold, x, default_value)


ACTIVATIONS: dict[str, Callable[..., Array]] = {
    function.__name__: function
    for function in (
        *(relu, relu6, leaky_relu, elu, celu, selu, softplus, softsign, tanh, sigmoid, hard_sigmoid, silu, hard_silu),
        *(gelu, exponential, mish, log_sigmoid, hard_tanh, tanh_shrink, hard_shrink, soft_shrink, squareplus),
        *(sparse_plus, sparse_sigmoid, threshold),
    )
}


def activate(x: Array, name: str, arguments: dict[str, Any]) -> Array:
    """Apply the named function; ``linear`` gives `x` itself. The result has the dtype of `x`."""
    if name == "linear":
        return x
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return ACTIVATIONS[name](x, **arguments).astype(x.dtype, copy=False)
