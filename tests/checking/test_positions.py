"""A table of positions: its numbers go by sizes alone, and more of its rows are kept than references reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from porting.checking import Report, check_network
from porting.engine_factory import make_engine
from porting.network import Array, Call, Case, Input, Layer, Network, TensorRef
from tests.tampering import with_weight

ENGINES = ("numpy", "neoml")
X, PLACES, ADDED = (TensorRef(name) for name in ("x", "places", "added"))
TABLE = {"axes": [0, 1], "ones": 0, "places": [[0, 0, 1, "first", 0]], "shape": [64, 3]}


def with_positions() -> Network:
    """A table of 64 positions is added to sequences of 3 features, whose references have 6 and 9 steps."""
    random = np.random.default_rng(0)
    kept = Layer("held", "Position", {}, {"table": random.normal(size=(64, 3)).astype(np.float32)})
    layers = {
        "held": kept,
        "places": Layer("places", "porting>Table", TABLE, tied={"table": "held/table"}),
        "add": Layer("add", "Add"),
    }
    calls = (Call("places", "places", (X,)), Call("added", "add", ((X, PLACES),)))
    network = Network("net", (Input("x", (None, None, 3)),), calls, layers, ADDED, origin={"keras": "3"})
    engine = make_engine(network, "numpy", None)
    inputs = [{"x": random.normal(size=shape).astype(np.float32)} for shape in ((4, 6, 3), (1, 9, 3))]
    return replace(network, cases=tuple(Case(str(at), one, engine.run(one)) for at, one in enumerate(inputs)))


def checked(engine: str, built: Network) -> Report:
    return check_network(with_positions(), make_engine(built, engine, None))


@pytest.mark.parametrize("engine", ENGINES)
def test_it_is_proved_although_rows_have_nothing_to_vary_by(engine: str) -> None:
    report = checked(engine, with_positions())
    assert [(layer.call, layer.status, layer.varies > 0) for layer in report.layers] == [
        ("places", "exact", False),
        ("added", "exact", True),
    ]
    assert report.proved


@pytest.mark.parametrize("row", [5, 63])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_wrong_row_is_found_wherever_it_is(engine: str, row: int) -> None:
    def change(table: Array) -> Array:
        changed = table.copy()
        changed[row] += 1
        return changed

    report = checked(engine, with_weight(with_positions(), "held", "table", change))
    assert report.first_departure is not None
    assert (report.first_departure.call, report.first_departure.status) == ("places", "departs")
    assert report.first_departure.weights is False
