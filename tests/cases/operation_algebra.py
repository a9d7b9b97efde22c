"""Linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np

from tests.cases import Case
from tests.cases.functions import ONLY_NUMPY, of


def squares(ops: Any, x: Any) -> Any:
    """Matrices that are positive definite."""
    return ops.matmul(x, ops.transpose(x, (0, 2, 1))) + 3 * np.eye(4, dtype="float32")


def of_squares(name: str, function: Callable[..., Any], refused: Optional[str] = None) -> Case:
    return of(name, lambda ops, x: function(ops, squares(ops, x)), (4, 5), refused=refused)


def solved(name: str, function: Callable[..., Any], *shape: int) -> Case:
    return of(name, lambda ops, x, b: function(ops, squares(ops, x), b), (4, 5), shape)


CASES = [
    of_squares("cholesky", lambda ops, x: [ops.linalg.cholesky(x), ops.linalg.cholesky(x, upper=True)]),
    of_squares("cholesky_inverse", lambda ops, x: ops.linalg.cholesky_inverse(ops.tril(x))),
    of_squares("determinants", lambda ops, x: [ops.linalg.det(x), ops.logdet(x), *ops.slogdet(x)]),
    of_squares("inverses", lambda ops, x: ops.linalg.inv(x)),
    of_squares("pseudo_inverses", lambda ops, x: ops.linalg.pinv(x[:, :3]), ONLY_NUMPY),
    of_squares(
        "qr", lambda ops, x: [*ops.linalg.qr(x), *ops.linalg.qr(ops.stop_gradient(x[:, :, :3]), mode="complete")]
    ),
    of_squares("singular_values", lambda ops, x: ops.linalg.svd(x, compute_uv=False), ONLY_NUMPY),
    of_squares("matrix_rank", lambda ops, x: ops.linalg.matrix_rank(ops.triu(x, k=1)), ONLY_NUMPY),
    of("determinants_of_any", lambda ops, x: [ops.linalg.det(x), *ops.slogdet(x)], (3, 3)),
    of(
        "logdet_of_a_lower_triangle", lambda ops, x: ops.logdet(ops.sigmoid(x) + 3 * np.eye(3, dtype="float32")), (3, 3)
    ),
    of("determinants_of_triangles", lambda ops, x: [ops.linalg.det(ops.triu(x)), ops.linalg.det(ops.tril(x))], (5, 5)),
    of("inverses_of_any", lambda ops, x: ops.linalg.inv(x + 3 * np.eye(6, dtype="float32")[::-1]), (6, 6)),
    of("inverses_of_several", lambda ops, x: ops.linalg.inv(x + 4 * np.eye(3, dtype="float32")), (2, 3, 3)),
    of("matrices_of_many_rows", lambda ops, x: ops.linalg.det(x), (17, 17), refused="at most 16 rows"),
    solved("solve", lambda ops, x, b: ops.linalg.solve(x, b), 4, 2),
    solved("solve_triangular", lambda ops, x, b: ops.linalg.solve_triangular(ops.tril(x), b, lower=True), 4, 2),
    solved("solve_upper_triangular", lambda ops, x, b: ops.linalg.solve_triangular(ops.triu(x), b), 4, 2),
    solved("solve_of_one_column", lambda ops, x, b: ops.linalg.solve(x, b[:, :, 0]), 4, 2),
    *(
        of(name, function, (4, 5), refused="signs", both=True)
        for name, function in {
            "eigenvectors": lambda ops, x: ops.linalg.eigh(squares(ops, x)),
            "singular_vectors": lambda ops, x: ops.linalg.svd(squares(ops, x)),
        }.items()
    ),
]
