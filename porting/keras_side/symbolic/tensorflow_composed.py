"""Functions of TensorFlow's that no single Keras operation stands for, said by several.

Complex numbers, which no symbolic tensor holds, go through a layer's code as pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
import tensorflow as tf
from keras.src import ops as kops

from ..tracing import Untraceable
from .nodes import OF_TRAINING, is_symbolic

Function = Callable[..., Any]


class Complex(NamedTuple):
    """The two parts of complex numbers."""

    real: Any
    imag: Any


class TopK(NamedTuple):
    """What ``tf.math.top_k`` returns."""

    values: Any
    indices: Any


# ---- convolutions and pooling


def of_places(sizes: Any) -> Any:
    """Of a number for each axis, those of the places between batch and features; one number as it is."""
    return tuple(sizes[1:-1]) if isinstance(sizes, (list, tuple)) and len(sizes) > 2 else _one(sizes)


def _one(sizes: Any) -> Any:
    return sizes[0] if isinstance(sizes, (list, tuple)) and len(sizes) == 1 else sizes


def _check_layout(data_format: Any, padding: Any, channels_last: Sequence[str] = ("NWC", "NHWC", "NDHWC")) -> None:
    if (data_format is not None and data_format not in channels_last) or not isinstance(padding, str):
        raise Untraceable(
            f"convolves or pools in the layout {data_format} with padding {padding}", "use keras.ops.conv"
        )


def convolution(
    input: Any,
    filters: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    _check_layout(data_format, padding)
    strides, dilated = (1 if sizes is None else of_places(sizes) for sizes in (strides, dilations))
    return kops.conv(input, filters, strides, padding.lower(), "channels_last", dilated)


def _convolution_v1(input: Any, filter: Any = None, padding: Any = None, dilation_rate: Any = None, **told: Any) -> Any:
    told.setdefault("dilations", dilation_rate)
    return convolution(input, told.pop("filters", filter), padding=padding, **told)


def _convolution_1d(
    value: Any = None, filters: Any = None, stride: Any = None, padding: Any = None, input: Any = None, **told: Any
) -> Any:
    return convolution(value if input is None else input, filters, stride, padding, **told)


def _depthwise(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    _check_layout(data_format, padding)
    dilated = 1 if rate is None and dilations is None else _one(dilations if rate is None else rate)
    return kops.depthwise_conv(input, filter, of_places(strides), padding.lower(), "channels_last", dilated)


def _separable(input: Any, depthwise_filter: Any, pointwise_filter: Any, **settings: Any) -> Any:
    made = _depthwise(input, depthwise_filter, **settings)
    return kops.conv(made, pointwise_filter, 1, "valid", "channels_last")


def _transposed(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    _check_layout(data_format, padding)
    dilated = 1 if dilations is None else of_places(dilations)
    made = kops.conv_transpose(
        input, filters, of_places(strides), padding.lower(), None, "channels_last", dilation_rate=dilated
    )
    wanted = list(output_shape)[1:-1] if isinstance(output_shape, (list, tuple)) else []
    if any(isinstance(size, int) and size != own for size, own in zip(wanted, made._shape[1:-1])):
        raise Untraceable(f"asks tf.nn.conv2d_transpose for the sizes {wanted}", "use keras.ops.conv_transpose")
    return made


def _with_bias(value: Any, bias: Any, data_format: Any = None) -> Any:
    _check_layout(data_format, "VALID")
    return kops.add(value, bias)


def _pooling(pool: str) -> Function:
    function = {"max": kops.max_pool, "avg": kops.average_pool}[pool]

    def pooled(
        ksize: Any, strides: Any, padding: Any, input: Any = None, value: Any = None, data_format: Any = None
    ) -> Any:
        _check_layout(data_format, padding)
        given = value if input is None else input
        return function(given, of_places(ksize), of_places(strides), padding.lower(), "channels_last")

    return pooled


# ---- pictures


def _places(x: Any) -> tuple[int, int]:
    """A picture's height and width."""
    height, width = x._shape[-3:-1]
    if height is None or width is None:
        raise Untraceable("cuts or pads pictures of open size", "declare the size in keras.Input")
    return height, width


