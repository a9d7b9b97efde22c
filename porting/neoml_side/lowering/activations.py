"""The functions of `keras.activations` as NeoML layers, with Keras 3's arguments and definitions.

Measured against Keras over ±100 at up to 4e-7; 9e-7 for gelu's approximation and, below −30, 4e-6 for squareplus,
which cancel in Keras as well. Where NeoML has the function it is used; the rest are composed so that nothing overflows
and so that they train (NeoML writes a product over its first operand unless the operand's own gradient needs it: such
operands pass through `keep`). The exact forms of a few have no gradient where float32 overflows: a net that learns has
their `TRAINABLE` forms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from ..graph import Graph, Port

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946
GELU_TANH = 0.7978845608028654  # sqrt(2 / pi)


def linear(g: Graph, x: Port, multiplier: float = 1.0, free_term: float = 0.0) -> Port:
    """multiplier · x + free_term."""
    return g.add("Linear", x, multiplier=float(multiplier), free_term=float(free_term))


def keep(g: Graph, x: Port) -> Port:
    """The same values, in a blob that no later product writes over."""
    return g.add("LeakyReLU", x, alpha=1.0)


def product(g: Graph, a: Port, b: Port) -> Port:
    return g.add("EltwiseMul", a, b)


def difference(g: Graph, a: Port, b: Port) -> Port:
    return g.add("EltwiseSub", a, b)


def greater(g: Graph, x: Port, threshold: float) -> Port:
    """1.0 where x > threshold, else 0.0; without a gradient. Infinity times 0 is NaN, of which a ReLU makes 0."""
    zero = g.add("ReLU", linear(g, x, 0.0, -1.0))
    filled = linear(g, zero, 1.0, threshold) if threshold else zero
    return g.add("Cast", g.add("Less", filled, x), output_type="float")


def plain(kind: str, **settings: Any) -> Callable[[Graph, Port], Port]:
    return lambda g, x: g.add(kind, x, **settings)


def relu(
    g: Graph, x: Port, negative_slope: float = 0.0, max_value: Optional[float] = None, threshold: float = 0.0
) -> Port:
    if threshold == 0:
        if negative_slope and max_value is None:
            return g.add("LeakyReLU", x, alpha=float(negative_slope))
        above = g.add("ReLU", x, threshold=float(max_value)) if max_value else g.add("ReLU", x)
        if max_value == 0:
            above = linear(g, above, 0.0)
    else:
        above = product(g, keep(g, x), greater(g, x, threshold))
        if max_value is not None:
            above = difference(g, above, g.add("ReLU", linear(g, above, 1.0, -max_value)))
    if not negative_slope:
        return above
    below = g.add("ReLU", linear(g, x, -1.0, threshold))
    return difference(g, above, linear(g, below, negative_slope))


def softplus(g: Graph, x: Port) -> Port:
    """relu(x) − log σ(|x|)."""
    return difference(g, g.add("ReLU", x), g.add("Log", g.add("Sigmoid", g.add("Abs", x))))


def log_sigmoid(g: Graph, x: Port) -> Port:
    return linear(g, softplus(g, linear(g, x, -1.0)), -1.0)


def celu(g: Graph, x: Port, alpha: float = 1.0) -> Port:
    """alpha · elu(x / alpha)."""
    if alpha == 1.0:
        return g.add("ELU", x, alpha=1.0)
    negative = g.add("ELU", linear(g, g.add("ReLU", linear(g, x, -1.0)), -1.0 / alpha), alpha=1.0)
    return g.add("EltwiseSum", g.add("ReLU", x), linear(g, negative, alpha))


def softsign(g: Graph, x: Port) -> Port:
    return product(g, keep(g, x), g.add("Power", linear(g, g.add("Abs", x), 1.0, 1.0), exponent=-1.0))


def gelu(g: Graph, x: Port, approximate: bool = False) -> Port:
    if not approximate:
        return g.add("GELU", x, calculation_mode="precise")
    kept = keep(g, x)
    inner = product(g, kept, linear(g, product(g, kept, x), GELU_TANH * 0.044715, GELU_TANH))
    return product(g, kept, linear(g, g.add("Tanh", inner), 0.5, 0.5))


def sigmoid(g: Graph, x: Port) -> Port:
    """1 / (1 + exp(−x)): NeoML's own never falls below 1.2e-7, which counts in a logarithm or beside a large number."""
    return g.add("Power", linear(g, g.add("Exp", linear(g, x, -1.0)), 1.0, 1.0), exponent=-1.0)


