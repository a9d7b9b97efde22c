"""Weights of one value or two, shifted in Keras: recorded, compared, and put back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from porting.checking import Report, check_network
from porting.checking.shifted import has_few_values, shift
from porting.keras_side.save import describe
from porting.network import Array, Network, TensorRef
from porting.numpy_side.engine import NumpyEngine
from tests.tampering import with_weight

L = keras.layers


def fresh(*layers: Any, shape: tuple[int | None, ...] = (6,), dtype: str = "float32") -> Any:
    made = given = keras.Input(shape, dtype=dtype)
    for layer in layers:
        made = layer(made)
    return keras.Model(given, made)


class Misreads(NumpyEngine):
    """A port that is right on the weights as they are, and reads others of a layer in another way."""

    misread: tuple[str, str, Callable[[Array], Array]]

    def renewed(self, network: Network) -> NumpyEngine:
        return super().renewed(with_weight(network, *self.misread))


def check(network: Network, *misread: Any) -> Report:
    engine = Misreads(network) if misread else NumpyEngine(network)
    if isinstance(engine, Misreads):
        engine.misread = misread
    return check_network(network, engine)


def zeros(array: Array) -> Array:
    return np.zeros_like(array)


def reverse(array: Array) -> Array:
    return array[..., ::-1]


def swap_gates(bias: Array) -> Array:
    """The candidate's and the output's, which are both zeros in a fresh LSTM."""
    gates = np.split(bias, 4)
    return np.concatenate([gates[0], gates[1], gates[3], gates[2]])


MISREAD: dict[str, tuple[Callable[[], Any], str, str, Callable[[Array], Array]]] = {
    "a bias of zeros left out": (lambda: fresh(L.Dense(3, name="at")), "at", "bias", zeros),
    "a bias of one zero left out": (lambda: fresh(L.Dense(1, name="at")), "at", "bias", zeros),
    "a convolution's bias turned round": (
        lambda: fresh(L.Conv1D(4, 2, name="at"), shape=(None, 3)),
        "at",
        "bias",
        reverse,
    ),
    "gamma turned round": (lambda: fresh(L.BatchNormalization(name="at")), "at", "gamma", reverse),
    "a mean left out": (lambda: fresh(L.BatchNormalization(name="at")), "at", "moving_mean", zeros),
    "beta left out": (lambda: fresh(L.LayerNormalization(name="at")), "at", "beta", zeros),
    "two gates of an LSTM swapped": (
        lambda: fresh(L.Embedding(9, 4, mask_zero=True), L.LSTM(3, name="at"), shape=(None,), dtype="int32"),
        *("at", "bias", swap_gates),
    ),
    "one direction's bias left out": (
        lambda: fresh(L.Bidirectional(L.GRU(3), name="at"), shape=(None, 4)),
        "at",
        "backward_layer/bias",
        zeros,
    ),
}


@pytest.mark.parametrize("name", MISREAD)
def test_what_a_fresh_model_would_hide_is_found(name: str) -> None:
    make, layer, weight, change = MISREAD[name]
    network = describe(make())
    sound = check(network)
    assert sound.proved
    assert next(one for one in sound.layers if one.call == layer).shifted
    assert not any("one value" in note for note in sound.notes)
    first = check(network, layer, weight, change).first_departure
    assert first is not None
    assert (first.call, first.status, first.shifted) == (layer, "departs", False)
    assert f"shifted ({weight}" in first.why or f", {weight}" in first.why


def test_the_weights_are_as_they_were() -> None:
    model = fresh(L.Dense(3), L.BatchNormalization(), L.Dense(2))
    before = [np.array(one) for one in model.get_weights()]
    network = describe(model)
    assert sum(len(case.shifted) for case in network.cases) == 3
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights()))


def test_what_is_trained_and_what_no_variable_tells_is_not_shifted() -> None:
    """Normalization computes with copies that it made when it was built."""
    dense = L.Dense(3, name="dense", bias_initializer="random_normal")
    network = describe(fresh(L.Normalization(mean=0.0, variance=1.0, name="norm"), dense))
    assert not any(case.shifted for case in network.cases)
    assert check(network).ok


def test_a_table_that_two_layers_share_is_shifted_where_it_is_kept() -> None:
    table = L.Embedding(7, 4, embeddings_initializer="ones", name="table")
    given = keras.Input((None,), dtype="int32")
    made = keras.ops.matmul(table(given), keras.ops.transpose(table.embeddings))
    network = describe(keras.Model(given, made))
    assert TensorRef("table") in network.cases[0].shifted
    assert check(network).ok


def test_few_values() -> None:
    assert has_few_values(np.zeros(3, np.float32))
    assert has_few_values(np.array([0, 1, 0, 1], np.float32))
    assert not has_few_values(np.array([0, 1, 2], np.float32))
    assert not has_few_values(np.zeros(3, np.int32))
    assert not has_few_values(np.zeros(0, np.float32))
    shifts = shift(np.zeros(65537, np.float32))
    assert len(np.unique(shifts)) == len(shifts)
    assert 0.125 <= shifts.min() < shifts.max() <= 0.375
