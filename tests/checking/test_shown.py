"""Which weights the references show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from porting.archive import read_network
from porting.checking import check_network
from porting.checking.shown import of_one_value, unshown, whole_tensors
from porting.engine_factory import make_engine
from porting.layers import RULES
from porting.network import Network, TensorRef
from tests.tampering import with_weight

SAVED = Path(__file__).parent.parent.parent / "saved_weights"


def found(network: Network, layer: str) -> list[str]:
    call = next(call for call in network.calls if call.layer == layer)
    return unshown(network, call, RULES, whole_tensors(network, RULES))


def test_trained_weights_are_all_shown() -> None:
    network = read_network(SAVED / "tutorial")
    assert [found(network, call.layer) for call in network.calls] == [[], [], []]


def test_a_unit_that_its_inputs_never_reach_is_not_shown() -> None:
    """References in which one row of the input is always 0: those weights could be anything."""
    network = read_network(SAVED / "digits")
    made = TensorRef("conv_1")
    heard = (np.arange(16) != 2).astype(np.float32)
    cases = [replace(case, outputs={**case.outputs, made: case.outputs[made] * heard}) for case in network.cases]
    silenced = with_weight(network, "conv_1", "bias", lambda bias: np.where(np.arange(16) == 2, -1e3, bias))
    silenced = replace(silenced, cases=tuple(cases))
    assert found(silenced, "conv_1") == ["kernel (1 of 16 slices)", "bias (1 of 16 slices)"]


def test_a_bias_of_zeros_is_told() -> None:
    saved = read_network(SAVED / "encoder")
    network = replace(saved, cases=tuple(replace(case, shifted={}) for case in saved.cases))
    assert "section bias (0)" in list(of_one_value(network))
    engine = make_engine(network, "numpy", None)
    plain, thorough = check_network(network, engine), check_network(network, engine, weights=True)
    assert any("one value throughout" in note and "section bias (0)" in note for note in plain.remarks())
    assert (plain.proved, thorough.ok, thorough.proved) == (True, True, False)
    assert any("section bias (zeros throughout)" in note for note in thorough.remarks())
    assert (plain.counts["unshown"], thorough.counts["unshown"] > 0) == (0, True)
    assert "with weights that nothing shows" in thorough.verdict()
    assert "nothing shows" not in plain.verdict()
