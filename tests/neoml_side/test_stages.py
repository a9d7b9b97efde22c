"""Nets with large layers and small ones behind are run in two stages: the numbers are those of the whole net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from porting.engine_factory import make_engine
from porting.neoml_side.engine import NeomlEngine
from porting.neoml_side.runtime import stages
from porting.neoml_side.runtime.nets import Nets
from porting.network import Call, Input, Layer, Network, TensorRef
from porting.ported import PortedNetwork

SIDE, FILTERS = 128, 40
CONV = {"strides": 1, "padding": "same", "dilation_rate": 1, "groups": 1, "use_bias": False, "kernel_size": 3}
CONV |= {"activation": "relu", "data_format": "channels_last"}
POOL = {"padding": "valid", "data_format": "channels_last"}
RNG = np.random.default_rng(0)


def conv(name: str, channels: int, filters: int) -> Layer:
    kernel = RNG.normal(size=(3, 3, channels, filters)).astype("float32") / 10
    return Layer(name, "Conv2D", {**CONV, "filters": filters}, {"kernel": kernel})


LAYERS = [
    conv("large", 3, FILTERS),
    Layer("pool", "MaxPooling2D", {**POOL, "pool_size": [8, 8], "strides": [8, 8]}),
    conv("small", FILTERS, 8),
    conv("smaller", 8, 8),
    Layer("sum", "Add", {}),
    Layer("mean", "GlobalAveragePooling2D", {"data_format": "channels_last", "keepdims": False}),
]
READS = {"large": "x", "pool": "large", "small": "pool", "smaller": "small", "sum": ("small", "smaller"), "mean": "sum"}


def engine(*outputs: str) -> NeomlEngine:
    calls = []
    for layer in LAYERS:
        read = READS[layer.name]
        tensors = TensorRef(read) if isinstance(read, str) else tuple(map(TensorRef, read))
        calls.append(Call(layer.name, layer.name, (tensors,), {}))
    inputs = (Input("x", (None, SIDE, SIDE, 3)),)
    refs = tuple(map(TensorRef, outputs)) or TensorRef("mean")
    return NeomlEngine(Network("picture", inputs, tuple(calls), {layer.name: layer for layer in LAYERS}, refs))


def nets(made: NeomlEngine) -> Nets:
    return made._nets


def cut_at(made: NeomlEngine) -> Sequence[str]:
    found = nets(made)._stages
    return list(found[0].pool.first.graph.sinks) if found else []


def pictures(rows: int) -> Any:
    return np.random.default_rng(1).normal(size=(rows, SIDE, SIDE, 3)).astype("float32")


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_the_numbers_are_those_of_the_whole_net(rows: int) -> None:
    made = engine()
    given, outputs = {"x": pictures(rows)}, made.network.output_refs()
    (found,) = made.run(given, outputs).values()
    assert cut_at(made) == ["pool:0"]
    (wanted,) = make_engine(made.network, "numpy", None).run(given, outputs).values()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_first_few_rows_then_more() -> None:
    first, second = nets(engine())._stages
    assert first.rows < second.rows


@pytest.mark.parametrize(
    ("outputs", "place"), [(("pool", "mean"), []), (("mean", "large"), []), (("sum",), ["pool:0"])]
)
def test_an_output_within_is_not_cut_off(outputs: Sequence[str], place: Sequence[str]) -> None:
    made = engine(*outputs)
    assert cut_at(made) == place
    given = {"x": pictures(3)}
    found = made.run(given, made.network.output_refs())
    wanted = make_engine(made.network, "numpy", None).run(given, made.network.output_refs())
    for ref, array in wanted.items():
        np.testing.assert_allclose(found[ref], array, rtol=1e-4, atol=1e-5)


def test_a_place_that_two_tensors_pass_is_none() -> None:
    """The sum reads `small` too: behind `smaller` both go on."""
    graph = (made := engine()).plan.graph.with_sinks({"mean:0": made.plan.tensors[TensorRef("mean")].port})
    nodes = graph.needed()
    narrow = stages._narrow_places(graph, nodes, {id(node): at for at, node in enumerate(nodes)})
    scopes = [node.scope for at, node in enumerate(nodes) if at in narrow]
    assert "small" in scopes
    assert "sum" in scopes
    assert "smaller" not in scopes


def test_a_net_with_a_layer_that_goes_step_by_step_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "STEP_BY_STEP", {"MaxPooling"})
    assert cut_at(engine()) == []


def test_a_net_that_is_shown_is_run_as_it_is() -> None:
    made = engine()
    given, outputs = {"x": pictures(3)}, made.network.output_refs()
    (before,) = made.run(given, outputs).values()
    layer = made.dnn.layers["large"]
    changed = layer.filter
    changed.asarray()[...] *= 2
    layer.filter = changed
    (after,) = made.run(given, outputs).values()
    np.testing.assert_allclose(after, 2 * before, rtol=1e-4)


def test_what_does_not_lie_in_rows_is_run_as_it_is() -> None:
    made = engine()
    given, outputs = {"x": pictures(3)}, made.network.output_refs()
    (wanted,) = made.run(given, outputs).values()
    stage = nets(made)._stages[0]
    run = stage.pool.first.run
    stage.pool.first.run = lambda blobs: {name: np.repeat(blob, 2, 1) for name, blob in run(blobs).items()}
    (found,) = made.run(given, outputs).values()
    assert not nets(made)._stages
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_threads_give_the_same() -> None:
    net = PortedNetwork(engine().network, engine())
    x = pictures(8)
    np.testing.assert_array_equal(net.predict(x, batch_size=2, threads=2), net.predict(x, batch_size=2, threads=1))
