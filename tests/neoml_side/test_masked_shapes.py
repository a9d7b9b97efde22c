"""Masked networks at shapes that no reference has: one step, one row, many of both; padding never tells on others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import porting
from porting.checking import needed_tolerance
from tests.cases.sequences import CASES, WORDS
from tests.recorded_cases import RECORDED, flat

NAMES = [case.name for case in CASES]
BETWEEN_ENGINES = 4e-6


def load(name: str, engine: str) -> porting.PortedNetwork:
    return porting.load(RECORDED / f"sequences--{name}", engine=engine)


def padded_inputs(net: porting.PortedNetwork, rows: int, steps: int) -> dict[str, Any]:
    """Every kind of row; the first is nothing but padding."""
    rng = np.random.default_rng(rows * 1000 + steps)
    made = {}
    for one in net.network.inputs:
        kept = rng.random((rows, steps)) < rng.random((rows, 1))
        kept[0] = False
        if one.dtype.startswith("int"):
            made[one.name] = np.where(kept, rng.integers(1, WORDS, kept.shape), 0)
        else:
            made[one.name] = np.where(kept[..., None], rng.normal(size=(rows, steps, one.shape[-1] or 1)), 0.5)
    return made


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 200), (40, 7)], ids=lambda shape: "x".join(map(str, shape)))
def test_engines_agree(name: str, shape: tuple[int, int]) -> None:
    by_numpy, by_neoml = load(name, "numpy"), load(name, "neoml")
    inputs = padded_inputs(by_numpy, *shape)
    with np.errstate(invalid="ignore"):  # a mean over no step is NaN, there as here
        wanted = flat(by_numpy.predict(inputs))
    for got, want in zip(flat(by_neoml.predict(inputs)), wanted):
        assert needed_tolerance(got, want) <= BETWEEN_ENGINES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_a_row_does_not_know_the_others(name: str, engine: str) -> None:
    net = load(name, engine)
    inputs = padded_inputs(net, 6, 9)
    with np.errstate(invalid="ignore"):
        together = flat(net.predict(inputs))
        for row in range(6):
            alone = flat(net.predict({key: array[row : row + 1] for key, array in inputs.items()}))
            for one, all_rows in zip(alone, together):
                assert needed_tolerance(one[0], all_rows[row]) <= BETWEEN_ENGINES


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_padding_alone_leaves_the_states_at_zero(engine: str) -> None:
    """Biases are far from zero, so a single step walked would show."""
    net = load("tagger_with_states", engine)
    biases = [array for name, array in net.weights().items() if name.endswith("_layer/bias")]
    assert len(biases) == 2
    assert all(np.abs(bias).max() > 0.3 for bias in biases)
    _, *states = flat(net.predict(np.zeros((2, 6), np.int32)))
    assert len(states) == 4
    assert not any(state.any() for state in states)
