"""Pools over windows, over whole axes, and to a given size."""

from __future__ import annotations

from typing import Any

from tests.cases import Case, layer

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

CASES = [
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
