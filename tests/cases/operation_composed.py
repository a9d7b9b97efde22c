"""Operations that are formulas of others."""

from __future__ import annotations

from math import inf

import numpy as np

from tests.cases.functions import ROW, TABLE, of, one

CASES = [
    of("parts", lambda ops, x: [ops.real(x), ops.imag(x), ops.conj(x), ops.isreal(x)]),
    of("conj", one("conj")),
    of("fabs", lambda ops, x: ops.fabs(x)),
    of("erfc", one("erfc")),
    of("logaddexp2", lambda ops, x, y: [ops.logaddexp2(x, y), ops.logaddexp2(x, ROW)], (3, 4), (1, 4)),
    of("heaviside", lambda ops, x, y: [ops.heaviside(x, y), ops.heaviside(ops.relu(x), ROW)], (3, 4), (3, 4)),
    of("isclose", lambda ops, x, y: [ops.isclose(x, y, atol=0.5), ops.isclose(x, ROW, rtol=0.5)], (3, 4), (3, 4)),
    of("ptp", lambda ops, x: [ops.ptp(x, axis=1), ops.ptp(x, axis=(1, 2), keepdims=True)], (3, 4)),
    of("norm", lambda ops, x: [ops.norm(x, axis=-1), ops.norm(x, ord=1, axis=1, keepdims=True)], (3, 4)),
    of("norm_of_order_0", lambda ops, x: ops.norm(ops.relu(x), ord=0, axis=-1), (3, 4)),
    of(
        "norms_of_other_orders",
        lambda ops, x: [
            *(ops.norm(x, ord=order, axis=-1) for order in (3, inf, -inf, 1.5)),
            *(ops.norm(x, ord=order, axis=(-2, 2), keepdims=order > 0) for order in (1, -1, inf, -inf)),
        ],
        (3, 4),
    ),
    of(
        "norm_of_singular_values",
        lambda ops, x: ops.norm(x, ord="nuc", axis=(1, 2)),
        (3, 4),
        refused="'nuc'",
        both=True,
    ),
    of("norm_of_matrices", lambda ops, x: ops.norm(x, axis=(1, 2)), (3, 4)),
    of("cdist", lambda ops, x, y: ops.cdist(x, y), (3, 4), (5, 4)),
    of("trapezoid_at_places", lambda ops, x: ops.trapezoid(x, x=np.array([0.0, 0.5, 2.0, 2.25])), (3, 4)),
    of("trapezoid", lambda ops, x: ops.trapezoid(x, axis=1, dx=0.5), (3, 4)),
    of("inner", lambda ops, x: ops.inner(x, TABLE), (3, 4)),
    of("select", lambda ops, x: ops.select([x > 1, x > 0], [x, x * 2], 0.5)),
    of("digitize", lambda ops, x: ops.digitize(x, np.array([-1.0, 0.0, 1.0]))),
    of(
        "isin",
        lambda ops, x: [ops.isin(x, np.array([1, 2])), ops.isin(x, np.array([1]), invert=True)],
        (4,),
        dtype="int32",
    ),
    of("multi_hot", lambda ops, x: ops.multi_hot(x, 5), (4,), dtype="int32"),
    of("dstack", lambda ops, x, y: ops.dstack([x, y]), (3, 4), (3, 4)),
    of("splits", lambda ops, x: [*ops.array_split(x, 3, axis=2), *ops.hsplit(x, 3), *ops.dsplit(x, [1])], (3, 4)),
    of("rot90", lambda ops, x: [ops.rot90(x, axes=(1, 2)), ops.rot90(x, k=-1, axes=(1, 2))], (3, 4)),
    of("searchsorted", lambda ops, x: [ops.searchsorted(ROW, x), ops.searchsorted(ROW, x, side="right")], (4,)),
    of("in_top_k", lambda ops, x, y: ops.in_top_k(ops.argmax(y, axis=-1), x, 2), (6,), (6,)),
    of("erfinv", lambda ops, x: ops.erfinv(ops.tanh(x) * 0.99)),
    of("ldexp", lambda ops, x: [ops.ldexp(x, np.arange(4)), ops.ldexp(x, ops.cast(x * 2, "int32"))], (4,)),
    of("saturate_cast", lambda ops, x: [ops.saturate_cast(x * 200, name) for name in ("uint8", "int32")], (4,)),
    of("bincount_of_rows", one("bincount"), (4,), dtype="int32", refused="largest id of a batch", both=True),
    of("counted_ids", lambda ops, x: ops.bincount(x, minlength=6), (None,), dtype="int32"),
    of("counted_ids_of_the_network", lambda ops, x: ops.bincount(ops.argmax(x, -1), minlength=5), (7, 5)),
    of("slice", lambda ops, x: ops.slice(x, (0, 1), (1, 2)), (4,), refused="batch", both=True),
]
