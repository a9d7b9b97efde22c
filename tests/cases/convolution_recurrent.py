"""ConvLSTM over lines, images and volumes."""

from __future__ import annotations

from typing import Any

import numpy as np

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


def both_ways(keras: Any) -> Any:
    """Every output and state of both directions."""
    film = keras.Input((3, 4, 4, 2))
    inner = keras.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True, return_state=True)
    made = keras.layers.Bidirectional(inner, merge_mode=None)(film)
    again = keras.layers.Bidirectional(keras.layers.ConvLSTM2D(2, 3, padding="same"))(film, initial_state=made[2:])
    return keras.Model(film, [*made, again])


def masked(**settings: Any) -> Any:
    """A mask of the steps, handed on to a second layer."""

    def build(keras: Any) -> Any:
        film, seen = keras.Input((4, 4, 4, 2)), keras.Input((4,))
        steps = keras.ops.greater(seen, 0.0)
        first = keras.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True, **settings)(film, mask=steps)
        return keras.Model([film, seen], [first, keras.layers.ConvLSTM2D(2, 2, strides=2)(first, mask=steps)])

    return build


def masked_places(keras: Any) -> Any:
    """Places whose channels are all 0 keep their states."""
    film = keras.Input((3, 4, 4, 2), name="film")
    x = keras.layers.Masking()(film)
    return keras.Model(film, keras.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True)(x))


def with_dark_places() -> Any:
    rng = np.random.default_rng(5)
    film = rng.normal(size=(4, 3, 4, 4, 2)).astype(np.float32)
    return film * (rng.random((4, 3, 4, 4, 1)) < 0.6)


CASES = [
    Case("masked", masked()),
    Case("masked_backwards", masked(go_backwards=True)),
    Case("masked_zero_output", masked(zero_output_for_mask=True)),
    Case("masked_places", masked_places, samples={"film": with_dark_places()}),
    Case("bidirectional_with_states", both_ways),
    *(
        Case(
            f"bidirectional_{merge}",
            layer("Bidirectional", layer("ConvLSTM2D", 2, 2, return_sequences=merge != "ave"), merge_mode=merge),
            INPUTS[2],
        )
        for merge in ("concat", "sum", "ave", "mul")
    ),
    Case("bidirectional_lines", layer("Bidirectional", layer("ConvLSTM1D", 2, 2)), INPUTS[1]),
    Case("bidirectional_volumes", layer("Bidirectional", layer("ConvLSTM3D", 1, 2, strides=2)), INPUTS[3]),
    *(
        Case(f"conv_lstm{axes}d_{name}", layer(f"ConvLSTM{axes}D", 3, 2, **arguments), inputs)
        for axes, inputs in INPUTS.items()
        for name, arguments in ARGUMENTS.items()
    ),
    Case("conv_lstm2d_states", with_states),
    Case("conv_lstm2d_open", layer("ConvLSTM2D", 2, 2), ((None, 4, 4, 2),)),
]
