"""numpy's functions of floats, one by one, composed of NeoML's layers: arcs, logarithms, roots, remainders.

Polynomials and ranges are those of Cephes (Moshier); logarithms and exponentials beside 1 are Kahan's. All of them
choose by comparisons, so nothing learns through them. `tests/neoml_side/test_formulas.py` measures errors of at most
3.5 units in the last place; remainders are exact. Subnormal numbers are 0, as in TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import log as logarithm
from math import nan, pi, tan

import numpy as np

from ...dtypes import LARGEST_FLOAT
from ..values import Wire
from .activations import linear
from .base import Part
from .bounds import is_finite, least_of

Formula = Callable[[Part, Wire], Wire]

# The least number that is not subnormal.
LEAST = float(np.finfo(np.float32).tiny)
# 1.5 · 2²³: adding it leaves float32 no room for a fraction, on either side of 0.
ROUNDER = 1.5 * 2**23
# From here on 1 is nothing beside the square of a number.
SQUARE_ALONE = 2.0**28
ARC = (8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1)
# Of I₀(x) / eˣ up to 8, by x / 2 − 2, and of that times √x beyond, by 32 / x − 2.
BESSEL = (
    *(-1.30002500998624804e-8, 6.04699502254191895e-8, -2.67079385394061173e-7, 1.11738753912010372e-6),
    *(-4.41673835845875056e-6, 1.64484480707288971e-5, -5.75419501008210370e-5, 1.88502885095841656e-4),
    *(-5.76375574538582366e-4, 1.63947561694133580e-3, -4.32430999505057594e-3, 1.05464603945949983e-2),
    *(-2.37374148058994688e-2, 4.93052842396707085e-2, -9.49010970480476444e-2, 1.71620901522208775e-1),
    *(-3.04682672343198399e-1, 6.76795274409476085e-1),
)
BESSEL_FAR = (
    *(3.39623202570838635e-9, 2.26666899049817806e-8, 2.04891858946906374e-7, 2.89137052083475648e-6),
    *(6.88975834691682398e-5, 3.36911647825569409e-3, 8.04490411014108832e-1),
)
# π/4 as float32, and what is left of it.
EIGHTH_TURN = (float(np.float32(pi / 4)), pi / 4 - float(np.float32(pi / 4)))
# A remainder is taken of these multiples of the divisor first, each at most 2¹¹ times.
MULTIPLES = (2.0**22, 2.0**11, 1.0)
MOST_TURNS = 2.0**33


def polynomial(ops: Part, x: Wire, coefficients: Sequence[float]) -> Wire:
    """Of two coefficients or more, the highest first."""
    first, second, *others = coefficients
    start = ops.add(ops.multiply(x, first), second)
    return reduce(lambda made, one: ops.add(ops.multiply(made, x), one), others, start)


# ---- signs


def signbit(ops: Part, x: Wire) -> Wire:
    """Whether a number is below 0, or −0, whose reciprocal is below 0."""
    return ops.logical_or(ops.compare(x, 0.0, "less"), ops.compare(ops.unary(x, "reciprocal"), 0.0, "less"))


def with_sign(ops: Part, size: Wire, x: Wire) -> Wire:
    return ops.where(signbit(ops, x), ops.multiply(size, -1.0), size)


# ---- arcs


def arc(ops: Part, ratio: Wire) -> Wire:
    """The angle whose tangent is within 0 … 1."""
    far = ops.compare(ratio, tan(pi / 8), "greater")
    near = ops.where(far, ops.divide(ops.add(ratio, -1.0), ops.add(ratio, 1.0)), ratio)
    square = ops.multiply(near, near)
    curved = ops.multiply(ops.multiply(polynomial(ops, square, ARC), square), near)
    beyond = ops.add(ops.add(near, ops.add(curved, EIGHTH_TURN[1])), EIGHTH_TURN[0])
    return ops.where(far, beyond, ops.add(near, curved))


def arctan(ops: Part, x: Wire) -> Wire:
    size = ops.unary(x, "abs")
    steep = ops.compare(size, 1.0, "greater")
    angle = arc(ops, ops.where(steep, ops.unary(size, "reciprocal"), size))
    return with_sign(ops, ops.where(steep, ops.subtract(pi / 2, angle), angle), x)


def within_half_turn(ops: Part, y: Wire, x: Wire) -> Wire:
    """The angle of (x, y) with a y that is not below 0: 0 … π. Of two infinite sides, or of none, they are equal."""
    across = ops.unary(x, "abs")
    steep = ops.compare(y, across, "greater")
    small, large = ops.where(steep, across, y), ops.where(steep, y, across)
    endless = ops.logical_and(
        ops.compare(small, LARGEST_FLOAT, "greater"), ops.compare(large, LARGEST_FLOAT, "greater")
    )
    ratio = ops.divide(small, ops.where(ops.compare(large, 0.0, "equal"), 1.0, large))
    angle = arc(ops, ops.where(endless, 1.0, ratio))
    angle = ops.where(steep, ops.subtract(pi / 2, angle), angle)
    return ops.where(signbit(ops, x), ops.subtract(pi, angle), angle)


def arctan2(ops: Part, y: Wire, x: Wire) -> Wire:
    return with_sign(ops, within_half_turn(ops, ops.unary(y, "abs"), x), y)


def other_side(ops: Part, x: Wire) -> Wire:
    """√(1 − x²), NaN beyond 1."""
    return ops.unary(ops.multiply(ops.subtract(1.0, x), ops.add(x, 1.0)), "sqrt")


def arcsin(ops: Part, x: Wire) -> Wire:
    return arctan2(ops, x, other_side(ops, x))


def arccos(ops: Part, x: Wire) -> Wire:
    return within_half_turn(ops, other_side(ops, x), x)


# ---- logarithms and exponentials


def plain_log(ops: Part, x: Wire) -> Wire:
    return x.made(ops.graph.add("Log", x.port))


def log(ops: Part, x: Wire) -> Wire:
    """NeoML's own is log(LEAST) at all numbers below, and log(LARGEST_FLOAT) at infinity: infinities are added there.

    What is proved not to come is not repaired. Layers that divide or take powers would cost more than the logarithm.
    """
    g, least = x.graph, least_of(x.port)
    parts = [plain_log(ops, x).port]
    if least < LEAST:
        # At least 2⁻²² below LEAST, and 0 from there on.
        scaled = linear(g, x.port, -(2.0**127))
        small = g.add("ReLU", linear(g, scaled, 1.0, 2.0))
        parts.append(linear(g, linear(g, small, 2.0**127), -(2.0**127)))
        if least < 0:  # infinities of both signs make NaN
            parts.append(linear(g, g.add("ReLU", scaled), LARGEST_FLOAT))
    if not is_finite(x.port):
        parts.append(g.add("ReLU", linear(g, x.port, 1.0, -LARGEST_FLOAT)))
    return x.made(g.add("EltwiseSum", *parts) if len(parts) > 1 else parts[0])


def log1p(ops: Part, x: Wire) -> Wire:
    """log(1 + x), times what rounding 1 + x has changed x by."""
    shifted = ops.add(x, 1.0)
    kept = ops.add(shifted, -1.0)
    lost = ops.compare(kept, 0.0, "equal")
    changed = ops.where(ops.compare(kept, SQUARE_ALONE, "greater"), 1.0, ops.divide(x, kept))
    return ops.where(lost, x, ops.multiply(log(ops, shifted), changed))


def expm1(ops: Part, x: Wire) -> Wire:
    power = ops.unary(x, "exp")
    rest = ops.add(power, -1.0)
    beside = ops.compare(ops.unary(x, "abs"), 1.0, "less")
    near = ops.where(ops.compare(rest, 0.0, "equal"), x, ops.multiply(rest, ops.divide(x, plain_log(ops, power))))
    return ops.where(beside, near, rest)


def arcsinh(ops: Part, x: Wire) -> Wire:
    size = ops.unary(x, "abs")
    large = ops.compare(size, SQUARE_ALONE, "greater")
    square = ops.unary(ops.where(large, 1.0, size), "square")
    root = ops.unary(ops.add(square, 1.0), "sqrt")
    small = log1p(ops, ops.add(size, ops.divide(square, ops.add(root, 1.0))))
    return with_sign(ops, ops.where(large, ops.add(log(ops, size), logarithm(2)), small), x)


def arccosh(ops: Part, x: Wire) -> Wire:
    above = ops.add(x, -1.0)
    root = ops.multiply(ops.unary(above, "sqrt"), ops.unary(ops.add(x, 1.0), "sqrt"))
    large = ops.compare(x, SQUARE_ALONE, "greater")
    return ops.where(large, ops.add(log(ops, x), logarithm(2)), log1p(ops, ops.add(above, root)))


def arctanh(ops: Part, x: Wire) -> Wire:
    size = ops.unary(x, "abs")
    grown = ops.divide(ops.multiply(size, 2.0), ops.subtract(1.0, size))
    return with_sign(ops, ops.multiply(log1p(ops, grown), 0.5), x)


def cbrt(ops: Part, x: Wire) -> Wire:
    """By a logarithm, and nearer by a step of Newton's."""
    size = ops.unary(x, "abs")
    root = ops.unary(ops.multiply(log(ops, size), 1 / 3), "exp")
    step = ops.subtract(root, ops.divide(ops.divide(size, root), root))
    ends = ops.logical_or(ops.compare(size, 0.0, "equal"), ops.compare(size, LARGEST_FLOAT, "greater"))
    return ops.where(ends, x, with_sign(ops, ops.subtract(root, ops.multiply(step, 1 / 3)), x))


