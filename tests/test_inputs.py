"""What users hand over: everything that could crash an engine is refused before it gets there, with value and limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import porting

FOLDER = Path(__file__).parent.parent / "saved_weights" / "tutorial"
GOOD = np.array([[0, 1], [2, 3], [4, 1]], np.int32)


@pytest.fixture(scope="module", params=["numpy", "neoml"])
def net(request: pytest.FixtureRequest) -> porting.PortedNetwork:
    return porting.load(FOLDER, engine=request.param)


BAD: dict[str, tuple[Any, str]] = {
    "empty batch": (np.zeros((0, 3), int), "is empty"),
    "no steps": (np.zeros((3, 0), int), "is empty"),
    "id beyond the table": ([[5]], "id 5, outside 0 … 4"),
    "negative id": ([[-1]], "id -1, outside 0 … 4"),
    "huge id": ([[2**40]], "outside 0 … 4"),
    "NaN": ([[np.nan]], "nan where whole numbers"),
    "infinity": ([[np.inf]], "inf where whole numbers"),
    "half an id": ([[1.5]], "1.5 where whole numbers"),
    "rank 1": (np.zeros(3, int), "needs \\(any, any\\)"),
    "rank 3": (np.zeros((1, 2, 3), int), "needs \\(any, any\\)"),
    "text": ("abc", "holds <U3"),
    "texts": ([["a"]], "holds <U1"),
    "nothing": (None, "Python objects"),
    "objects": (np.zeros((1, 2), object), "Python objects"),
    "ragged": ([[1, 2], [3]], "is not an array"),
    "complex": (np.zeros((1, 2), complex), "complex128"),
    "dates": (np.zeros((1, 2), "datetime64[s]"), "datetime64"),
    "records": (np.zeros((1, 2), [("a", int)]), "holds"),
    "another name": ({"words": GOOD}, "no such input"),
    "too many": ([GOOD, GOOD], "needs \\(any, any\\)|given"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(net: porting.PortedNetwork, name: str) -> None:
    value, message = BAD[name]
    for call in (net.predict, net.layer_outputs):
        with pytest.raises(porting.Mismatch, match=message) as refused:
            call(value)
        assert all(problem.way_out for problem in refused.value.problems)


def test_an_id_from_the_end_is_named(net: porting.PortedNetwork) -> None:
    """The way out works: in Keras -1 is the last row."""
    with pytest.raises(porting.Mismatch, match="give 4 in its place"):
        net.predict([[1, -1]])
    assert all(np.isfinite(one).all() for one in net.predict([[1, 4]]))


SAME: dict[str, Any] = {
    "list": GOOD.tolist(),
    "dict": {"ids": GOOD},
    "list of one": [GOOD],
    "int64": GOOD.astype(np.int64),
    "uint8": GOOD.astype(np.uint8),
    "big-endian": GOOD.astype(">i4"),
    "whole floats": GOOD.astype(np.float64),
    "Fortran order": np.asfortranarray(GOOD),
    "every second": np.repeat(GOOD, 2, axis=1)[:, ::2],
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_ids_in_other_clothes(net: porting.PortedNetwork, name: str) -> None:
    for got, want in zip(net.predict(SAME[name]), net.predict(GOOD)):
        np.testing.assert_array_equal(got, want)


def test_read_only_inputs_are_taken_and_left_alone(net: porting.PortedNetwork) -> None:
    given_ids = GOOD.copy()
    given_ids.flags.writeable = False
    net.predict(given_ids)
    np.testing.assert_array_equal(given_ids, GOOD)


def test_results_are_the_callers_own(net: porting.PortedNetwork) -> None:
    """NeoML's blobs are views that the next run overwrites."""
    first = net.predict(GOOD)
    kept = [array.copy() for array in first]
    net.predict(np.zeros((7, 5), int))
    for got, want in zip(first, kept):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("setting", ["batch_size", "threads"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True])
def test_bad_settings_are_refused(net: porting.PortedNetwork, setting: str, value: Any) -> None:
    with pytest.raises(porting.Unsupported, match=setting):
        net.predict(GOOD, **{setting: value})


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 9), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_batches_and_threads_change_nothing(rows: int, length: int, batch_size: int, threads: int) -> None:
    net = NEOML[0]
    ids = np.random.default_rng(rows * length).integers(0, 5, (rows, length))
    for got, want in zip(net.predict(ids, batch_size, threads), net.predict(ids, batch_size, 1)):
        np.testing.assert_array_equal(got, want)
    for got, want in zip(net.predict(ids, batch_size, threads), net.predict(ids, rows)):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


NEOML: list[porting.PortedNetwork] = []


@pytest.fixture(autouse=True, scope="module")
def _neoml() -> None:
    NEOML.append(porting.load(FOLDER, engine="neoml"))
