"""BatchNormalization by its moving statistics, and Normalization."""

from __future__ import annotations

from tests.cases import Case, layer

SHAPES = {"2d": (5,), "3d": (None, 5), "4d": (3, None, 5), "5d": (2, 3, 4, 5), "6d": (2, 1, 3, 2, 5), "width_1": (4, 1)}
MEAN, VARIANCE = [1.0, -2.0, 0.5], [0.5, 2.0, 4.0]

CASES = [
    *(Case(f"batch_{name}", layer("BatchNormalization"), (shape,)) for name, shape in SHAPES.items()),
    Case("batch_no_scale", layer("BatchNormalization", scale=False, epsilon=1e-5), ((None, 4),)),
    Case("batch_no_center", layer("BatchNormalization", center=False), ((3, 3, 4),)),
    Case("batch_plain", layer("BatchNormalization", center=False, scale=False), ((4,),)),
    Case("batch_axis_1", layer("BatchNormalization", axis=1), ((3, 4, 5),)),
    Case("batch_axis_1_3d", layer("BatchNormalization", axis=1), ((3, None),)),
    Case("batch_axis_2", layer("BatchNormalization", axis=2), ((3, 4, 2),)),
    Case("batch_axis_2_5d", layer("BatchNormalization", axis=2), ((3, 4, 2, 2),)),
    Case("batch_renorm", layer("BatchNormalization", renorm=True), ((None, 4),)),
    Case("batch_masked", (layer("BatchNormalization"), layer("LSTM", 2)), ((None, 4),), masked=True),
    Case("batch_6d_flat", (layer("BatchNormalization"), layer("Flatten")), ((2, 1, 3, 2, 5),)),
    Case("batch_masked_axis_1", (layer("BatchNormalization", axis=1), layer("LSTM", 2)), ((5, 4),), masked=True),
    Case("batch_after_conv", (layer("Conv2D", 3, 2), layer("BatchNormalization"), layer("ReLU")), ((None, None, 2),)),
    Case("batch_after_conv_no_bias", (layer("Conv1D", 3, 2, use_bias=False), layer("BatchNormalization")), ((6, 2),)),
    Case("batch_after_conv3d", (layer("Conv3D", 3, 2, dilation_rate=2), layer("BatchNormalization")), ((4, 4, 4, 2),)),
    Case("batch_after_groups", (layer("Conv2D", 4, 2, groups=2), layer("BatchNormalization")), ((4, 4, 4),)),
    Case(
        "batch_after_depthwise",
        (layer("DepthwiseConv2D", 2, depth_multiplier=2), layer("BatchNormalization")),
        ((5, 4, 2),),
    ),
    Case("batch_after_separable", (layer("SeparableConv2D", 3, 2), layer("BatchNormalization")), ((5, 4, 2),)),
    Case(
        "batch_after_transposed", (layer("Conv2DTranspose", 3, 2, strides=3), layer("BatchNormalization")), ((3, 4, 2),)
    ),
    Case("batch_after_dense", (layer("Dense", 3), layer("BatchNormalization")), ((4,),)),
    Case("batch_after_dense_3d", (layer("Dense", 3, use_bias=False), layer("BatchNormalization")), ((None, 4),)),
    Case(
        "batch_after_active_conv", (layer("Conv2D", 3, 2, activation="relu"), layer("BatchNormalization")), ((5, 4, 2),)
    ),
    Case("batch_twice", (layer("BatchNormalization"), layer("BatchNormalization")), ((5, 4, 2),)),
    Case(
        "batch_after_lstm",
        (layer("LSTM", 3, return_sequences=True), layer("BatchNormalization"), layer("LSTM", 2)),
        ((None, 2),),
    ),
    Case("normalization", layer("Normalization", mean=MEAN, variance=VARIANCE), ((None, 3),)),
    Case("normalization_image", layer("Normalization", mean=MEAN, variance=VARIANCE), ((4, None, 3),)),
    Case("normalization_invert", layer("Normalization", mean=MEAN, variance=VARIANCE, invert=True), ((5, 3),)),
    Case("normalization_adapted", layer("Normalization"), ((4, 3),)),
    Case("normalization_axis_1", layer("Normalization", axis=1, mean=MEAN, variance=VARIANCE), ((3, 4),)),
    Case("normalization_scalar", layer("Normalization", axis=None, mean=2.0, variance=4.0), ((3, 4),)),
    Case("normalization_axes", layer("Normalization", axis=(1, 3)), ((3, 2, 4),)),
    Case("normalization_all_axes", layer("Normalization", axis=(1, 2), invert=True), ((3, 4),)),
]
