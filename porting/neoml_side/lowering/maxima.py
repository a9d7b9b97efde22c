"""The larger of two numbers and the largest of several, as they train in Keras.

TensorFlow gives the gradient of a maximum over axes in equal parts to all places that hold it; NeoML gives it to one
of them. With repeated words, or a padded end, whole windows are equal and the parts matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..values import TIME_FIRST, Wire, canonical
from .base import Part
from .steps_as_rows import transform

# The slope of a step so steep that it is over before the number next to 0; and not so steep that a gradient divided by
# it falls out of float32. Maxima are told from numbers 1e-22 below them, gradients down to 1e-16 go back.
STEEP = 2.0**72
# Tells the larger of two numbers: times this, a difference is beyond 1 or nothing.
SHARP = 1e20


def larger(ops: Part, a: Wire, b: Wire) -> Wire:
    """The larger of two tensors of one shape and layout; where they are equal the first has the gradient.

    It is a · (1 − e) + b · e, where e is 1 where b is larger and 0 elsewhere; e has no gradient. NeoML's EltwiseMax
    goes back by places that it may lose from the second step on: gradients then are zero or stand elsewhere.
    """
    gap = ops.multiply(ops.subtract(b, a), SHARP)
    second = gap.made(ops.graph.add("ReLU", gap.port, threshold=1.0))
    return ops.add(ops.multiply(a, ops.subtract(1.0, second)), ops.multiply(b, second))


def largest(ops: Part, x: Wire, axes: Sequence[int]) -> Wire:
    """The maximum over axes, which stay as 1.

    That of a ReLU is the ReLU of the maximum: where it is 0 no place has a gradient. Over the time, and in the
    convolutions before, NeoML is quicker where the time comes first: a batch is one image, whose columns are its rows.
    """
    before = x.port.node
    if before.kind == "ReLU" and not before.settings:
        made = largest(ops, replace(x, port=before.inputs[0], forms={}), axes)
        return made.made(ops.graph.add("ReLU", made.port))
    if x.rank == len(TIME_FIRST) and [x.axis(axis) for axis in axes] == [1] and x.shape[-1] is not None:
        if x.layout == canonical(x.rank):
            x.wish(TIME_FIRST)
        if x.layout == TIME_FIRST:
            return _in_one_row(ops, x)
    return _largest(ops, x, axes)


def _in_one_row(ops: Part, x: Wire) -> Wire:
    """The maximum over the time that comes first, with the features of all rows side by side."""
    row = x.made(transform(x, {"H": ("multiply", 1), "C": ("remainder", 1)}), (1, x.shape[1], None), layout="BHC")
    made = _largest(ops, row, [1])
    features = x.size(-1)
    return made.made(transform(made, {"B": ("remainder", 1), "C": ("set", features)}), (x.shape[0], 1, features))


def _largest(ops: Part, x: Wire, axes: Sequence[int]) -> Wire:
    """The maximum over axes, which stay as 1.

    It is m + z with a z of 0 whose derivative by x is e / n less that of m, where e is 1 where x is the maximum m and
    0 elsewhere, and n = Σ e. A step from 0 to 1 that is half way up at x = m has the value e / 2 and the derivative
    s · e, s the slope; the logarithm of its sum, n / 2, has the derivative 2 s · e / n. Divided by 2 s it is so small
    that adding 1 and taking it away leaves 0 of it, and all of its derivative.

    Equal is what is equal to the bit, as in TensorFlow: equal windows give equal numbers in either, wherever they
    stand, and windows that only come close do not share.
    """
    top = ops.plain_reduce(x, "max", axes, keepdims=True)
    gap = ops.subtract(x, top)
    halves = gap.made(ops.graph.add("HardSigmoid", gap.port, slope=STEEP, bias=0.5))
    count = ops.plain_reduce(halves, "sum", axes, keepdims=True)
    share = ops.multiply(ops.unary(count, "log"), 0.5 / STEEP)
    return ops.add(top, ops.subtract(ops.add(share, 1.0), 1.0))
