"""numpy's functions of one argument as NeoML layers."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..graph import Graph, Port
from .activations import difference, greater, linear, plain, product
from .waves import cos, sin, tan

Function = Callable[[Graph, Port], Port]
# From here on every float32 is a whole number.
ALL_WHOLE = float(2**23)


# multiplier · log(x + free term).
LOGARITHMS = {"log": (1.0, 0.0), "log1p": (1.0, 1.0), "log2": (1 / math.log(2), 0.0), "log10": (1 / math.log(10), 0.0)}


def log_of(multiplier: float, free_term: float) -> Function:

    def made(g: Graph, x: Port) -> Port:
        logarithm = g.add("Log", linear(g, x, 1.0, free_term) if free_term else x)
        return logarithm if multiplier == 1 else linear(g, logarithm, multiplier)

    return made


def learning_log(g: Graph, x: Port, multiplier: float, free_term: float) -> Port:
    """multiplier · log(x + free_term) in a net that learns.

    A second reader keeps the logarithm from being written over its operand, which its gradient needs.
    """
    shifted = linear(g, x, 1.0, free_term) if free_term else x
    return linear(g, g.add("EltwiseSum", g.add("Log", shifted), linear(g, shifted, 0.0)), multiplier)


def sign(g: Graph, x: Port) -> Port:
    """NaN, which does not equal itself, gives 0 / 0."""
    side = difference(g, greater(g, x, 0.0), greater(g, linear(g, x, -1.0), 0.0))
    return g.add("EltwiseDiv", side, g.add("Cast", g.add("Equal", x, x), output_type="float"))


def round_half_even(g: Graph, x: Port) -> Port:
    """Adding 2²³ leaves float32 no room for a fraction; it rounds to even, as numpy does."""
    size = g.add("Abs", x)
    rounded = linear(g, linear(g, size, 1.0, ALL_WHOLE), 1.0, -ALL_WHOLE)
    whole = g.add("Less", size, linear(g, size, 0.0, ALL_WHOLE))
    return product(g, sign(g, x), g.add("Where", whole, rounded, size))


def floor(g: Graph, x: Port) -> Port:
    rounded = round_half_even(g, x)
    return difference(g, rounded, g.add("Cast", g.add("Less", x, rounded), output_type="float"))


def ceil(g: Graph, x: Port) -> Port:
    return linear(g, floor(g, linear(g, x, -1.0)), -1.0)


def trunc(g: Graph, x: Port) -> Port:
    return product(g, sign(g, x), floor(g, g.add("Abs", x)))


def half_exp(g: Graph, x: Port, sign: float) -> Port:
    """Half of e^(sign · x), as a square: where e^x alone is beyond float32, half of it is not yet."""
    root = linear(g, g.add("Exp", linear(g, x, 0.5 * sign)), 0.5**0.5)
    return g.add("Power", root, exponent=2.0)


def sinh(g: Graph, x: Port) -> Port:
    return difference(g, half_exp(g, x, 1.0), half_exp(g, x, -1.0))


def cosh(g: Graph, x: Port) -> Port:
    return g.add("EltwiseSum", half_exp(g, x, 1.0), half_exp(g, x, -1.0))


# What makes whole numbers of others: a last bit may take one to the next.
ROUNDING = ("ceil", "floor", "round", "trunc")
UNARY: dict[str, Function] = {
    "abs": plain("Abs"),
    "absolute": plain("Abs"),
    "ceil": ceil,
    "cos": cos,
    "cosh": cosh,
    "erf": plain("Erf"),
    "exp": plain("Exp"),
    "exp2": lambda g, x: g.add("Exp", linear(g, x, math.log(2))),
    "expm1": lambda g, x: linear(g, g.add("Exp", x), 1.0, -1.0),
    "floor": floor,
    **{name: log_of(*numbers) for name, numbers in LOGARITHMS.items()},
    "negative": lambda g, x: linear(g, x, -1.0),
    "reciprocal": plain("Power", exponent=-1.0),
    "round": round_half_even,
    "rsqrt": plain("Power", exponent=-0.5),
    "sign": sign,
    "sin": sin,
    "sinh": sinh,
    "sqrt": plain("Power", exponent=0.5),
    "square": lambda g, x: product(g, x, x),
    "tan": tan,
    "tanh": plain("Tanh"),
    "trunc": trunc,
}
