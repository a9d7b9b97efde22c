"""Every id of a table is looked up, as far as the ids' dtype goes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from porting.checking import Report, check_network
from porting.engine_factory import make_engine
from porting.network import Array, Call, Case, Input, Layer, Network, TensorRef
from tests.tampering import with_weight

ENGINES = ("numpy", "neoml")
ROWS = 300


def network(dtype: str) -> Network:
    """A table of 300 rows, of which references look up some of the first hundred."""
    random = np.random.default_rng(0)
    table = random.normal(size=(ROWS, 2)).astype(np.float32)
    settings = {"input_dim": ROWS, "output_dim": 2, "mask_zero": False}
    layers = {"words": Layer("words", "Embedding", settings, {"embeddings": table})}
    call = Call("words", "words", (TensorRef("ids"),))
    made = Network("net", (Input("ids", (None, None), dtype),), (call,), layers, TensorRef("words"))
    ids = [random.integers(0, 100, shape).astype(dtype) for shape in ((4, 6), (1, 9))]
    cases = (Case(str(at), {"ids": one}, {TensorRef("words"): table[one.astype(int)]}) for at, one in enumerate(ids))
    return replace(made, cases=tuple(cases), origin={"keras": "3"})


def checked(engine: str, dtype: str, wrong: int) -> Report:
    """A check of an engine whose table is another from a row on, behind weights that read back as saved."""
    net = network(dtype)

    def other(table: Array) -> Array:
        return np.concatenate([table[:wrong], table[wrong:] + 1])

    made = make_engine(with_weight(net, "words", "embeddings", other), engine, None)
    made.weights = net.weights  # type: ignore[method-assign]
    return check_network(net, made)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "float32"])
@pytest.mark.parametrize("engine", ENGINES)
def test_ids_that_a_dtype_does_not_hold_are_no_fault(engine: str, dtype: str) -> None:
    assert checked(engine, dtype, ROWS).proved


@pytest.mark.parametrize(("dtype", "last"), [("int8", 127), ("uint8", 255), ("int32", ROWS - 1)])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_last_id_is_looked_up(engine: str, dtype: str, last: int) -> None:
    (layer,) = checked(engine, dtype, last).layers
    assert layer.status == "departs"
    assert "looking up" in layer.why
