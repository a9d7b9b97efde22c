"""Pools over windows, over whole axes, and to a given size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases import Case, layer

Build = Callable[..., Any]
INPUTS = {1: ((9, 3),), 2: ((7, 9, 3),), 3: ((5, 6, 4, 2),)}
OPEN = {1: ((None, 3),), 2: ((None, None, 3),), 3: ((None, 4, None, 2),)}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "default": {"pool_size": 2},
    "overlapping": {"pool_size": 3, "strides": 1},
    "same": {"pool_size": 2, "padding": "same"},
    "same_overlapping": {"pool_size": 3, "strides": 1, "padding": "same"},
    "same_even": {"pool_size": 4, "strides": 3, "padding": "same"},
    "same_beyond_input": {"pool_size": 12, "strides": 2, "padding": "same"},
    "stride_beyond_window": {"pool_size": 2, "strides": 3},
    "stride_beyond_window_same": {"pool_size": 1, "strides": 3, "padding": "same"},
}
SIZES = {
    1: [(3,), (9,), (4,), (1,)],
    2: [(3, 4), (7, 2), (7, 1), (2, 5)],
    3: [(2, 3, 4), (5, 2, 3), (5, 1, 3), (3, 4, 2)],
}

INFINITE = float("-inf")


def padded_with(*axes: int, by: int = 1, value: float = INFINITE) -> Build:
    """A picture or a sequence with a number around it, as keras-hub's ResNets pad before their pools."""

    def build(ops: Any, x: Any) -> Any:
        amounts = [[by, by] if axis in axes else [0, 0] for axis in range(len(x.shape))]
        return ops.pad(x, amounts, constant_values=value)

    return build


def behind(front: Build, top: Callable[[Any, Any], Any], shape: tuple[Any, ...]) -> Build:
    def build(keras: Any) -> Any:
        given = keras.Input(shape)
        return keras.Model(given, top(keras, front(keras.ops, given)))

    return build


def pooled(axes: int, size: int, strides: int, padding: str = "valid") -> Callable[[Any, Any], Any]:
    return lambda keras, x: getattr(keras.layers, f"MaxPooling{axes}D")(size, strides, padding)(x)


def largest_of_chosen(keras: Any) -> Any:
    """The maximum of what a condition leaves: of nothing it is infinite, which another condition replaces."""
    ops, given = keras.ops, keras.Input((4, 3))
    largest = ops.max(ops.where(given > 0.8, given, INFINITE), axis=1)
    least = ops.min(ops.where(given < -0.8, given, -INFINITE), axis=2)
    lowest = ops.max(ops.where(given > 2.0, given, float(np.finfo("float32").min)), axis=1)
    return keras.Model(given, [ops.maximum(largest, -9.0), ops.minimum(least, 9.0), lowest])


def largest_of_a_table(keras: Any) -> Any:
    ops, given = keras.ops, keras.Input((2, 3))
    table = np.where(np.arange(6).reshape(2, 3) < 3, -np.inf, 0.5).astype("float32")
    return keras.Model(given, ops.maximum(ops.max(given + table, axis=2), -9.0))


