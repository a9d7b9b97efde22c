"""Runs on other numbers of the same shape: nothing of the run before is left in the answer.

NeoML's EltwiseMax keeps addresses of its inputs' memory from its first run on. Behind a Source it then reads what the
last run's inputs left there, and so it does everywhere in nets whose blobs have more than some 20 MB.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from porting.neoml_side.engine import NeomlEngine
from porting.network import Call, Input, Layer, Network, TensorRef
from porting.numpy_side.engine import NumpyEngine

A, B, OUTPUT = TensorRef("a"), TensorRef("b"), TensorRef("join")
LAYERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "Maximum": (((A, B),), {}),
    "Minimum": (((A, B),), {}),
    "ops.Maximum": ((A, B), {}),
    "ops.Clip": ((A,), {"x_min": -0.5, "x_max": 0.5}),
    "ops.LogicalOr": ((TensorRef("more"), TensorRef("less")), {}),
    "Add": (((A, B),), {}),
    "Multiply": (((A, B),), {}),
    "Concatenate": (((A, B),), {"axis": -1}),
}


def network(class_name: str) -> Network:
    inputs, config = LAYERS[class_name]
    calls = [Call("join", "join", inputs)]
    layers = {"join": Layer("join", class_name, config)}
    if class_name == "ops.LogicalOr":
        for name, kind in (("more", "ops.Greater"), ("less", "ops.Less")):
            calls.insert(0, Call(name, name, (A, B) if name == "more" else (A, -0.5)))
            layers[name] = Layer(name, kind)
    return Network("two", (Input("a", (None, 4)), Input("b", (None, 4))), tuple(calls), layers, OUTPUT)


LARGE = [(name, 600_000) for name in ("Maximum", "ops.Clip", "Add")]


@pytest.mark.parametrize(("class_name", "rows"), [*((name, 2) for name in LAYERS), *LARGE])
def test_answers_are_those_of_this_run(class_name: str, rows: int) -> None:
    net = network(class_name)
    neoml, arrays = NeomlEngine(net), NumpyEngine(net)
    generator = np.random.default_rng(0)
    for _ in range(4):
        given = {name: generator.normal(size=(rows, 4)).astype(np.float32) for name in "ab"}
        got, wanted = (engine.run(given, [OUTPUT])[OUTPUT] for engine in (neoml, arrays))
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)


def test_eltwise_max_is_what_it_is_said_to_be() -> None:
    """The negative control: where this fails, NeoML has been mended and EltwiseMax may be used."""
    import neoml

    engine = neoml.MathEngine.CpuMathEngine()
    dnn = neoml.Dnn.Dnn(engine)
    source = neoml.Dnn.Source(dnn, "x")
    neoml.Dnn.Sink(neoml.Dnn.EltwiseMax((source, neoml.Dnn.Linear(source, -1.0, 0.0, "minus")), "max"), "sink")
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(10):
        x = generator.normal(size=4).astype(np.float32)
        made = dnn.run({"x": neoml.Blob.asblob(engine, x, (1, 4, 1, 1, 1, 1, 1), True)})
        wrong += not np.array_equal(made["sink"].asarray(copy=True).ravel(), np.abs(x))
    assert wrong > 0
