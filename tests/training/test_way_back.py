"""Networks trained in NeoML and saved, for `restored` to put back into Keras; and what can be seen without Keras."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import porting
from tests.training.compiled import RECORDED, compiled
from tests.training.recipes import NETS, RECIPES, batches

TUNED = Path(__file__).parents[2] / "out" / "tuned"
STEPS = 5


@pytest.mark.parametrize("net", NETS)
def test_a_trained_network_is_saved_to_the_bit(net: str) -> None:
    recipe = next(recipe for recipe in RECIPES.values() if recipe.net == net)
    trained = compiled(recipe, RECORDED / net)
    for x, y, weights in itertools.islice(batches(recipe), STEPS):
        trained.train_on_batch(x, y, sample_weight=weights)
    made = trained.predict(x)
    TUNED.mkdir(parents=True, exist_ok=True)
    trained.save(TUNED / net, overwrite=True)
    inputs, outputs = (given if isinstance(given, list) else [given] for given in (x, made))
    kept_arrays = {f"input {at}": array for at, array in enumerate(inputs)}
    kept_arrays.update({f"output {at}": array for at, array in enumerate(outputs)})
    np.savez(TUNED / f"{net}.npz", **kept_arrays)
    again = porting.load(TUNED / net, engine="neoml")
    weights, kept = trained.weights(), again.weights()
    assert all(weights[name].tobytes() == kept[name].tobytes() for name in weights)
    assert again.check().ok
