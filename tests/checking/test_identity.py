"""Outputs that are inputs are compared with them."""

from __future__ import annotations

import numpy as np

from porting.checking.check import check_network
from porting.network import Case, Input, Network, TensorRef
from porting.numpy_side.engine import NumpyEngine


class Swapping(NumpyEngine):
    """Hands the inputs out in the other order."""

    def run(self, inputs, *args, **kwargs):  # type: ignore[no-untyped-def]
        one, other = inputs.values()
        return super().run(dict(zip(inputs, (other, one))), *args, **kwargs)


def test_a_network_of_inputs_alone_is_proved_and_another_one_departs() -> None:
    inputs = tuple(Input(name, (None, 3), "float32") for name in "ab")
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    case = Case("batch 2", dict(zip("ab", values)), {})
    outputs = (TensorRef("b"), TensorRef("a"))
    network = Network("net", inputs, (), {}, outputs, cases=(case,), origin={"keras": "3"})
    report = check_network(network, NumpyEngine(network))
    assert report.ok
    assert report.verdict() == "exact: its outputs agree"
    assert not check_network(network, Swapping(network)).ok
