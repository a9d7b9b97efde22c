"""Dropout in training: Keras' expectation, other random numbers, none where nothing learns; and what a loss absorbs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

import porting
from porting import optimizers
from porting.engine_factory import make_engine
from porting.network import Case, Layer, TensorRef
from porting.training.callbacks import Checkpoint
from tests.training.small_nets import DENSE, ONES, RATE, ROWS, WIDTH, chain, dense, dropped, x


def kernel_gradient(net: porting.PortedNetwork) -> np.ndarray:
    assert net._trainer is not None
    ref = TensorRef("dense")
    found = net._trainer.learner.gradients({"x": x()}, {ref: lambda output, mask: ONES})
    return np.array(found["dense/kernel"])


def test_the_mean_gradient_under_dropout_is_the_one_without() -> None:
    net, draws = dropped(), 400
    found = np.stack([kernel_gradient(net) for _ in range(draws)])
    expected = x().T @ ONES
    deviation = np.sqrt(RATE / (1 - RATE) * np.square(x()).sum(0))[:, None]
    assert (np.abs(found.mean(0) - expected) < 5 * deviation / np.sqrt(draws)).all()
    np.testing.assert_allclose(found.std(0), np.broadcast_to(deviation, found.shape[1:]), rtol=0.2)


def test_dropout_is_told_by_the_seed() -> None:
    first, same, other = (kernel_gradient(dropped(seed=seed)) for seed in (1, 1, 2))
    assert (first == same).all()
    assert (first != other).any()


def test_dropout_before_an_archive_cell_draws_anew_in_each_step() -> None:
    """A net with such a cell is loaded again for every step."""
    rng = np.random.default_rng(4)
    weights = {"kernel": (WIDTH, 9), "recurrent_kernel": (3, 9), "bias": (2, 9)}
    config = {"units": 3, "activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}
    config.update(use_bias=True, return_sequences=False, return_state=False, go_backwards=False, stateful=False)
    gru = Layer("gru", "GRU", config, {name: rng.normal(size=shape).astype("f") for name, shape in weights.items()})
    dropout = Layer("dropout", "Dropout", {"rate": RATE, "seed": None, "noise_shape": None})
    steps = rng.normal(size=(ROWS, 4, WIDTH)).astype(np.float32)

    def losses(seed: int) -> list[float]:
        net = chain(dropout, gru, shape=(4, WIDTH))
        net.compile(optimizers.SGD(0.0), "mse", seed=seed)
        return [net.train_on_batch(steps, np.zeros((ROWS, 3)), return_dict=True)["loss"] for _ in range(5)]

    first = losses(1)
    assert len(set(first)) == 5
    assert first == losses(1)
    assert set(first).isdisjoint(losses(2))


def test_nothing_is_dropped_when_evaluating() -> None:
    net = dropped()
    assert net.evaluate(x(), ONES, return_dict=True)["loss"] == pytest.approx(net.predict(x()).sum(-1).mean(), rel=1e-6)


@pytest.mark.parametrize(("wrapped", "activation"), [(False, "softmax"), (True, None)])
def test_a_loss_reads_logits_where_keras_does(wrapped: bool, activation: Any) -> None:
    """Keras clips probabilities at 1e-7 where it no longer knows their logits: the derivative beyond is 0."""
    layer = dense("tags", 3, activation="softmax")
    layer.weights["kernel"][...] *= 40  # type: ignore[index]
    if wrapped:
        inner = {"class_name": "Dense", "config": layer.config}
        weights = {f"layer/{name}": array for name, array in layer.weights.items()}
        layer = Layer("tags", "TimeDistributed", {"layer": inner}, weights)
    net = chain(layer, shape=(4, 3))
    net.compile("sgd", "sparse_categorical_crossentropy")
    assert net._trainer is not None
    assert net._trainer.learner.activation_of(TensorRef("tags")) == activation
    steps = 3 * np.ones((2, 4, 3), np.float32)
    probabilities = net.predict(steps)
    wrong = probabilities.argmin(axis=-1)
    loss = net.train_on_batch(steps, wrong, return_dict=True)["loss"]
    if wrapped:
        assert loss == pytest.approx(-np.log(1e-7), rel=1e-4)
        assert max(net.moved().values()) == 0
    else:
        assert loss > 20
        assert min(net.moved().values()) > 0


def test_dropout_that_would_drop_nothing_waits_for_the_size() -> None:
    dropout = Layer("dropout", "Dropout", {"rate": RATE, "seed": None, "noise_shape": None})
    net = chain(dropout, Layer("turn", "Permute", {"dims": [2, 1]}), dense("dense", 3), shape=(3, None))
    with pytest.raises(porting.Unsupported, match="dropout: would drop nothing"):
        net.compile("sgd", "mse")
    given = np.ones((2, 3, 5), np.float32)

    def loss(seed: int) -> float:
        labels = np.zeros((2, 5, 2), np.float32)
        return of_open_sizes(net, given).train_on_batch(given, labels, loss="mse", seed=seed, return_dict=True)["loss"]

    assert loss(1) == loss(1)
    assert loss(1) != loss(2)


def simple_rnn(**settings: Any) -> porting.PortedNetwork:
    """Adds what it gets to what it has: every number shows what was dropped on its way."""
    units = 50
    weights = {"kernel": np.eye(units, dtype="f"), "recurrent_kernel": np.eye(units, dtype="f")}
    config: dict[str, Any] = {"units": units, "activation": "linear", "use_bias": False, "return_sequences": True}
    config.update(
        return_state=False, go_backwards=False, stateful=False, **{"dropout": 0.0, "recurrent_dropout": 0.0, **settings}
    )
    head = Layer("scale", "Dense", {**DENSE, "units": units}, {"kernel": np.eye(units, dtype="f")})
    head.weights["bias"] = np.zeros(units, "f")  # type: ignore[index]
    return chain(Layer("rnn", "SimpleRNN", config, weights), head, shape=(None, units))


def seen_in_training(net: porting.PortedNetwork, seed: int, steps: int = 3) -> np.ndarray:
    """The outputs for inputs of ones, as a step of training sees them."""
    seen: list[np.ndarray] = []

    def note(truth: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(output.copy())
        return output.sum(-1), np.zeros_like(output)

    net.compile(optimizers.SGD(0.0), note, seed=seed)
    ones = np.ones((40, steps, 50), np.float32)
    net.train_on_batch(ones, ones)
    assert (net.predict(ones) == np.cumsum(ones, axis=1)).all()
    return seen[0]


def test_inputs_of_a_recurrent_layer_are_dropped_in_the_same_places_at_every_step() -> None:
    made = seen_in_training(simple_rnn(dropout=RATE), 1)
    kept = made[:, :1] > 0
    np.testing.assert_allclose(made, np.cumsum(kept / (1 - RATE) * np.ones((1, 3, 1)), axis=1), rtol=1e-5)
    assert abs(kept.mean() - (1 - RATE)) < 5 * np.sqrt(RATE * (1 - RATE) / kept.size)
    assert len(np.unique(kept, axis=0)) == len(kept)
    assert (made == seen_in_training(simple_rnn(dropout=RATE), 1)).all()
    assert (made != seen_in_training(simple_rnn(dropout=RATE), 2)).any()


def test_the_state_of_a_recurrent_layer_is_dropped_in_the_same_places_at_every_step() -> None:
    made = seen_in_training(simple_rnn(recurrent_dropout=RATE), 1)
    kept = (made[:, 1] > 1.5) / (1 - RATE)
    np.testing.assert_allclose(made[:, 0], 1)
    np.testing.assert_allclose(made[:, 1], 1 + kept, rtol=1e-5)
    np.testing.assert_allclose(made[:, 2], 1 + kept + kept**2, rtol=1e-5)
    assert abs((kept > 0).mean() - (1 - RATE)) < 5 * np.sqrt(RATE * (1 - RATE) / kept.size)


@pytest.mark.parametrize("settings", [{"dropout": 1.0}, {"recurrent_dropout": 1}])
def test_a_recurrent_layer_that_would_drop_everything_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(porting.Unsupported, match="'rnn': drops all of its inputs or of its state"):
        simple_rnn(**settings).compile("sgd", "mse")


SIZE = 50


def noisy(layer: Layer, *shape: Optional[int]) -> porting.PortedNetwork:
    """A layer, and behind it one that learns and changes nothing."""
    kernel = {"kernel": np.eye(SIZE, dtype="f"), "bias": np.zeros(SIZE, "f")}
    return chain(layer, Layer("same", "Dense", {**DENSE, "units": SIZE}, kernel), shape=(*shape, SIZE))


def seen(net: porting.PortedNetwork, x: np.ndarray, seed: int = 1, steps: int = 1) -> list[np.ndarray]:
    """The outputs as steps of training see them; the weights stay."""
    kept: list[np.ndarray] = []

    def note(truth: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kept.append(output.copy())
        return output.sum(-1), np.zeros_like(output)

    net.compile(optimizers.SGD(0.0), note, seed=seed)
    for _ in range(steps):
        net.train_on_batch(x, x)
    made = kept[:steps]
    net.evaluate(x, x, batch_size=len(x))
    np.testing.assert_array_equal(kept[-1], x)
    np.testing.assert_array_equal(net.predict(x), x)
    return made


def close(values: np.ndarray, mean: float, deviation: float) -> bool:
    """Whether values are drawn with this mean and deviation, as far as their number can tell."""
    off, count = abs(float(values.mean()) - mean), np.sqrt(values.size)
    return off < 5 * deviation / count and abs(float(values.std()) - deviation) < 5 * deviation / count


NOISE_LAYERS = {
    "noise": Layer("random", "GaussianNoise", {"stddev": 0.3, "seed": None}),
    "factors": Layer("random", "GaussianDropout", {"rate": RATE, "seed": None}),
    "selu": Layer("random", "AlphaDropout", {"rate": RATE, "seed": None, "noise_shape": None}),
    "rows": Layer("random", "StochasticDepth", {"drop_path_rate": RATE}),
    "steps": Layer("random", "Dropout", {"rate": RATE, "seed": None, "noise_shape": [None, 1, None]}),
}
MANY = np.random.default_rng(5).normal(1, 0.5, (60, 4, SIZE)).astype(np.float32)


@pytest.mark.parametrize("kind", NOISE_LAYERS)
def test_noise_is_drawn_anew_in_each_step_and_told_by_the_seed(kind: str) -> None:
    one, other = seen(noisy(NOISE_LAYERS[kind], 4), MANY, steps=2)
    assert (one != other).any()
    again = seen(noisy(NOISE_LAYERS[kind], 4), MANY, steps=2)
    np.testing.assert_array_equal([one, other], again)
    assert (seen(noisy(NOISE_LAYERS[kind], 4), MANY, seed=2)[0] != one).any()


def test_gaussian_noise_is_what_keras_adds() -> None:
    added = seen(noisy(NOISE_LAYERS["noise"], 4), MANY)[0] - MANY
    assert close(added, 0, 0.3)
    assert not close(added, 0, 0.35)


def test_gaussian_dropout_is_what_keras_multiplies_with() -> None:
    factors = seen(noisy(NOISE_LAYERS["factors"], 4), MANY)[0] / MANY
    usual = np.abs(MANY) > 0.1
    assert close(factors[usual], 1, float(np.sqrt(RATE / (1 - RATE))))


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    made = seen(noisy(NOISE_LAYERS["selu"], 4), MANY)[0]
    scale = ((1 - RATE) * (1 + RATE * 1.7580993408473766**2)) ** -0.5
    shift = scale * 1.7580993408473766 * RATE
    is_kept = np.isclose(made, scale * MANY + shift, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made[~is_kept], shift - scale * 1.7580993408473766, rtol=1e-5)
    assert close(is_kept.astype(float), 1 - RATE, float(np.sqrt(RATE * (1 - RATE))))


def test_stochastic_depth_leaves_out_rows() -> None:
    made = np.concatenate(seen(noisy(NOISE_LAYERS["rows"], 4), MANY, steps=20))
    kept = (made != 0).all(axis=(1, 2))
    assert (kept == (made != 0).any(axis=(1, 2))).all()
    np.testing.assert_allclose(made[kept], np.concatenate([MANY] * 20)[kept] / (1 - RATE), rtol=1e-5)
    assert close(kept.astype(float), 1 - RATE, float(np.sqrt(RATE * (1 - RATE))))


def test_dropout_with_a_noise_shape_drops_the_same_places_along_an_axis() -> None:
    made = seen(noisy(NOISE_LAYERS["steps"], 4), MANY)[0]
    kept = made[:, :1] != 0
    np.testing.assert_allclose(made, MANY * kept / (1 - RATE), rtol=1e-5)
    assert close(kept.astype(float), 1 - RATE, float(np.sqrt(RATE * (1 - RATE))))


def of_open_sizes(net: porting.PortedNetwork, given: np.ndarray) -> porting.PortedNetwork:
    """The network with a reference, of which it takes a size that is open."""
    network = replace(net.network, cases=(Case("one", {"x": given}, {}),))
    return porting.PortedNetwork(network, make_engine(network, "neoml", None))


def test_noise_over_open_sizes_is_drawn_for_the_size_that_comes() -> None:
    net = of_open_sizes(noisy(NOISE_LAYERS["noise"], None), MANY)
    np.testing.assert_array_equal(seen(net, MANY), seen(noisy(NOISE_LAYERS["noise"], 4), MANY))
    with pytest.raises(porting.Unsupported, match="only the rows may be open"):
        noisy(NOISE_LAYERS["noise"], None).compile("sgd", "mse")


def test_a_run_with_noise_resumes_to_the_bit(tmp_path: Path) -> None:
    def net() -> porting.PortedNetwork:
        return noisy(NOISE_LAYERS["noise"], 4)

    state = tmp_path / "state.npz"
    settings: dict[str, Any] = {"optimizer": "adam", "loss": "mse", "batch_size": 20, "verbose": 0}
    whole, first, second = net(), net(), net()
    whole.fit(MANY, MANY, epochs=3, callbacks=[Checkpoint(tmp_path / "other.npz")], **settings)
    first.fit(MANY, MANY, epochs=1, callbacks=[Checkpoint(state)], **settings)
    second.fit(MANY, MANY, epochs=3, callbacks=[Checkpoint(state)], resume=state, **settings)
    for name, array in whole.weights().items():
        np.testing.assert_array_equal(second.weights()[name], array)
    assert whole.moved()["same/kernel"] > 0
