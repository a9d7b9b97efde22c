"""No way into NeoML hands its lookups an id that is not a row of their table: NeoML would read foreign memory."""

from __future__ import annotations

from collections.abc import Callable
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
from porting.network import Call, Case, Constant, Input, Layer, Network, TensorRef
from porting.ported import PortedNetwork

ROWS = 5
X, OUT = TensorRef("x"), TensorRef("last")
TABLE = np.arange(ROWS * 2, dtype=np.float32).reshape(ROWS, 2) / 8
EMBEDDING = {"input_dim": ROWS, "output_dim": 2, "mask_zero": False}
DENSE = {"units": 1, "use_bias": False, "activation": "linear"}

BAD = {"int32": (-1, ROWS, 10**9), "float32": (-1.0, ROWS, np.nan, np.inf, 1e9)}
BAD_IDS = [(dtype, value) for dtype, values in BAD.items() for value in values]


def embedding() -> Layer:
    return Layer("embedding", "Embedding", EMBEDDING, {"embeddings": TABLE})


def in_time_distributed() -> Layer:
    held = {"class_name": "Embedding", "config": {"name": "held", **EMBEDDING}}
    return Layer("embedding", "TimeDistributed", {"layer": held}, {"layer/embeddings": TABLE})


def by_take() -> Layer:
    return Layer("embedding", "ops.Take", {"axis": 0}, {"constant": TABLE})


LOOKUPS = {"Embedding": embedding, "TimeDistributed": in_time_distributed, "ops.Take": by_take}


def network(lookup: str, dtype: str) -> Network:
    """Ids (batch, steps), looked up; a Dense behind, so that something learns."""
    first = LOOKUPS[lookup]()
    last = Layer("last", "Dense", DENSE, {"kernel": np.ones((2, 1), np.float32)})
    given = (Constant("constant"), X) if lookup == "ops.Take" else (X,)
    calls = (Call("embedding", "embedding", given), Call("last", "last", (TensorRef("embedding"),)))
    cases = tuple(_case(f"{rows} rows", rows, dtype) for rows in (1, 2))
    layers = {"embedding": first, "last": last}
    return Network("looked-up", (Input("x", (None, 3), dtype),), calls, layers, OUT, cases)


def _case(name: str, rows: int, dtype: str) -> Case:
    ids = np.resize(np.arange(ROWS), (rows, 3))
    outputs = {TensorRef("embedding"): TABLE[ids], OUT: TABLE[ids].sum(-1, keepdims=True)}
    return Case(name, {"x": ids.astype(dtype)}, outputs)


def ids_of(dtype: str, value: float) -> np.ndarray:
    ids = np.zeros((2, 3), dtype)
    ids[1, 1] = value
    return ids


def predicting(net: Network, ids: np.ndarray, folder: Path) -> Any:
    return NeomlEngine(net).run({"x": ids}, [OUT])[OUT]


def observing(net: Network, ids: np.ndarray, folder: Path) -> Any:
    return NeomlEngine(net).run({"x": ids})[OUT]


def alone(net: Network, ids: np.ndarray, folder: Path) -> Any:
    (looked_up,), _ = NeomlEngine(net).run_alone(net.calls[0], {X: ids}, {})
    return looked_up.sum(-1, keepdims=True)


def stored(net: Network, ids: np.ndarray, folder: Path) -> Any:
    path = PortedNetwork(net, NeomlEngine(net)).store(folder / "net")
    return porting.load(path).engine.run({"x": ids})[OUT]


def evaluating(net: Network, ids: np.ndarray, folder: Path) -> Any:
    return EvaluatingNet(net, {OUT: ()}, math_engine_for("cpu"), porting.layers.RULES).outputs({"x": ids})[OUT][0]


def learner(net: Network, learns: str) -> LearningNet:
    return LearningNet(net, [learns], {OUT: ()}, math_engine_for("cpu"))


def in_training(net: Network, ids: np.ndarray, folder: Path) -> Any:
    return learner(net, "last/kernel").outputs({"x": ids})[OUT][0]


def in_a_step(net: Network, ids: np.ndarray, folder: Path) -> Any:
    seen: list[Any] = []

    def derivative(output: np.ndarray, mask: Any) -> np.ndarray:
        seen.append(output)
        return np.ones_like(output)

    table = next(name for name in net.weights() if name.startswith("embedding/"))
    learner(net, table).gradients({"x": ids}, {OUT: derivative})
    return seen[0]


WAYS: dict[str, Callable[[Network, np.ndarray, Path], Any]] = {
    "predicting": predicting,
    "observing": observing,
    "alone": alone,
    "stored": stored,
    "evaluating": evaluating,
    "in training": in_training,
    "in a step": in_a_step,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize(("dtype", "value"), BAD_IDS)
def test_ids_outside_the_table_are_refused(lookup: str, dtype: str, value: float, way: str, tmp_path: Path) -> None:
    net = network(lookup, dtype)
    with pytest.raises(porting.Mismatch, match=r"x.*holds (id .*, outside 0 … 4|nan|inf)"):
        WAYS[way](net, ids_of(dtype, value), tmp_path)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize("dtype", BAD)
def test_the_first_and_the_last_row_are_looked_up(lookup: str, dtype: str, way: str, tmp_path: Path) -> None:
    found = WAYS[way](network(lookup, dtype), ids_of(dtype, ROWS - 1), tmp_path)
    wanted = np.full((2, 3, 1), TABLE[0].sum())
    wanted[1, 1] = TABLE[-1].sum()
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize(("value", "known"), [(0.0, True), (float(ROWS), False)])
def test_what_the_network_itself_puts_among_ids_is_known(value: float, known: bool) -> None:
    """Padding stands behind the guard; every table has a row 0."""
    ops = NeomlOperations()
    ids = ops.source(Input("x", (None, 3, 3, 1), "int32"))
    padded = ops.pad(ids, [(1, 1), (0, 0), (0, 0)], value)
    assert padded.ids_from == (ids.ids_from if known else None)
