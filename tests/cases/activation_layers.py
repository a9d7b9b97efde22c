"""Activations as layers, with arguments; activations given as a layer."""

from __future__ import annotations

from typing import Any

from tests.cases import Case, layer

SHAPES = {"2d": (6,), "3d": (None, 6), "4d": (3, 2, 6)}


def softmax_mask(keras: Any) -> Any:
    x, mask = keras.Input((3, 5)), keras.Input((3, 5), dtype="bool")
    return keras.Model([x, mask], [keras.layers.Softmax(axis)(x, mask=mask) for axis in (-1, 1, [1, 2])])


def softmax_mask_spread(keras: Any) -> Any:
    x, mask = keras.Input((3, 5)), keras.Input((1, 5))
    return keras.Model([x, mask], keras.layers.Softmax()(x, mask=mask))


def of_layer(kind: str, **kwargs: Any) -> Any:
    def build(keras: Any) -> Any:
        x = keras.Input((None, 5))
        return keras.Model(x, keras.layers.Dense(4, activation=getattr(keras.layers, kind)(**kwargs))(x))

    return build


CASES = [
    *(Case(f"relu_{name}", layer("ReLU"), (shape,)) for name, shape in SHAPES.items()),
    Case("relu_max", layer("ReLU", max_value=0.8), ((None, 6),)),
    Case("relu_slope", layer("ReLU", negative_slope=0.1), ((6,),)),
    Case("relu_threshold", layer("ReLU", threshold=0.5), ((None, 6),)),
    Case("relu_all", layer("ReLU", max_value=1.0, negative_slope=0.3, threshold=0.25), ((2, 6),)),
    Case("relu_max_slope", layer("ReLU", max_value=1.0, negative_slope=0.3), ((2, 6),)),
    Case("relu_max_0", layer("ReLU", max_value=0.0, negative_slope=0.3), ((2, 6),)),
    *(Case(f"leaky_relu_{name}", layer("LeakyReLU"), (shape,)) for name, shape in SHAPES.items()),
    Case("leaky_relu_slope", layer("LeakyReLU", negative_slope=0.05), ((6,),)),
    Case("leaky_relu_0", layer("LeakyReLU", negative_slope=0.0), ((6,),)),
    *(Case(f"elu_{name}", layer("ELU"), (shape,)) for name, shape in SHAPES.items()),
    Case("elu_alpha", layer("ELU", alpha=0.3), ((None, 6),)),
    Case("prelu_2d", layer("PReLU"), ((6,),)),
    Case("prelu_3d", layer("PReLU"), ((3, 6),)),
    Case("prelu_shared", layer("PReLU", shared_axes=[1]), ((None, 6),)),
    Case("prelu_shared_12", layer("PReLU", shared_axes=[1, 2]), ((3, None, 6),)),
    Case("prelu_shared_2", layer("PReLU", shared_axes=[2]), ((3, 4, 6),)),
    Case("prelu_shared_all", layer("PReLU", shared_axes=[1, 2]), ((3, 6),)),
    *(Case(f"softmax_{name}", layer("Softmax"), (shape,)) for name, shape in SHAPES.items()),
    Case("softmax_axis_1", layer("Softmax", axis=1), ((None, 6),)),
    Case("softmax_axis_2", layer("Softmax", axis=2), ((3, 4, 6),)),
    Case("softmax_axes", layer("Softmax", axis=[1, 2]), ((3, 4, 6),)),
    Case("softmax_axes_13", layer("Softmax", axis=[1, -1]), ((3, 4, 6),)),
    Case("softmax_axes_all", layer("Softmax", axis=[1, 2, 3]), ((3, None, 6),)),
    Case("softmax_one_axis_in_a_list", layer("Softmax", axis=[-1]), ((None, 6),)),
    Case("softmax_mask", softmax_mask),
    Case("softmax_mask_spread", softmax_mask_spread),
    *(Case(f"sparsemax_{name}", layer("Activation", "sparsemax"), (shape,)) for name, shape in SHAPES.items()),
    Case(
        "relu_keeps_masks",
        (layer("ReLU"), layer("PReLU", shared_axes=[1]), layer("LSTM", 2)),
        ((None, 4),),
        masked=True,
    ),
    Case("dense_relu_layer", of_layer("ReLU", max_value=1.0, threshold=0.2)),
    Case("dense_leaky_relu_layer", of_layer("LeakyReLU", negative_slope=0.1)),
    Case("dense_softmax_layer", of_layer("Softmax", axis=1)),
]
