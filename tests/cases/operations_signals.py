"""Operations on pictures and sounds: patches, filters, colours, Fourier transforms; the spectrogram layers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.cases import Case, layer
from tests.cases.operation_layers import of

PICTURE = (8, 9, 3)
WINDOW = np.linspace(0.2, 1, 8, dtype="float32")
EVERY_MODE = ("log", "magnitude", "psd", "real", "imag", "stft")
MEL = {"fft_length": 32, "sequence_stride": 12, "num_mel_bins": 6, "sampling_rate": 4000, "power_to_db": False}


def complex_of(name: str, *shapes: Any, **settings: Any) -> Case:
    return of(name, lambda ops, x, y: getattr(ops, name)((x, y), **settings), *shapes)


def patches(ops: Any, x: Any, **settings: Any) -> Any:
    return ops.image.extract_patches(x, **settings)


def unbatched(keras: Any) -> Any:
    given = keras.Input((5, 6, 3), dtype="uint8")
    return keras.Model(given, keras.ops.image.extract_patches(keras.ops.cast(given, "float32"), 2))


TURNED = np.array([[1, 0.25, -3.5, -0.5, 1, 2.25, 0, 0]], "float32")
TILTED = np.array([[0.9, 0.2, -1.3, -0.1, 1.1, 0.7, 0.01, -0.02]], "float32")
CORNERS = np.array([[0, 0], [8, 0], [0, 7], [8, 7]], "float32")
MOVED_CORNERS = np.array([[0.7, -0.4], [7.1, 0.3], [1.2, 6.1], [8.3, 7.9]], "float32")
FILL_MODES = ("constant", "nearest", "wrap", "reflect")
KERNELS = ("linear", "cubic", "lanczos3", "lanczos5")


def turned(ops: Any, x: Any, transform: Any = TURNED, **settings: Any) -> Any:
    return ops.image.affine_transform(x, transform, **settings)


def in_perspective(ops: Any, x: Any, **settings: Any) -> Any:
    return ops.image.perspective_transform(x, CORNERS, MOVED_CORNERS, **settings)


def scaled(ops: Any, x: Any, **settings: Any) -> Any:
    numbers = np.array([1.4, 0.6], "float32"), np.array([0.3, -0.2], "float32")
    return ops.image.scale_and_translate(x, (None, 9, 4, 3), *numbers, spatial_dims=(1, 2), **settings)


def bilinear_of_bytes(keras: Any) -> Any:
    given = keras.Input((5, 6, 3), dtype="uint8")
    return keras.Model(given, keras.ops.image.affine_transform(given, TURNED))


CASES = [
    *(
        of(f"warped_{how}_{mode}", partial(turned, interpolation=how, fill_mode=mode, fill_value=0.5), PICTURE)
        for how in ("nearest", "bilinear")
        for mode in FILL_MODES
    ),
    *(of(f"warped_far_{mode}", partial(turned, transform=3 * TURNED, fill_mode=mode), PICTURE) for mode in FILL_MODES),
    of("warped_tilted", partial(turned, transform=TILTED, fill_mode="reflect"), PICTURE),
    of("warped_channels_first", partial(turned, data_format="channels_first"), (3, 5, 6)),
    of(
        "warped_by_the_network",
        lambda ops, x, y: turned(ops, x, y),
        PICTURE,
        (8,),
        refused="the network computes",
        both=True,
    ),
    of("warped_large", turned, (65, 64, 1), refused="4096 pixels", both=True),
    of("perspective", in_perspective, PICTURE),
    of("perspective_nearest", partial(in_perspective, interpolation="nearest", fill_value=0.5), PICTURE),
    of("perspective_channels_first", partial(in_perspective, data_format="channels_first"), (3, 8, 9)),
    of(
        "perspective_by_the_network",
        lambda ops, x, y: ops.image.perspective_transform(x, y, y),
        PICTURE,
        (4, 2),
        refused="the network computes",
        both=True,
    ),
    Case("warped_bytes", bilinear_of_bytes, refused=dict.fromkeys(("numpy", "neoml"), "cuts off")),
    *(of(f"scaled_{how}", partial(scaled, method=how), PICTURE) for how in KERNELS),
    of("scaled_without_antialias", partial(scaled, method="cubic", antialias=False), PICTURE),
    of("ssim", lambda ops, x, y: ops.image.ssim(ops.sigmoid(x), ops.sigmoid(y)), (12, 13, 3), (12, 13, 3)),
    of(
        "ssim_channels_first",
        lambda ops, x, y: ops.image.ssim(
            x * 50, y * 50, max_val=255.0, filter_size=5, filter_sigma=1.0, data_format="channels_first"
        ),
        (2, 7, 8),
        (2, 7, 8),
    ),
    of("patches", partial(patches, size=4), PICTURE),
    of("patches_apart", partial(patches, size=2, strides=3), PICTURE),
    of("patches_over_each_other", partial(patches, size=(3, 2), strides=2, padding="same"), PICTURE),
    of("patches_strides_of_each_axis", partial(patches, size=(2, 3), strides=(1, 2)), PICTURE),
    of("patches_dilated", partial(patches, size=(2, 3), strides=1, dilation_rate=2), PICTURE),
    of("patches_of_volumes", partial(patches, size=(2, 3, 2)), (4, 6, 5, 2)),
    of("patches_of_volumes_same", partial(patches, size=(2, 3, 2), strides=2, padding="same"), (4, 5, 3, 2)),
    Case("patches_of_bytes", unbatched),
    of("unfold", lambda ops, x: ops.unfold(x, (2, 3), stride=(1, 2), padding=1), (2, 5, 6)),
    of("unfold_dilated", lambda ops, x: ops.unfold(x, 2, dilation=2), (3, 5, 6)),
    of("fold", lambda ops, x: ops.nn.fold(x, (4, 5), (2, 3)), (12, 9)),
    of("fold_padded", lambda ops, x: ops.nn.fold(x, (4, 4), 3, stride=2, padding=1, dilation=1), (18, 4)),
    of("extract_sequences", lambda ops, x: ops.extract_sequences(x, 4, 2), (3, 11)),
    of("gaussian_blur", lambda ops, x: ops.image.gaussian_blur(x, (3, 3), (0.7, 1.4)), PICTURE),
    of("gaussian_blur_oblong", lambda ops, x: ops.image.gaussian_blur(x, (5, 3), (1.0, 2.0)), PICTURE),
    of("sobel_edges", lambda ops, x: ops.image.sobel_edges(x), PICTURE),
    of("sobel_edges_channels_first", lambda ops, x: ops.image.sobel_edges(x, "channels_first"), (3, 5, 6)),
    # Colours away from black, where the least noise is another hue.
    of("rgb_to_hsv", lambda ops, x: ops.image.rgb_to_hsv(0.1 + 0.8 * ops.sigmoid(x)), PICTURE),
    of("rgb_to_hsv_of_grey", lambda ops, x: ops.image.rgb_to_hsv(ops.relu(x) * 0.1 + ops.zeros_like(x)), PICTURE),
    of("hsv_to_rgb", lambda ops, x: ops.image.hsv_to_rgb(ops.sigmoid(x)), PICTURE),
    complex_of("fft", (3, 8), (3, 8)),
    of("fft_of_odd_length", lambda ops, x: ops.fft((x, ops.zeros_like(x))), (7,)),
    complex_of("fft2", (4, 6), (4, 6)),
    complex_of("ifft2", (2, 4, 6), (2, 4, 6)),
    of("rfft", lambda ops, x: [*ops.rfft(x), *ops.rfft(x, fft_length=5), *ops.rfft(x, fft_length=12)], (3, 8)),
    complex_of("irfft", (3, 5), (3, 5)),
    of("irfft_of_odd_length", lambda ops, x, y: ops.irfft((x, y), fft_length=7), (3, 5), (3, 5)),
    of("stft", lambda ops, x: ops.stft(x, 8, 4, 8), (32,)),
    of("stft_padded", lambda ops, x: ops.stft(x, 7, 3, 16, window="hamming"), (2, 40)),
    of("stft_not_centred", lambda ops, x: ops.stft(x, 8, 5, 8, window=WINDOW.tolist(), center=False), (30,)),
    of("stft_without_window", lambda ops, x: ops.stft(x, 6, 3, 8, window=None), (20,)),
    of("istft", lambda ops, x: ops.istft(ops.stft(x, 8, 4, 8), 8, 4, 8), (32,)),
    of("istft_of_a_length", lambda ops, x: ops.istft(ops.stft(x, 8, 2, 16), 8, 2, 16, length=20), (2, 32)),
    of("istft_not_centred", lambda ops, x, y: ops.istft((x, y), 8, 4, 8, center=False, window=None), (6, 5), (6, 5)),
    *(
        Case(f"stft_spectrogram_{mode}", layer("STFTSpectrogram", mode=mode, frame_length=8, fft_length=16), ((30, 1),))
        for mode in EVERY_MODE
    ),
    Case(
        "stft_spectrogram_angle",
        layer("STFTSpectrogram", mode="angle", frame_length=8),
        ((30, 1),),
        refused={"neoml": "arctan2"},
    ),
    Case(
        "stft_spectrogram_of_channels",
        layer("STFTSpectrogram", mode="magnitude", frame_length=8, frame_step=3, padding="same", window="hamming"),
        ((31, 3),),
    ),
    Case(
        "stft_spectrogram_as_pictures",
        layer("STFTSpectrogram", frame_length=8, expand_dims=True, scaling="spectrum", periodic=True),
        ((30, 2),),
    ),
    Case("stft_spectrogram_open", layer("STFTSpectrogram", mode="psd", frame_length=4), ((None, 1),)),
    Case("mel_spectrogram", layer("MelSpectrogram", **MEL), ((100,),)),
    Case("mel_spectrogram_powers", layer("MelSpectrogram", **MEL, mag_exp=1.0, sequence_length=20), ((100,),)),
    Case(
        "mel_spectrogram_decibels",
        layer("MelSpectrogram", **{**MEL, "power_to_db": True, "top_db": 1000.0, "ref_power": 2.0}),
        ((100,),),
    ),
]
