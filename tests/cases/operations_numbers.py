"""Operations on numbers: waves, sorting, products, linear algebra, cross-entropies, and those that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases import Case
from tests.cases.operation_layers import ONLY_NUMPY, ROW, of, one

BATCH = "mixes the rows of a batch"
OF_WHOLE_NUMBERS = {
    "of_one": lambda ops, x: [ops.bitwise_invert(x), ops.bitwise_not(x)],
    "gcd": lambda ops, x: [ops.gcd(x, x + 6), ops.lcm(x, x + 2)],
    "shifts_named_long": lambda ops, x: [ops.bitwise_left_shift(x, x), ops.bitwise_right_shift(x, x)],
}
ACROSS_ROWS: dict[str, Callable[..., Any]] = {
    "diag": lambda ops, x: ops.diag(x),
    "kron": lambda ops, x: ops.kron(x, np.ones((2, 2), "int32")),
    "outer": lambda ops, x: ops.outer(x, x),
    "vsplit": lambda ops, x: ops.vsplit(x, [1])[1],
}


def squares(ops: Any, x: Any) -> Any:
    """Matrices that are positive definite."""
    return ops.matmul(x, ops.transpose(x, (0, 2, 1))) + 3 * np.eye(4, dtype="float32")


def of_squares(name: str, function: Callable[..., Any]) -> Case:
    return of(name, lambda ops, x: function(ops, squares(ops, x)), (4, 5), refused=ONLY_NUMPY)


def solved(name: str, function: Callable[..., Any], *shape: int) -> Case:
    return of(name, lambda ops, x, b: function(ops, squares(ops, x), b), (4, 5), shape, refused=ONLY_NUMPY)


def at_places(ops: Any, x: Any) -> Any:
    return ops.image.map_coordinates(x, np.zeros((2, 3, 2), "float32"), order=1)


CASES = [
    *(of(f"{name}_of_large", lambda ops, x, name=name: getattr(ops, name)(x * 3000.0)) for name in ("sin", "cos")),
    of("tan_of_small", lambda ops, x: ops.tan(ops.tanh(x))),
    of("waves_of_positions", lambda ops, x: ops.sin(ops.einsum("bt,d->btd", x * 100, ROW)), (5,)),
    of("sort_axis_1", one("sort", axis=1), (7, 3)),
    of("sort_of_integers", one("sort", axis=-1), (6,), dtype="int32"),
    of("argsort", one("argsort", axis=1), (5, 4)),
    of("take_along_fixed", lambda ops, x: ops.take_along_axis(x, np.array([[[0], [2], [-1]]]), axis=1), (3, 4)),
    of("top_k_of_rows", lambda ops, x: ops.top_k(x, 3), (6,)),
    of("prod_kept", one("prod", axis=1, keepdims=True), (5, 4)),
    of("cumprod_axis_1", one("cumprod", axis=1), (5, 4)),
    of("median_of_even", one("median", axis=-1, keepdims=True), (3, 6)),
    of("prod_of_axes", one("prod", axis=(1, 2)), (3, 4), refused=ONLY_NUMPY),
    of("sort_of_an_open_axis", one("sort", axis=1)),
    of("percentile", one("percentile", q=30, axis=1), (5, 4), refused=ONLY_NUMPY),
    of("nanpercentile", one("nanpercentile", q=30, axis=1), (5, 4), refused=ONLY_NUMPY),
    of("nanquantile", one("nanquantile", q=0.3, axis=1), (5, 4), refused=ONLY_NUMPY),
    of("logspace", lambda ops, x, y: ops.logspace(x, y, 4, axis=1), (3,), (3,), refused=ONLY_NUMPY),
    of("geomspace", lambda ops, x, y: ops.geomspace(ops.exp(x), ops.exp(y), 4), (3,), (3,), refused=ONLY_NUMPY),
    *(of(name, function, (4,), dtype="int32", refused=ONLY_NUMPY) for name, function in OF_WHOLE_NUMBERS.items()),
    of("searchsorted", lambda ops, x: [ops.searchsorted(ROW, x), ops.searchsorted(ROW, x, side="right")], (4,)),
    of("in_top_k", lambda ops, x, y: ops.in_top_k(ops.argmax(y, axis=-1), x, 2), (6,), (6,)),
    of("erfinv", lambda ops, x: ops.erfinv(ops.tanh(x) * 0.99)),
    of("ldexp", lambda ops, x: [ops.ldexp(x, np.arange(4)), ops.ldexp(x, ops.cast(x * 2, "int32"))], (4,)),
    of("saturate_cast", lambda ops, x: [ops.saturate_cast(x * 200, name) for name in ("uint8", "int32")], (4,)),
    of("diagonal", lambda ops, x: [ops.diagonal(x, at, 1, 2) for at in (-1, 0, 2)], (3, 4)),
    of("diagonal_of_swapped", lambda ops, x: ops.diagonal(x, 0, 3, 1), (3, 2, 4)),
    of("trace", lambda ops, x: ops.trace(x, axis1=1, axis2=2), (3, 4)),
    of("slice_update", lambda ops, x, y: ops.slice_update(x, [0, 1, 0], y), (5, 4), (2, 4)),
    of("slice_update_inside", lambda ops, x, y: ops.slice_update(x, [0, 1, 2], y), (5, 4), (2, 1)),
    of(
        "slice_update_of_one_row",
        lambda ops, x: ops.slice_update(x, [0, 0, 0], np.ones((1, 1, 4), "float32")),
        (5, 4),
        refused="some rows of a batch",
        both=True,
    ),
    of("empty_like", lambda ops, x: x + ops.empty_like(x)),
    of("moments_kept", lambda ops, x: ops.moments(x, axes=-1, keepdims=True), (5, 4)),
    of(
        "binary_crossentropy",
        lambda ops, x, y: ops.binary_crossentropy(ops.sigmoid(x), ops.tanh(y) * 0.4 + 0.5),
        (3, 4),
        (3, 4),
    ),
    of(
        "binary_crossentropy_of_logits",
        lambda ops, x, y: ops.binary_crossentropy(ops.sigmoid(x), y * 20, from_logits=True),
        (3,),
        (3,),
    ),
    of("categorical_crossentropy", lambda ops, x, y: ops.categorical_crossentropy(x, ops.exp(y)), (3, 4), (3, 4)),
    of(
        "categorical_crossentropy_axis_1",
        # TensorFlow's gradient takes targets for shares that add up to 1.
        lambda ops, x, y: ops.categorical_crossentropy(ops.softmax(x, axis=1), y, from_logits=True, axis=1),
        (3, 4),
        (3, 4),
    ),
    of(
        "sparse_categorical_crossentropy",
        lambda ops, x, y: ops.sparse_categorical_crossentropy(ops.argmax(x, -1), ops.tanh(y) * 0.4 + 0.5),
        (3, 4),
        (3, 4),
    ),
    of(
        "sparse_categorical_crossentropy_of_logits",
        lambda ops, x, y: ops.sparse_categorical_crossentropy(ops.argmax(x, -1, keepdims=True), y, from_logits=True),
        (4,),
        (4,),
    ),
    of_squares("cholesky", lambda ops, x: [ops.linalg.cholesky(x), ops.linalg.cholesky(x, upper=True)]),
    of_squares("cholesky_inverse", lambda ops, x: ops.linalg.cholesky_inverse(ops.tril(x))),
    of_squares("determinants", lambda ops, x: [ops.linalg.det(x), ops.logdet(x), *ops.slogdet(x)]),
    of_squares("inverses", lambda ops, x: [ops.linalg.inv(x), ops.linalg.pinv(x[:, :3])]),
    of_squares("qr", lambda ops, x: [*ops.linalg.qr(x), *ops.linalg.qr(x[:, :, :3], mode="complete")]),
    of_squares("singular_values", lambda ops, x: ops.linalg.svd(x, compute_uv=False)),
    of_squares("matrix_rank", lambda ops, x: ops.linalg.matrix_rank(ops.triu(x, k=1))),
    solved("solve", lambda ops, x, b: ops.linalg.solve(x, b), 4, 2),
    solved("solve_triangular", lambda ops, x, b: ops.linalg.solve_triangular(ops.tril(x), b, lower=True), 4, 2),
    *(
        of(name, function, (4, 5), refused="signs", both=True)
        for name, function in {
            "eigenvectors": lambda ops, x: ops.linalg.eigh(squares(ops, x)),
            "singular_vectors": lambda ops, x: ops.linalg.svd(squares(ops, x)),
        }.items()
    ),
    of("bincount_of_rows", one("bincount"), (4,), dtype="int32", refused="largest id of a batch", both=True),
    of("counted_ids", lambda ops, x: ops.bincount(x, minlength=6), (None,), dtype="int32"),
    of("counted_ids_of_the_network", lambda ops, x: ops.bincount(ops.argmax(x, -1), minlength=5), (7, 5)),
    of("map_coordinates", at_places, (4,), refused=BATCH, both=True),
    of("nonzero", one("nonzero"), (4,), refused="only a run tells", both=True),
    of("argpartition", one("argpartition", kth=2, axis=-1), (5,), refused="not determined", both=True),
    of("unravel_index", one("unravel_index", shape=(3, 4)), (5,), dtype="int32", refused="otherwise", both=True),
    *(
        of(f"{name}_of_rows", function, (4,), dtype="int32", refused=BATCH, both=True)
        for name, function in ACROSS_ROWS.items()
    ),
]
