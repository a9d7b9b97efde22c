"""Recurrent layers, their wrappers, and masks through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases import Case, layer

FEATURES = ((None, 5),)
KINDS: dict[str, dict[str, Any]] = {"lstm": {}, "gru": {}, "gru_reset_before": {"reset_after": False}, "simple_rnn": {}}
CLASSES = {"lstm": "LSTM", "gru": "GRU", "gru_reset_before": "GRU", "simple_rnn": "SimpleRNN"}
SETTINGS: dict[str, dict[str, Any]] = {
    "last": {},
    "sequences": {"return_sequences": True},
    "states": {"return_state": True},
    "all": {"return_sequences": True, "return_state": True},
    "backwards": {"go_backwards": True},
    "backwards_sequences": {"go_backwards": True, "return_sequences": True, "return_state": True},
    "no_bias": {"use_bias": False, "return_sequences": True},
    "relu": {"activation": "relu", "return_sequences": True},
    "zero_output": {"zero_output_for_mask": True, "return_sequences": True},
    "zero_output_last": {"zero_output_for_mask": True},
    "dropout": {"dropout": 0.3, "recurrent_dropout": 0.3},
    "unroll": {"unroll": True, "return_sequences": True},
}
GATES = ("hard_sigmoid", "tanh", "linear", "relu", "softsign", "silu")


def recurrent(kind: str, units: int = 3, **settings: Any) -> Any:
    return layer(CLASSES[kind], units, **KINDS[kind], **settings)


def squashed(x: Any) -> Any:
    return x / (1.5 + abs(x))


def own_activation_in_cells(keras: Any) -> Any:
    """Cells one above the other, two of them with a function of one's own, and first states."""
    x, h = keras.Input((4, 5)), keras.Input((3,))
    cells = [
        keras.layers.GRUCell(3, activation=squashed),
        keras.layers.LSTMCell(2),
        keras.layers.SimpleRNNCell(4, activation=squashed),
    ]
    zeros = [keras.layers.Dense(size, use_bias=False)(h) for size in (2, 2, 4)]
    made = keras.layers.RNN(cells, return_sequences=True)(x, initial_state=[h, zeros[:2], zeros[2]])
    return keras.Model([x, h], made)


def cases_of(kind: str, masked: bool) -> list[Case]:
    end = "_masked" if masked else ""
    found = []
    for name, settings in SETTINGS.items():
        shape = ((6, 5),) if name == "unroll" else FEATURES
        found.append(Case(f"{kind}_{name}{end}", recurrent(kind, **settings), shape, masked=masked))
    if kind != "simple_rnn":
        found += [
            Case(
                f"{kind}_gate_{gate}{end}",
                recurrent(kind, recurrent_activation=gate, return_sequences=True),
                FEATURES,
                masked=masked,
                scale=0.5 if gate in ("hard_sigmoid", "tanh", "softsign") else 0.15,
            )
            for gate in GATES
        ]
    found.append(Case(f"{kind}_one_unit{end}", recurrent(kind, 1, return_sequences=True), ((None, 1),), masked=masked))
    found.append(Case(f"{kind}_of_ids{end}", recurrent(kind), ((None,),), "int32", masked=masked))
    return found


def bidirectional(masked: bool) -> list[Case]:
    end = "_masked" if masked else ""
    found = []
    for kind in KINDS:
        for merge in ("concat", "sum", "mul", "ave", None):
            for name in ("last", "sequences", "all"):
                wrapped = layer("Bidirectional", recurrent(kind, 2, **SETTINGS[name]), merge_mode=merge)
                found.append(Case(f"bidirectional_{kind}_{merge}_{name}{end}", wrapped, FEATURES, masked=masked))
    other = layer("Bidirectional", recurrent("lstm"), backward_layer=layer("GRU", 3, go_backwards=True))
    found.append(Case(f"bidirectional_of_two_kinds{end}", other, FEATURES, masked=masked))
    return found


