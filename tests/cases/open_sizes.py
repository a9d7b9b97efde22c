"""Networks of pictures, films and series of any size: what hangs on the size is built for each that comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cases import Case, Spec, layer

SERIES, PICTURES, FILMS = ((None, 3),), ((None, None, 3),), ((None, 4, 5, 2),)
INPUTS = {1: SERIES, 2: PICTURES, 3: ((None, 5, None, 2),)}
STRIDED: dict[str, Any] = {"strides": 2, "padding": "same"}
TRANSPOSED: dict[str, dict[str, Any]] = {
    "valid": {"kernel_size": 3, "strides": 2},
    "same": {"kernel_size": 3, "strides": 2, "padding": "same"},
    "beyond_kernel": {"kernel_size": 2, "strides": 3, "padding": "same"},
    "output_padding": {"kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1},
}


def u_net(keras: Any) -> Any:
    """Down by a pool and by strides, up by transposed convolutions and by interpolation, with what is beside it."""
    layers, x = keras.layers, keras.Input((None, None, 3))
    whole = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    half = layers.Conv2D(6, 3, padding="same", activation="relu")(layers.MaxPooling2D(2, padding="same")(whole))
    low = layers.Conv2D(6, 3, **STRIDED, activation="relu")(half)
    wide = [
        layers.Conv2DTranspose(4, 3, **STRIDED)(low),
        layers.UpSampling2D(2, interpolation="bilinear")(low),
    ]
    means = [layers.GlobalAveragePooling2D(keepdims=True)(one) for one in (*wide, half, whole)]
    return keras.Model(x, layers.Dense(1, activation="sigmoid")(layers.Concatenate()(means)))


def fully_convolutional(keras: Any) -> Any:
    """A map of classes for each window, and where the window lies, as detectors of faces give them."""
    layers, x = keras.layers, keras.Input((None, None, 3))
    y = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(4, 3, padding="same")(x))
    y = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(4, 3, padding="same")(layers.MaxPooling2D(2, **STRIDED)(y)))
    return keras.Model(x, [layers.Softmax()(layers.Conv2D(2, 1)(y)), layers.Conv2D(4, 1)(y)])


def of(name: str, shape: tuple[Any, ...], function: Callable[..., Any]) -> Case:
    """A case whose network is `function(keras.ops, input)`."""

    def build(keras: Any) -> Any:
        x = keras.Input(shape)
        return keras.Model(x, function(keras.ops, x))

    return Case(name, build)


def in_steps(name: str, **arguments: Any) -> Spec:
    return layer("TimeDistributed", layer(name, 3, 3, **arguments))


CASES = [
    Case("u_net", u_net),
    Case("fully_convolutional", fully_convolutional),
    *(Case(f"conv{axes}d", layer(f"Conv{axes}D", 4, 3, **STRIDED), shape) for axes, shape in INPUTS.items()),
    *(Case(f"separable{axes}d", layer(f"SeparableConv{axes}D", 4, 3, **STRIDED), INPUTS[axes]) for axes in (1, 2)),
    *(Case(f"depthwise{axes}d", layer(f"DepthwiseConv{axes}D", 3, **STRIDED), INPUTS[axes]) for axes in (1, 2)),
    *(
        Case(f"conv{axes}d_transposed_{name}", layer(f"Conv{axes}DTranspose", 3, **arguments), INPUTS[axes])
        for axes in (1, 2, 3)
        for name, arguments in TRANSPOSED.items()
    ),
    *(
        Case(f"{kind.lower()}{axes}d_{size}", layer(f"{kind}Pooling{axes}D", size, padding="same"), INPUTS[axes])
        for kind in ("Max", "Average")
        for axes in (1, 2, 3)
        for size in (2, 3)
    ),
    *(
        Case(f"adaptive_{kind.lower()}{axes}d", layer(f"Adaptive{kind}Pooling{axes}D", 2), INPUTS[axes])
        for kind in ("Max", "Average")
        for axes in (1, 2)
    ),
    Case("conv2d_of_steps", in_steps("Conv2D", **STRIDED), ((None, None, None, 2),)),
    Case("conv1d_of_steps", in_steps("Conv1D", **STRIDED), ((3, None, 2),)),
    Case("conv_lstm", layer("ConvLSTM2D", 2, 2, return_sequences=True), FILMS),
    *(
        Case(f"upsampling_{method}", layer("UpSampling2D", (2, 3), interpolation=method), PICTURES)
        for method in ("bilinear", "bicubic")
    ),
    Case("resizing_to_one_aspect", layer("Resizing", 4, 6, crop_to_aspect_ratio=True), PICTURES),
    Case("center_crop", layer("CenterCrop", 3, 4), PICTURES),
    Case("unit_of_several_axes", layer("UnitNormalization", axis=(1, 2)), PICTURES),
    Case("group_of_several_axes", layer("GroupNormalization", 1), PICTURES),
    Case(
        "attention_over_pictures",
        layer("MultiHeadAttention", 2, 3, attention_axes=(1, 2)),
        (*PICTURES, *PICTURES),
    ),
    of("every_second", (None, 3), lambda ops, x: x[:, ::2]),
    of("einsum", (None, None, 3), lambda ops, x: ops.einsum("bijk,bljk->bil", x, x)),
    of("depth_to_space", (None, None, 8), lambda ops, x: ops.depth_to_space(x, 2)),
    of("resize", (None, None, 3), lambda ops, x: ops.image.resize(x, (4, 9))),
    of("pairs", (None, 3), lambda ops, x: ops.expand_dims(x, 1) - ops.expand_dims(x, 2)),
    of("less_their_mean", (None, None, 3), lambda ops, x: x - ops.mean(x, axis=(1, 2), keepdims=True)),
]
