"""Networks of keras.applications, saved by `tests.whole_networks`: the same answers in both engines."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import porting
from porting.checking import needed_tolerance

FOLDER = Path(os.environ.get("PORTING_WHOLE", Path(__file__).parent.parent / "out" / "whole"))
NAMES = sorted(path.name for path in FOLDER.iterdir()) if FOLDER.is_dir() else []
# On pictures every network agrees to 1e-5. On noise Keras' own float32 is 7e-6 (ResNet50) and 3.5e-5 (InceptionV3) away
# from its float64, with these weights, and a port has the same noise of its own.
ON_NOISE = {"InceptionV3": 1e-4, "ResNet50": 3e-5}


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
        allowed = 1e-5 if case.name == "samples" else ON_NOISE.get(name, 1e-5)
        assert needed_tolerance(ported.predict(dict(case.inputs)), want) <= allowed
    saved = ported.network.weights()
    assert all(np.array_equal(array, saved[key]) for key, array in ported.weights().items())
