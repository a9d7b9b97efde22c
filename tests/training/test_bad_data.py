"""What is handed to `fit` and its kin: refused by name before a net sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import porting
from porting.neoml_side.engine import NeomlEngine
from porting.network import Call, Input, Layer, Network, TensorRef
from porting.ported import PortedNetwork

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = np.ones((4, 2), np.float32)
CONFIG = {"units": 2, "use_bias": False, "activation": "linear"}


@pytest.fixture
def net() -> PortedNetwork:
    layers = {"dense": Layer("dense", "Dense", CONFIG, {"kernel": np.ones((3, 2), np.float32)})}
    calls = (Call("dense", "dense", (TensorRef("x"),)),)
    network = Network("one", (Input("x", (None, 3)),), calls, layers, TensorRef("dense"))
    return PortedNetwork(network, NeomlEngine(network))


LABELS: dict[str, Any] = {
    "text": np.full((4, 2), "x"),
    "one string": "abc",
    "ragged": [[1], [1, 2], [3], [4]],
    "objects": Y.astype(object),
    "complex": Y.astype(complex),
    "too few": Y[:2],
    "empty": Y[:0],
    "a number": 3,
    "another output": {"other": Y},
    "wide": np.ones((4, 3), np.float32),
}


@pytest.mark.parametrize("kind", LABELS)
def test_bad_labels_are_refused_and_leave_nothing_behind(net: PortedNetwork, kind: str) -> None:
    net.compile("sgd", "mse")
    before = net.train_on_batch(X, Y)
    for call in (net.train_on_batch, net.evaluate, lambda x, y: net.fit(x, y, verbose=0)):
        with pytest.raises(porting.Mismatch):
            call(X, LABELS[kind])
    assert net.train_on_batch(X, Y) < before


@pytest.mark.parametrize("kind", ["text", "ragged", "complex", "too few"])
def test_bad_sample_weights_are_refused(net: PortedNetwork, kind: str) -> None:
    weights = {"text": ["x"] * 4, "ragged": [[1], [1, 2], [1], [1]], "complex": np.ones(4, complex), "too few": [1.0]}
    with pytest.raises(porting.Mismatch, match="sample_weight"):
        net.fit(X, Y, sample_weight=weights[kind], optimizer="sgd", loss="mse", verbose=0)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("batch_size", value) for value in (0, -1, 1.5, "2", True)),
        *(("epochs", value) for value in (-1, 1.5, "x", None)),
        *(("initial_epoch", value) for value in (-1, "x")),
        *(("steps_per_epoch", value) for value in (0, -1, "x")),
        *(("validation_split", value) for value in (-0.1, 1, 2, "x", float("nan"))),
    ],
)
def test_bad_settings_are_refused(net: PortedNetwork, setting: str, value: Any) -> None:
    with pytest.raises(porting.Unsupported, match=setting):
        net.fit(X, Y, optimizer="sgd", loss="mse", verbose=0, **{setting: value})
