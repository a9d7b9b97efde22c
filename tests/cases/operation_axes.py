"""Operations along axes: reductions, running sums, sorting, softmax, normalisation."""

from __future__ import annotations

import numpy as np

from tests.cases.functions import BATCH, ROW, of, one

TIES = np.asarray([[0, 1, 1, 0, 1, 1, 0]], "float32")


CASES = [
    of("count_nonzero", one("count_nonzero", axis=1), (5,), dtype="int32"),
    of("average", one("average", axis=1)),
    of("moments", lambda ops, x: ops.moments(x, axes=[1, 2]), (3, 4)),
    *(
        of(f"{name}_{label}", one(name, **arguments), (3, None, 4))
        for name in ("sum", "mean", "max", "min", "var", "std")
        for label, arguments in {
            "axis_1": {"axis": 1},
            "axis_2_kept": {"axis": 2, "keepdims": True},
            "last": {"axis": -1},
            "axes": {"axis": (1, 3)},
            "axes_kept": {"axis": [2, -1], "keepdims": True},
        }.items()
    ),
    of("sum_of_all_axes", one("sum", axis=[1, 2, 3]), (3, 2, 4)),
    of("sum_of_integers", one("sum", axis=-1), (5,), dtype="int32"),
    of("mean_of_integers", one("mean", axis=-1), (5,), dtype="int32"),
    of("max_of_integers", one("max", axis=1), (None,), dtype="int32"),
    of("sum_over_the_batch", one("sum", axis=0, keepdims=True), (4,), refused=BATCH),
    of("sum_of_bools", lambda ops, x: ops.sum(x > 0, axis=1), (4,)),
    of(
        "reductions_of_rank_6",
        lambda ops, x: [ops.mean(x, 3), ops.sum(x, (1, 2)), ops.max(x, -1, keepdims=True)],
        (2, 2, 3, 2, 4),
    ),
    of(
        "reductions_of_four_axes",
        lambda ops, x: [ops.mean(x, (1, 2, 3, 4)), ops.min(x, (1, 2, 3, 4), keepdims=True)],
        (2, 3, 2, 4),
    ),
    of("min_of_integers", one("min", axis=1), (5,), dtype="int32"),
    of("any_all", lambda ops, x: [ops.any(x > 1, axis=-1), ops.all(x > -1, axis=1, keepdims=True)], (3, 4)),
    of("prod", one("prod", axis=-1), (4,)),
    of("sort", one("sort", axis=-1), (4,)),
    of("cumprod", one("cumprod", axis=-1), (4,)),
    of("median", one("median", axis=1), (5,)),
    of("logsumexp", one("logsumexp", axis=-1)),
    of("logsumexp_kept", one("logsumexp", axis=[1, 2], keepdims=True)),
    of("softmax", one("softmax")),
    of("softmax_axis_1", one("softmax", axis=1)),
    of("log_softmax", one("log_softmax", axis=1)),
    of("sparsemax", one("sparsemax"), (3, 4)),
    of("sparsemax_axis_1", one("sparsemax", axis=1), (3, 4)),
    of("glu", one("glu")),
    of("glu_axis_1", one("glu", axis=1), (6, 3)),
    of("cumsum", one("cumsum", axis=1)),
    of("cumsum_last", one("cumsum", axis=-1)),
    of("cumsum_integers", one("cumsum", axis=1), (None,), dtype="int32"),
    of("argmax", one("argmax", axis=-1)),
    of("argmax_kept", one("argmax", axis=1, keepdims=True), (5, 4)),
    of("argmin", one("argmin", axis=1), (5, 4)),
    of("normalize", one("normalize")),
    of("normalize_axis_1", one("normalize", axis=1), (3, 4)),
    of("layer_normalization", lambda ops, x: ops.layer_normalization(x, ROW, ROW + 1, axis=-1, epsilon=1e-3)),
    of("rms_normalization", lambda ops, x: ops.rms_normalization(x, ROW, axis=-1, epsilon=1e-3)),
    of("max_from", lambda ops, x: [ops.max(x, axis=1, initial=0.2), ops.min(x, axis=-1, initial=-0.1)], (3, 4)),
    of("average_weighted", lambda ops, x: ops.average(x, axis=-1, weights=np.arange(1.0, 5, dtype="float32")), (3, 4)),
    of("normalize_order_1", one("normalize", axis=-1, order=1), (3, 4)),
    of(
        "argmax_of_equals",
        lambda ops, x: [ops.argmax(x * 0 + TIES, axis=-1), ops.argmin(x * 0 + TIES, axis=-1)],
        (2, 7),
    ),
    of("argsort_of_equals", lambda ops, x: ops.argsort(x * 0 + TIES, axis=-1), (2, 7)),
    of("sort_axis_1", one("sort", axis=1), (7, 3)),
    of("sort_of_integers", one("sort", axis=-1), (6,), dtype="int32"),
    of("argsort", one("argsort", axis=1), (5, 4)),
    of("prod_kept", one("prod", axis=1, keepdims=True), (5, 4)),
    of("cumprod_axis_1", one("cumprod", axis=1), (5, 4)),
    of("median_of_even", one("median", axis=-1, keepdims=True), (3, 6)),
    of("prod_of_axes", one("prod", axis=(1, 2)), (3, 4)),
    of("median_of_axes", one("median", axis=(1, 2)), (3, 4)),
    of("median_of_not_a_number", lambda ops, x: ops.isnan(ops.median(x / ops.relu(x) * 0, axis=1)), (5, 4)),
    of("sort_of_an_open_axis", one("sort", axis=1)),
    of("moments_kept", lambda ops, x: ops.moments(x, axes=-1, keepdims=True), (5, 4)),
    *(of(name, one(name, axis=1)) for name in ("amax", "amin")),
]
