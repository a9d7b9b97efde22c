"""Pools, margins, resizing and fixed normalisation as NeoML layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import isinf
from typing import Optional

import numpy as np

from ...layers.rule import Refusal
from ...layers.windows import margins, output_size
from ...network import Array
from ...operations import MovingStatistics, Weight
from ..graph import Port
from ..slots import Parameter, blob_array
from ..values import RUN_IN_NUMPY, TIME_FIRST, Wire, canonical, holds_exactly
from . import steps_as_rows as time_as_batch
from .base import BatchMoments, Part
from .batch_statistics import in_rows, normalized, normalized_where
from .learned_tensors import added_to_channels, times_channels, with_learnt_channels
from .reshaping import as_float, as_whole, moved, repeat, through_floats

Sizes = Sequence[int]
WINDOW = "HWD"
# Below every number that a network computes, and still finite.
LOWEST = -3.0e38
LOWEST_FINITE = float(np.finfo(np.float32).min)
# From so many channels on images learn more quickly as other tensors do.
MANY_CHANNELS = 48
# Axes of a tensor that fits a batch of images with its channels.
IMAGE_RANK = 4


def spatial(x: Wire, axes: int) -> Wire:
    """The tensor with its last axes in height, width, depth and channels, where NeoML has its windows."""
    if x.rank != axes + 2:
        raise Refusal(f"takes a tensor of rank {axes + 2}, not of rank {x.rank}")
    x = as_float(x)
    x = x if x.layout == TIME_FIRST else x.require(dict(enumerate(WINDOW[:axes] + "C", 1)))
    return replace(x, dtype="float32")


def pad(x: Wire, amounts: Sequence[tuple[int, int]], value: float = 0.0) -> Wire:
    """Grow each axis after the batch by (before, after); below 0 cut it."""

    def grown(part: Wire, value: float) -> Wire:
        return pad_floats(part, amounts, value)

    made = through_floats(x, grown, int(value)) if x.is_whole else moved(grown(x, value), x)
    # Every table has a row 0; of another number nothing is known.
    bounds = None if value and not x.is_whole else made.bounds
    return replace(made, mask=None, ids_from=None if value else made.ids_from, bounds=bounds)


def pad_floats(x: Wire, amounts: Sequence[tuple[int, int]], value: float) -> Wire:
    x.graph.infinite = x.graph.infinite or isinf(value)
    for axes in _pairs(x, amounts):
        if any(x.layout[axis] not in "HW" for axis in axes):
            x = x.require(dict.fromkeys(axes, "HW"))
        deltas = [0, 0, 0, 0]
        shape = list(x.shape)
        for axis in axes:
            first = 2 if x.layout[axis] == "H" else 0
            deltas[first : first + 2] = amounts[axis - 1]
            size = shape[axis]
            shape[axis] = None if size is None else size + sum(amounts[axis - 1])
            if (shape[axis] or 1) < 1:
                raise Refusal(f"{-sum(amounts[axis - 1])} steps are cut from an axis of size {size}")
        x = x.made(x.graph.add("ImageResize", x.port, deltas=deltas, default_value=float(value)), shape)
    return x


def _pairs(x: Wire, amounts: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The axes to change, those that lie in height and width together."""
    changed = [axis for axis, amount in enumerate(amounts, 1) if any(amount)]
    together = [axis for axis in changed if x.layout[axis] in "HW"]
    return ([together] if together else []) + [[axis] for axis in changed if axis not in together]


