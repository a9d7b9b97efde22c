"""Normalisation by the statistics of a batch, in nets that learn.

NeoML's own BatchNormalization has another epsilon, another moving average, and refuses small batches. Its
ObjectNormalization is Keras' formula over the values of each object: with features and batch exchanged, the objects are
the features. That layer knows no masks; with one the formula is drawn from sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..graph import Graph, Port
from ..slots import AXES, Parameter
from ..values import Wire
from .base import Part

# keras.backend.epsilon(), which Keras adds to the number of values that a mask leaves; one more is seen where none is.
COUNT_EPSILON = 1e-7


def in_channels(x: Wire, axis: int, by_steps: bool = False) -> Wire:
    """The tensor with one axis in the channels, the others in batch, height, width and depth; steps in the list."""
    return x.require({axis: "C", **({1: "S"} if by_steps else {})}, others="HWD")


def normalized(x: Wire, axis: int, epsilon: float, by_steps: bool = False) -> tuple[Wire, Port]:
    """(x − mean) / sqrt(variance + epsilon) over all axes but one, of five axes at most; or for every step alone.

    Behind it x with its features as objects.
    """
    turned = in_channels(x, axis, by_steps)
    # NeoML puts ones and zeros of the right number in the place of these.
    affine = {"scale": Parameter.fixed(np.ones(1), "C"), "bias": Parameter.fixed(np.zeros(1), "C")}

    def by_features(port: Port) -> Port:
        objects.append(_exchanged(x.graph, port))
        made = x.graph.add("ObjectNormalization", *objects, epsilon=float(epsilon), parameters=affine)
        return _exchanged(x.graph, made)

    objects: list[Port] = []
    as_rows = not by_steps and None not in x.shape[1:]
    made = turned.made(in_rows(turned, "B", by_features) if as_rows else by_features(turned.port))
    return made, objects[0]


def _exchanged(graph: Graph, port: Port) -> Port:
    return graph.add("Transpose", port, first_dim="batch_width", second_dim="channels")


def in_rows(x: Wire, rows: str, function: Callable[[Port], Port]) -> Port:
    """A function of a tensor's features, with everything else in one dimension: NeoML is quicker so.

    All sizes but that of the batch must be known, and the features lie in the channels.
    """
    sizes = dict(zip(x.layout, x.shape))

    def shaped(port: Port, rules: Mapping[str, tuple[str, int]]) -> Port:
        return x.graph.add("Transform", port, transforms=[rules.get(letter, ("set", 1)) for letter in AXES])

    known = {letter: ("set", size) for letter, size in sizes.items() if size is not None}
    flat = shaped(x.port, {rows: ("remainder", 1), "C": known["C"]})
    return shaped(function(flat), {**known, "B": ("remainder", 1)})


def normalized_where(ops: Part, x: Wire, axis: int, epsilon: float, mask: Wire) -> Wire:
    """The same, where only what the mask leaves counts."""
    kept = ops.multiply(ops.filled(x, 1.0), ops.expand_dims(ops.cast(mask, "float32"), mask.rank))
    share = ops.power(ops.add(_sum(kept, axis), COUNT_EPSILON), -1.0)
    mean = ops.multiply(_sum(ops.multiply(x, kept), axis), share)
    centred = ops.subtract(x, mean)
    squares = ops.multiply(ops.multiply(centred, centred), kept)
    variance = ops.multiply(_sum(squares, axis), share)
    return ops.multiply(centred, ops.power(ops.add(variance, float(epsilon)), -0.5))


def _sum(x: Wire, axis: int) -> Wire:
    """The sum over all axes but one, each of which becomes 1."""
    turned = in_channels(x, axis)
    rules = {"H": ("remainder", 1), "C": ("set", x.size(axis))}
    rows = x.graph.add("Transform", turned.port, transforms=[rules.get(letter, ("set", 1)) for letter in AXES])
    shape = [size if at == axis else 1 for at, size in enumerate(x.shape)]
    return turned.made(x.graph.add("GlobalSumPooling", rows), shape)
