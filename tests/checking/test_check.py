"""The checker must be able to fail: every kind of wrong port turns it red and is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import porting
from porting.archive import read_network
from porting.checking import Report, check_network, needed_tolerance
from porting.checking.check import class_shown
from porting.engine_factory import make_engine
from porting.network import Array, Network
from tests.tampering import with_weight

FOLDER = Path(__file__).parent.parent.parent / "saved_weights" / "tutorial"
ENGINES = ("numpy", "neoml")


def check(network: Network, engine: str) -> Report:
    return check_network(network, make_engine(network, engine, None))


def swap_gates(kernel: Array) -> Array:
    """Input and forget gates exchanged."""
    gates = np.split(kernel, 4, axis=-1)
    return np.concatenate([gates[1], gates[0], *gates[2:]], axis=-1)


WRONG: dict[str, tuple[str, str, Callable[[Array], Array]]] = {
    "swapped gates": ("bidirectional", "forward_layer/kernel", swap_gates),
    "swapped recurrent gates": ("bidirectional", "backward_layer/recurrent_kernel", swap_gates),
    "a transposed kernel": ("embedding", "embeddings", lambda table: table.T),
    "a transposed recurrent kernel": (
        "bidirectional",
        "forward_layer/recurrent_kernel",
        lambda kernel: np.concatenate([gate.T for gate in np.split(kernel, 4, axis=1)], axis=1),
    ),
    "a dropped bias": ("bidirectional", "forward_layer/bias", np.zeros_like),
    "a dropped small bias": ("dense", "bias", np.zeros_like),
    "one value off by a thousandth": ("dense", "kernel", lambda kernel: kernel + np.eye(*kernel.shape) * 1e-3),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_weight_turns_the_verdict_red_and_is_named(name: str, engine: str) -> None:
    layer, weight, change = WRONG[name]
    report = check(with_weight(read_network(FOLDER), layer, weight, change), engine)
    assert not report.ok
    assert report.first_departure is not None
    assert report.first_departure.call == layer
    assert layer in report.headline()
    with pytest.raises(porting.Mismatch, match=layer):
        report.raise_if_bad()


@pytest.mark.parametrize("engine", ENGINES)
def test_layers_after_the_fault_depart_in_the_chain_only(engine: str) -> None:
    report = check(with_weight(read_network(FOLDER), "embedding", "embeddings", lambda table: table * 1.1), engine)
    assert [layer.status for layer in report.layers] == ["departs", "departs in the chain", "departs in the chain"]


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_compared_is_a_failure(engine: str) -> None:
    report = check(replace(read_network(FOLDER), cases=()), engine)
    assert not report.ok
    assert {layer.status for layer in report.layers} == {"not checked"}


@pytest.mark.parametrize("engine", ENGINES)
def test_references_that_hardly_move_are_called_insensitive(engine: str) -> None:
    """A network whose kernel is nearly zero: its outputs say nothing about the port."""
    network = with_weight(read_network(FOLDER), "embedding", "embeddings", lambda table: table * 1e-7)
    numpy_engine = make_engine(network, "numpy", None)
    cases = tuple(replace(case, outputs=numpy_engine.run(case.inputs), noise={}) for case in network.cases)
    report = check(replace(network, cases=cases), engine)
    assert "embedding" in [layer.call for layer in report.insensitive]
    assert "insensitive" in str(report)


def test_the_report_shows_the_needed_tolerance() -> None:
    report = check(read_network(FOLDER), "numpy")
    assert report.ok
    assert 0 < report.needed < 1e-6
    assert f"{report.needed:.1e}" in str(report)
    assert not check_network(read_network(FOLDER), make_engine(read_network(FOLDER), "numpy", None), 1e-12).ok


def test_what_a_wrapper_holds_is_named() -> None:
    held = {"class_name": "Sequential", "config": {"layers": [{"class_name": "InputLayer"}, {"class_name": "Dense"}]}}
    assert (
        class_shown({"class_name": "TimeDistributed", "config": {"layer": held}})
        == "TimeDistributed(Sequential(Dense))"
    )
    assert class_shown({"class_name": "RNN", "config": {"cell": {"class_name": "GRUCell"}}}) == "RNN(GRUCell)"
    report = check(read_network(FOLDER), "numpy")
    assert [layer.class_name for layer in report.layers] == ["Embedding", "Dense", "Bidirectional(LSTM)"]


NAN, INF = float("nan"), float("inf")
PAIRS: dict[str, tuple[Array, Array, float]] = {
    "equal": (np.ones(3), np.ones(3), 0.0),
    "apart": (np.array([1.0]), np.array([0.0]), 1.0),
    "relative": (np.array([110.0]), np.array([99.0]), 0.11),
    "another shape": (np.ones((3, 1)), np.ones(3), INF),
    "another dtype": (np.ones(3, np.int32), np.ones(3), INF),
    "NaN in the same place": (np.array([NAN, 1]), np.array([NAN, 1]), 0.0),
    "NaN instead of a number": (np.array([NAN]), np.array([1.0]), INF),
    "a number instead of NaN": (np.array([1.0]), np.array([NAN]), INF),
    "infinity instead of a number": (np.array([INF]), np.array([1.0]), INF),
    "another infinity": (np.array([INF]), np.array([-INF]), INF),
    "the same infinity": (np.array([INF]), np.array([INF]), 0.0),
    "whole numbers apart": (np.array([1]), np.array([2]), INF),
    "whole numbers of another width": (np.array([1], np.int32), np.array([1], np.int64), INF),
    "whole numbers with a sign": (np.array([1], np.int8), np.array([1], np.uint8), INF),
    "floats of another width": (np.array([1.0]), np.array([1.0], np.float32), INF),
    "booleans apart": (np.array([True]), np.array([False]), INF),
    "nothing": (np.ones((0, 3)), np.ones((0, 3)), 0.0),
}


@pytest.mark.parametrize("name", PAIRS)
def test_needed_tolerance(name: str) -> None:
    got, want, needed = PAIRS[name]
    assert needed_tolerance(got, want) == pytest.approx(needed)