def stacks(masked: bool) -> list[Case]:
    end = "_masked" if masked else ""
    cells = [layer("LSTMCell", 2), layer("GRUCell", 3), layer("SimpleRNNCell", 2)]
    sequences = {"return_sequences": True}
    return [
        Case(f"rnn_of_lstm_cell{end}", layer("RNN", cells[0], **SETTINGS["all"]), FEATURES, masked=masked),
        Case(f"rnn_of_gru_cell{end}", layer("RNN", cells[1], go_backwards=True), FEATURES, masked=masked),
        Case(f"rnn_of_stacked_cells{end}", layer("RNN", cells, **SETTINGS["all"]), FEATURES, masked=masked),
        Case(
            f"rnn_of_stacked_cells_backwards{end}",
            layer("RNN", cells, go_backwards=True, return_sequences=True),
            FEATURES,
            masked=masked,
        ),
        Case(
            f"rnn_of_stacked_rnn_cells{end}",
            layer("RNN", layer("StackedRNNCells", cells[:2]), return_state=True),
            FEATURES,
            masked=masked,
        ),
        Case(
            f"two_bidirectional_lstms{end}",
            (
                layer("Bidirectional", recurrent("lstm", **sequences)),
                layer("Bidirectional", recurrent("lstm", **sequences)),
                layer("Dense", 2),
            ),
            FEATURES,
            masked=masked,
        ),
        Case(
            f"backwards_chain{end}",
            (
                recurrent("lstm", go_backwards=True, **sequences),
                recurrent("gru", go_backwards=True, **sequences),
                recurrent("gru_reset_before"),
            ),
            FEATURES,
            masked=masked,
        ),
        Case(
            f"holes_through_dense{end}",
            (layer("Dropout", 0.2), layer("Dense", 3), layer("Bidirectional", recurrent("lstm", **sequences))),
            ((None,),),
            "int32",
            masked=masked,
        ),
        Case(
            f"tagger{end}",
            (recurrent("lstm", **sequences), layer("TimeDistributed", layer("Dense", 3, activation="softmax"))),
            ((None,),),
            "int32",
            masked=masked,
        ),
        Case(f"average{end}", (layer("Dense", 3), layer("GlobalAveragePooling1D")), FEATURES, masked=masked),
        Case(f"maximum{end}", layer("GlobalMaxPooling1D"), FEATURES, masked=masked),
    ]


def with_initial_state(kind: str, masked: bool) -> Any:
    def build(keras: Any) -> Any:
        layers = keras.layers
        x, mask = keras.Input((None, 5), name="x"), keras.Input((None,), dtype="bool", name="mask")
        names = ("h", "c") if kind == "lstm" else ("h",)
        states = [keras.Input((3,), name=name) for name in names]
        made = getattr(layers, CLASSES[kind])(3, return_sequences=True, return_state=True, **KINDS[kind])
        extra = {"mask": mask} if masked else {}
        outputs = made(x, initial_state=states if len(states) > 1 else states[0], **extra)
        return keras.Model([x, *states, *([mask] if masked else [])], outputs)

    return build


def bidirectional_with_states(kind: str, masked: bool) -> Any:
    def build(keras: Any) -> Any:
        layers = keras.layers
        x, mask = keras.Input((None, 5), name="x"), keras.Input((None,), dtype="bool", name="mask")
        states = [keras.Input((3,), name=f"state_{at}") for at in range(4 if kind == "lstm" else 2)]
        wrapped = getattr(layers, CLASSES[kind])(3, return_sequences=True, return_state=True, **KINDS[kind])
        outputs = layers.Bidirectional(wrapped)(x, initial_state=states, **({"mask": mask} if masked else {}))
        return keras.Model([x, *states, *([mask] if masked else [])], outputs)

    return build


def unrolled(kind: str, **settings: Any) -> tuple[Any, ...]:
    return (recurrent(kind, unroll=True, **settings),)


def encoder_decoder(keras: Any) -> Any:
    """A masked encoder whose states start a masked decoder."""
    layers = keras.layers
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target"))
    embedding = layers.Embedding(7, 4, mask_zero=True)
    _, *states = layers.LSTM(3, return_state=True)(embedding(source))
    decoded, *_ = layers.LSTM(3, return_sequences=True, return_state=True)(embedding(target), initial_state=states)
    return keras.Model([source, target], layers.Dense(7, activation="softmax")(decoded))


def merged_masks(keras: Any) -> Any:
    layers = keras.layers
    ids, features = keras.Input((None,), dtype="int32", name="ids"), keras.Input((None, 3), name="features")
    masked = layers.Embedding(7, 3, mask_zero=True)(ids)
    other = layers.Masking(0.5)(features)
    outputs = [
        layers.LSTM(2)(merge([masked, other]))
        for merge in (layers.Add(), layers.Concatenate(), layers.Concatenate(axis=1), layers.Maximum())
    ]
    return keras.Model([ids, features], [*outputs, layers.LSTM(2)(layers.Concatenate()([masked, features]))])


def shared_three_times(keras: Any) -> Any:
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(7, 4, mask_zero=True)(ids)
    shared = layers.LSTM(4, return_sequences=True)
    return keras.Model(ids, layers.GRU(2)(shared(shared(shared(x)))))