INFINITY = {
    "1d": behind(padded_with(1), pooled(1, 3, 2), (9, 3)),
    "2d": behind(padded_with(1, 2), pooled(2, 3, 2), (6, 7, 2)),
    "2d_same": behind(padded_with(1, 2), pooled(2, 3, 2, "same"), (6, 7, 2)),
    "2d_open": behind(padded_with(1, 2), pooled(2, 3, 2), (None, None, 2)),
    "2d_alone_in_windows": behind(padded_with(1, 2, by=3), pooled(2, 2, 1), (6, 7, 2)),
    "2d_of_one": behind(padded_with(1, 2), pooled(2, 1, 1), (4, 3, 2)),
    "3d": behind(padded_with(1, 3), pooled(3, 2, 2), (4, 5, 4, 2)),
    "3d_alone_in_windows": behind(padded_with(1, 3, by=2), pooled(3, 2, 1), (3, 4, 3, 2)),
    "over_time": behind(padded_with(1), lambda keras, x: keras.layers.GlobalMaxPooling1D()(x), (None, 3)),
    "over_an_axis": behind(padded_with(1), lambda keras, x: keras.ops.max(x, axis=1), (5, 3)),
    "least": behind(padded_with(1, value=-INFINITE), lambda keras, x: keras.ops.min(x, axis=1), (5, 3)),
    "softmax": behind(padded_with(1), lambda keras, x: keras.ops.softmax(x, axis=1), (5, 3)),
    "rows_of_nothing_else": behind(
        padded_with(1), lambda keras, x: keras.ops.maximum(keras.ops.max(x, axis=2), -9.0), (5, 3)
    ),
    "cut_off": behind(padded_with(1), lambda keras, x: x[:, 1:-1], (5, 3)),
    "where_nothing_is_chosen": largest_of_chosen,
    "of_a_table": largest_of_a_table,
}

CASES = [
    *(Case(f"infinite_padding_{name}", build) for name, build in INFINITY.items()),
    *(
        Case(f"{kind.lower()}{axes}d_{name}", layer(f"{kind}Pooling{axes}D", **arguments), INPUTS[axes])
        for kind in ("Max", "Average")
        for axes in (1, 2, 3)
        for name, arguments in ARGUMENTS.items()
    ),
    *(
        Case(f"{kind.lower()}{axes}d_open", layer(f"{kind}Pooling{axes}D", 3, strides=1, padding="same"), OPEN[axes])
        for kind in ("Max", "Average")
        for axes in (1, 2, 3)
    ),
    *(
        Case(f"{kind.lower()}{axes}d_open_strided", layer(f"{kind}Pooling{axes}D", 2), OPEN[axes])
        for kind in ("Max", "Average")
        for axes in (1, 2, 3)
    ),
    *(
        Case(f"{kind.lower()}2d_open_same", layer(f"{kind}Pooling2D", 3, padding="same"), OPEN[2])
        for kind in ("Max", "Average")
    ),
    *(
        Case(
            f"global_{kind.lower()}{axes}d{'_keepdims' * keep}{'_first' * first}{'_open' * (inputs is OPEN)}",
            layer(
                f"Global{kind}Pooling{axes}D", keepdims=keep, data_format="channels_first" if first else "channels_last"
            ),
            inputs[axes],
        )
        for kind in ("Max", "Average")
        for axes in (1, 2, 3)
        for keep in (False, True)
        for first in (False, True)
        for inputs in (INPUTS, OPEN)
        if not (first and inputs is OPEN)
    ),
    *(
        Case(f"adaptive_{kind.lower()}{axes}d_{number}", layer(f"Adaptive{kind}Pooling{axes}D", size), INPUTS[axes])
        for kind in ("Max", "Average")
        for axes, sizes in SIZES.items()
        for number, size in enumerate(sizes)
        # TensorFlow dies of a division by zero when one window takes all.
        if 1 not in size or kind == "Average"
    ),
    Case("adaptive_average2d_growing", layer("AdaptiveAveragePooling2D", (4, 6)), ((3, 4, 2),)),
    Case("adaptive_max2d_first", layer("AdaptiveMaxPooling2D", 2, data_format="channels_first"), ((2, 5, 6),)),
    Case("average2d_uneven", layer("AveragePooling2D", (2, 3), strides=(3, 1), padding="same"), INPUTS[2]),
    Case("max3d_uneven", layer("MaxPooling3D", (1, 3, 2), strides=(2, 1, 3), padding="same"), INPUTS[3]),
    Case("max1d_first", layer("MaxPooling1D", 2, data_format="channels_first"), ((3, 8),)),
    Case("average1d_one_channel", layer("AveragePooling1D", 2), ((8, 1),)),
    Case("max1d_then_lstm", (layer("Conv1D", 4, 3), layer("MaxPooling1D", 2), layer("LSTM", 3)), ((None, 3),)),
]
