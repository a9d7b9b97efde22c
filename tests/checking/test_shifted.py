"""Weights of one value, shifted: what a port does with them shows, in either engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from porting.archive import read_network
from porting.checking import check_network
from porting.checking.shifted import shift
from porting.engine import Engine
from porting.engine_factory import make_engine
from porting.network import Network, Sampled, TensorRef
from tests.checking.faults import Tampered
from tests.tampering import with_weight

FOLDER = Path(__file__).parent.parent.parent / "saved_weights" / "encoder"
SECTION = TensorRef("section")


class LeavesOutTheBias(Tampered):
    """Right as long as the bias is zero."""

    def renewed(self, network: Network) -> Engine:
        return self.engine.renewed(with_weight(network, "section", "bias", np.zeros_like))


def shown() -> Network:
    """The network, whose ``section`` has a bias of zeros, with what numpy makes of a shifted one."""
    network = read_network(FOLDER)
    engine = make_engine(with_weight(network, "section", "bias", shift), "numpy", None)
    call, case = next(call for call in network.calls if call.name == "section"), network.cases[0]
    (made,), _ = engine.run_alone(call, {ref: case.outputs[ref] for ref in call.reads()}, {})
    shifted = {SECTION: Sampled.of(made, made[0].size)}
    return replace(network, cases=(replace(case, shifted=shifted), *network.cases[1:]))


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_a_bias_of_zeros_is_proved_where_it_was_shifted(engine: str) -> None:
    network = shown()
    made = make_engine(network, engine, None)
    sound, wrong = check_network(network, made), check_network(network, LeavesOutTheBias(made, network))
    section = next(layer for layer in sound.layers if layer.call == "section")
    assert (sound.ok, section.status, section.shifted) == (True, "exact", True)
    assert not any("section bias" in note for note in sound.notes)
    first = wrong.first_departure
    assert first is not None
    assert (first.call, first.status, first.shifted) == ("section", "departs", False)
    assert "shifted (bias)" in first.why
    assert "leaves out weights that are zeros" in wrong.to_html()


def test_where_nothing_was_shifted_it_is_named() -> None:
    saved = read_network(FOLDER)
    network = replace(saved, cases=tuple(replace(case, shifted={}) for case in saved.cases))
    report = check_network(network, make_engine(network, "numpy", None))
    assert all(layer.shifted is None for layer in report.layers)
    assert any("section bias (0)" in note for note in report.notes)
