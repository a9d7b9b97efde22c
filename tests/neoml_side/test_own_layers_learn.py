"""A user's own layers and shared tables learn in NeoML: gradients against differences of the numpy engine's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import porting
from porting.layers.rule_files import gather_rules
from porting.neoml_side.learning.net import LearningNet
from porting.neoml_side.runtime.devices import math_engine_for
from porting.network import Array
from porting.numpy_side.engine import NumpyEngine
from porting.training.gradients import total
from tests.recorded_cases import CASES, RECORDED

ROOT = Path(__file__).parents[2]
STEP = 1e-2
# Of the largest gradient: what float32 and the step leave of a difference.
TOLERANCE = 2e-3


@pytest.mark.parametrize(
    ("key", "weights"),
    [
        ("custom/attention_masked_both", ["word_attention/kernel", "word_attention/bias", "embedding/embeddings"]),
        ("custom/attention_over_features", ["word_attention/kernel", "word_attention/bias"]),
        ("custom/tied_logits_masked", ["table/embeddings", "words/bias", "lstm/kernel"]),
        ("custom/tied_logits", ["table/embeddings"]),
        ("custom/reversible_embedding_masked", ["reversible_embedding/embeddings"]),
        ("custom/weights_beside_tensors", ["scale/floor", "scale/ceiling"]),
    ],
)
def test_gradients_are_those_of_differences(key: str, weights: list[str]) -> None:
    rules = gather_rules(None if CASES[key].rules is None else ROOT / str(CASES[key].rules))
    network = porting.load(RECORDED / key.replace("/", "--"), engine="numpy", rules=rules).network
    case, refs = network.cases[0], network.output_refs()
    rng = np.random.default_rng(0)
    by_output = {ref: rng.normal(size=case.outputs[ref].shape).astype(np.float32) for ref in refs}
    net = LearningNet(network, weights, dict.fromkeys(refs, ()), math_engine_for("cpu"), rules)
    found = net.gradients(case.inputs, {ref: lambda *_, of=ref: by_output[of] for ref in refs})

    def loss(changed: Mapping[str, Array]) -> float:
        engine = NumpyEngine(replace(network, cases=()).with_weights(changed), rules)
        made = engine.run(case.inputs, refs)
        return sum(float((made[ref].astype(np.float64) * by_output[ref]).sum()) for ref in refs)

    for name in weights:
        gradient, value = total(found[name]), network.weights()[name]
        largest = np.abs(gradient).max()
        assert largest > 1e-3
        for place in rng.choice(np.abs(gradient).reshape(-1).argsort()[-12:], 4):
            ends = []
            for sign in (1, -1):
                moved = value.astype(np.float64).reshape(-1)
                moved[place] += sign * STEP
                ends.append(loss({name: moved.reshape(value.shape)}))
            difference = (ends[0] - ends[1]) / (2 * STEP)
            assert abs(gradient.reshape(-1)[place] - difference) <= TOLERANCE * largest
