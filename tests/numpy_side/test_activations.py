"""The error function against Python's own, and the activations that are computed in parts."""

from __future__ import annotations

import math
from typing import Optional

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from porting.network import Array
from porting.numpy_side.activations import BLOCK, ERF_NODES, activate, erf

# Around every node, between the nodes, around 0 and around the end of the table.
GRID = np.concatenate(
    [
        np.linspace(-6.5, 6.5, 200_001),
        *(np.nextafter(ERF_NODES + half, way) for half in (0, 1 / 512) for way in (-1, 7)),
        np.geomspace(1e-300, 1, 2001),
        [0.0, 27.0, 1e300, np.inf],
    ]
)


def erf_of_python(x: Array) -> Array:
    return np.array([math.erf(value) for value in x.ravel().tolist()]).reshape(x.shape)


def test_erf_is_pythons() -> None:
    for x in (GRID, -GRID):
        got, want = erf(x), erf_of_python(x)
        np.testing.assert_array_max_ulp(got, want, 4)
        assert got.astype(np.float32).tobytes() == want.astype(np.float32).tobytes()


def test_erf_with_a_wrong_coefficient_is_not_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    from porting.numpy_side import activations

    *lower, highest = activations.ERF_SERIES
    monkeypatch.setattr(activations, "ERF_SERIES", [*lower, -highest])
    with pytest.raises(AssertionError):
        test_erf_is_pythons()


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_erf_of_any_number_is_pythons(values: list[float]) -> None:
    x = np.array(values)
    np.testing.assert_array_max_ulp(erf(x), erf_of_python(x), 4)


def test_erf_keeps_what_is_no_number() -> None:
    assert np.isnan(activate(np.array([np.nan, 1.0]), "gelu", {})).tolist() == [True, False]
    assert math.copysign(1, erf(np.array([-0.0]))[0]) == -1


@pytest.mark.parametrize("name", ["gelu", "sigmoid", "silu"])
@pytest.mark.parametrize("shape", [(3, 0), (1, 1), (7, BLOCK // 7 + 1), (2, 3, BLOCK)])
def test_large_arrays_are_as_their_values_alone(name: str, shape: tuple[int, ...]) -> None:
    x = (np.random.default_rng(0).normal(size=shape) * 3).astype(np.float32)
    whole = activate(x, name, {})
    assert whole.dtype == np.float32
    assert whole.shape == shape
    for at in list(np.ndindex(*shape))[:: BLOCK - 1]:
        np.testing.assert_array_max_ulp(whole[at], activate(x[at].reshape(1), name, {})[0], 1)


def test_gelu_is_its_definition() -> None:
    x = GRID[np.abs(GRID) < 5].astype(np.float32)
    exact = x.astype(np.float64)
    want = (0.5 * exact * (1 + erf_of_python(exact / math.sqrt(2)))).astype(np.float32)
    np.testing.assert_array_max_ulp(activate(x, "gelu", {}), want, 1)


def test_gelu_of_numbers_beyond_its_tables() -> None:
    """Whether all of a block lie within the tables decides how they are read."""
    far = np.array([9, 9.5, 30, 3e4, 1e12, 3e38, np.inf], np.float32)
    near = np.linspace(-9, 9, 101, dtype=np.float32)
    got = activate(np.concatenate([near, far, -far[:-1]]), "gelu", {})
    assert got[: near.size].tobytes() == activate(near, "gelu", {}).tobytes()
    np.testing.assert_array_equal(got[near.size :], [*far, *[0] * (far.size - 1)])


@pytest.mark.parametrize("most", [None, 6, 2.5])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
def test_bounds_are_those_of_numbers(most: Optional[float], dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, BLOCK // 2)).astype(dtype) * 5
    x[0, 0] = 0 if dtype == "int32" else np.nan
    for part in (x, x.T, x[:0], x[0, 1]):
        got = activate(part, "relu", {"max_value": most})
        np.testing.assert_array_equal(got, np.clip(part, 0, None if most is None else np.asarray(most, dtype)))
        assert (got.dtype, got.shape) == (part.dtype, part.shape)


def test_a_sigmoid_that_overflows_is_zero() -> None:
    x = np.array([-1e4, -80, 0, 80, 1e4], np.float32)
    want = 1 / (1 + np.exp(-x.astype(np.float64).clip(-700)))
    np.testing.assert_allclose(activate(x, "sigmoid", {}), want, rtol=2e-6, atol=1e-38)
