"""Padding, cutting, resizing, and image preprocessing at inference."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.cases import Case, layer

IMAGE = ((6, 7, 3),)
OPEN = ((None, None, 3),)
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
SIZES = {"grow": (9, 11), "shrink": (3, 4), "mixed": (12, 2), "same": (6, 7), "one": (1, 1)}
RANDOM: dict[str, dict[str, Any]] = {
    "RandomBrightness": {"factor": 0.2},
    "RandomContrast": {"factor": 0.2},
    "RandomFlip": {},
    "RandomRotation": {"factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
    "RandomCrop": {"height": 4, "width": 4},
    "RandomErasing": {},
    "RandomHue": {"factor": 0.2},
    "RandomSaturation": {"factor": 0.2},
    "RandomShear": {"x_factor": 0.2},
    "RandomGaussianBlur": {},
    "RandomGrayscale": {},
    "RandomInvert": {},
    "RandomPosterization": {"factor": 4},
    "RandomSharpness": {"factor": 0.2},
    "RandomColorJitter": {},
    "RandomColorDegeneration": {"factor": 0.2},
    "RandomPerspective": {},
    "RandomElasticTransform": {},
    "Solarization": {},
    "MixUp": {},
    "CutMix": {},
    "AugMix": {},
    "RandAugment": {},
}


def pictures(*sizes: int, most: float = 255.0) -> dict[str, Any]:
    """Of every level, of few of them, and of one."""
    rng = np.random.default_rng(3)
    made = rng.random((3, *sizes)) * [[[[most]]], [[[most / 20]]], [[[0.0]]]]
    return {"input_0": made.astype("float32")}


def equalized(name: str, sizes: tuple[int, ...], most: float = 255.0, **settings: Any) -> Case:
    spec = layer("ContrastLimitedAdaptiveHistogramEqualization", **settings)
    return Case(f"equalized_{name}", spec, (sizes,), samples=pictures(*sizes, most=most))


BYTES = {
    "CenterCrop": {"height": 12, "width": 5},
    "Resizing": {"height": 4, "width": 9, "interpolation": "nearest"},
    "RandomBrightness": {"factor": 0.1},
    "RandomCrop": {"height": 4, "width": 5},
    "RandomFlip": {},
    "UpSampling2D": {"size": (2, 3)},
    "ZeroPadding2D": {"padding": 1},
    "Cropping2D": {"cropping": 1},
    "AutoContrast": {},
}


def of_bytes(keras: Any, name: str, settings: dict[str, Any]) -> Any:
    given = keras.Input((8, 7, 3), dtype="uint8")
    return keras.Model(given, getattr(keras.layers, name)(**settings)(given))


CASES = [
    Case("zero_padding1d", layer("ZeroPadding1D", 2), ((None, 3),)),
    Case("zero_padding1d_uneven", layer("ZeroPadding1D", (0, 3)), ((5, 3),)),
    Case("zero_padding1d_first", layer("ZeroPadding1D", (1, 2), data_format="channels_first"), ((3, 5),)),
    Case("zero_padding2d", layer("ZeroPadding2D", 1), OPEN),
    Case("zero_padding2d_pair", layer("ZeroPadding2D", (1, 2)), IMAGE),
    Case("zero_padding2d_uneven", layer("ZeroPadding2D", ((1, 0), (0, 3))), IMAGE),
    Case("zero_padding2d_first", layer("ZeroPadding2D", (1, 2), data_format="channels_first"), ((2, 5, 6),)),
    Case("zero_padding3d", layer("ZeroPadding3D", ((1, 0), (2, 3), (0, 1))), ((3, 4, 2, 2),)),
    Case("zero_padding3d_all", layer("ZeroPadding3D", 1), ((3, None, 2, 2),)),
    Case("zero_padding3d_first", layer("ZeroPadding3D", (1, 2, 3), data_format="channels_first"), ((2, 3, 4, 2),)),
    Case("cropping1d", layer("Cropping1D", (1, 2)), ((6, 3),)),
    Case("cropping1d_one", layer("Cropping1D", 1), ((5, 3),)),
    Case("cropping1d_front", layer("Cropping1D", (2, 0)), ((5, 1),)),
    Case("cropping2d", layer("Cropping2D", ((1, 2), (0, 3))), IMAGE),
    Case("cropping2d_pair", layer("Cropping2D", (1, 2)), IMAGE),
    Case("cropping2d_first", layer("Cropping2D", 1, data_format="channels_first"), ((2, 5, 6),)),
    Case("cropping3d", layer("Cropping3D", ((1, 0), (0, 1), (1, 1))), ((3, 4, 4, 2),)),
    Case("cropping3d_all", layer("Cropping3D", 1), ((3, 4, 5, 1),)),
    Case("cropping3d_first", layer("Cropping3D", (1, 1, 2), data_format="channels_first"), ((2, 3, 4, 5),)),
    Case("upsampling1d", layer("UpSampling1D", 3), ((None, 3),)),
    Case("upsampling1d_once", layer("UpSampling1D", 1), ((4, 3),)),
    Case("upsampling1d_one_step", layer("UpSampling1D", 2), ((1, 3),)),
    Case("upsampling2d", layer("UpSampling2D", (2, 3)), OPEN),
    Case("upsampling2d_first", layer("UpSampling2D", 2, data_format="channels_first"), ((2, 3, 4),)),
    *(
        Case(f"upsampling2d_{method}", layer("UpSampling2D", (2, 3), interpolation=method), IMAGE)
        for method in INTERPOLATIONS
    ),
    Case("upsampling2d_first_bilinear", layer("UpSampling2D", 3, "channels_first", "bilinear"), ((2, 4, 1),)),
    Case("upsampling2d_open_bilinear", layer("UpSampling2D", 2, None, "bilinear"), OPEN),
    Case("upsampling3d", layer("UpSampling3D", (2, 1, 3)), ((2, 3, 4, 2),)),
    Case("upsampling3d_open", layer("UpSampling3D", 2), ((None, 3, None, 2),)),
    Case("upsampling3d_first", layer("UpSampling3D", (1, 2, 2), data_format="channels_first"), ((2, 3, 2, 2),)),
    *(
        Case(f"resizing_{method}_{name}", layer("Resizing", *size, interpolation=method), IMAGE)
        for method in INTERPOLATIONS
        for name, size in SIZES.items()
    ),
    *(
        Case(
            f"resizing_{method}_antialias_{name}", layer("Resizing", *size, interpolation=method, antialias=True), IMAGE
        )
        for method in INTERPOLATIONS
        for name, size in SIZES.items()
    ),
    Case("resizing_crop", layer("Resizing", 4, 4, crop_to_aspect_ratio=True), IMAGE),
    Case("resizing_crop_wide", layer("Resizing", 3, 11, crop_to_aspect_ratio=True), IMAGE),
    Case("resizing_pad", layer("Resizing", 4, 4, pad_to_aspect_ratio=True, fill_value=0.5), ((8, 5, 2),)),
    Case("resizing_pad_wide", layer("Resizing", 3, 11, pad_to_aspect_ratio=True), IMAGE),
    Case("resizing_first", layer("Resizing", 4, 9, data_format="channels_first"), ((2, 6, 5),)),
    Case("resizing_large", layer("Resizing", 37, 53), ((64, 96, 1),)),
    Case("resizing_large_bicubic", layer("Resizing", 100, 70, "bicubic"), ((33, 96, 1),)),
    Case("resizing_open", layer("Resizing", 4, 4), OPEN),
    Case("center_crop", layer("CenterCrop", 3, 4), IMAGE),
    Case("center_crop_odd", layer("CenterCrop", 5, 2), IMAGE),
    Case("center_crop_larger", layer("CenterCrop", 9, 8), IMAGE),
    Case("center_crop_one_larger", layer("CenterCrop", 4, 10), IMAGE),
    Case("center_crop_first", layer("CenterCrop", 2, 3, data_format="channels_first"), ((2, 5, 6),)),
    Case("rescaling", layer("Rescaling", 1 / 255), OPEN),
    Case("rescaling_offset", layer("Rescaling", 1 / 127.5, offset=-1.0), OPEN, dtype="uint8"),
    Case("rescaling_vectors", layer("Rescaling", [0.5, 2.0, 3.0], offset=[1.0, 0.0, -1.0]), IMAGE),
    Case("rescaling_2d", layer("Rescaling", 2.0, 3.0), ((4,),)),
    *(Case(name.lower(), layer(name, **arguments), IMAGE) for name, arguments in RANDOM.items()),
    equalized("tiles", (12, 16, 2), tile_grid_size=(3, 4)),
    equalized("tiles_cut_off", (13, 10, 3), tile_grid_size=(3, 4)),
    equalized("by_default", (16, 24, 1)),
    equalized("shares", (9, 8, 1), 1.0, value_range=(0.0, 1.0), tile_grid_size=(2, 2)),
    equalized("unclipped", (8, 8, 1), clip_limit=0.0, tile_grid_size=(2, 3)),
    equalized("features_first", (2, 8, 9), data_format="channels_first", tile_grid_size=(2, 2)),
    Case(
        "equalized_whole_numbers",
        layer("ContrastLimitedAdaptiveHistogramEqualization"),
        ((8, 8, 1),),
        dtype="uint8",
        refused=dict.fromkeys(("numpy", "neoml"), "equalization of whole numbers"),
    ),
    *(Case(f"{name.lower()}_of_bytes", partial(of_bytes, name=name, settings=given)) for name, given in BYTES.items()),
    Case("auto_contrast", layer("AutoContrast"), ((6, 5, 3),)),
]