def _cropped(image: Any, top: int, left: int, height: int, width: int) -> Any:
    return image[..., top : top + height, left : left + width, :]


def _padded(image: Any, top: int, left: int, height: int, width: int) -> Any:
    own = _places(image)
    margins = [(top, height - own[0] - top), (left, width - own[1] - left)]
    return kops.pad(image, [(0, 0)] * (len(image._shape) - 3) + margins + [(0, 0)])


def _central_crop(image: Any, central_fraction: float) -> Any:
    top, left = (int((size - size * central_fraction) / 2) for size in _places(image))
    height, width = _places(image)
    return _cropped(image, top, left, height - 2 * top, width - 2 * left)


def _crop_or_pad(image: Any, target_height: int, target_width: int) -> Any:
    wanted, own = (target_height, target_width), _places(image)
    top, left = (max((size - want) // 2, 0) for size, want in zip(own, wanted))
    cut = _cropped(image, top, left, *map(min, own, wanted))
    above, before = (max((want - size) // 2, 0) for size, want in zip(own, wanted))
    return _padded(cut, above, before, *wanted)


def _floats(image: Any) -> Any:
    if not str(image.dtype).startswith("float"):
        raise Untraceable("changes the colours of pictures of whole numbers", "cast them to float32 first")
    return image


def _standardized(image: Any) -> Any:
    over = [-3, -2, -1]
    _places(image)
    least = float(1 / np.sqrt(np.prod(image._shape[-3:])))
    apart = kops.maximum(kops.std(_floats(image), over, keepdims=True), least)
    return (image - kops.mean(image, over, keepdims=True)) / apart


def _contrast(images: Any, contrast_factor: Any) -> Any:
    mean = kops.mean(_floats(images), [-3, -2], keepdims=True)
    return (images - mean) * contrast_factor + mean


def _variation(images: Any) -> Any:
    down = kops.abs(images[..., 1:, :, :] - images[..., :-1, :, :])
    across = kops.abs(images[..., 1:, :] - images[..., :-1, :])
    return kops.sum(down, [-3, -2, -1]) + kops.sum(across, [-3, -2, -1])


# ---- matrices


def _matmul(a: Any, b: Any, transpose_a: Any = False, transpose_b: Any = False, **settings: Any) -> Any:
    turned = [transpose_a or settings.pop("adjoint_a", False), transpose_b or settings.pop("adjoint_b", False)]
    said = {key: value for key, value in settings.items() if key != "name" and value not in (None, False)}
    if said:
        raise Untraceable(f"calls tf.matmul with {said}", "use keras.ops.matmul")
    a = kops.swapaxes(a, -2, -1) if turned[0] else a
    return kops.einsum("...ij,...kj->...ik", a, b) if turned[1] else kops.matmul(a, b)


def _band(input: Any, num_lower: int, num_upper: int) -> Any:
    kept = input if num_upper < 0 else kops.tril(input, num_upper)
    return kept if num_lower < 0 else kops.triu(kept, -num_lower)


def _main_diagonal(settings: dict[str, Any]) -> None:
    said = {key: value for key, value in settings.items() if key in ("k", "num_rows", "num_cols")}
    if any(value not in (0, -1) for value in said.values()):
        raise Untraceable(f"takes another diagonal than the main one, {said}", "use keras.ops.diagonal")


def _diagonal_of(input: Any, **settings: Any) -> Any:
    _main_diagonal(settings)
    return kops.diagonal(input, 0, -2, -1)


def _eye(size: Optional[int]) -> Any:
    if size is None:
        raise Untraceable("makes a diagonal of an open size", "declare the size in keras.Input")
    return np.eye(size, dtype="float32")


def _diagonal(diagonal: Any, **settings: Any) -> Any:
    _main_diagonal(settings)
    return kops.expand_dims(diagonal, -1) * _eye(diagonal._shape[-1])


def _with_diagonal(input: Any, diagonal: Any, **settings: Any) -> Any:
    _main_diagonal(settings)
    return kops.where(_eye(input._shape[-1]) > 0, kops.expand_dims(diagonal, -1), input)


def _normalized(tensor: Any, ord: Any = "euclidean", axis: Any = None) -> Any:
    size = kops.norm(tensor, None if ord == "euclidean" else ord, axis, keepdims=True)
    return tensor / size, size


def _cut_to_norm(t: Any, clip_norm: Any, axes: Any = None) -> Any:
    squares = kops.sum(kops.square(t), axes, keepdims=True)
    size = kops.sqrt(kops.where(squares > 0, squares, kops.ones_like(squares)))
    size = kops.where(squares > 0, size, squares)
    return t * clip_norm / kops.maximum(size, clip_norm)


# ---- parts by ids


def _by_segment(reduce: str, power: float = 0.0) -> Function:
    """Of unsorted segments: ``sum`` divided by this power of how many there are, at least one."""
    function = {"sum": kops.segment_sum, "max": kops.segment_max}[reduce]

    def parts(data: Any, segment_ids: Any, num_segments: Any) -> Any:
        segment_ids = segment_ids if is_symbolic(segment_ids) else np.asarray(segment_ids)
        made = function(data, segment_ids, num_segments)
        if not power:
            return made
        ones = kops.ones_like(segment_ids, dtype="float32")
        many = kops.maximum(kops.segment_sum(ones, segment_ids, num_segments), 1.0) ** power
        return made / kops.reshape(many, (-1, *[1] * (len(data.shape) - 1)))

    return parts


def _sorted_segments(reduce: str, power: float = 0.0) -> Function:
    function = _by_segment(reduce, power)

    def parts(data: Any, segment_ids: Any) -> Any:
        if is_symbolic(segment_ids):
            raise Untraceable("makes as many segments as its ids say", "use the unsorted segments, with their number")
        return function(data, segment_ids, int(np.max(segment_ids)) + 1)

    return parts


def _masked(tensor: Any, mask: Any, axis: Any = None) -> Any:
    if is_symbolic(mask) or len(np.shape(mask)) != 1:
        raise Untraceable("keeps as many entries as a mask says (tf.boolean_mask)", "multiply with the mask")
    return kops.take(tensor, np.flatnonzero(mask), axis=axis or 0)


def _repeated(input: Any, repeats: Any, axis: Any = None) -> Any:
    if is_symbolic(repeats) or np.ndim(repeats) == 0 or axis is None:
        return kops.repeat(input, repeats, axis)
    return kops.take(input, np.repeat(np.arange(len(repeats)), repeats), axis)


def _sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = tf.bool) -> Any:
    if maxlen is None:
        raise Untraceable("makes a mask as long as the longest row (tf.sequence_mask)", "give it maxlen")
    places = kops.arange(maxlen, dtype="int32")
    return cast(kops.less(places, kops.expand_dims(lengths, -1)), dtype)


def _summed_up(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    if reverse:
        return kops.flip(_summed_up(kops.flip(x, axis), axis, exclusive), axis)
    if not exclusive:
        return kops.cumsum(x, axis)
    margins = [(int(at == axis % len(x.shape)), 0) for at in range(len(x.shape))]
    but_the_last = [slice(None, -1) if front else slice(None) for front, _ in margins]
    return kops.cumsum(kops.pad(x, margins)[tuple(but_the_last)], axis)


def _number_of_nonzero(input: Any, axis: Any = None, keepdims: Any = None, dtype: Any = tf.int64) -> Any:
    return cast(kops.sum(kops.cast(kops.not_equal(input, 0), "int32"), axis, bool(keepdims)), dtype)


# ---- shapes as tensors


def _is_size(value: Any) -> bool:
    return isinstance(value, int) or (is_symbolic(value) and not value._shape and str(value.dtype).startswith("int"))


def _sizes(value: Any) -> Optional[tuple[Any, ...]]:
    """A part of a shape; None for other tensors."""
    if isinstance(value, (tuple, list)):
        return tuple(value) if all(map(_is_size, value)) else None
    if is_symbolic(value) or np.asarray(value).dtype.kind != "i" or np.ndim(value) != 1:
        return None
    return tuple(np.asarray(value).tolist())


def _joined(values: Any, axis: Any = 0) -> Any:
    parts = [_sizes(value) for value in values]
    known = [part for part in parts if part is not None]
    if len(known) == len(parts):
        return tuple(size for part in known for size in part)
    return kops.concatenate(values, axis)


def _stacked(values: Any, axis: int = 0) -> Any:
    return tuple(values) if all(map(_is_size, values)) else kops.stack(values, axis)


def _unstacked(value: Any, num: Any = None, axis: int = 0) -> Any:
    return list(value) if isinstance(value, tuple) else kops.unstack(value, num, axis)


def _product(input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if not isinstance(input_tensor, tuple):
        return kops.prod(input_tensor, axis, keepdims)
    made: Any = 1
    for size in input_tensor:
        made = size * made
    return made


# ---- complex numbers and sound


def cast(x: Any, dtype: Any) -> Any:
    wanted = str(getattr(dtype, "name", dtype))
    if isinstance(x, Complex):
        return x if wanted.startswith("complex") else kops.cast(x.real, wanted)
    return Complex(x, kops.zeros_like(x)) if wanted == "complex64" else kops.cast(x, wanted)


def _pair(x: Any) -> Complex:
    if not isinstance(x, Complex):
        raise Untraceable("computes with complex numbers otherwise than by tf.signal", "keep both parts apart")
    return x


def _fourier(function: str) -> Function:
    def transformed(input: Any) -> Any:
        return Complex(*getattr(kops, function)(tuple(_pair(input))))

    return transformed


def _spectrum(input_tensor: Any, fft_length: Any = None, name: Any = None) -> Any:
    return Complex(*kops.rfft(input_tensor, None if fft_length is None else int(np.ravel(fft_length)[0])))


def _frames(
    signal: Any, frame_length: int, frame_step: int, pad_end: bool = False, pad_value: Any = 0, axis: int = -1
) -> Any:
    if pad_end or axis not in (-1, len(signal.shape) - 1):
        raise Untraceable("cuts frames of another axis than the last, or pads the end", "use keras.ops.pad")
    return kops.extract_sequences(signal, frame_length, frame_step)


def _short_time_spectrum(
    signals: Any,
    frame_length: int,
    frame_step: int,
    fft_length: Optional[int] = None,
    window_fn: Any = tf.signal.hann_window,
    pad_end: bool = False,
) -> Any:
    frames = _frames(signals, frame_length, frame_step, pad_end)
    if window_fn is not None:
        frames = frames * np.asarray(window_fn(frame_length, dtype=tf.float32))
    return _spectrum(frames, fft_length or 1 << (frame_length - 1).bit_length())


def _absolute(x: Any) -> Any:
    return kops.sqrt(kops.square(x.real) + kops.square(x.imag)) if isinstance(x, Complex) else kops.absolute(x)


def _at_random(name: str) -> Function:
    def drawn(*args: Any, **kwargs: Any) -> Any:
        raise Untraceable(f"draws random numbers (tf.{name})", OF_TRAINING)

    return drawn


COMPOSED: dict[str, Function] = {
    "nn.convolution": convolution,
    "compat.v1.nn.convolution": _convolution_v1,
    "compat.v1.nn.conv2d": _convolution_v1,
    "nn.conv2d": convolution,
    "nn.conv3d": convolution,
    "compat.v1.nn.conv1d": _convolution_1d,
    "compat.v1.nn.depthwise_conv2d": _depthwise,
    "compat.v1.nn.separable_conv2d": _separable,
    "nn.conv1d_transpose": _transposed,
    "nn.conv2d_transpose": _transposed,
    **{f"nn.{pool}_pool{rank}": _pooling(pool) for pool in ("max", "avg") for rank in ("", "1d", "2d", "3d")},
    **{f"compat.v1.nn.{pool}_pool": _pooling(pool) for pool in ("max", "avg")},
    "nn.dropout": _at_random("nn.dropout"),
    "nn.l2_loss": lambda t: kops.sum(kops.square(t)) / 2,
    "compat.v1.nn.crelu": lambda features, axis=-1: kops.relu(kops.concatenate([features, -features], axis)),
    "image.central_crop": _central_crop,
    "image.crop_to_bounding_box": lambda image, offset_height, offset_width, target_height, target_width: _cropped(
        image, offset_height, offset_width, target_height, target_width
    ),
    "image.pad_to_bounding_box": lambda image, offset_height, offset_width, target_height, target_width: _padded(
        image, offset_height, offset_width, target_height, target_width
    ),
    "image.resize_with_crop_or_pad": _crop_or_pad,
    "image.adjust_brightness": lambda image, delta: _floats(image) + delta,
    "image.adjust_contrast": _contrast,
    "image.per_image_standardization": _standardized,
    "image.grayscale_to_rgb": lambda images: kops.repeat(images, 3, -1),
    "image.total_variation": _variation,
    "image.transpose": lambda image: kops.swapaxes(image, -3, -2),
    "linalg.matmul": _matmul,
    "linalg.band_part": _band,
    "linalg.diag_part": _diagonal_of,
    "linalg.diag": _diagonal,
    "linalg.set_diag": _with_diagonal,
    "linalg.normalize": _normalized,
    "linalg.matrix_transpose": lambda a: kops.swapaxes(a, -2, -1),
    "clip_by_norm": _cut_to_norm,
    "math.unsorted_segment_mean": _by_segment("sum", 1.0),
    "math.unsorted_segment_sqrt_n": _by_segment("sum", 0.5),
    "math.unsorted_segment_max": _by_segment("max"),
    "math.segment_mean": _sorted_segments("sum", 1.0),
    "math.segment_max": _sorted_segments("max"),
    "compat.v1.boolean_mask": _masked,
    "boolean_mask": _masked,
    "repeat": _repeated,
    "sequence_mask": _sequence_mask,
    "math.cumsum": _summed_up,
    "compat.v1.size": lambda input: _product(tuple(kops.shape(input))),
    "concat": _joined,
    "stack": _stacked,
    "unstack": _unstacked,
    "math.reduce_prod": _product,
    "sort": lambda values, axis=-1, direction="ASCENDING": (
        kops.sort(values, axis) if direction == "ASCENDING" else kops.flip(kops.sort(values, axis), axis)
    ),
    "nn.bias_add": _with_bias,
    "math.count_nonzero": _number_of_nonzero,
    "math.xlogy": lambda x, y: kops.where(kops.equal(x, 0), kops.zeros_like(x), x * kops.log(y)),
    "debugging.check_numerics": lambda tensor, message: tensor,
    **{
        f"compat.v1.debugging.assert_{what}": lambda *given, **settings: None
        for what in ("rank", "rank_at_least", "equal", "less", "greater", "non_negative", "positive", "shapes")
    },
    "ensure_shape": lambda x, shape: x,
    **dict.fromkeys(("math.scalar_mul", "compat.v1.math.scalar_mul"), lambda scalar, x: x * scalar),
    "math.multiply_no_nan": lambda x, y: kops.where(kops.equal(y, 0), kops.zeros_like(x), x * y),
    "cast": cast,
    "dtypes.complex": lambda real, imag: Complex(real, imag),
    "math.real": lambda input: _pair(input).real,
    "math.imag": lambda input: _pair(input).imag,
    "math.conj": lambda x: Complex(x.real, -x.imag) if isinstance(x, Complex) else x,
    "math.angle": lambda input: kops.arctan2(_pair(input).imag, _pair(input).real),
    "math.abs": _absolute,
    "signal.fft": _fourier("fft"),
    "signal.fft2d": _fourier("fft2"),
    "signal.ifft2d": _fourier("ifft2"),
    "signal.rfft": _spectrum,
    "signal.frame": _frames,
    "signal.stft": _short_time_spectrum,
}
