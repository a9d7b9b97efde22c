"""Convolutions on arrays: shifted slices, one matrix product a shift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Optional, cast

import numpy as np

from ..layers.windows import effective, margins, output_size, transposed_margins
from ..network import Array
from ..operations import Weight
from .values import Value, floating

__all__ = ["ConvolutionOperations", "padded", "shifts"]

Margins = Sequence[tuple[int, int]]


def all_rows(cuts: Iterable[slice]) -> tuple[slice, ...]:
    return (slice(None), *cuts)


def padded(x: Array, amounts: Margins, value: float = 0.0) -> Array:
    """Grow the axes after the batch by (before, after); below 0 cut them."""
    cuts = (
        slice(max(-before, 0), max(size - max(-after, 0), 0)) for size, (before, after) in zip(x.shape[1:], amounts)
    )
    x = x[all_rows(cuts)]
    grown = [(max(before, 0), max(after, 0)) for before, after in amounts]
    if not any(map(any, grown)):
        return x
    return np.pad(x, [(0, 0), *grown], constant_values=np.asarray(value, x.dtype))


def shifts(
    x: Array, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """For each place in the window, which lies over the axes behind the batch, what all windows see there."""
    counts = [output_size(*axis) for axis in zip(x.shape[1:], [(0, 0)] * len(window), window, strides, dilation)]
    ends = [(cast(int, count) - 1) * stride + 1 for count, stride in zip(counts, strides)]
    for place in product(*map(range, window)):
        starts = [at * d for at, d in zip(place, dilation)]
        cuts = (slice(start, start + end, stride) for start, end, stride in zip(starts, ends, strides))
        yield place, x[all_rows(cuts)]


def convolve(
    x: Array,
    kernel: Weight,
    bias: Optional[Weight],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    groups: int,
) -> Array:
    """(batch, *sizes, in) with a kernel (*window, in / groups, filters)."""
    window = kernel.shape[:-2]
    x = padded(x, [*margins(padding, x.shape[1:-1], window, strides, dilation), (0, 0)])
    filters = np.split(kernel.value, groups, -1)
    parts = np.split(x, groups, -1)
    made = [_convolve_group(part, filter_, strides, dilation) for part, filter_ in zip(parts, filters)]
    y = made[0] if groups == 1 else np.concatenate(made, -1)
    return y if bias is None else y + bias.value


def _convolve_group(x: Array, kernel: Array, strides: Sequence[int], dilation: Sequence[int]) -> Array:
    """Shifts along all axes but the last, whose window goes into the product whole."""
    *outer, last = kernel.shape[:-2]
    width, filters = kernel.shape[-2:]
    span = effective(last, dilation[-1])
    rows = np.lib.stride_tricks.sliding_window_view(x, span, axis=-2)
    rows = rows[..., :: strides[-1], :, :: dilation[-1]].swapaxes(-1, -2)
    total: Optional[Array] = None
    for place, seen in shifts(rows, outer, strides[:-1], dilation[:-1]):
        flat = np.ascontiguousarray(seen).reshape(-1, last * width)
        made = (flat @ kernel[place].reshape(last * width, filters)).reshape(*seen.shape[:-2], filters)
        total = made if total is None else np.add(total, made, out=total)
    assert total is not None
    return total


def convolve_depthwise(
    x: Array,
    kernel: Weight,
    bias: Optional[Weight],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int],
) -> Array:
    """(batch, *sizes, in) with a kernel (*window, in, multiplier) to in · multiplier channels."""
    window = kernel.shape[:-2]
    x = padded(x, [*margins(padding, x.shape[1:-1], window, strides, dilation), (0, 0)])
    total: Optional[Array] = None
    for place, seen in shifts(x, window, strides, dilation):
        made = seen[..., None] * kernel.value[place]
        total = made if total is None else np.add(total, made, out=total)
    assert total is not None
    y: Array = total.reshape(*total.shape[:-2], -1)
    return y if bias is None else y + bias.value


def convolve_transposed(
    x: Array,
    kernel: Weight,
    bias: Optional[Weight],
    strides: Sequence[int],
    padding: str,
    output_padding: Optional[Sequence[int]],
    dilation: Sequence[int],
) -> Array:
    """(batch, *sizes, in) with a kernel (*window, filters, in)."""
    window = kernel.shape[:-2]
    spans = [effective(k, d) for k, d in zip(window, dilation)]
    sizes = [(size - 1) * stride + span for size, stride, span in zip(x.shape[1:-1], strides, spans)]
    y = np.zeros((x.shape[0], *sizes, kernel.shape[-2]), np.float32)
    for place in product(*map(range, window)):
        starts = [at * d for at, d in zip(place, dilation)]
        cuts = (
            slice(start, start + (size - 1) * stride + 1, stride)
            for start, size, stride in zip(starts, x.shape[1:-1], strides)
        )
        y[all_rows(cuts)] += x @ kernel.value[place].T
    more: Sequence[Optional[int]] = output_padding or [None] * len(window)
    amounts = [transposed_margins(k, s, padding, o, d) for k, s, o, d in zip(window, strides, more, dilation)]
    y = padded(y, [*amounts, (0, 0)])
    return y if bias is None else y + bias.value


class ConvolutionOperations:
    """`porting.operations.ConvolutionOperations` on arrays."""

    def convolution(
        self,
        x: Value,
        kernel: Weight,
        bias: Optional[Weight] = None,
        *,
        strides: Sequence[int],
        padding: str,
        dilation: Sequence[int],
        groups: int = 1,
    ) -> Value:
        return Value(convolve(floating(x), kernel, bias, strides, padding, dilation, groups))

    def depthwise_convolution(
        self,
        x: Value,
        kernel: Weight,
        bias: Optional[Weight] = None,
        *,
        strides: Sequence[int],
        padding: str,
        dilation: Sequence[int],
    ) -> Value:
        return Value(convolve_depthwise(floating(x), kernel, bias, strides, padding, dilation))

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
        return Value(convolve_transposed(floating(x), kernel, bias, strides, padding, output_padding, dilation))
