"""ConvLSTM over lines, images and volumes."""

from __future__ import annotations

from typing import Any

from tests.cases import Case, layer

INPUTS = {1: ((3, 6, 2),), 2: ((3, 5, 4, 2),), 3: ((2, 3, 4, 3, 2),)}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "valid": {},
    "sequences": {"return_sequences": True, "padding": "same"},
    "backwards": {"go_backwards": True, "return_sequences": True, "use_bias": False},
    "strided": {"strides": 2, "padding": "same", "recurrent_activation": "hard_sigmoid"},
    "dilated": {"dilation_rate": 2, "activation": "relu"},
}


def with_states(keras: Any) -> Any:
    """The states of one handed to the next."""
    film = keras.Input((3, 4, 4, 2))
    first, *states = keras.layers.ConvLSTM2D(2, 3, padding="same", return_state=True)(film)
    second = keras.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True)(film, initial_state=states)
    return keras.Model(film, [first, second])


CASES = [
    *(
        Case(f"conv_lstm{axes}d_{name}", layer(f"ConvLSTM{axes}D", 3, 2, **arguments), inputs)
        for axes, inputs in INPUTS.items()
        for name, arguments in ARGUMENTS.items()
    ),
    Case("conv_lstm2d_states", with_states),
    Case("conv_lstm2d_open", layer("ConvLSTM2D", 2, 2), ((None, 4, 4, 2),)),
]
