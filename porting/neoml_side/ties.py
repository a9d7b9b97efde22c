"""The larger of two numbers and the largest of several, as they train in Keras.

TensorFlow gives the gradient of a maximum over axes in equal parts to all places that hold it; NeoML gives it to one
of them. With repeated words, or a padded end, whole windows are equal and the parts matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .wires import Wire

if TYPE_CHECKING:
    from .operations import NeomlOperations

__all__ = ["larger", "largest"]

# Times this every difference is beyond 2, but for a difference of 0.
STEEP = 1e38
# Tells the larger of two numbers: times this, a difference is beyond 1 or nothing.
SHARP = 1e20


def larger(ops: NeomlOperations, a: Wire, b: Wire) -> Wire:
    """The larger of two tensors of one shape and layout; where they are equal the first has the gradient.

    It is a · (1 − e) + b · e, where e is 1 where b is larger and 0 elsewhere; e has no gradient. NeoML's EltwiseMax
    goes back by places that it may lose from the second step on: gradients then are zero or stand elsewhere.
    """
    gap = ops.multiply(ops.subtract(b, a), SHARP)
    second = gap.made(ops.graph.add("ReLU", gap.port, threshold=1.0))
    return ops.add(ops.multiply(a, ops.subtract(1.0, second)), ops.multiply(b, second))


def largest(ops: NeomlOperations, x: Wire, axes: Sequence[int]) -> Wire:
    """The maximum over axes, which stay as 1.

    It is m + Σ (x − m) · e / n, where e is 1 where x is the maximum m and 0 elsewhere, and n = Σ e. The sum is 0; its
    derivative by x is e / n, and every other path's derivative is 0 or takes away that of m. Equal is what is equal to
    the bit, as in TensorFlow: equal windows give equal numbers in either, wherever they stand, and windows that only
    come close do not share.
    """
    top = ops.plain_reduce(x, "max", axes, keepdims=True)
    gap = ops.subtract(x, top)
    # Flat where it is 0 or 1, so it has no gradient.
    equal = gap.made(ops.graph.add("HardSigmoid", gap.port, slope=STEEP, bias=2.0))
    count = ops.plain_reduce(equal, "sum", axes, keepdims=True)
    # The count reads `equal` too, so the product is not written over it.
    product = gap.made(ops.graph.add("EltwiseMul", equal.port, gap.port))
    share = ops.plain_reduce(product, "sum", axes, keepdims=True)
    return ops.add(top, ops.multiply(share, ops.unary(count, "reciprocal")))
