"""Keras' Fourier transforms. A complex tensor is two tensors, its real and its imaginary part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from ..network import Array
from ..operations import Operations, Tensor, Weight
from .operation_kinds import as_float, known, operation
from .operation_shapes import mirrored
from .rule import LayerView, Refusal

Complex = list[Tensor]


@operation("FFT")
def fft(layer: LayerView, x: Sequence[Tensor], ops: Operations) -> Complex:
    return list(ops.fourier(x[0], x[1], len(x[0].shape) - 1))


@operation("FFT2", "IFFT2")
def fft2(layer: LayerView, x: Sequence[Tensor], ops: Operations) -> Complex:
    real, imaginary = x
    for axis in (len(real.shape) - 1, len(real.shape) - 2):
        real, imaginary = ops.fourier(real, imaginary, axis, inverse=layer.class_name == "ops.IFFT2")
    return [real, imaginary]


@operation("RFFT")
def rfft(layer: LayerView, x: Tensor, ops: Operations) -> Complex:
    x, last = as_float(x, ops), len(x.shape) - 1
    length = layer.config["fft_length"] or known(x, last)
    return list(ops.fourier(resized(x, last, length, ops), None, last, kept=length // 2 + 1))


@operation("IRFFT")
def irfft(layer: LayerView, x: Sequence[Tensor], ops: Operations) -> Tensor:
    last = len(x[0].shape) - 1
    length = layer.config["fft_length"] or 2 * (known(x[0], last) - 1)
    return real_signal([resized(part, last, length // 2 + 1, ops) for part in x], length, ops)


def resized(x: Tensor, axis: int, length: int, ops: Operations) -> Tensor:
    """The first `length` steps of an axis, zeros behind them where there are fewer."""
    amounts = [(0, 0)] * (len(x.shape) - 1)
    amounts[axis - 1] = (0, length - known(x, axis))
    return x if amounts[axis - 1] == (0, 0) else ops.pad(x, amounts)


def real_signal(x: Sequence[Tensor], length: int, ops: Operations) -> Tensor:
    """The inverse transform of frequencies up to the half of `length`; the others mirror them."""
    real, imaginary = x
    last = len(real.shape) - 1
    mirrored_end = (length + 1) // 2
    if mirrored_end > 1:
        behind = [ops.flip(ops.slice(part, last, 1, mirrored_end), last) for part in (real, imaginary)]
        real = ops.concatenate([real, behind[0]], last)
        imaginary = ops.concatenate([imaginary, ops.unary(behind[1], "negative")], last)
    return ops.fourier(real, imaginary, last, inverse=True)[0]


# ---- frames


@operation("STFT")
def stft(layer: LayerView, x: Tensor, ops: Operations) -> Complex:
    config = layer.config
    return short_time_transform(
        as_float(x, ops),
        config["sequence_length"],
        config["sequence_stride"],
        config["fft_length"],
        config["window"],
        config["center"],
        ops,
    )


def short_time_transform(
    x: Tensor, length: int, stride: int, fft_length: int, window: Any, center: bool, ops: Operations
) -> Complex:
    """Real and imaginary part of every frame of (batch, time) or (batch, rows, time), as `keras.ops.stft` frames it.

    One convolution, whose kernel is the window times the matrix of the transform.
    """
    rank = len(x.shape)
    if rank not in (2, 3):
        raise Refusal(f"a short-time transform of a tensor of rank {rank}", "reshape it to (batch, rows, time)")
    sounds = x if rank == 2 else ops.time_to_batch(x)
    if center:
        sounds = mirrored(sounds, 1, fft_length // 2, fft_length // 2, 1, ops)
    bins = fft_length // 2 + 1
    kernel = Weight.fixed(frame_window(window, length, fft_length)[:, None, None] * half_transform(fft_length)[:, None])
    frames = ops.convolution(ops.expand_dims(sounds, 2), kernel, strides=(stride,), padding="valid", dilation=(1,))
    if rank == 3:
        frames = ops.batch_to_time(frames, like=x)
    return [ops.slice(frames, -1, 0, bins), ops.slice(frames, -1, bins, None)]


def half_transform(length: int) -> Array:
    """(length, 2 · bins): cosines, then −sines, of the frequencies up to the half."""
    angles = 2 * np.pi * (np.outer(np.arange(length), np.arange(length // 2 + 1)) % length) / length
    return np.concatenate([np.cos(angles), -np.sin(angles)], axis=1)


def frame_window(window: Any, length: int, fft_length: int) -> Array:
    """The weights of a frame's steps, in the middle of `fft_length`; without a window a frame has them all."""
    if window is None:
        return np.ones(fft_length)
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise Refusal(f"a window {window!r} is not handled", "use hann, hamming or an array")
        middle = {"hann": 0.5, "hamming": 0.54}[window]
        period = max(length - length % 2, 1)  # TensorFlow's windows of odd length are not periodic
        weights = middle - (1 - middle) * np.cos(2 * np.pi * np.arange(length) / period)
    else:
        weights = np.asarray(window, np.float64)
    before = (fft_length - length) // 2
    return np.pad(weights, (before, fft_length - length - before))


@operation("ISTFT")
def istft(layer: LayerView, x: Sequence[Tensor], ops: Operations) -> Tensor:
    """Every frame back in time, weighed, and laid over its neighbours: a fixed matrix over all frames."""
    config = layer.config
    stride, fft_length = config["sequence_stride"], config["fft_length"]
    last = len(x[0].shape) - 1
    count = known(x[0], last - 1)
    frames = real_signal(x, fft_length, ops)
    weights = frame_window(config["window"], config["sequence_length"], fft_length)
    if config["window"] is not None:
        weights = weights / overlapped(weights**2, stride)
    size = fft_length + stride * (count - 1)
    laid = np.zeros((size, count, fft_length))
    for at in range(count):
        laid[np.arange(fft_length) + at * stride, at, np.arange(fft_length)] = weights
    start = fft_length // 2 if config["center"] else 0
    length: Optional[int] = config["length"]
    end = start + length if length is not None else size - start
    frames = ops.reshape(frames, [*(known(x[0], axis) for axis in range(1, last - 1)), count * fft_length])
    return ops.resample(frames, last - 1, laid.reshape(size, -1)[start:end].astype(np.float32))


def overlapped(squares: Array, stride: int) -> Array:
    """What the squares of all windows over a step add up to, see tf.signal.inverse_stft_window_fn."""
    turns = -(-len(squares) // stride)
    padded = np.pad(squares, (0, turns * stride - len(squares))).reshape(turns, stride)
    return np.tile(padded.sum(0), turns)[: len(squares)]
