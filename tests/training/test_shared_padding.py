"""Padding that all rows of a batch share is left out in training where no gradient, loss or statistic sees it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import porting
from porting.network import Array
from porting.padding import padding_of
from porting.padding.reader import Reader, TrainingReader
from porting.training.gradients import total
from tests.cases.padding import LEAVES_OUT, SEES, STEPS
from tests.padding.rows import padded_rows, turned
from tests.recorded_cases import load

# Of a network whose outputs do not see padding, what does see it in training.
WHY = {
    "tags": "losses count every step of an output",
    "tags_of_fixed_length": "losses count every step of an output",
    "largest_of_all": "takes the max over padded steps",
    "largest_state": "takes the max over padded steps",
    "normalized_padding": "takes statistics over padded steps",
    "dropped_words": "draws numbers for padded steps",
}
CUT = [key for key in LEAVES_OUT if key not in WHY]
# Sums are rounded otherwise where fewer zeros are added up.
APART = 1e-6
loaded = cache(load)


def statistics_in(net: porting.PortedNetwork) -> list[str]:
    return [name for name in net.network.weights() if "/moving_" in name]


def learner_of(net: porting.PortedNetwork) -> Any:
    heads = dict.fromkeys(net.network.output_refs(), ())
    moving = statistics_in(net)
    learns = [name for name in net.network.weights() if name not in moving]
    return net.engine.learner(net.network, learns, heads, 0, moving)


def is_cut(learner: Any) -> bool:
    from porting.neoml_side.learning.cut import CutLearner

    return isinstance(learner, CutLearner)


def step(learner: Any, inputs: dict[str, Array]) -> dict[str, Array]:
    """Gradients by weight, and the statistics after the step."""

    def derivative(output: Array, mask: Any) -> Array:
        return np.random.default_rng(5).normal(size=output.shape).astype(np.float32)

    refs = learner.net.absorbed if is_cut(learner) else learner.absorbed
    found = {name: total(one) for name, one in learner.gradients(inputs, dict.fromkeys(refs, derivative)).items()}
    return {**found, **{name: array.copy() for name, array in learner.theta.arrays.items() if "/moving_" in name}}


def apart(key: str, inputs: dict[str, Array]) -> float:
    """How far a step without padding is from one with it, in relation to the largest number of each gradient."""
    net = loaded(f"padding/{key}", "neoml")
    cut, whole = learner_of(net), learner_of(net).net
    found, wanted = step(cut, inputs), step(whole, inputs)
    assert found.keys() == wanted.keys()
    scale = {name: max(1.0, float(np.abs(array).max())) for name, array in wanted.items()}
    return max(float(np.abs(found[name] - array).max()) / scale[name] for name, array in wanted.items())


def rows(key: str, lengths: list[int], left: int = 0, seed: int = 0) -> dict[str, Array]:
    return padded_rows(loaded(f"padding/{key}", "neoml"), lengths, STEPS, left, seed)


@pytest.mark.parametrize("key", CUT)
def test_gradients_are_the_same_without_padding(key: str) -> None:
    learner = learner_of(loaded(f"padding/{key}", "neoml"))
    inputs = rows(key, [3, 5, 1, 4])
    cut = learner.handed_on(inputs)[1]
    assert any(array.shape[1] < STEPS for array in cut.values())
    assert apart(key, inputs) <= APART
    assert apart(key, turned(inputs)) <= APART


@pytest.mark.parametrize("key", ["masked_mean", "bidirectional_of_fixed_length", "weighed"])
def test_a_row_of_padding_alone_keeps_all(key: str) -> None:
    inputs = rows(key, [3, 0, 1, 4])
    learner = learner_of(loaded(f"padding/{key}", "neoml"))
    assert all(array.shape[1] == STEPS for array in learner.handed_on(inputs)[1].values())


@pytest.mark.parametrize("key", WHY)
def test_what_sees_padding_in_training_alone_keeps_it(key: str) -> None:
    net = loaded(f"padding/{key}", "neoml")
    assert net.engine.padding
    found = padding_of(net.network, net.engine.rules, statistics_in(net), net.network.output_refs())
    assert WHY[key] in found.why
    assert not is_cut(learner_of(net))


@pytest.mark.parametrize("key", SEES)
def test_what_outputs_see_gradients_see(key: str) -> None:
    net = loaded(f"padding/{key}", "numpy")
    assert padding_of(net.network, net.engine.rules, (), net.network.output_refs()).why


def fitted(key: str, is_proved: bool) -> dict[str, Array]:
    net = load(f"padding/{key}", "neoml")
    if not is_proved:
        net.engine.prove = None
    inputs = {name: np.tile(array, (3, 1)) for name, array in rows(key, [3, 5, 1, 4]).items()}
    y = np.random.default_rng(1).normal(size=(12, 2)).astype(np.float32)
    net.compile(porting.optimizers.Adam(0.01), "mse")
    net.fit(inputs, y, epochs=2, batch_size=4, sample_weight=np.linspace(0.5, 2, 12), verbose=0)
    assert np.isfinite(net.evaluate(inputs, y, verbose=0))
    return net.weights()


@pytest.mark.parametrize("key", ["normalized_outputs", "dropped_outputs", "two_lengths"])
def test_fit_learns_the_same_without_padding(key: str) -> None:
    found, wanted = fitted(key, True), fitted(key, False)
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, atol=2e-5, err_msg=name)


def test_equal_numbers_share_a_gradient_by_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a table of zeros every step is the largest: a proof that forgets it is found out."""
    monkeypatch.setattr("porting.padding.shapes._reduced", lambda x, name, axis, learns: ({"ids"}, frozenset()))
    net = loaded("padding/largest_of_all", "neoml")
    network = net.network.with_weights({name: 0 * array for name, array in net.network.weights().items()})
    names, heads = list(network.weights()), dict.fromkeys(network.output_refs(), ())
    learner = net.engine.learner(network, names, heads, 0)
    inputs = rows("largest_of_all", [3, 5, 1, 4])
    found, wanted = step(learner, inputs), step(learner.net, inputs)
    assert max(np.abs(found[name] - wanted[name]).max() for name in names) > 0.05


def test_statistics_that_see_padding_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: TrainingReader, x: Any, *ignored: Any, **settings: Any) -> Any:
        return x

    monkeypatch.setattr(TrainingReader, "normalize_batch", careless)
    assert apart("normalized_padding", rows("normalized_padding", [3, 5, 1, 4])) > 1e-3


def test_a_reader_of_a_net_that_learns_says_so() -> None:
    assert Reader({}, {}, ()).learns
    assert not Reader({}, {}).learns
