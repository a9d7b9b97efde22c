"""Merges and layers that move values."""

from __future__ import annotations

from typing import Any

from tests.cases import Case, layer


def several_outputs(keras: Any) -> Any:
    """Three nested models, a shared one among them, and outputs in a dict."""
    layers = keras.layers
    inner_in = keras.Input((4,))
    inner = keras.Model(inner_in, layers.Dense(4, activation="tanh")(inner_in), name="inner")
    middle_in = keras.Input((4,))
    middle = keras.Model(middle_in, [inner(inner(middle_in)), layers.Dense(1)(middle_in)], name="middle")
    outer_in = keras.Input((4,))
    first, second = middle(outer_in)
    outer = keras.Model(outer_in, layers.Concatenate()([first, second]), name="outer")
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    return keras.Model({"x": x, "y": y}, {"sum": layers.Add()([outer(x), outer(y)]), "x": outer(x)})


CASES = [
    Case("flatten", layer("Flatten"), ((2, 3, 4),)),
    Case("flatten_open", layer("Flatten"), ((None, 4),)),
    Case("flatten_vector", layer("Flatten"), ((4,),)),
    Case("flatten_scalar", layer("Flatten"), ((),)),
    Case("flatten_channels_first", layer("Flatten", data_format="channels_first"), ((2, 3, 4),)),
    *(
        Case(f"reshape_{number}", layer("Reshape", target), (shape,))
        for number, (target, shape) in enumerate(
            [
                ((6,), (2, 3)),
                ((3, 2), (6,)),
                ((-1,), (2, 3)),
                ((2, -1), (None, 4)),
                ((-1, 2, 2), (None, 4)),
                ((1, 1, 4), (4,)),
            ]
        )
    ),
    *(
        Case(f"permute_{''.join(map(str, dims))}", (layer("Permute", dims), layer("Dense", 2)), (shape,))
        for dims, shape in [((2, 1), (3, 4)), ((3, 1, 2), (2, 3, 4)), ((2, 3, 1), (2, 3, 4)), ((2, 1, 3), (None, 3, 4))]
    ),
    Case("permute_and_flatten", (layer("Permute", (3, 1, 2)), layer("Flatten"), layer("Dense", 2)), ((2, 3, 4),)),
    Case("repeat_vector", layer("RepeatVector", 3), ((4,),)),
    Case("repeat_into_lstm", (layer("RepeatVector", 3), layer("LSTM", 2)), ((4,),)),
    *(
        Case(f"{pool.lower()}_{number}", layer(pool, **settings), ((None, 5),))
        for pool in ("GlobalAveragePooling1D", "GlobalMaxPooling1D")
        for number, settings in enumerate([{}, {"keepdims": True}])
    ),
    *(
        Case(f"{pool.lower()}_channels_first", layer(pool, data_format="channels_first", keepdims=True), ((4, 5),))
        for pool in ("GlobalAveragePooling1D", "GlobalMaxPooling1D")
    ),
    Case("several_outputs", several_outputs),
]
