"""Convolutions: plain, grouped, dilated, depthwise, separable, transposed."""

from __future__ import annotations

from typing import Any

from tests.cases import Case, layer

LINE, PLANE, SPACE = ((9, 4),), ((7, 9, 4),), ((5, 6, 4, 2),)
OPEN_LINE, OPEN_PLANE = ((None, 3),), ((None, None, 3),)

CONV1D: dict[str, dict[str, Any]] = {
    "valid": {"kernel_size": 3},
    "same": {"kernel_size": 4, "padding": "same"},
    "causal": {"kernel_size": 3, "padding": "causal"},
    "causal_strided": {"kernel_size": 2, "padding": "causal", "strides": 2},
    "causal_dilated": {"kernel_size": 3, "padding": "causal", "dilation_rate": 2},
    "same_dilated": {"kernel_size": 2, "padding": "same", "dilation_rate": 3},
    "same_strided": {"kernel_size": 4, "padding": "same", "strides": 3},
    "stride_beyond_kernel": {"kernel_size": 2, "strides": 4},
    "kernel_beyond_input": {"kernel_size": 12, "padding": "same", "strides": 2},
    "kernel_1_strided": {"kernel_size": 1, "padding": "same", "strides": 2},
    "groups": {"kernel_size": 3, "groups": 2, "padding": "same"},
    "groups_of_one": {"kernel_size": 3, "groups": 4, "use_bias": False},
    "no_bias": {"kernel_size": 3, "use_bias": False, "activation": "relu"},
}
CONV2D: dict[str, dict[str, Any]] = {
    "valid": {"kernel_size": 3},
    "same": {"kernel_size": (3, 2), "padding": "same"},
    "same_strided": {"kernel_size": 3, "padding": "same", "strides": 2},
    "same_strided_uneven": {"kernel_size": (2, 5), "padding": "same", "strides": (2, 3)},
    "same_dilated": {"kernel_size": (3, 2), "padding": "same", "dilation_rate": (2, 3)},
    "dilated": {"kernel_size": 3, "dilation_rate": (1, 2)},
    "stride_beyond_kernel": {"kernel_size": (1, 2), "strides": 3},
    "kernel_beyond_input": {"kernel_size": (10, 12), "padding": "same"},
    "groups": {"kernel_size": 3, "groups": 2, "strides": 2, "padding": "same"},
    "groups_of_one": {"kernel_size": 3, "groups": 4},
    "one_by_one": {"kernel_size": 1, "activation": "gelu"},
    "one_by_one_strided": {"kernel_size": 1, "strides": 2, "padding": "same", "use_bias": False},
    "softmax": {"kernel_size": 2, "activation": "softmax"},
}
CONV3D: dict[str, dict[str, Any]] = {
    "valid": {"kernel_size": 2},
    "same": {"kernel_size": (3, 2, 3), "padding": "same"},
    "same_strided": {"kernel_size": (2, 3, 4), "padding": "same", "strides": (2, 1, 3)},
    "dilated": {"kernel_size": 2, "dilation_rate": (2, 1, 2)},
    "same_dilated": {"kernel_size": (2, 3, 1), "padding": "same", "dilation_rate": 2, "use_bias": False},
    "groups": {"kernel_size": 2, "groups": 2},
    "kernel_beyond_input": {"kernel_size": (7, 3, 6), "padding": "same"},
}
DEPTHWISE: dict[str, dict[str, Any]] = {
    "valid": {"kernel_size": 3},
    "same": {"kernel_size": 2, "padding": "same"},
    "same_strided": {"kernel_size": 4, "padding": "same", "strides": 2},
    "multiplier": {"kernel_size": 3, "depth_multiplier": 3, "padding": "same"},
    "dilated": {"kernel_size": 2, "dilation_rate": 2, "depth_multiplier": 2},
    "same_dilated": {"kernel_size": 3, "dilation_rate": 2, "padding": "same", "use_bias": False},
    "strided": {"kernel_size": 2, "strides": 3, "activation": "tanh"},
}
SEPARABLE: dict[str, dict[str, Any]] = {
    "valid": {"kernel_size": 3},
    "same": {"kernel_size": 4, "padding": "same", "activation": "relu"},
    "same_strided": {"kernel_size": 3, "padding": "same", "strides": 2},
    "multiplier": {"kernel_size": 2, "depth_multiplier": 2, "padding": "same"},
    "dilated": {"kernel_size": 2, "dilation_rate": 3, "use_bias": False},
}
TRANSPOSED: dict[str, dict[str, Any]] = {
    "valid": {"kernel_size": 3},
    "valid_strided": {"kernel_size": 3, "strides": 2},
    "valid_stride_beyond_kernel": {"kernel_size": 2, "strides": 3},
    "same": {"kernel_size": 4, "padding": "same"},
    "same_strided": {"kernel_size": 3, "padding": "same", "strides": 2},
    "same_strided_even": {"kernel_size": 4, "padding": "same", "strides": 2, "activation": "relu"},
    "same_stride_beyond_kernel": {"kernel_size": 2, "padding": "same", "strides": 3},
    "same_kernel_1": {"kernel_size": 1, "padding": "same", "strides": 2, "use_bias": False},
    "output_padding": {"kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1},
    "output_padding_0": {"kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 0},
    "output_padding_even": {"kernel_size": 4, "strides": 3, "padding": "same", "output_padding": 2},
    "output_padding_valid": {"kernel_size": 3, "strides": 3, "output_padding": 2},
}
FAMILIES = [
    ("Conv1D", (8,), CONV1D, LINE),
    ("Conv2D", (8,), CONV2D, PLANE),
    ("Conv3D", (4,), CONV3D, SPACE),
    ("DepthwiseConv1D", (), DEPTHWISE, LINE),
    ("DepthwiseConv2D", (), DEPTHWISE, PLANE),
    ("SeparableConv1D", (5,), SEPARABLE, LINE),
    ("SeparableConv2D", (5,), SEPARABLE, PLANE),
    ("Conv1DTranspose", (3,), TRANSPOSED, LINE),
    ("Conv2DTranspose", (3,), TRANSPOSED, PLANE),
    ("Conv3DTranspose", (3,), TRANSPOSED, SPACE),
]
# Sums of hundreds of products stay of size 1.
SCALES = {"kernel_beyond_input": 0.05}

CASES = [
    *(
        Case(f"{name.lower()}_{case}", layer(name, *filters, **arguments), inputs, scale=SCALES.get(case, 0.5))
        for name, filters, cases, inputs in FAMILIES
        for case, arguments in cases.items()
    ),
    Case("conv1d_open", layer("Conv1D", 4, 3, padding="same", dilation_rate=2), OPEN_LINE),
    Case("conv1d_open_causal_strided", layer("Conv1D", 4, 3, padding="causal", strides=2), OPEN_LINE),
    Case("conv1d_open_even", layer("Conv1D", 4, 4, padding="same"), OPEN_LINE),
    Case("conv1d_open_same_strided", layer("Conv1D", 4, 3, padding="same", strides=2), OPEN_LINE),
    Case("conv1d_masked_stops_mask", (layer("Conv1D", 4, 2), layer("GlobalAveragePooling1D")), OPEN_LINE, masked=True),
    Case(
        "conv1d_between_lstms",
        (layer("LSTM", 3, return_sequences=True), layer("Conv1D", 4, 3), layer("LSTM", 2)),
        ((8, 3),),
    ),
    Case("conv2d_open", layer("Conv2D", 4, 3, padding="same"), OPEN_PLANE),
    Case("conv2d_open_one_by_one_strided", layer("Conv2D", 4, 1, padding="same", strides=2), OPEN_PLANE),
    Case("conv2d_open_valid_strided", layer("Conv2D", 4, 2, strides=2), OPEN_PLANE),
    Case("conv2d_open_same_strided", layer("Conv2D", 4, 3, padding="same", strides=2), OPEN_PLANE),
    Case("conv2d_one_channel", layer("Conv2D", 1, 3), ((5, 5, 1),)),
    Case("conv2d_after_permute", (layer("Permute", (3, 1, 2)), layer("Conv2D", 3, 2)), ((4, 5, 3),)),
    Case("conv2d_and_dense", (layer("Conv2D", 3, 3), layer("Flatten"), layer("Dense", 2)), ((5, 6, 2),)),
    Case("conv2d_transposed_open", layer("Conv2DTranspose", 2, 3, strides=2, padding="same"), OPEN_PLANE),
    Case("conv1d_transposed_open_valid", layer("Conv1DTranspose", 2, 2, strides=3), OPEN_LINE),
    Case("depthwise_open", layer("DepthwiseConv2D", 3, padding="same"), OPEN_PLANE),
    Case("conv2d_first", layer("Conv2D", 4, 3, padding="same", data_format="channels_first"), ((4, 6, 5),)),
    Case("depthwise1d_first", layer("DepthwiseConv1D", 2, data_format="channels_first"), ((3, 6),)),
    Case("separable1d_first", layer("SeparableConv1D", 4, 2, data_format="channels_first"), ((3, 6),)),
]