def silu(g: Graph, x: Port) -> Port:
    return product(g, keep(g, x), sigmoid(g, x))


def mish(g: Graph, x: Port) -> Port:
    """x / (1 + 2 / n) with n = eˣ (eˣ + 2), for tanh(log(1 + eˣ)) = n / (n + 2)."""
    exponent = g.add("Exp", x)
    inverse = g.add("Power", product(g, keep(g, exponent), linear(g, exponent, 1.0, 2.0)), exponent=-1.0)
    return product(g, keep(g, x), g.add("Power", linear(g, inverse, 2.0, 1.0), exponent=-1.0))


def squareplus(g: Graph, x: Port, b: float = 4.0) -> Port:
    root = g.add("Power", linear(g, product(g, keep(g, x), keep(g, x)), 1.0, b), exponent=0.5)
    return linear(g, g.add("EltwiseSum", keep(g, x), root), 0.5)


def hard_shrink(g: Graph, x: Port, threshold: float = 0.5) -> Port:
    return product(g, keep(g, x), greater(g, g.add("Abs", x), threshold))


def soft_shrink(g: Graph, x: Port, threshold: float = 0.5) -> Port:
    over, under = linear(g, x, 1.0, -threshold), linear(g, x, -1.0, -threshold)
    return difference(g, g.add("ReLU", over), g.add("ReLU", under))


def threshold(g: Graph, x: Port, threshold: float, default_value: float) -> Port:
    above = greater(g, x, threshold)
    kept = product(g, keep(g, x), above)
    return g.add("EltwiseSum", kept, linear(g, above, -default_value, default_value))


def sparse_plus(g: Graph, x: Port) -> Port:
    """c²/4 + relu(x − 1) with c = clip(x + 1, 0, 2)."""
    clipped = g.add("ReLU", linear(g, x, 1.0, 1.0), threshold=2.0)
    square = product(g, keep(g, clipped), keep(g, clipped))
    return g.add("EltwiseSum", linear(g, square, 0.25), g.add("ReLU", linear(g, x, 1.0, -1.0)))


ACTIVATIONS: dict[str, Callable[..., Port]] = {
    "relu": relu,
    "relu6": plain("ReLU", threshold=6.0),
    "leaky_relu": lambda g, x, negative_slope=0.2: g.add("LeakyReLU", x, alpha=float(negative_slope)),
    "elu": lambda g, x, alpha=1.0: g.add("ELU", x, alpha=float(alpha)),
    "celu": celu,
    "selu": lambda g, x: linear(g, g.add("ELU", x, alpha=SELU_ALPHA), SELU_SCALE),
    "softplus": softplus,
    "softsign": softsign,
    "tanh": plain("Tanh"),
    "sigmoid": sigmoid,
    "hard_sigmoid": lambda g, x, slope=1 / 6, offset=0.5: g.add("HardSigmoid", x, slope=slope, bias=offset),
    "silu": silu,
    "hard_silu": plain("HSwish"),
    "gelu": gelu,
    "exponential": plain("Exp"),
    "mish": mish,
    "log_sigmoid": log_sigmoid,
    "hard_tanh": plain("HardTanh"),
    "tanh_shrink": lambda g, x: difference(g, keep(g, x), g.add("Tanh", x)),
    "hard_shrink": hard_shrink,
    "soft_shrink": soft_shrink,
    "squareplus": squareplus,
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": lambda g, x: linear(g, g.add("HardTanh", x), 0.5, 0.5),
    "threshold": threshold,
    "sigmoid_above_a_floor": plain("Sigmoid"),
    "silu_above_a_floor": lambda g, x: product(g, g.add("Sigmoid", x), x),
    "mish_by_softplus": lambda g, x: product(g, g.add("Tanh", softplus(g, x)), x),
}
# Where an exponential overflows, NeoML's gradient of it is no number: the form with a gradient everywhere.
TRAINABLE = {"sigmoid": "sigmoid_above_a_floor", "silu": "silu_above_a_floor", "mish": "mish_by_softplus"}


def activate(g: Graph, x: Port, name: str, arguments: dict[str, Any]) -> Port:
    """Add the named function's layers; ``linear`` adds none."""
    return x if name == "linear" else ACTIVATIONS[name](g, x, **arguments)
