"""Sound as pictures of its frequencies: Keras' spectrogram layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..network import Array, Shape
from ..operations import Operations, Tensor, Weight
from .convolutions import padding
from .operation_fourier import short_time_transform
from .operation_kinds import as_float, known
from .rule import Config, LayerView, Refusal, WeightShapes, rule

EPSILON = 1e-7
# The mel scale of the Hidden Markov Model Toolkit.
MEL_BREAK, MEL_QUALITY = 700.0, 1127.0
# What no float32 is above, in decibels.
LOUDEST = 386.0


@rule(
    "MelSpectrogram",
    mask="stop",
    note="with power_to_db Keras goes no further than top_db below the loudest sound of a batch: numpy batch by batch",
    neoml="partly",
)
def mel_spectrogram(layer: LayerView, inputs: Tensor, ops: Operations) -> Tensor:
    config = layer.config
    length, fft_length = config["sequence_length"], config["fft_length"]
    if len(inputs.shape) != 2:
        raise layer.refuse("takes sounds as (batch, time)", "reshape them")
    real, imaginary = short_time_transform(
        as_float(inputs, ops), length, config["sequence_stride"], fft_length, config["window"], True, ops
    )
    power = ops.add(ops.unary(real, "square"), ops.unary(imaginary, "square"))
    if config["mag_exp"] != 2:
        power = ops.power(ops.unary(power, "sqrt"), float(config["mag_exp"]))
    mel = ops.dense(power, Weight.fixed(mel_matrix(layer, fft_length // 2 + 1)))
    if config["power_to_db"]:
        mel = in_decibels(layer, mel, ops)
    layer.irrelevant("min_power", "ref_power", "top_db")
    return ops.transpose(mel, (0, 2, 1))


def mel_matrix(layer: LayerView, bins: int) -> Array:
    """(bins, num_mel_bins): triangles over the frequencies, each 1 at its middle; in float32, as Keras makes it."""
    config, count = layer.config, layer.config["num_mel_bins"]
    one = np.float32

    def mel(hertz: Any) -> Any:
        return one(MEL_QUALITY) * np.log(one(1) + hertz / one(MEL_BREAK))

    low, high = (mel(one(config[key])) for key in ("min_freq", "max_freq"))
    at = mel(np.linspace(0, one(config["sampling_rate"]) / 2, bins, dtype=np.float32)[1:])[:, None]
    corners = np.linspace(low, high, count + 2, dtype=np.float32)
    lower, middle, upper = corners[:-2], corners[1:-1], corners[2:]
    triangles = np.minimum((at - lower) / (middle - lower), (upper - at) / (upper - middle))
    return np.pad(np.maximum(triangles, one(0)), ((1, 0), (0, 0)))


def in_decibels(layer: LayerView, power: Tensor, ops: Operations) -> Tensor:
    """10 · log10 of the power over a reference, never further below the loudest than `top_db`."""
    config = layer.config
    least = float(config["min_power"])
    decibels = ops.multiply(ops.unary(ops.maximum(power, least), "log10"), 10.0)
    reference = 10 * np.log10(max(abs(float(config["ref_power"])), least))
    decibels = ops.subtract(decibels, float(reference))
    if float(config["top_db"]) >= LOUDEST - 10 * np.log10(least):
        return decibels
    try:
        loudest = ops.reduce(decibels, "max", range(len(decibels.shape)), keepdims=True)
    except Refusal as refusal:
        what = "with power_to_db it goes no further below the loudest sound of the whole batch than top_db"
        way_out = "build it with top_db=1000.0, which none are; the numpy engine does so batch by batch, as Keras"
        raise layer.refuse(what, way_out) from refusal
    return ops.maximum(decibels, ops.subtract(loudest, float(config["top_db"])))


def waves(config: Config, inputs: list[Shape]) -> WeightShapes:
    """Bins up to the half of ``fft_length``, which is the next power of two where it is not given."""
    length = config["frame_length"]
    bins = (config["fft_length"] or 1 << (length - 1).bit_length()) // 2 + 1
    return dict.fromkeys(("real_kernel", "imag_kernel"), (length, 1, bins))


@rule(
    "STFTSpectrogram",
    mask="stop",
    weights=waves,
    irrelevant=("frame_length", "fft_length", "window", "periodic", "scaling"),
    learns="not of several channels, nor through angles",
)
def stft_spectrogram(layer: LayerView, inputs: Tensor, ops: Operations) -> Tensor:
    """Its kernels, weights of the layer, hold the window and its scale."""
    mode, first = layer.config["mode"], layer.config["data_format"] == "channels_first"
    sounds = ops.transpose(inputs, (0, 2, 1)) if first else inputs
    needed = {"real": ["real"], "imag": ["imag"]}.get(mode, ["real", "imag"])
    made = in_mode(mode, [frequencies(layer, sounds, f"{name}_kernel", ops) for name in needed], ops)
    if layer.config["expand_dims"]:
        return ops.transpose(made, (0, 2, 1, 3) if first else (0, 1, 3, 2))
    steps, joined = made.shape[1], known(made, 2) * known(made, 3)
    made = ops.reshape(made, (-1 if steps is None else steps, joined))
    return ops.transpose(made, (0, 2, 1)) if first else made


def frequencies(layer: LayerView, sounds: Tensor, name: str, ops: Operations) -> Tensor:
    """(batch, time, channels) to (batch, frames, channels, bins): the same kernel over every channel."""
    kernel, channels = layer.weight(name), known(sounds, 2)
    bins, stride = kernel.shape[2], layer.config["frame_step"] or kernel.shape[0] // 2
    if channels > 1:
        if ops.training:
            raise layer.refuse("kernels shared by several channels do not learn here", "freeze the layer")
        kernel = Weight.fixed(np.tile(kernel.value, (1, 1, channels)))
    made = ops.convolution(sounds, kernel, strides=(stride,), padding=padding(layer), dilation=(1,), groups=channels)
    return ops.reshape(made, (-1 if made.shape[1] is None else made.shape[1], channels, bins))


def in_mode(mode: str, parts: list[Tensor], ops: Operations) -> Tensor:
    """What the layer gives of the real and the imaginary part; bins are the last axis."""
    if len(parts) == 1:
        return parts[0]
    real, imaginary = parts
    if mode == "stft":
        return ops.concatenate(parts, -1)
    if mode == "angle":
        return ops.array_function("arctan2", [imaginary, real])
    power = ops.add(ops.unary(real, "square"), ops.unary(imaginary, "square"))
    if mode == "psd":
        inner = ops.pad(ops.slice(power, -1, 1, -1), [(0, 0), (0, 0), (1, 1)])
        return ops.add(power, inner)
    magnitude = ops.unary(ops.maximum(power, EPSILON), "sqrt")
    return magnitude if mode == "magnitude" else ops.unary(ops.maximum(magnitude, EPSILON), "log")
