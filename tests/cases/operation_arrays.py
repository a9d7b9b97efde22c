"""Operations that engines apply to arrays; most of them NeoML has no layer for."""

from __future__ import annotations

import numpy as np

from tests.cases.functions import ONLY_NUMPY, of, one

ONLY_ARRAYS = ["angle", "i0", "isneginf", "isposinf", "nan_to_num", "signbit", "sinc"]
WITHOUT_NAN = ["nanmax", "nanmean", "nanmedian", "nanmin", "nanprod", "nanstd", "nansum", "nanvar"]
WITHOUT_NAN += ["nanargmax", "nanargmin", "nancumsum", "nancumprod"]
OF_WHOLE_NUMBERS = {
    "of_one": lambda ops, x: [ops.bitwise_invert(x), ops.bitwise_not(x)],
    "gcd": lambda ops, x: [ops.gcd(x, x + 6), ops.lcm(x, x + 2)],
    "shifts_named_long": lambda ops, x: [ops.bitwise_left_shift(x, x), ops.bitwise_right_shift(x, x)],
}


CASES = [
    *(of(name, one(name), refused=ONLY_NUMPY) for name in ONLY_ARRAYS),
    *(of(name, one(name, axis=-1), refused=ONLY_NUMPY) for name in WITHOUT_NAN),
    *(
        of(name, lambda ops, x, y, name=name: getattr(ops, name)(x, y), (3, 4), (1, 4), refused=ONLY_NUMPY)
        for name in ("fmax", "fmin", "fmod", "nextafter")
    ),
    *(
        of(
            f"{name}_bits",
            lambda ops, x, y, name=name: getattr(ops, name)(x, y),
            (4,),
            (4,),
            dtype="int32",
            refused=ONLY_NUMPY,
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    of("shifts", lambda ops, x: [ops.left_shift(x, 1), ops.right_shift(x, 1)], (4,), dtype="int32", refused=ONLY_NUMPY),
    of("cross", lambda ops, x, y: ops.cross(x, y), (3,), (3,), refused=ONLY_NUMPY),
    of(
        "take_along_axis",
        lambda ops, x: ops.take_along_axis(x, ops.argsort(x, axis=1), axis=1),
        (3, 4),
    ),
    of("top_k", lambda ops, x: ops.top_k(x, 2), (3, 4)),
    of("linspace", lambda ops, x, y: ops.linspace(x, y, 4, axis=1), (3,), (3,), refused=ONLY_NUMPY),
    of("quantile", lambda ops, x: ops.quantile(x, 0.3, axis=1), (5, 4), refused=ONLY_NUMPY),
    of("take_along_fixed", lambda ops, x: ops.take_along_axis(x, np.array([[[0], [2], [-1]]]), axis=1), (3, 4)),
    of("top_k_of_rows", lambda ops, x: ops.top_k(x, 3), (6,)),
    of("percentile", one("percentile", q=30, axis=1), (5, 4), refused=ONLY_NUMPY),
    of("nanpercentile", one("nanpercentile", q=30, axis=1), (5, 4), refused=ONLY_NUMPY),
    of("nanquantile", one("nanquantile", q=0.3, axis=1), (5, 4), refused=ONLY_NUMPY),
    of("logspace", lambda ops, x, y: ops.logspace(x, y, 4, axis=1), (3,), (3,), refused=ONLY_NUMPY),
    of("geomspace", lambda ops, x, y: ops.geomspace(ops.exp(x), ops.exp(y), 4), (3,), (3,), refused=ONLY_NUMPY),
    *(of(name, function, (4,), dtype="int32", refused=ONLY_NUMPY) for name, function in OF_WHOLE_NUMBERS.items()),
]
