"""Normalisation folded into the layer before it: fewer layers, the same numbers, the same weights back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import porting
from tests.recorded_cases import RECORDED

FOLDED = (
    "batch_after_conv",
    "batch_after_conv_no_bias",
    "batch_after_conv3d",
    "batch_after_depthwise",
    "batch_after_separable",
    "batch_after_dense",
    "batch_after_dense_3d",
)
APART = ("batch_after_active_conv", "batch_4d", "batch_after_lstm")


def load(name: str) -> Any:
    return porting.load(RECORDED / f"normalization--{name}", engine="neoml")


def scalings(ported: Any) -> list[Any]:
    """The layers that only normalise."""
    nodes = ported.engine.main.nodes
    return [node for node in nodes if node.scope.startswith("batch_normalization") and node.kind != "Transpose"]


@pytest.mark.parametrize("name", FOLDED)
def test_nothing_is_left_of_a_normalisation(name: str) -> None:
    ported = load(name)
    assert not scalings(ported)
    case = ported.network.cases[0]
    (output,) = ported.network.output_refs()
    np.testing.assert_allclose(ported.predict(dict(case.inputs)), case.outputs[output], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", APART)
def test_where_something_stands_between_both_stay(name: str) -> None:
    assert scalings(load(name))


@pytest.mark.parametrize("name", FOLDED + APART)
def test_weights_come_back_as_saved(name: str) -> None:
    ported = load(name)
    saved = ported.network.weights()
    assert all(np.array_equal(array, saved[key]) for key, array in ported.weights().items())


def test_a_joined_layer_that_was_changed_cannot_be_told_apart() -> None:
    ported = load("batch_after_conv")
    (node,) = [node for node in ported.engine.main.nodes if node.kind == "Conv"]
    layer = ported.engine.dnn.layers[node.name]
    changed = layer.filter
    changed.asarray()[...] += 1
    layer.filter = changed
    with pytest.raises(porting.Mismatch, match="joined into one layer"):
        ported.weights()
