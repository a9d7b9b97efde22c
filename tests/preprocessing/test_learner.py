"""A net that learns behind a front learns what its core does from the ids that the front makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from porting.network import Array
from porting.preprocessing.learner import FrontedLearner
from porting.training.gradients import total
from tests.recorded_cases import load


@pytest.fixture
def learner() -> tuple[FrontedLearner, Any]:
    engine = load("text/filter", "neoml").engine
    network = engine.network
    told = [name for name in network.weights() if "vocabulary" not in name], dict.fromkeys(network.output_refs(), ()), 0
    made = engine.learner(network, *told)
    assert isinstance(made, FrontedLearner)
    return made, engine


def derivatives(engine: Any) -> dict[Any, Any]:
    """The loss is the sum of all outputs."""
    return {ref: lambda output, mask: np.ones_like(output) for ref in engine.network.output_refs()}


def gradients(learner: Any, inputs: dict[str, Array], engine: Any) -> dict[str, Array]:
    return {name: total(one).copy() for name, one in learner.gradients(inputs, derivatives(engine)).items()}


def test_gradients_are_those_of_the_core_by_its_ids(learner: tuple[FrontedLearner, Any]) -> None:
    fronted, engine = learner
    inputs = dict(engine.network.cases[0].inputs)
    _, ids = engine.prepared(inputs)
    by_text, by_ids = gradients(fronted, inputs, engine), gradients(fronted.inner, ids, engine)
    assert by_text.keys() == by_ids.keys() == fronted.reached
    for name, gradient in by_text.items():
        np.testing.assert_array_equal(gradient, by_ids[name])


def test_other_texts_give_other_gradients(learner: tuple[FrontedLearner, Any]) -> None:
    fronted, engine = learner
    inputs = dict(engine.network.cases[0].inputs)
    others = {name: np.flip(array, 0)[:1].repeat(len(array), 0) for name, array in inputs.items()}
    here, there = (gradients(fronted, one, engine)["embedding/embeddings"] for one in (inputs, others))
    assert not np.array_equal(here, there)


def test_nothing_in_a_front_learns(learner: tuple[FrontedLearner, Any]) -> None:
    fronted, _ = learner
    assert fronted.theta is fronted.inner.theta
    assert not any("vocabulary" in name for name in fronted.theta.starts)
