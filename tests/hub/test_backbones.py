"""Small backbones of keras-hub, saved without a rule: exact in both engines, at sizes that no reference holds."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import pytest

import porting
from porting import PortedNetwork, Unsupported
from tests.hub.backbones import BACKBONES, Backbone
from tests.record import randomise

TOLERANCE = 2e-5
# Keras' words on attention over one step, on a layer that it does not build, on T5's and Swin's, which drop masks.
WARNINGS = "softmax over axis", "unbuilt state", "destroy the mask information"
pytestmark = [pytest.mark.filterwarnings(f"ignore:[\\s\\S]*{words}:UserWarning") for words in WARNINGS]


@pytest.fixture(params=BACKBONES, scope="module")
def saved(request: Any, tmp_path_factory: Any) -> tuple[Backbone, Any, Path]:
    """A backbone, its Keras model, and where it is saved."""
    one = BACKBONES[request.param]
    keras.utils.clear_session()
    model = one.build(keras_hub.models)
    randomise(model, zlib.crc32(request.param.encode()), 0.3)
    folder = tmp_path_factory.mktemp(request.param) / "net"
    # One of one length only is not found by trying.
    samples = next(one.inputs(model)) if one.length else None
    porting.save(model, folder, longest=one.longest, samples=samples, noise=False)
    return one, model, folder


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_a_backbone_is_exact_or_refused_by_name(saved: tuple[Backbone, Any, Path], engine: Any) -> None:
    one, model, folder = saved
    if engine in one.refused:
        with pytest.raises(Unsupported, match=one.refused[engine]):
            porting.load(folder, engine=engine)
        return
    net = porting.load(folder, engine=engine)
    report = net.check()
    assert report.ok, report
    for inputs in one.inputs(model):
        _compare(net, model, inputs)


def _compare(net: PortedNetwork, model: Any, inputs: Any) -> None:
    wanted = [np.asarray(part) for part in keras.tree.flatten(model(inputs, training=False))]
    found = keras.tree.flatten(net.predict(inputs))
    assert [part.shape for part in found] == [part.shape for part in wanted]
    for got, want in zip(found, wanted):
        np.testing.assert_allclose(got, want, rtol=TOLERANCE, atol=TOLERANCE)


def test_another_weight_is_seen() -> None:
    """The control: of every tower above a last layer whose weights have moved answers otherwise."""
    model = BACKBONES["bert"].build(keras_hub.models)
    inputs = next(BACKBONES["bert"].inputs(model))
    before = [np.asarray(part) for part in keras.tree.flatten(model(inputs))]
    randomise(model, 3, 0.3)
    after = [np.asarray(part) for part in keras.tree.flatten(model(inputs))]
    assert all(np.abs(a - b).max() > 100 * TOLERANCE for a, b in zip(before, after))
