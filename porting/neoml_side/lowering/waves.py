"""sin, cos and tan as NeoML layers: the angle is brought into an eighth of a turn, where short polynomials are exact.

Reduction after Cody and Waite 1980: π/2 in pieces of twelve bits, so that every product with a whole number of
quarter turns, itself in two pieces of twelve bits, is exact in float32. The polynomials are those of Cephes (Moshier).
Against float64 the error is at most 1.2e-7 over |x| < 6.5e6; beyond, the result is NaN.
"""

from __future__ import annotations

import math

from ..graph import Graph, Port
from .activations import greater, linear, product

# 1.5 · 2²³: adding it leaves float32 no room for a fraction, on either side of 0.
ROUNDER = 1.5 * 2**23
LARGEST = 6.5e6
# π/2 in pieces of twelve bits, the last with what is left.
QUARTER_TURN = (1.5703125, 0.0004837512969970703, 7.549533620476723e-08, 2.5633440682e-12)
LOW = 4096.0
SINE = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COSINE = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def nearest(g: Graph, x: Port) -> Port:
    """The nearest whole number, for |x| < 2²²."""
    return linear(g, linear(g, x, 1.0, ROUNDER), 1.0, -ROUNDER)


def total(g: Graph, a: Port, b: Port) -> Port:
    return g.add("EltwiseSum", a, b)


def reduced(g: Graph, x: Port) -> tuple[Port, Port]:
    """The angle without whole quarter turns, and how many those were, but for multiples of 4."""
    turns = nearest(g, linear(g, x, 2 / math.pi))
    high = nearest(g, linear(g, turns, 1 / LOW))
    low = total(g, turns, linear(g, high, -LOW))
    rest = x
    for piece in QUARTER_TURN:
        for count, unit in ((high, LOW), (low, 1.0)):
            rest = total(g, rest, linear(g, count, -unit * piece))
    once_more = nearest(g, linear(g, rest, 2 / math.pi))  # the count may have been rounded to its neighbour
    for piece in QUARTER_TURN[:3]:
        rest = total(g, rest, linear(g, once_more, -piece))
    return rest, total(g, low, once_more)


def polynomial(g: Graph, x: Port, coefficients: tuple[float, ...]) -> Port:
    first, *others = coefficients
    result = linear(g, x, first, others[0])
    for coefficient in others[1:]:
        result = linear(g, product(g, result, x), 1.0, coefficient)
    return result


def wave(g: Graph, x: Port, ahead: float) -> Port:
    """The sine of x and `ahead` quarter turns."""
    rest, turns = reduced(g, x)
    square = g.add("EltwiseMul", linear(g, rest), rest)
    sine = total(g, rest, product(g, product(g, polynomial(g, square, SINE), square), rest))
    curved = product(g, product(g, polynomial(g, square, COSINE), square), square)
    cosine = total(g, linear(g, square, -0.5, 1.0), curved)
    count = linear(g, turns, 1.0, ahead)
    # Half turns change the sign; a quarter turn more makes a cosine of a sine. A quarter below the half rounds down.
    halves = nearest(g, linear(g, count, 0.5, -0.25))
    odd = total(g, count, linear(g, halves, -2.0))
    chosen = total(g, product(g, odd, cosine), product(g, linear(g, odd, -1.0, 1.0), sine))
    pairs = nearest(g, linear(g, halves, 0.5, -0.25))
    sign = linear(g, total(g, halves, linear(g, pairs, -2.0)), -2.0, 1.0)
    inside = linear(g, greater(g, g.add("Abs", x), LARGEST), -1.0, 1.0)
    return g.add("EltwiseDiv", product(g, product(g, sign, chosen), inside), inside)


def sin(g: Graph, x: Port) -> Port:
    return wave(g, x, 0.0)


def cos(g: Graph, x: Port) -> Port:
    return wave(g, x, 1.0)


def tan(g: Graph, x: Port) -> Port:
    return g.add("EltwiseDiv", sin(g, x), cos(g, x))
