"""NeoML follows Keras: the same weights, batches, losses and optimizers, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from porting import PortedNetwork
from porting.neoml_side.lowering import operations
from porting.neoml_side.lowering.operations import NeomlOperations
from porting.network import Array
from tests.training.compiled import LOSSES, RECORDED, WEIGHTS, compiled
from tests.training.recipes import KEPT_STEPS, RECIPES, batches, kept_places


def known_dropout(ops: NeomlOperations, x: Any, rate: float, whole_features: bool = False) -> Any:
    """In place of dropout: what `kept_places` says. A tensor that is dropped several times running is so by gate."""
    before, gate = ops.__dict__.get("dropped", (None, -1))
    gate = gate + 1 if before is x else 0
    ops.__dict__["dropped"] = (x, gate)
    return ops.scale_and_shift(x, kept_places(x.shape[-1], rate, gate), None, -1)


def numbers(net: PortedNetwork) -> dict[str, Array]:
    """What can learn; a causal mask, say, is a table of truths."""
    return {key: array for key, array in net.weights().items() if array.dtype.kind == "f"}


@pytest.mark.parametrize("name", RECIPES)
def test_every_weight_and_loss_follows_keras(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = RECORDED / f"{name}.npz"
    assert recorded.exists(), "python -m tests.training.record out/recorded-training, in the Keras environment"
    recipe = RECIPES[name]
    if recipe.drops:
        monkeypatch.setattr(NeomlOperations, "dropout", known_dropout)
    keras = np.load(recorded)
    net = compiled(recipe, RECORDED / recipe.net)
    begun = numbers(net)
    seen = []
    for number, (x, y, weights) in enumerate(batches(recipe), 1):
        seen.append(net.train_on_batch(x, y, sample_weight=weights, return_dict=True)["loss"])
        if number in KEPT_STEPS:
            now = numbers(net)
            apart = {key: float(np.abs(array - keras[f"{number}/{key}"]).max()) for key, array in now.items()}
            worst = max(apart, key=apart.__getitem__)
            assert apart[worst] < WEIGHTS, f"step {number}: {worst} is {apart[worst]:.1e} apart"
    np.testing.assert_allclose(seen, keras["losses"], rtol=LOSSES)
    for key, array in numbers(net).items():
        is_fixed = any(key.startswith(f"{layer}/") for layer in recipe.fixed)
        assert (array == begun[key]).all() == is_fixed, f"{key}: {'moved' if is_fixed else 'did not move'}"


def test_a_maximum_that_one_window_takes_alone_departs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal windows share the gradient; whoever has it alone, Adam's step on the words is another."""
    monkeypatch.setattr(operations, "largest", lambda ops, x, axes: ops.plain_reduce(x, "max", axes, keepdims=True))
    recipe = RECIPES["repeated_words-adam"]
    net = compiled(recipe, RECORDED / recipe.net)
    for (x, y, _), _ in zip(batches(recipe), range(10)):
        net.train_on_batch(x, y)
    with np.load(RECORDED / "repeated_words-adam.npz") as keras:
        apart = np.abs(net.weights()["embedding/embeddings"] - keras["10/embedding/embeddings"]).max()
    assert apart > 100 * WEIGHTS
