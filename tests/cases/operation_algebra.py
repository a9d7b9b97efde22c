"""Linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases import Case
from tests.cases.functions import ONLY_NUMPY, of


def squares(ops: Any, x: Any) -> Any:
    """Matrices that are positive definite."""
    return ops.matmul(x, ops.transpose(x, (0, 2, 1))) + 3 * np.eye(4, dtype="float32")


def of_squares(name: str, function: Callable[..., Any]) -> Case:
    return of(name, lambda ops, x: function(ops, squares(ops, x)), (4, 5), refused=ONLY_NUMPY)


def solved(name: str, function: Callable[..., Any], *shape: int) -> Case:
    return of(name, lambda ops, x, b: function(ops, squares(ops, x), b), (4, 5), shape, refused=ONLY_NUMPY)


CASES = [
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
]
