"""Noise as it is recorded in Keras: what is summed moves, what is decided stays, the model is left as it was."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from porting.checking import check_network
from porting.keras_side.save import describe
from porting.network import Network, Noise, TensorRef
from porting.numpy_side.engine import NumpyEngine


def noise_of(network: Network, call: str, case: int = 0) -> Noise:
    return network.cases[case].noise[TensorRef(call)]


def model_of(*layers: Any, shape: tuple[int | None, ...] = (6,), dtype: str = "float32") -> Any:
    given = keras.Input(shape, dtype=dtype)
    made = given
    for layer in layers:
        made = layer(made)
    return keras.Model(given, made)


def test_every_output_of_every_case_has_noise_of_the_size_of_a_last_bit() -> None:
    network = describe(model_of(keras.layers.Dense(4, name="one"), keras.layers.Dense(3, name="two")))
    for case in network.cases:
        assert case.noise.keys() == case.outputs.keys()
        for ref, noise in case.noise.items():
            size = float(np.abs(case.outputs[ref]).max())
            assert 1e-9 * size < noise.alone[0] < 1e-5 * max(1.0, size)
            assert noise.chain[0] > 0


def test_what_a_normalization_over_one_feature_rounds_away_is_no_fault() -> None:
    """Of x·s + (β − x·s) in float32 a few bits of β are left, the same ones however x moves."""
    norm = keras.layers.LayerNormalization(name="norm")
    model = model_of(norm, keras.layers.Dense(2), shape=(None, 1))
    norm.set_weights([np.array([1.3], "float32"), np.array([0.0567], "float32")])
    network = describe(model)
    report = check_network(network, NumpyEngine(network))
    assert report.ok, str(report)
    assert max(noise_of(network, "norm", case).alone[0] for case in range(4)) > 1e-5
    # Where a row varies, as nearly always, nothing is allowed for it.
    usual = describe(model_of(keras.layers.LayerNormalization(name="norm"), shape=(12,)))
    assert all(case.noise[TensorRef("norm")].alone[0] < 1e-5 for case in usual.cases)


def test_the_weights_are_as_they_were_and_the_same_model_gives_the_same_noise() -> None:
    model = model_of(keras.layers.Dense(4), keras.layers.Dense(2))
    before = [np.array(weight) for weight in model.get_weights()]
    first, second = describe(model), describe(model)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights()))
    assert [case.noise for case in first.cases] == [case.noise for case in second.cases]


def test_the_weights_are_as_they_were_when_keras_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from porting.keras_side import noise

    model = model_of(keras.layers.Dense(4))
    before = [np.array(weight) for weight in model.get_weights()]
    calls = []
    true = noise.run_step

    def failing(*given: Any) -> Any:
        calls.append(given)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return true(*given)

    monkeypatch.setattr(noise, "run_step", failing)
    with pytest.raises(KeyboardInterrupt):
        describe(model)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights()))


def test_sums_that_cancel_have_more_noise() -> None:
    dense = keras.layers.Dense(3, use_bias=False, name="dense")
    model = model_of(keras.layers.Rescaling(1000.0), dense)
    kernel = np.random.default_rng(1).normal(size=(3, 3)).astype("float32")
    dense.set_weights([np.concatenate([kernel, -kernel])])
    x = np.random.default_rng(2).normal(size=(4, 3)).astype("float32")
    samples = np.concatenate([x, x * np.float32(1.0001)], 1)
    network = describe(model, samples)
    calm, cancelling = noise_of(network, "dense"), noise_of(network, "dense", -1)
    assert cancelling.alone[1] > 1e-5
    assert cancelling.alone[1] > 10 * calm.alone[1]


def test_what_the_first_call_rounds_goes_on_through_the_chain() -> None:
    """Inputs move for the calls that read them, so what follows moves as they do."""
    dense = keras.layers.Dense(4, use_bias=False, name="dense")
    model = model_of(dense, keras.layers.Reshape((2, 2), name="shape"))
    kernel = 100 * np.random.default_rng(1).normal(size=(3, 4)).astype("float32")
    dense.set_weights([np.concatenate([np.round(kernel), -np.round(kernel)])])  # which do not move
    x = np.random.default_rng(2).normal(size=(4, 3)).astype("float32")
    network = describe(model, np.concatenate([x, x], 1))
    first, second = noise_of(network, "dense", -1), noise_of(network, "shape", -1)
    assert first.alone[0] > 1e-5
    assert second.alone[0] < 1e-6
    assert second.chain[0] == pytest.approx(first.chain[0], rel=0.1)
    assert first.chain[0] == pytest.approx(first.alone[0], rel=0.1)


def test_ids_and_masks_do_not_move() -> None:
    """A mask value, a padded id and what compares them would fall otherwise: that is not a noise."""
    masked = model_of(keras.layers.Masking(0.1), keras.layers.SimpleRNN(3, name="rnn"), shape=(None, 2))
    values = np.full((3, 5, 2), 0.1, "float32")
    values[:, :3] = np.random.default_rng(3).normal(size=(3, 3, 2))
    network = describe(masked, values)
    assert noise_of(network, "rnn", -1).alone[0] < 1e-5
    assert all(noise.chain[0] < 1e-5 for noise in network.cases[-1].noise.values())
    ids = model_of(keras.layers.Embedding(9, 4, mask_zero=True, name="words"), shape=(None,), dtype="int32")
    network = describe(ids)
    assert all(case.noise[TensorRef("words")].alone[0] < 1e-6 for case in network.cases)