def stacked_cells_alone(keras: Any) -> Any:
    """Cells one above the other, called on two steps."""
    layers = keras.layers
    stacked = layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(2)])
    sequence = keras.Input((2, 4))
    states = [keras.Input((units,)) for units in (3, 3, 2)]
    first, carried = stacked(sequence[:, 0], [states[:2], states[2:]])
    second, (lstm, gru) = stacked(sequence[:, 1], carried)
    return keras.Model([sequence, *states], [first, second, *lstm, *gru])


def cell_alone(kind: str) -> Callable[[Any], Any]:
    """A cell called on one step after the other, its states handed on by hand."""

    def build(keras: Any) -> Any:
        cell = getattr(keras.layers, kind)(3)
        sequence = keras.Input((4, 2))
        states = [keras.Input((3,)) for _ in range(2 if kind == "LSTMCell" else 1)]
        carried: Any = states
        outputs = []
        for at in range(4):
            output, carried = cell(sequence[:, at], carried)
            outputs.append(output)
        return keras.Model([sequence, *states], [*outputs, *carried])

    return build


CASES = [
    Case("stacked_cells_alone", stacked_cells_alone),
    *(Case(f"{kind}_alone", cell_alone(kind)) for kind in ("LSTMCell", "GRUCell", "SimpleRNNCell")),
    *(case for masked in (False, True) for kind in KINDS for case in cases_of(kind, masked)),
    *(case for masked in (False, True) for case in bidirectional(masked)),
    *(case for masked in (False, True) for case in stacks(masked)),
    *(
        Case(f"{kind}_initial_state{'_masked' if masked else ''}", with_initial_state(kind, masked))
        for masked in (False, True)
        for kind in KINDS
    ),
    *(
        Case(
            f"bidirectional_{kind}_initial_state{'_masked' if masked else ''}", bidirectional_with_states(kind, masked)
        )
        for masked in (False, True)
        for kind in KINDS
    ),
    *(
        Case(f"{kind}_unrolled_{name}_masked", unrolled(kind, **settings), ((6, 5),), masked=True)
        for kind in KINDS
        for name, settings in {
            "zero_output": {"return_sequences": True, "zero_output_for_mask": True},
            "zero_output_last": {"zero_output_for_mask": True},
            "zero_output_backwards": {
                "return_sequences": True,
                "return_state": True,
                "go_backwards": True,
                "zero_output_for_mask": True,
            },
            "zero_output_last_backwards": {"go_backwards": True, "zero_output_for_mask": True},
            "backwards": {"return_sequences": True, "go_backwards": True},
        }.items()
    ),
    *(
        Case(
            f"bidirectional_{kind}_unrolled_masked",
            layer("Bidirectional", recurrent(kind, unroll=True, return_sequences=True)),
            ((6, 5),),
            masked=True,
        )
        for kind in KINDS
    ),
    Case(
        "rnn_of_stacked_cells_unrolled_masked",
        layer(
            "RNN",
            [layer("LSTMCell", 2), layer("GRUCell", 3)],
            unroll=True,
            return_sequences=True,
            go_backwards=True,
            zero_output_for_mask=True,
        ),
        ((6, 5),),
        masked=True,
    ),
    # States of hundreds, and gates so far closed that anything left of them shows.
    *(
        Case(
            f"{kind.lower()}_relu_of_hundreds",
            layer(kind, 8, activation="relu"),
            ((10, 3),),
            scale=0.3,
            samples={"input_0": np.abs(np.random.default_rng(3).normal(0, 300, (16, 10, 3))).astype(np.float32)},
        )
        for kind in ("LSTM", "GRU")
    ),
    Case("encoder_decoder", encoder_decoder),
    Case("merged_masks", merged_masks),
    Case("shared_three_times", shared_three_times),
    Case("simple_rnn_softmax", layer("SimpleRNN", 3, activation="softmax"), ((4, 3),)),
    *(
        Case(f"{kind}_own_{name}{'_masked' if masked else ''}", build, ((4, 5),), masked=masked)
        for kind in KINDS
        for masked in (False, True)
        for name, build in {
            "activation": recurrent(kind, activation=squashed, return_sequences=True, return_state=True),
            "backwards": recurrent(kind, activation=squashed, go_backwards=True, return_sequences=True),
            "zero_output": recurrent(kind, activation=squashed, zero_output_for_mask=True, return_sequences=True),
            "no_bias": recurrent(kind, activation=squashed, use_bias=False),
        }.items()
    ),
    *(
        Case(f"{kind}_own_gate", recurrent(kind, recurrent_activation=lambda x: 0.5 + 0.5 * squashed(x)), ((4, 5),))
        for kind in KINDS
        if kind != "simple_rnn"
    ),
    Case("own_activation_of_any_length", recurrent("gru", activation=squashed), FEATURES),
    Case("own_activation_in_cells", own_activation_in_cells),
]
