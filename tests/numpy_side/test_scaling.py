"""Softmax and sums against float64: numbers whose exponentials are taken as they are, and others."""

from __future__ import annotations

import warnings
from typing import Union

import numpy as np
import pytest

from porting.network import Array
from porting.numpy_side import scaling

Axes = Union[int, tuple[int, ...]]


def made(scale: float, shift: float = 0.0) -> Array:
    return (np.random.default_rng(0).normal(size=(3, 4, 50, 7)) * scale + shift).astype(np.float32)


def with_one_large() -> Array:
    x = made(1)
    x[1, 2, 3, 4], x[2, 0, 0] = 3e4, -1e9
    return x


def exact(x: Array, axis: Axes) -> Array:
    wide = x.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=axis, keepdims=True))
    share: Array = powers / powers.sum(axis=axis, keepdims=True)
    return share


GIVEN = {
    "tame": made(3),
    **{f"sums of e^{power}": made(0.1, power) for power in (-95, -50, -20, -15, -13, 60, 65, 68, 70, 85, 90)},
    "wild": made(1000),
    "one large": with_one_large(),
    "float16": made(15).astype(np.float16),
}


def check(x: Array, axis: Axes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = scaling.softmax(x, axis)
    assert got.dtype == x.dtype
    precise = x.dtype == np.float32
    np.testing.assert_allclose(got, exact(x, axis), rtol=1e-5 if precise else 5e-3, atol=1e-37 if precise else 1e-6)


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), 0])
@pytest.mark.parametrize("name", GIVEN)
def test_softmax_is_its_definition(name: str, axis: Axes) -> None:
    check(GIVEN[name], axis)


def test_a_number_alone_has_all_of_it() -> None:
    """To the bit: networks ask whether a share is 1."""
    assert np.unique(scaling.softmax(made(3)[..., :1])).tolist() == [1.0]


def test_exponentials_of_wild_numbers_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "is_tame", lambda x: True)
    with pytest.raises((AssertionError, RuntimeWarning)):
        check(GIVEN["wild"], -1)


def test_what_is_no_number_stays_in_its_row() -> None:
    x = made(1)
    x[0, 0, 0, 0] = np.nan
    got = scaling.softmax(x)
    assert np.isnan(got[0, 0, 0]).all()
    assert np.isnan(got).sum() == x.shape[-1]
    assert scaling.softmax(x[:0]).shape == (0, *x.shape[1:])
