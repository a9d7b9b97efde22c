"""Weights in the slots of NeoML's layers, and gradients out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from porting.archive import read_network
from porting.network import Network

SAVED = Path(__file__).parents[2] / "saved_weights"
NAMES = ["tutorial", "sentiment_both_ways", "encoder", "digits", "tied", "seq2seq_attention"]


def learning_net(network: Network):  # type: ignore[no-untyped-def]
    from porting.neoml_side.learning.net import LearningNet
    from porting.neoml_side.runtime.devices import math_engine_for

    learns = [name for name, array in network.weights().items() if array.dtype.kind == "f"]
    absorbed = dict.fromkeys(network.output_refs(), ())
    return LearningNet(network, learns, absorbed, math_engine_for("cpu"))


@pytest.mark.parametrize("name", NAMES)
def test_every_slot_is_packed_as_the_plan_packs_it(name: str) -> None:
    from porting.neoml_side.learning.parameter_layout import slots_of
    from porting.neoml_side.plan import plan_network

    network = read_network(SAVED / name)
    net = learning_net(network)
    before = {key: array.copy() for key, array in net.theta.arrays.items()}
    assert all((before[key] == network.weights()[key]).all() for key in before)
    net.theta.vector[...] = np.random.default_rng(1).normal(size=net.theta.vector.shape)
    planned = plan_network(network.with_weights(net.theta.arrays), training=True).graph
    slots = {(slot.node, slot.inner, slot.name): parameter.pack() for slot, _, parameter in slots_of(planned)}
    places = {id(node): at for at, node in enumerate(net.plan.graph.nodes)}
    compared = 0
    for live in net.live:
        at = places[id(live.node)]
        inner = None
        if live.inner is not None:
            inner = [id(one) for one in live.node.body.graph.nodes].index(id(live.inner))
        if live.packing is not None:
            packed = live.packing.pack(net.theta.vector)
            np.testing.assert_array_equal(packed.reshape(-1), slots[at, inner, live.name].reshape(-1))
            compared += 1
    assert compared


def test_a_gradient_comes_out_where_its_weight_went_in() -> None:
    """Packing is linear but for what is fixed, so slot · pack(weights) and gradient · weights are one number."""
    net = learning_net(read_network(SAVED / "digits"))
    rng = np.random.default_rng(2)
    vector = rng.normal(size=net.theta.vector.shape).astype(np.float32)
    kinds = set()
    for live in net.live:
        if live.packing is None:
            continue
        fixed = live.packing.pack(np.zeros_like(vector))
        slot = rng.normal(size=fixed.shape).astype(np.float32)
        gradient = np.zeros_like(vector)
        live.packing.add_gradient(slot, gradient)
        through = float(np.vdot(slot, live.packing.pack(vector) - fixed))
        assert through == pytest.approx(float(np.vdot(gradient, vector)), rel=1e-3, abs=1e-3)
        kinds.add(live.packing.is_whole)
    assert kinds == {False, True}
