"""Networks of keras.applications, saved by `tests.whole_networks`: the same answers in both engines."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import porting
from porting.checking.tolerance import needed_tolerance, share_of_allowed

FOLDER = Path(os.environ.get("PORTING_WHOLE", Path(__file__).parent.parent / "out" / "whole"))
NAMES = sorted(path.name for path in FOLDER.iterdir()) if FOLDER.is_dir() else []
# Whatever Keras' own noise is.
MOST = 1e-4


def test_the_networks_are_there() -> None:
    assert NAMES, "run `nox -s whole_networks`, or python -m tests.whole_networks in Keras"


@pytest.mark.parametrize("engine", ["neoml", "numpy"])
@pytest.mark.parametrize("name", NAMES)
def test_whole_networks(name: str, engine: str) -> None:
    ported = porting.load(FOLDER / name, engine=engine)
    (output,) = ported.network.output_refs()
    for case in ported.network.cases:
        want = case.outputs[output]
        assert len(want) == 1 or np.ptp(want, axis=0).max() > 1e-4, (
            f"{name} does not tell the images of {case.name} apart"
        )
        got = ported.predict(dict(case.inputs))
        assert share_of_allowed(got, want, case.noise[output].chain, None) <= 1, case.name
        assert needed_tolerance(got, want) <= MOST, case.name
    saved = ported.network.weights()
    assert all(np.array_equal(array, saved[key]) for key, array in ported.weights().items())
