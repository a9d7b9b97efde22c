"""sin, cos and tan in NeoML: what learns through them is refused."""

from __future__ import annotations

import numpy as np
import pytest

from porting.layers.rule import Refusal
from porting.neoml_side.lowering.operations import NeomlOperations
from porting.network import Input
from porting.operations import Weight


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_nothing_learns_through_a_wave(name: str) -> None:
    ops = NeomlOperations(training=True)
    given = ops.source(Input("x", (None, 3), "float32"))
    assert ops.unary(given, name).shape == (None, 3)
    hidden = ops.dense(given, Weight("dense/kernel", np.ones((3, 2), np.float32)))
    with pytest.raises(Refusal, match="no gradient"):
        ops.unary(hidden, name)
