"""Convolutions on arrays: one matrix product of all windows, in parts that fit the cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, Optional

import numpy as np

from ..layers.windows import effective, fitting, margins, transposed_margins
from ..network import Array
from ..operations import Weight
from .values import Value, floating

# Numbers that stay in the cache, and what is made of them.
PART = 2**18
# How much a product adds up at once: OpenBLAS was found to take twice the time beyond that on AMD's Zen.
DEPTH = 256


def all_rows(cuts: Iterable[slice]) -> tuple[slice, ...]:
    return (slice(None), *cuts)


def padded(x: Array, amounts: Sequence[tuple[int, int]], value: float = 0.0) -> Array:
    """Grow the axes after the batch by (before, after); below 0 cut them."""
    cuts = (
        slice(max(-before, 0), max(size - max(-after, 0), 0)) for size, (before, after) in zip(x.shape[1:], amounts)
    )
    x = x[all_rows(cuts)]
    grown = [(max(before, 0), max(after, 0)) for before, after in amounts]
    if not any(map(any, grown)):
        return x
    return np.pad(x, [(0, 0), *grown], constant_values=np.asarray(value, x.dtype))


def pieces(count: int, size: int) -> list[slice]:
    """Slices of `count` things of `size` numbers each that fit the cache."""
    step = max(PART // max(size, 1), 1)
    return [slice(at, at + step) for at in range(0, count, step)]


def by_rows(function: Callable[[Array], Array], x: Array) -> Array:
    """A function that treats each row of a batch alone, over rows that fit the cache."""
    cuts = pieces(len(x), math.prod(x.shape[1:]))
    return function(x) if len(cuts) < 2 else np.concatenate([function(x[rows]) for rows in cuts])


def shifts(
    x: Array, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """For each place in the window, which lies over the axes behind the batch, what all windows see there."""
    ends = [(fitting(*axis) - 1) * axis[2] + 1 for axis in zip(x.shape[1:], window, strides, dilation)]
    for place in product(*map(range, window)):
        starts = [at * d for at, d in zip(place, dilation)]
        yield place, x[all_rows(slice(at, at + end, s) for at, end, s in zip(starts, ends, strides))]


def windows_over(x: Array, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Array:
    """(batch, *sizes, features) to a view (batch, *places, *window, features)."""
    spans = tuple(effective(*axis) for axis in zip(window, dilation))
    seen: Array = np.lib.stride_tricks.sliding_window_view(x, spans, axis=tuple(range(1, x.ndim - 1)))  # type: ignore
    steps = [slice(None, None, step) for step in (*strides, 1, *dilation)]
    return np.moveaxis(seen[all_rows(steps)], x.ndim - 1, -1)


def convolve(
    x: Array,
    kernel: Array,
    bias: Optional[Array] = None,
    *,
    strides: Sequence[int],
    padding: str = "valid",
    dilation: Sequence[int],
    groups: int = 1,
) -> Array:
    """(batch, *sizes, in) with a kernel (*window, in / groups, filters)."""
    window = kernel.shape[:-2]
    x = padded(x, [*margins(padding, x.shape[1:-1], window, strides, dilation), (0, 0)])
    pairs = zip(np.split(x, groups, -1), np.split(kernel, groups, -1))
    made = [convolve_group(part, filters, strides, dilation) for part, filters in pairs]
    y = made[0] if groups == 1 else np.concatenate(made, -1)
    if bias is not None:
        y += bias
    return y


def convolve_group(x: Array, kernel: Array, strides: Sequence[int], dilation: Sequence[int]) -> Array:
    """What windows see, as rows of a matrix, times the kernel as another: some lines of some rows at a time."""
    *window, _, filters = kernel.shape
    for axis in zip(x.shape[1:], window, strides, dilation):
        fitting(*axis)
    seen = windows_over(x, window, strides, dilation)
    places = seen.shape[: 1 + len(window)]
    deep = max(DEPTH // math.prod(kernel.shape[1:-1]), 1)
    cuts = [slice(at, at + deep) for at in range(0, window[0], deep)]
    products = [((*map(slice, places), cut), kernel[cut].reshape(-1, filters)) for cut in cuts]
    y = np.zeros((*places, filters), np.result_type(x, kernel))
    line = math.prod(places[2:]) * max(math.prod(kernel.shape[:-1]), filters)
    for rows in pieces(places[0], places[1] * line):
        for lines in pieces(places[1], line):
            for cut, matrix in products:
                part = seen[rows, lines][cut]
                y[rows, lines] += (part.reshape(-1, len(matrix)) @ matrix).reshape(*part.shape[: len(places)], filters)
    return y


def convolve_depthwise(
    x: Array,
    kernel: Array,
    bias: Optional[Array] = None,
    *,
    strides: Sequence[int],
    padding: str = "valid",
    dilation: Sequence[int],
) -> Array:
    """(batch, *sizes, in) with a kernel (*window, in, multiplier) to in · multiplier channels."""
    window = kernel.shape[:-2]
    x = padded(x, [*margins(padding, x.shape[1:-1], window, strides, dilation), (0, 0)])

    def convolved(x: Array) -> Array:
        (place, seen), *others = shifts(x, window, strides, dilation)
        total = seen[..., None] * kernel[place]
        for place, seen in others:
            total += seen[..., None] * kernel[place]
        return total.reshape(*total.shape[:-2], -1)

    y = by_rows(convolved, x)
    if bias is not None:
        y += bias
    return y


def convolve_transposed(
    x: Array,
    kernel: Array,
    bias: Optional[Array] = None,
    *,
    strides: Sequence[int],
    dilation: Sequence[int],
    amounts: Sequence[tuple[int, int]],
) -> Array:
    """(batch, *sizes, in) with a kernel (*window, filters, in); `amounts` are added to both ends, or cut off."""
    window = kernel.shape[:-2]
    sizes = [(size - 1) * s + effective(k, d) for size, k, s, d in zip(x.shape[1:-1], window, strides, dilation)]
    y = np.zeros((len(x), *sizes, kernel.shape[-2]), np.float32)
    for place in product(*map(range, window)):
        starts = [at * d for at, d in zip(place, dilation)]
        ends = [(size - 1) * stride + 1 for size, stride in zip(x.shape[1:-1], strides)]
        y[all_rows(slice(at, at + end, s) for at, end, s in zip(starts, ends, strides))] += x @ kernel[place].T
    y = padded(y, [*amounts, (0, 0)])
    return y if bias is None else y + bias


class ConvolutionOperations:
    """`porting.operations.ConvolutionOperations` on arrays."""

    def convolution(self, x: Value, kernel: Weight, bias: Optional[Weight] = None, **options: Any) -> Value:
        return Value(convolve(floating(x), *_arrays(kernel, bias), **options))

    def depthwise_convolution(self, x: Value, kernel: Weight, bias: Optional[Weight] = None, **options: Any) -> Value:
        return Value(convolve_depthwise(floating(x), *_arrays(kernel, bias), **options))

    def transposed_convolution(
        self,
        x: Value,
        kernel: Weight,
        bias: Optional[Weight] = None,
        *,
        strides: Sequence[int],
        padding: str,
        output_padding: Optional[Sequence[int]],
        dilation: Sequence[int],
    ) -> Value:
        more: Sequence[Optional[int]] = output_padding or [None] * len(strides)
        sizes = zip(kernel.shape[:-2], strides, more, dilation)
        amounts = [transposed_margins(k, s, padding, o, d) for k, s, o, d in sizes]
        weights = _arrays(kernel, bias)
        return Value(convolve_transposed(floating(x), *weights, strides=strides, dilation=dilation, amounts=amounts))


def _arrays(kernel: Weight, bias: Optional[Weight]) -> tuple[Array, Optional[Array]]:
    return kernel.value, None if bias is None else bias.value
