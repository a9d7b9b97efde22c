"""Ids that a network computes: cut to the table inside the net, which tells where one was outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting.neoml_side.engine import NeomlEngine
from porting.neoml_side.learning.evaluating import EvaluatingNet
from porting.neoml_side.learning.net import LearningNet
from porting.neoml_side.lowering.operations import NeomlOperations
from porting.neoml_side.runtime.devices import math_engine_for
from porting.neoml_side.sizes import check_guards
from porting.neoml_side.stored.description import description_path
from porting.neoml_side.values import Wire
from porting.network import Call, Case, Input, Layer, Network, TensorRef
from porting.numpy_side.engine import NumpyEngine
from porting.operations import Weight
from porting.ported import PortedNetwork
from porting.text.categories import Discretization
from tests.neoml_side.descriptions import sealed

ROWS = 5
X, Y, OUT = TensorRef("x"), TensorRef("y"), TensorRef("last")
TABLE = np.arange(ROWS * 2, dtype=np.float32).reshape(ROWS, 2) / 8
INPUTS = (Input("x", (None, None)), Input("y", (None, None)))
# Numerator and denominator of an id that is none.
OUTSIDE = [(-1, 1), (-9, 4), (ROWS, 1), (1e9, 1), (1e30, 1), (-1e30, 1), (1, 0), (-1, 0), (0, 0)]
# … and of one that is, and which: ids are cut to whole numbers.
INSIDE = [(0, 1, 0), (ROWS - 1, 1, ROWS - 1), (9.5, 2, 4), (-3, 4, 0), (19, 4, 4)]


def network() -> Network:
    """Ids x / y, looked up; a Dense behind, so that something learns."""
    config = {"input_dim": ROWS, "output_dim": 2, "mask_zero": False}
    layers = {
        "divide": Layer("divide", "ops.Divide"),
        "embedding": Layer("embedding", "Embedding", config, {"embeddings": TABLE}),
        "last": Layer(
            "last",
            "Dense",
            {"units": 1, "use_bias": False, "activation": "linear"},
            {"kernel": np.ones((2, 1), np.float32)},
        ),
    }
    calls = (
        Call("divide", "divide", (X, Y)),
        Call("embedding", "embedding", (TensorRef("divide"),)),
        Call("last", "last", (TensorRef("embedding"),)),
    )
    net = Network("computed", INPUTS, calls, layers, OUT)
    cases = []
    for steps in (2, 3):
        given = {"x": np.resize(np.arange(ROWS), (steps, 4)).astype("float32"), "y": np.ones((steps, 4), "float32")}
        cases.append(Case(f"{steps} rows", given, NumpyEngine(net).run(given)))
    return replace(net, cases=tuple(cases))


def ids_of(numerator: float, denominator: float) -> dict[str, np.ndarray]:
    x, y = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    x[1, 1], y[1, 1] = numerator, denominator
    return {"x": x, "y": y}


Inputs = dict[str, np.ndarray]


def predicting(net: Network, inputs: Inputs, folder: Path) -> Any:
    return NeomlEngine(net).run(inputs, [OUT])[OUT]


def observing(net: Network, inputs: Inputs, folder: Path) -> Any:
    return NeomlEngine(net).run(inputs)[OUT]


def stored(net: Network, inputs: Inputs, folder: Path) -> Any:
    path = PortedNetwork(net, NeomlEngine(net)).store(folder / "net")
    return porting.load(path).engine.run(inputs)[OUT]


def evaluating(net: Network, inputs: Inputs, folder: Path) -> Any:
    return EvaluatingNet(net, {OUT: ()}, math_engine_for("cpu"), porting.layers.RULES).outputs(inputs)[OUT][0]


def learner(net: Network, *learns: str) -> LearningNet:
    return LearningNet(net, learns, {OUT: ()}, math_engine_for("cpu"))


def in_training(net: Network, inputs: Inputs, folder: Path) -> Any:
    return learner(net, "last/kernel").outputs(inputs)[OUT][0]


def in_a_step(net: Network, inputs: Inputs, folder: Path) -> Any:
    seen: list[Any] = []

    def derivative(output: np.ndarray, mask: Any) -> np.ndarray:
        seen.append(output)
        return np.ones_like(output)

    learner(net, "last/kernel").gradients(inputs, {OUT: derivative})
    return seen[0]


WAYS: dict[str, Callable[[Network, Inputs, Path], Any]] = {
    "predicting": predicting,
    "observing": observing,
    "stored": stored,
    "evaluating": evaluating,
    "in training": in_training,
    "in a step": in_a_step,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("numerator", "denominator"), OUTSIDE)
def test_computed_ids_outside_the_table_are_refused(
    numerator: float, denominator: float, way: str, tmp_path: Path
) -> None:
    inputs = ids_of(numerator, denominator)
    with pytest.raises(porting.Mismatch, match=r"lookup 'embedding': 1 of the ids .* are outside 0 … 4"):
        WAYS[way](network(), inputs, tmp_path)
    with np.errstate(all="ignore"), pytest.raises(porting.Mismatch):
        NumpyEngine(network()).run(inputs)


@pytest.mark.parametrize("way", WAYS)
def test_computed_ids_inside_are_looked_up(way: str, tmp_path: Path) -> None:
    for numerator, denominator, row in INSIDE:
        folder = tmp_path / f"{numerator}-{denominator}"
        folder.mkdir()
        found = WAYS[way](network(), ids_of(numerator, denominator), folder)
        wanted = np.full((2, 3, 1), TABLE[0].sum())
        wanted[1, 1] = TABLE[row].sum()
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_net_goes_on_after_it_has_refused() -> None:
    net = PortedNetwork(network(), NeomlEngine(network()))
    net.compile("adam", "mse", frozen=["embedding"])
    good, bad, labels = ids_of(3, 1), ids_of(ROWS, 1), np.ones((2, 3, 1), np.float32)
    net.train_on_batch(good, labels)
    before = net.weights()
    for _ in range(2):
        with pytest.raises(porting.Mismatch, match="lookup 'embedding'"):
            net.train_on_batch(bad, labels)
        with pytest.raises(porting.Mismatch, match="lookup 'embedding'"):
            net.predict(bad)
    for name, array in net.weights().items():
        np.testing.assert_array_equal(array, before[name])
    assert net.check().ok
    assert net.train_on_batch(good, labels, return_dict=True)["loss"] > 0


def test_a_table_of_computed_ids_does_not_learn() -> None:
    with pytest.raises(porting.Unsupported, match=r"computed inside the network; each of them is a slice in Keras"):
        learner(network(), "embedding/embeddings")


def test_the_cut_alone_keeps_lookups_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: with nobody listening, an id outside gives row 0, and no foreign memory."""
    monkeypatch.setattr("porting.neoml_side.runtime.runner.check_guards", lambda outputs, below: None)
    for numerator, denominator in OUTSIDE:
        found = predicting(network(), ids_of(numerator, denominator), tmp_path)
        np.testing.assert_allclose(found, np.full((2, 3, 1), TABLE[0].sum()))
    with pytest.raises(porting.Mismatch, match="2 of the ids"):
        check_guards({"a/ids outside": np.array([1.0, 0, 1])}, {"a/ids outside": 3})