def sinc(ops: Part, x: Wire) -> Wire:
    angle = ops.multiply(x, pi)
    return ops.where(ops.compare(x, 0.0, "equal"), 1.0, ops.divide(ops.unary(angle, "sin"), angle))


def chebyshev(ops: Part, x: Wire, coefficients: Sequence[float]) -> Wire:
    """A sum of Chebyshev's polynomials of x / 2, the highest first (Clenshaw 1955)."""
    last, made = ops.multiply(x, 0.0), ops.full_like(x, coefficients[0])
    before = last
    for one in coefficients[1:]:
        before, last, made = last, made, ops.add(ops.subtract(ops.multiply(x, made), last), one)
    return ops.multiply(ops.subtract(made, before), 0.5)


def i0(ops: Part, x: Wire) -> Wire:
    size = ops.unary(x, "abs")
    near = chebyshev(ops, ops.add(ops.multiply(size, 0.5), -2.0), BESSEL)
    far = chebyshev(ops, ops.add(ops.divide(32.0, size), -2.0), BESSEL_FAR)
    outer = ops.multiply(far, ops.unary(size, "rsqrt"))
    return ops.multiply(ops.unary(size, "exp"), ops.where(ops.compare(size, 8.0, "greater"), outer, near))


# ---- remainders


def remainder(ops: Part, x: Wire, y: Wire) -> Wire:
    """|x| less the whole multiples of |y|, to the bit; NaN from 2³³ multiples on.

    A divisor in two pieces of twelve bits, times at most 2¹¹, is exact, and so is what is left of the nearest multiple.
    Both numbers are brought near 1 first, where no piece is subnormal.
    """
    dividend, divisor = ops.unary(x, "abs"), ops.unary(y, "abs")
    above = ops.compare(divisor, 1.0, "greater")
    scale = ops.where(above, 2.0**-32, 2.0**32)
    rest, unit = ops.multiply(dividend, scale), ops.multiply(divisor, scale)
    for multiple in MULTIPLES:
        step = ops.multiply(unit, multiple)
        wide = ops.multiply(step, 4097.0)
        high = ops.subtract(wide, ops.subtract(wide, step))
        turns = ops.add(ops.add(ops.divide(rest, step), ROUNDER), -ROUNDER)
        for piece in (high, ops.subtract(step, high)):
            rest = ops.subtract(rest, ops.multiply(turns, piece))
    rest = ops.where(ops.compare(rest, 0.0, "less"), ops.add(rest, unit), rest)
    rest = ops.multiply(rest, ops.where(above, 2.0**32, 2.0**-32))
    inside = ops.compare(ops.divide(dividend, divisor), MOST_TURNS, "less")
    rest = ops.where(inside, rest, nan)
    return ops.where(ops.compare(dividend, divisor, "less"), dividend, rest)