class ImageOperations(Part):
    """`porting.operations.ImageOperations` over a `Graph`."""

    # ---- pools

    def pool(self, x: Wire, name: str, window: Sizes, strides: Sizes, padding: str) -> Wire:
        if x.is_whole and name == "max":
            if not holds_exactly(x.range):
                what = "a pool of whole numbers beyond 2**24, up to which NeoML's pools are exact"
                raise Refusal(what, RUN_IN_NUMPY)
            made = as_whole(self.pool(as_float(x), name, window, strides, padding))
            return replace(made, dtype=x.dtype, bounds=x.bounds)
        image = spatial(x, len(window))
        once = (1,) * len(window)
        sizes = image.shape[1:-1]
        amounts = margins(padding, sizes, window, strides, once)
        shape = (image.shape[0], *map(output_size, sizes, amounts, window, strides, once), image.shape[-1])
        grown = spatial(pad(image, [*amounts, (0, 0)], LOWEST if name == "max" else 0.0), len(window))
        port = self._pool(grown.port, name, window, strides)
        if name == "mean" and any(map(any, amounts)):
            port = self._share_of(port, image, amounts, window, strides)
        made = image.made(port, shape)
        # Of infinite numbers alone TensorFlow's pools make the lowest finite one.
        return self.maximum(made, LOWEST_FINITE) if name == "max" and self.graph.infinite else made

    def _pool(self, image: Port, name: str, window: Sizes, strides: Sizes) -> Port:
        kind = "MaxPooling" if name == "max" else "MeanPooling"
        # The gradient of NeoML's MaxPooling is wrong for windows higher than 1, that of MaxPooling3D is right.
        axes = 3 if len(window) == 3 or (self.in_training and name == "max") else 2
        ones = (1,) * (axes - len(window))
        return self.graph.add(
            f"{kind}3D" if axes == 3 else kind,
            image,
            filter_size=(*window, *ones),
            stride_size=(*strides, *ones),
        )

    def _share_of(
        self, pooled: Port, image: Wire, amounts: Sequence[tuple[int, int]], window: Sizes, strides: Sizes
    ) -> Port:
        """A mean that counted the padding, over the part of each window that is none."""
        ones = self.filled(image, 1.0)
        grown = spatial(pad(ones, [*amounts, (0, 0)]), len(window))
        part = self._pool(grown.port, "mean", window, strides)
        if not self.in_training:
            return self.graph.add("EltwiseDiv", pooled, part)
        inverse = self.graph.add("Power", part, exponent=-1.0)
        kept = self.graph.add("LeakyReLU", pooled, alpha=1.0)
        return self.graph.add("EltwiseMul", kept, inverse)

    # ---- sizes

    pad = staticmethod(pad)

    def upsample(self, x: Wire, times: Sizes) -> Wire:
        made = x
        for axis, count in enumerate(times, 1):
            if count == 1:
                continue
            made = repeat(made, count, axis)
        return replace(moved(made, x), mask=None)

    def resample(self, x: Wire, axis: int, matrix: Array) -> Wire:
        """A 1x1 convolution over the axis, which is brought to the channels for it."""
        at = x.axis(axis)
        target, size = matrix.shape
        if x.shape[at] != size:
            raise Refusal(f"axis {axis} of shape {x.shape} meets a matrix for {size}", "fix the size in the Input")
        x = as_float(x).require({at: "C"}, others="HWSL")
        port = self.graph.add(
            "Conv",
            x.port,
            filter_count=target,
            filter_size=(1, 1),
            parameters={"filter": Parameter.fixed(np.ascontiguousarray(matrix.T), "CB")},
        )
        return x.made(port, (*x.shape[:at], target, *x.shape[at + 1 :]), dtype="float32")

    # ---- fixed normalisation

    def scale_and_shift(self, x: Wire, scale: Optional[Array], shift: Optional[Array], axis: int) -> Wire:
        at = x.axis(axis)
        factors = np.ones(x.size(at), np.float32) if scale is None else scale
        parameters = {"filter": Parameter.fixed(factors.reshape(-1), "C")}
        if shift is not None:
            parameters["free_term"] = Parameter.fixed(shift.reshape(-1), "C")
        return self._per_channel(x, at, parameters)

    def _per_channel(self, x: Wire, axis: int, parameters: dict[str, Parameter]) -> Wire:
        """A factor, and a number to add, for each place along an axis."""
        if self.in_training and x.rank > IMAGE_RANK:
            return self._with_places_as_one(x, axis, lambda flat: self._per_channel(flat, 2, parameters))
        x = as_float(x).require({axis: "C"}, others="HW" if self.in_training else "HWSL")
        count = x.size(axis)
        port = self.graph.add("ChannelwiseConv", x.port, filter_count=count, filter_size=(1, 1), parameters=parameters)
        return x.made(port, dtype="float32")

    def _with_places_as_one(self, x: Wire, axis: int, function: Callable[[Wire], Wire]) -> Wire:
        """A function of (batch, places, features): NeoML goes back through one list and one length of images only."""
        others = [at for at in range(1, x.rank) if at != axis]
        if sum(x.shape[at] is None for at in others) > 1:
            raise Refusal("several open axes of a tensor of five or more that is trained", "fix them in the Input")
        order = [0, *others, axis]
        flat = self.reshape(self.transpose(x, order), (-1, x.size(axis)))
        made = function(flat)
        sizes = [x.shape[at] for at in others]
        whole = self.reshape(made, (*(-1 if size is None else size for size in sizes), x.size(axis)))
        return self.transpose(whole, [order.index(at) for at in range(x.rank)])

    def dropout(self, x: Wire, rate: float, whole_features: bool = False) -> Wire:
        # Along the batch length NeoML drops the same places at every step.
        x = self._floating(x).to(canonical(x.rank))
        # It drops nothing where nothing learns before it: a layer that `LearningNet` lets learn where need be.
        if x.shape[-1] is None or (x.rank > IMAGE_RANK and x.shape[1:].count(None) > 1):
            waking = x
        elif x.rank > IMAGE_RANK:
            flat = self.dropout(self.reshape(x, (-1, x.size(-1))), rate, whole_features)
            return self.reshape(flat, tuple(-1 if size is None else size for size in x.shape[1:]))
        else:
            waking = self.scale_and_shift(x, None, None, -1)
        return x.made(self.graph.add("Dropout", waking.port, rate=float(rate), spatial=whole_features))

    def batch_normalization(
        self,
        x: Wire,
        mean: Weight,
        variance: Weight,
        gamma: Optional[Weight] = None,
        beta: Optional[Weight] = None,
        *,
        epsilon: float,
        axis: int,
    ) -> Wire:
        at = x.axis(axis)
        deviation = np.sqrt(variance.value.astype(np.float32) + np.float32(epsilon))
        if not self.in_training:
            scale = 1 / deviation if gamma is None else gamma.value / deviation
            shift = -mean.value * scale if beta is None else beta.value - mean.value * scale
            weights = tuple(one for one in (gamma, beta, mean, variance) if one is not None)
            parameters = {"filter": _fixed_from(weights, scale), "free_term": _fixed_from(weights, shift)}
            return self._per_channel(x, at, parameters)
        y = self.scale_and_shift(x, 1 / deviation, -mean.value / deviation, at)
        return self._by_learnt(y, gamma, beta, at)

    def _by_learnt(self, x: Wire, gamma: Optional[Weight], beta: Optional[Weight], axis: int) -> Wire:
        """x · gamma + beta along an axis."""
        if gamma is None and beta is None:
            return x
        if x.rank > IMAGE_RANK:
            return self._with_places_as_one(x, axis, lambda flat: self._by_learnt(flat, gamma, beta, 2))
        image = as_float(x).require({axis: "C"}, others="HW")
        if x.rank < IMAGE_RANK or None in x.shape[1:] or x.size(axis) >= MANY_CHANNELS:
            return image.made(with_learnt_channels(image.graph, image.port, gamma, beta, x.size(axis)))
        if gamma is not None:
            image = image.made(in_rows(image, "H", partial(times_channels, image.graph, factors=gamma)))
        return image if beta is None else added_to_channels(image, beta)

    def normalize_batch(
        self,
        x: Wire,
        statistics: MovingStatistics,
        gamma: Optional[Weight] = None,
        beta: Optional[Weight] = None,
        *,
        epsilon: float,
        axis: int,
        mask: Optional[Wire] = None,
        by_steps: bool = False,
    ) -> Wire:
        x, at = as_float(x), x.axis(axis)
        objects = None
        if mask is not None:
            y = normalized_where(self, x, at, epsilon, mask)
        elif by_steps:
            y, _ = normalized(x, at, epsilon, by_steps=True)
        elif x.rank > IMAGE_RANK + 1:
            y = self._with_places_as_one(x, at, lambda flat: normalized(flat, 2, epsilon)[0])
        else:
            y, objects = normalized(x, at, epsilon)
        self.moments.append(BatchMoments(x, at, mask, statistics, by_steps, objects))
        return self._by_learnt(y, gamma, beta, at)

    # ---- time as batch

    time_to_batch = staticmethod(time_as_batch.fold)

    def batch_to_time(self, x: Wire, like: Wire) -> Wire:
        return through_floats(x, lambda steps: time_as_batch.unfold(self, steps, as_float(like)))


def _fixed_from(weights: tuple[Weight, ...], value: Array) -> Parameter:
    return Parameter.computed_from(lambda: blob_array(value.astype(np.float32).reshape(-1), "C"), weights)
