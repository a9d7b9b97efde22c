"""Keras' operations beyond arithmetic, used as layers: formulas of others, images, and what only numpy has."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Any

import numpy as np

from tests.cases import Case, layer
from tests.cases.operation_layers import ONLY_NUMPY, ROW, TABLE, of, one

PICTURE = (7, 5, 3)
TIES = np.asarray([[0, 1, 1, 0, 1, 1, 0]], "float32")
KERNEL = np.linspace(-1, 1, 72, dtype="float32").reshape(3, 3, 2, 4)
ONLY_ARRAYS = ["angle", "i0", "isneginf", "isposinf", "nan_to_num", "signbit", "sinc"]
WITHOUT_NAN = ["nanmax", "nanmean", "nanmedian", "nanmin", "nanprod", "nanstd", "nansum", "nanvar"]
WITHOUT_NAN += ["nanargmax", "nanargmin", "nancumsum", "nancumprod"]


def model_with_operations(keras: Any) -> Any:
    """Operations that have the names of layers, inside a model that TimeDistributed holds."""
    inner = keras.Input((5, 4))
    hidden = keras.layers.Dense(4)(inner) * 2.0 + inner
    given = keras.Input((None, 5, 4))
    held = keras.Model(inner, keras.ops.softmax(keras.ops.mean(hidden, axis=1)))
    return keras.Model(given, keras.layers.TimeDistributed(held)(given))


def merge_of_integers(keras: Any, name: str) -> Any:
    inputs = [keras.Input((4,), dtype="int32") for _ in range(2)]
    return keras.Model(inputs, getattr(keras.layers, name)()(inputs))


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


def pipeline(keras: Any) -> Any:
    steps = [keras.layers.Rescaling(0.1), keras.layers.CenterCrop(6, 6), keras.layers.RandomFlip()]
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Pipeline(steps), keras.layers.Conv2D(2, 3)])


CASES = [
    *(of(name, one(name), refused=ONLY_NUMPY) for name in ONLY_ARRAYS),
    *(of(name, one(name, axis=-1), refused=ONLY_NUMPY) for name in WITHOUT_NAN),
    *(
        of(name, lambda ops, x, y, name=name: getattr(ops, name)(x, y), (3, 4), (1, 4), refused=ONLY_NUMPY)
        for name in ("fmax", "fmin", "fmod", "nextafter")
    ),
    *(
        of(
            f"{name}_bits",
            lambda ops, x, y, name=name: getattr(ops, name)(x, y),
            (4,),
            (4,),
            dtype="int32",
            refused=ONLY_NUMPY,
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    of("shifts", lambda ops, x: [ops.left_shift(x, 1), ops.right_shift(x, 1)], (4,), dtype="int32", refused=ONLY_NUMPY),
    of("cross", lambda ops, x, y: ops.cross(x, y), (3,), (3,), refused=ONLY_NUMPY),
    of(
        "take_along_axis",
        lambda ops, x: ops.take_along_axis(x, ops.argsort(x, axis=1), axis=1),
        (3, 4),
    ),
    of("top_k", lambda ops, x: ops.top_k(x, 2), (3, 4)),
    of("linspace", lambda ops, x, y: ops.linspace(x, y, 4, axis=1), (3,), (3,), refused=ONLY_NUMPY),
    of("quantile", lambda ops, x: ops.quantile(x, 0.3, axis=1), (5, 4), refused=ONLY_NUMPY),
    of("parts", lambda ops, x: [ops.real(x), ops.imag(x), ops.conj(x), ops.isreal(x)]),
    of("fabs", lambda ops, x: ops.fabs(x)),
    of("erfc", one("erfc")),
    of("logaddexp2", lambda ops, x, y: [ops.logaddexp2(x, y), ops.logaddexp2(x, ROW)], (3, 4), (1, 4)),
    of("heaviside", lambda ops, x, y: [ops.heaviside(x, y), ops.heaviside(ops.relu(x), ROW)], (3, 4), (3, 4)),
    of("isclose", lambda ops, x, y: [ops.isclose(x, y, atol=0.5), ops.isclose(x, ROW, rtol=0.5)], (3, 4), (3, 4)),
    of("ptp", lambda ops, x: [ops.ptp(x, axis=1), ops.ptp(x, axis=(1, 2), keepdims=True)], (3, 4)),
    of("norm", lambda ops, x: [ops.norm(x, axis=-1), ops.norm(x, ord=1, axis=1, keepdims=True)], (3, 4)),
    of("norm_of_order_0", lambda ops, x: ops.norm(ops.relu(x), ord=0, axis=-1), (3, 4)),
    of(
        "norms_of_other_orders",
        lambda ops, x: [
            *(ops.norm(x, ord=order, axis=-1) for order in (3, inf, -inf, 1.5)),
            *(ops.norm(x, ord=order, axis=(-2, 2), keepdims=order > 0) for order in (1, -1, inf, -inf)),
        ],
        (3, 4),
    ),
    of(
        "norm_of_singular_values",
        lambda ops, x: ops.norm(x, ord="nuc", axis=(1, 2)),
        (3, 4),
        refused="'nuc'",
        both=True,
    ),
    of("norm_of_matrices", lambda ops, x: ops.norm(x, axis=(1, 2)), (3, 4)),
    of("cdist", lambda ops, x, y: ops.cdist(x, y), (3, 4), (5, 4)),
    of("trapezoid_at_places", lambda ops, x: ops.trapezoid(x, x=np.array([0.0, 0.5, 2.0, 2.25])), (3, 4)),
    of("trapezoid", lambda ops, x: ops.trapezoid(x, axis=1, dx=0.5), (3, 4)),
    of("inner", lambda ops, x: ops.inner(x, TABLE), (3, 4)),
    of("select", lambda ops, x: ops.select([x > 1, x > 0], [x, x * 2], 0.5)),
    of("digitize", lambda ops, x: ops.digitize(x, np.array([-1.0, 0.0, 1.0]))),
    of(
        "isin",
        lambda ops, x: [ops.isin(x, np.array([1, 2])), ops.isin(x, np.array([1]), invert=True)],
        (4,),
        dtype="int32",
    ),
    of("multi_hot", lambda ops, x: ops.multi_hot(x, 5), (4,), dtype="int32"),
    of("one_hot_axis_1", lambda ops, x: ops.one_hot(x, 5, axis=1), (4,), dtype="int32"),
    of("dstack", lambda ops, x, y: ops.dstack([x, y]), (3, 4), (3, 4)),
    of("splits", lambda ops, x: [*ops.array_split(x, 3, axis=2), *ops.hsplit(x, 3), *ops.dsplit(x, [1])], (3, 4)),
    of("rot90", lambda ops, x: [ops.rot90(x, axes=(1, 2)), ops.rot90(x, k=-1, axes=(1, 2))], (3, 4)),
    of("vstack", lambda ops, x, y: ops.vstack([x, y]), (3, 4), (3, 4), refused="mixes the rows", both=True),
    of("flipud", one("flipud"), refused="mixes the rows", both=True),
    of("roll_of_axes", lambda ops, x: ops.roll(x, (1, -2), axis=(1, 2)), (3, 4)),
    of(
        "pad_mirrored",
        lambda ops, x: [ops.pad(x, [[0, 0], [1, 2], [0, 1]], mode=mode) for mode in ("reflect", "symmetric")],
        (3, 4),
    ),
    of("round_decimals", one("round", decimals=1)),
    of("max_from", lambda ops, x: [ops.max(x, axis=1, initial=0.2), ops.min(x, axis=-1, initial=-0.1)], (3, 4)),
    of("average_weighted", lambda ops, x: ops.average(x, axis=-1, weights=np.arange(1.0, 5, dtype="float32")), (3, 4)),
    of("normalize_order_1", one("normalize", axis=-1, order=1), (3, 4)),
    of("divide_no_nan_constant", lambda ops, x: ops.divide_no_nan(x, np.array([0, 1, 2, 0], "float32")), (3, 4)),
    of("hypot_constant", lambda ops, x: ops.hypot(x, ROW), (3, 4)),
    of(
        "argmax_of_equals",
        lambda ops, x: [ops.argmax(x * 0 + TIES, axis=-1), ops.argmin(x * 0 + TIES, axis=-1)],
        (2, 7),
    ),
    of("argsort_of_equals", lambda ops, x: ops.argsort(x * 0 + TIES, axis=-1), (2, 7)),
    of("cast_to_half", lambda ops, x: ops.cast(x, "float16"), refused="no float16"),
    of("take_from_a_small_table", lambda ops, x: ops.take(TABLE, x, axis=0), (5,), dtype="int32"),
    of("rank_7", lambda ops, x: x + 1, (2, 1, 2, 2, 1, 3), refused="rank 7"),
    of("add_where_sizes_meet", lambda ops, x, y: ops.add(x, ops.expand_dims(y, 1)), (2, 3), (1,)),
    of("resize", lambda ops, x: [ops.image.resize(x, (4, 9)), ops.image.resize(x, (9, 4), "nearest")], PICTURE),
    of("rgb_to_grayscale", lambda ops, x: ops.image.rgb_to_grayscale(x), PICTURE),
    of("crop_images", lambda ops, x: ops.image.crop_images(x, 1, 1, target_height=3, target_width=2), PICTURE),
    of("pad_images", lambda ops, x: ops.image.pad_images(x, 1, 2, target_height=10, target_width=9), PICTURE),
    of("space_to_depth", lambda ops, x: ops.space_to_depth(x, 2), (4, 6, 3)),
    of("depth_to_space", lambda ops, x: ops.depth_to_space(x, 2), (2, 3, 8)),
    of("separable_conv", lambda ops, x: ops.separable_conv(x, KERNEL, KERNEL.reshape(1, 1, 8, 9)), (5, 4, 2)),
    of(
        "batch_normalization",
        lambda ops, x: ops.batch_normalization(x, ROW, ROW**2 + 0.1, axis=-1, offset=ROW, scale=ROW + 2, epsilon=1e-3),
        (3, 4),
    ),
    of(
        "adaptive_pools",
        lambda ops, x: [ops.adaptive_average_pool(x, (3, 2)), ops.adaptive_max_pool(x, (3, 2))],
        PICTURE,
    ),
    of("where_fixed", lambda ops, x: ops.where(np.array([True, False, True, False]), x, -x), (3, 4)),
    of(
        "resize_bytes", lambda ops, x: ops.image.resize(x, (4, 9)), PICTURE, dtype="uint8", refused="halfway", both=True
    ),
    of("resize_bytes_nearest", lambda ops, x: ops.image.resize(x, (4, 9), "nearest"), PICTURE, dtype="uint8"),
    *(Case(f"{name.lower()}_of_bytes", partial(of_bytes, name=name, settings=given)) for name, given in BYTES.items()),
    Case("model_with_operations", model_with_operations),
    Case("pipeline", pipeline),
    Case("auto_contrast", layer("AutoContrast"), ((6, 5, 3),)),
    *(
        Case(f"{name.lower()}_of_integers", partial(merge_of_integers, name=name))
        for name in ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average")
    ),
    Case("einsum_ellipsis_sized", layer("EinsumDense", "...x,xy->...y", output_shape=(4,), bias_axes="y"), ((4, 5),)),
    Case(
        "simple_rnn_softmax",
        layer("SimpleRNN", 3, activation="softmax"),
        ((4, 3),),
        refused=dict.fromkeys(("numpy", "neoml"), "within a recurrent cell"),
    ),
]
