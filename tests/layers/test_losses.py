"""Cross-entropies used as layers."""

from __future__ import annotations

import numpy as np
import pytest

from porting.engine_factory import make_engine
from porting.network import Call, Input, Layer, Network, TensorRef


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_targets_that_are_floats_are_cut_down_to_whole_numbers(engine: str) -> None:
    targets, outputs = Input("targets", (None,), "float32"), Input("outputs", (None, 3), "float32")
    layer = Layer("layer", "ops.SparseCategoricalCrossentropy", {"from_logits": True, "axis": -1})
    call = Call("layer", "layer", (targets.ref, outputs.ref))
    network = Network("net", (targets, outputs), (call,), {"layer": layer}, TensorRef("layer"))
    logits = np.array([[0.1, 0.2, 0.3]], np.float32).repeat(2, 0)

    def run(*values: float) -> np.ndarray:
        given = {"targets": np.array(values, np.float32), "outputs": logits}
        return make_engine(network, engine, "cpu").run(given, [TensorRef("layer")])[TensorRef("layer")]

    np.testing.assert_array_equal(run(1.7, 0.3), run(1, 0))
    assert run(1, 0)[0] != run(1, 0)[1]
