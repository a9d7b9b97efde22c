"""Nets with large layers are run a few rows at a time; the answers are those of the rows one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import porting
from porting.engine import MOST, PARTS, ROOM
from porting.neoml_side.runtime.nets import CACHED, CACHED_NEARBY, ENOUGH_ROWS
from porting.network import Call, Case, Input, Layer, Network, TensorRef
from porting.numpy_side.engine import NumpyEngine

SIDE, FILTERS = 96, 16


def picture_net() -> porting.PortedNetwork:
    rng = np.random.default_rng(0)
    config = {"strides": 1, "padding": "same", "dilation_rate": 1, "groups": 1, "use_bias": False}
    config |= {"filters": FILTERS, "kernel_size": 3, "activation": "relu", "data_format": "channels_last"}
    kernel = rng.normal(size=(3, 3, 3, FILTERS)).astype("float32")
    ref, picture = TensorRef("conv"), Input("picture", (None, SIDE, SIDE, 3), "float32")
    given = rng.normal(size=(1, SIDE, SIDE, 3)).astype("float32")
    case = Case("one", {"picture": given}, {ref: np.zeros((1, SIDE, SIDE, FILTERS), "float32")}, {})
    layer = Layer("conv", "Conv2D", config, {"kernel": kernel})
    calls = (Call("conv", "conv", (picture.ref,), outputs=1),)
    network = Network("pictures", (picture,), calls, {"conv": layer}, ref, (case,), {})
    from porting.neoml_side.engine import NeomlEngine

    return porting.PortedNetwork(network, NeomlEngine(network))


def test_rows_are_run_a_few_at_a_time() -> None:
    net = picture_net()
    assert 2 <= net.engine._nets.rows_at_once < 33  # type: ignore[attr-defined]
    pictures = np.random.default_rng(1).normal(size=(33, SIDE, SIDE, 3)).astype("float32")
    whole = net.predict(pictures, batch_size=33)
    assert whole.shape == (33, SIDE, SIDE, FILTERS)
    one_by_one = np.concatenate([net.predict(pictures[at : at + 1]) for at in range(33)])
    np.testing.assert_allclose(whole, one_by_one, atol=1e-5)


def test_rows_are_few_where_weights_are_small() -> None:
    net = picture_net()
    largest = SIDE * SIDE * FILTERS
    assert net.engine._nets.rows_at_once == ENOUGH_ROWS < CACHED // largest  # type: ignore[attr-defined]
    kernel = net.network.layers["conv"].weights["kernel"]
    weights = {"kernel": kernel, "unread": np.zeros(CACHED_NEARBY, "float32")}
    layer = replace(net.network.layers["conv"], weights=weights)
    nets = net.engine._nets  # type: ignore[attr-defined]
    del nets.rows_at_once
    nets.network = replace(net.network, layers={"conv": layer})
    assert nets.rows_at_once == CACHED // largest


def test_small_rows_are_run_many_at_a_time_and_large_ones_few() -> None:
    engine = picture_net().engine
    picture = {"picture": np.zeros((1, SIDE, SIDE, 3), "float32")}
    assert engine.rows_at_once(picture, 10_000) == ROOM // (SIDE * SIDE * FILTERS)
    assert engine.rows_at_once({"picture": picture["picture"][:, :8, :8]}, 10_000) == MOST
    # Threads are left several batches.
    assert engine.rows_at_once({"picture": picture["picture"][:, :8, :8]}, 400) == 400 // PARTS


def test_where_references_do_not_tell_it_goes_by_the_weights() -> None:
    network = picture_net().network
    bare = replace(network, cases=())
    ids = {"picture": np.zeros((1, SIDE, SIDE, 3), "float32")}
    layer = network.layers["conv"]
    wide = replace(bare, layers={"conv": replace(layer, weights={"kernel": np.zeros((3, 3, 3, 10**6), "float32")})})
    assert NumpyEngine(wide).rows_at_once(ids, 10_000) < NumpyEngine(bare).rows_at_once(ids, 10_000)