def fmod(ops: Part, x: Wire, y: Wire) -> Wire:
    return with_sign(ops, remainder(ops, x, y), x)


def mod(ops: Part, x: Wire, y: Wire) -> Wire:
    rest = fmod(ops, x, y)
    apart = ops.compare(ops.compare(x, 0.0, "less"), ops.compare(y, 0.0, "less"), "not_equal")
    beyond = ops.logical_and(apart, ops.compare(rest, 0.0, "not_equal"))
    return ops.where(beyond, ops.add(rest, y), rest)


# ---- the larger number of two


def fmax(ops: Part, x: Wire, y: Wire) -> Wire:
    """A number before what is none."""
    larger = ops.where(ops.compare(x, y, "less"), y, x)
    return ops.where(ops.compare(x, x, "equal"), ops.where(ops.compare(y, y, "equal"), larger, x), y)


def fmin(ops: Part, x: Wire, y: Wire) -> Wire:
    return ops.multiply(fmax(ops, ops.multiply(x, -1.0), ops.multiply(y, -1.0)), -1.0)


def scaled(function: Formula, factor: float) -> Formula:
    return lambda ops, x: ops.multiply(function(ops, x), factor)


OF_ONE: dict[str, Formula] = {
    "arccos": arccos,
    "arccosh": arccosh,
    "arcsin": arcsin,
    "arcsinh": arcsinh,
    "arctan": arctan,
    "arctanh": arctanh,
    "cbrt": cbrt,
    "expm1": expm1,
    "i0": i0,
    "log": log,
    "log10": scaled(log, 1 / logarithm(10)),
    "log1p": log1p,
    "log2": scaled(log, 1 / logarithm(2)),
    "signbit": signbit,
    "sinc": sinc,
}
OF_TWO: dict[str, Callable[[Part, Wire, Wire], Wire]] = {
    "arctan2": arctan2,
    "fmax": fmax,
    "fmin": fmin,
    "fmod": fmod,
    "mod": mod,
}