def test_a_stored_net_tells_of_ids_in_a_sink_that_is_described(tmp_path: Path) -> None:
    path = PortedNetwork(network(), NeomlEngine(network())).store(tmp_path / "net")
    described = json.loads(description_path(path).read_text())
    (sink,) = (one for one in described["sinks"] if one["ids_below"] is not None)
    assert (sink["name"], sink["dtype"], sink["ids_below"]) == ("embedding/ids outside", "bool", ROWS)
    assert sink["name"] in porting.load(path).dnn.output_layers
    described["version"] = 2
    description_path(path).write_bytes(sealed(described))
    with pytest.raises(porting.BadArchive, match="tells of ids, which version 2 of the format does not know"):
        porting.load(path)


def test_only_lookups_that_an_output_needs_are_guarded() -> None:
    graph = NeomlEngine(network()).plan.graph
    assert list(graph.with_sinks({}).sinks) == []
    assert list(graph.guards) == ["embedding/ids outside"]


def ids_of_size(rows: int) -> dict[str, Callable[[NeomlOperations, Wire, Wire], Wire]]:
    """Ids below `rows` by construction, of whole numbers and of features."""
    boundaries = Discretization([float(at) for at in range(rows - 1)])
    return {
        "mod": lambda ops, whole, x: ops.whole_division(whole, rows, "mod"),
        "clip": lambda ops, whole, x: ops.minimum(ops.maximum(whole, 0), rows - 1),
        "argmax": lambda ops, whole, x: ops.argmax(x, -1),
        "bins": lambda ops, whole, x: ops.computed(boundaries, [x]),
        "where": lambda ops, whole, x: ops.where(
            ops.compare(whole, 3, "greater"), 0, ops.whole_division(whole, rows, "mod")
        ),
    }


@pytest.mark.parametrize("kind", ids_of_size(1))
@pytest.mark.parametrize(("rows", "guarded"), [(ROWS, False), (ROWS + 1, True)])
def test_ids_that_are_inside_by_construction_need_no_guard(kind: str, rows: int, guarded: bool) -> None:
    """The table has five rows: of six ids one may be outside, and then the net tells."""
    ops = NeomlOperations()
    whole, x = ops.source(Input("whole", (None, 3), "int32")), ops.source(Input("x", (None, rows)))
    table = Weight("table", TABLE)
    ops.embedding(ids_of_size(rows)[kind](ops, whole, x), table)
    assert bool(ops.graph.guards) == guarded


def test_tables_of_ids_that_are_inside_do_not_learn_either() -> None:
    whole = network()
    ids = Layer("divide", "ops.Argmax", {"axis": -1, "keepdims": False})
    calls = (Call("divide", "divide", (X,)), *whole.calls[1:])
    one = Network("computed", (Input("x", (None, None, ROWS)),), calls, {**whole.layers, "divide": ids}, OUT)
    assert list(NeomlEngine(one).plan.graph.guards) == []
    with pytest.raises(porting.Unsupported, match="computed inside the network"):
        learner(one, "embedding/embeddings")
    assert learner(one, "last/kernel").reached == {"last/kernel"}
