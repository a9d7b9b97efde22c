"""Normalisation folded into the layer before it: fewer layers, the same numbers, the same weights back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import porting
from porting.engine_factory import make_engine
from porting.network import Call, Input, Layer, Network, TensorRef
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


def test_a_mean_is_taken_off_before_anything_else() -> None:
    """Of numbers about 1e6, such as times, x·s − mean·s would leave three digits."""
    mean, deviation = np.full(3, 1e6, np.float32), np.array([20.0, 3.0, 0.5], np.float32)
    x, weights = TensorRef("x"), {"mean": mean, "variance": deviation**2}
    layer = Layer(
        "normalization", "Normalization", {"axis": [-1], "invert": False, "mean": None, "variance": None}, weights
    )
    call = Call("normalization", "normalization", (x,), {})
    network = Network("times", (Input("x", (None, 3)),), (call,), {"normalization": layer}, TensorRef("normalization"))
    given = (mean + np.random.default_rng(0).normal(0, 5, (4, 3))).astype(np.float32)
    (found,) = make_engine(network, "neoml", None).run({"x": given}, network.output_refs()).values()
    np.testing.assert_allclose(found, (given.astype(np.float64) - mean) / deviation, rtol=1e-6)


def test_a_joined_layer_that_was_changed_cannot_be_told_apart() -> None:
    ported = load("batch_after_conv")
    (node,) = [node for node in ported.engine.main.nodes if node.kind == "Conv"]
    layer = ported.engine.dnn.layers[node.name]
    changed = layer.filter
    changed.asarray()[...] += 1
    layer.filter = changed
    with pytest.raises(porting.Mismatch, match="joined into one layer"):
        ported.weights()
