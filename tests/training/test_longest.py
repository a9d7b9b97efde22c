"""A batch of more steps than an unfolded network's tables hold is refused where it learns, as where it predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import porting
from tests.recorded_cases import load

LONGEST = 14


def batch(length: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((2, length, 3), np.float32), np.zeros((2, length + 1, 3), np.float32)


@pytest.mark.parametrize("call", ["train_on_batch", "fit", "evaluate", "predict"])
def test_a_batch_of_more_steps_than_a_table_holds_is_refused(call: str) -> None:
    net = load("unfolded/rows_of_a_weight", "neoml")
    net.compile("sgd", "mse")
    arguments: dict[str, Any] = {"verbose": 0} if call in ("fit", "evaluate") else {}
    of = (lambda x, y: net.predict(x)) if call == "predict" else lambda x, y: getattr(net, call)(x, y, **arguments)
    of(*batch(LONGEST))
    with pytest.raises(porting.Mismatch, match=f"tables hold {LONGEST} steps of axis 1"):
        of(*batch(LONGEST + 1))
    of(*batch(LONGEST))
