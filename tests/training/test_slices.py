"""Slices of a table's gradient, summed by row: rows that are picked once, a few times, often, and never."""

from __future__ import annotations

import numpy as np
import pytest

from porting.training.gradients import FEW, Slices

ROWS, WIDTH = 40, 3
PICKED = {
    "none": [],
    "one": [7],
    "apart": list(range(ROWS)),
    "a few each": [row % 5 for row in range(5 * FEW)],
    "often": [3] * (FEW + 1) + [39] * 50,
    "mixed": [0] * 30 + [9, 2, 9] + [2] * FEW + [39],
}


@pytest.mark.parametrize("name", PICKED)
def test_slices_are_added_up_by_row(name: str) -> None:
    rng = np.random.default_rng(1)
    rows = rng.permutation(np.array(PICKED[name], np.int32))
    values = rng.normal(size=(len(rows), WIDTH)).astype(np.float32)
    expected = np.zeros((ROWS, WIDTH))
    np.add.at(expected, rows, values)
    made = Slices(rows, values, (ROWS, WIDTH)).summed(values)
    np.testing.assert_allclose(made, expected, rtol=0, atol=2e-6)
    assert made.dtype == np.float32
