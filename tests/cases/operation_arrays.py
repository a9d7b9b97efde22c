"""Operations that engines apply to arrays; most of them NeoML has no layer for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.functions import DIVIDENDS, DIVISORS, HARD, ONLY_NUMPY, ROW, hard, of, one

OF_ONE = ("angle", "i0", "isneginf", "isposinf", "nan_to_num", "signbit", "sinc")
REDUCED = ("nanmax", "nanmean", "nanmedian", "nanmin", "nanprod", "nanstd", "nansum", "nanvar")
KEEPING = ("nanmax", "nanmean", "nanmin", "nanstd", "nansum", "nanvar", "nanmedian")
ALONG = ("nanargmax", "nanargmin", "nancumsum", "nancumprod")
# Rows without a number, with one, with NaN and infinities among others.
HOLES = np.zeros((6, 5), "float32")
HOLES[0], HOLES[1, [0, 1, 3, 4]], HOLES[2, 3], HOLES[3:5, 2] = np.nan, np.nan, np.nan, np.nan
GAPS = HOLES.copy()
HOLES[3, 1], HOLES[4, 0] = np.inf, -np.inf
SETTLED = (0.3, 0.0, 1.0, 0.75)
METHODS = ("lower", "higher", "nearest", "midpoint")
OF_WHOLE_NUMBERS = {
    "of_one": lambda ops, x: [ops.bitwise_invert(x), ops.bitwise_not(x)],
    "shifts_named_long": lambda ops, x: [ops.bitwise_left_shift(x, x), ops.bitwise_right_shift(x, x)],
}


def with_holes(function: Callable[..., Any], holes: Any = HOLES) -> Callable[..., Any]:
    """A function of numbers of which some are none; the ends are finite."""

    def apply(ops: Any, x: Any) -> list[Any]:
        made = function(ops, x + holes)
        return [ops.nan_to_num(made), ops.isnan(made)]

    return apply


def of_three(ops: Any, x: Any, y: Any) -> list[Any]:
    return [
        *(ops.cross(x, y), ops.cross(x[:, :2], y), ops.cross(x, y[:, :2]), ops.cross(x[:, :2], y[:, :2])),
        *(ops.cross(x, ROW[:3]), ops.cross(ROW[1:], y)),
    ]


CASES = [
    *(of(name, one(name)) for name in OF_ONE),
    *(hard(name) for name in OF_ONE if name != "sinc"),
    hard("sinc", HARD[np.abs(HARD) < 1e5]),
    *(hard(name, HARD, HARD) for name in ("fmax", "fmin", "nextafter")),
    hard("fmod", DIVIDENDS, DIVISORS),
    of("nan_to_numbers", lambda ops, x: ops.nan_to_num(x / ops.relu(x), nan=1.5, posinf=7.0, neginf=-2.0), (4,)),
    *(of(name, one(name, axis=-1)) for name in (*REDUCED, *ALONG)),
    *(
        of(f"{name}_with_holes", with_holes(lambda ops, x, name=name: getattr(ops, name)(x, axis=2)), (6, 5))
        for name in (*REDUCED, *ALONG)
        if name != "nanmedian"
    ),
    *(
        of(
            f"{name}_of_axes",
            with_holes(
                lambda ops, x, name=name: getattr(ops, name)(x, axis=(3, 1), keepdims=True), GAPS.reshape(2, 3, 5)
            ),
            (2, 3, 5),
        )
        for name in KEEPING
    ),
    of(
        "nansum_of_integers",
        lambda ops, x: [ops.nansum(x, axis=1), ops.nanmax(x, axis=1), ops.nanargmin(x, axis=1)],
        (5,),
        dtype="int32",
    ),
    *(
        of(name, lambda ops, x, y, name=name: getattr(ops, name)(x, y), (3, 4), (1, 4))
        for name in ("fmax", "fmin", "fmod")
    ),
    of("fmax_of_integers", lambda ops, x, y: [ops.fmax(x, 1), ops.fmin(x, y)], (4,), (4,), dtype="int32"),
    of("nextafter", lambda ops, x, y: [ops.nextafter(x, y), ops.nextafter(x, 2.0)], (3, 4), (1, 4)),
    of("nextafter_of_a_row", lambda ops, x: ops.nextafter(x[:, None], np.stack([ROW, -ROW])), (4,)),
    *(hard(name) for name in ("ceil", "floor", "log", "sign", "trunc")),
    of("floor_divide_by_what_may_be_0", lambda ops, x, y: ops.isfinite(ops.floor_divide(x, ops.relu(y))), (4,), (4,)),
    *(
        of(
            f"{name}_bits",
            lambda ops, x, y, name=name: getattr(ops, name)(x, y),
            (4,),
            (4,),
            dtype="int32",
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    of("shifts", lambda ops, x: [ops.left_shift(x, 1), ops.right_shift(x, 1)], (4,), dtype="int32"),
    of("gcd", lambda ops, x: [ops.gcd(x, x + 6), ops.lcm(x, x + 2)], (4,), dtype="int32", refused=ONLY_NUMPY),
    of("cross", of_three, (3,), (3,)),
    of(
        "cross_along_axes",
        lambda ops, x, y: [ops.cross(x, y, axis=1), ops.cross(x, y, axisa=1, axisb=-2, axisc=2)],
        (3, 4),
        (3, 4),
    ),
    of(
        "take_along_axis",
        lambda ops, x: ops.take_along_axis(x, ops.argsort(x, axis=1), axis=1),
        (3, 4),
    ),
    of("top_k", lambda ops, x: ops.top_k(x, 2), (3, 4)),
    of(
        "linspace",
        lambda ops, x, y: [ops.linspace(x, y, 4, axis=1), ops.linspace(x, 2.0, 5, endpoint=False, axis=-1)],
        (3,),
        (3,),
    ),
    of(
        "linspace_between_constants",
        lambda ops, x: [ops.linspace(x, ROW, 3, axis=1), ops.linspace(ROW, x, 1, axis=2)],
        (4,),
    ),
    of("linspace_in_front_of_rows", lambda ops, x: ops.linspace(x, 1.0, 3), (3,), refused="in front of the rows"),
    of("quantile", lambda ops, x: [ops.quantile(x, one, axis=1) for one in SETTLED], (5, 4)),
    of("percentile_by_methods", lambda ops, x: [ops.percentile(x, 30, axis=1, method=one) for one in METHODS], (11, 2)),
    of("quantile_by_methods", one("quantile", q=0.3, axis=1, method="lower"), (5,), refused="forgets", both=True),
    of("quantile_of_axes", lambda ops, x: ops.quantile(x, 0.6, axis=(1, 2), keepdims=True), (5, 4)),
    of("nanmedian_with_holes", with_holes(lambda ops, x: ops.nanmedian(x, axis=2), HOLES[1:]), (5, 5)),
    *(
        of(
            f"{name}_with_holes",
            with_holes(lambda ops, x, name=name, q=q: getattr(ops, name)(x, q, axis=-1), HOLES[1:]),
            (5, 5),
        )
        for name, q in {"quantile": 0.3, "nanquantile": 0.3, "percentile": 60, "nanpercentile": 60}.items()
    ),
    of("take_along_fixed", lambda ops, x: ops.take_along_axis(x, np.array([[[0], [2], [-1]]]), axis=1), (3, 4)),
    of("top_k_of_rows", lambda ops, x: ops.top_k(x, 3), (6,)),
    of("percentile", one("percentile", q=30, axis=1), (5, 4)),
    of("nanpercentile", one("nanpercentile", q=30, axis=1), (5, 4)),
    of("nanquantile", one("nanquantile", q=0.3, axis=1), (5, 4)),
    of(
        "logspace",
        lambda ops, x, y: [ops.logspace(x, y, 4, axis=1), ops.logspace(x, 2, 3, base=2.5, axis=-1)],
        (3,),
        (3,),
    ),
    of("geomspace", lambda ops, x, y: ops.geomspace(ops.exp(x), ops.exp(y), 4), (3,), (3,), refused=ONLY_NUMPY),
    *(of(name, function, (4,), dtype="int32") for name, function in OF_WHOLE_NUMBERS.items()),
]
