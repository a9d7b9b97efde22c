"""numpy's linear algebra on small matrices, the last two axes of a tensor: a column after the other, as LAPACK does it.

Which row a pivot stands in hangs on the numbers: rows are exchanged by choosing them, number by number. Factors have
LAPACK's signs. Decompositions that iterate until they converge are not composed: no fixed number of layers is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from ...layers.rule import Refusal
from ..values import RUN_IN_NUMPY, Wire
from .base import Operand

# Each column is some twenty layers.
MOST_ROWS = 16


def matrix_of(ops: Any, name: str, x: Operand) -> tuple[Wire, int, int]:
    """A tensor of matrices, and how many rows and columns they have."""
    matrix: Wire = ops._floating(ops._wire(x))
    rows, columns = matrix.shape[-2:]
    if rows is None or columns is None or max(rows, columns) > MOST_ROWS:
        what = f"NeoML composes {name} of at most {MOST_ROWS} rows and columns, not of {rows or 'an open number'}"
        raise Refusal(what, RUN_IN_NUMPY)
    return matrix, rows, columns


def numbers_along(ops: Any, axis: int, rank: int, numbers: Any, dtype: str = "float32") -> Wire:
    """Numbers, or truths, along one axis of so many."""
    places = np.asarray(numbers, np.float32).reshape([-1 if at == axis else 1 for at in range(rank)])
    return replace(ops.constant(places), dtype=dtype)


def entry(ops: Any, x: Wire, row: int, column: int) -> Wire:
    return ops.slice(ops.slice(x, x.rank - 2, row, row + 1), x.rank - 1, column, column + 1)


def with_eye(ops: Any, x: Wire, size: int) -> Wire:
    eye = ops.constant(np.eye(size, dtype=np.float32).reshape((1,) * (x.rank - 2) + (size, size)))
    return ops.concatenate([x, ops.add(ops.full_like(ops.slice(x, x.rank - 1, 0, 1), 0.0), eye)], x.rank - 1)


def eliminated(ops: Any, x: Wire, size: int) -> tuple[Wire, list[Wire]]:
    """The matrix with zeros below the diagonal of its first columns, by the largest pivots; -1 for each exchange."""
    down, across, signs = x.rank - 2, x.rank - 1, []
    for at in range(size - 1):
        column = ops.slice(x, across, at, at + 1)
        left = ops.where(numbers_along(ops, down, x.rank, np.arange(size) < at, "bool"), -1.0, ops.unary(column, "abs"))
        chosen = ops.expand_dims(ops.cast(ops.argmax(left, down), "float32"), down)
        pivots = ops.compare(numbers_along(ops, down, x.rank, np.arange(size)), chosen, "equal")
        ahead = ops.reduce(ops.where(pivots, x, 0.0), "sum", (down,), True)
        x = ops.where(pivots, ops.slice(x, down, at, at + 1), x)
        x = ops.where(numbers_along(ops, down, x.rank, np.arange(size) == at, "bool"), ahead, x)
        pivot = entry(ops, x, at, at)
        shares = ops.divide(ops.slice(x, across, at, at + 1), ops.where(ops.compare(pivot, 0.0, "equal"), 1.0, pivot))
        shares = ops.multiply(shares, numbers_along(ops, down, x.rank, np.arange(size) > at))
        x = ops.subtract(x, ops.multiply(shares, ahead))
        signs.append(ops.where(ops.compare(chosen, float(at), "equal"), 1.0, -1.0))
    return x, signs


def reflected(ops: Any, x: Wire, rows: int, columns: int) -> Wire:
    """The matrix with zeros below the diagonal of its first columns, by reflections (Householder 1958).

    A column that has zeros there already is left alone.
    """
    down = x.rank - 2

    def summed(one: Wire) -> Wire:
        return ops.reduce(one, "sum", (down,), True)

    for at in range(min(columns, rows - 1)):
        head = entry(ops, x, at, at)
        tail = ops.multiply(ops.slice(x, down + 1, at, at + 1), numbers_along(ops, down, x.rank, np.arange(rows) > at))
        below = summed(ops.multiply(tail, tail))
        norm = ops.unary(ops.add(ops.multiply(head, head), below), "sqrt")
        first = ops.where(ops.compare(head, 0.0, "less"), ops.subtract(head, norm), ops.add(head, norm))
        normal = ops.add(tail, ops.multiply(first, numbers_along(ops, down, x.rank, np.arange(rows) == at)))
        square = ops.add(ops.multiply(first, first), below)
        factor = ops.where(ops.compare(below, 0.0, "greater"), ops.divide(2.0, square), 0.0)
        x = ops.subtract(x, ops.multiply(normal, ops.multiply(summed(ops.multiply(normal, x)), factor)))
    return x


def solved(ops: Any, x: Wire, size: int) -> Wire:
    """What an upper triangle, in the first columns, makes the last columns of: from the last row upwards."""
    down, across = x.rank - 2, x.rank - 1
    right, found = ops.slice(x, across, size, None), []
    for at in reversed(range(size)):
        row = ops.divide(ops.slice(right, down, at, at + 1), entry(ops, x, at, at))
        right = ops.subtract(right, ops.multiply(ops.slice(x, across, at, at + 1), row))
        found.append(row)
    return ops.concatenate(found[::-1], down)


def solve(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    x, size, _ = matrix_of(ops, name, operands[0])
    right: Wire = ops._operand(operands[1], x)
    if right.shape[:-2] != x.shape[:-2]:
        raise Refusal(f"NeoML composes {name} of as many matrices as right sides only", RUN_IN_NUMPY)
    joined = ops.concatenate([x, right], x.rank - 1)
    return solved(ops, eliminated(ops, joined, size)[0], size)


def inv(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    x, size, _ = matrix_of(ops, name, operands[0])
    return solved(ops, eliminated(ops, with_eye(ops, x, size), size)[0], size)


def pivots(ops: Any, name: str, operands: Sequence[Operand]) -> list[Wire]:
    """Numbers whose product is the determinant: the diagonal of the triangle, and the signs of exchanges."""
    x, size, _ = matrix_of(ops, name, operands[0])
    triangle, signs = eliminated(ops, x, size)
    return [ops.reshape(one, x.shape[1:-2]) for one in [*signs, *(entry(ops, triangle, at, at) for at in range(size))]]


def det(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    return reduce(ops.multiply, pivots(ops, name, operands))


def slogdet(ops: Any, name: str, operands: Sequence[Operand], part: int) -> Wire:
    factors = pivots(ops, name, operands)
    if part == 0:
        return reduce(ops.multiply, [ops.unary(one, "sign") for one in factors])
    return reduce(ops.add, [ops.unary(ops.unary(one, "abs"), "log") for one in factors])


def qr(ops: Any, name: str, operands: Sequence[Operand], part: int, mode: str) -> Wire:
    x, rows, columns = matrix_of(ops, name, operands[0])
    across, down = x.rank - 1, x.rank - 2
    made = reflected(ops, with_eye(ops, x, rows), rows, columns)
    kept = rows if mode == "complete" else min(rows, columns)
    start, stop = (columns, None) if part == 0 else (0, columns)
    found: Wire = ops.slice(ops.slice(made, across, start, stop), down, 0, kept)
    if part:
        upper = np.triu(np.ones((kept, columns), np.float32))
        return ops.multiply(found, ops.constant(upper.reshape((1,) * down + upper.shape)))
    return ops.transpose(found, [*range(down), across, down])


def cholesky(ops: Any, name: str, operands: Sequence[Operand]) -> Wire:
    """The lower factor; NaN of what is not positive."""
    x, size, _ = matrix_of(ops, name, operands[0])
    down, across = x.rank - 2, x.rank - 1
    columns: list[Wire] = []
    for at in range(size):
        root = ops.unary(entry(ops, x, at, at), "sqrt")
        column = ops.divide(ops.slice(x, across, at, at + 1), root)
        column = ops.multiply(column, numbers_along(ops, down, x.rank, np.arange(size) >= at))
        x = ops.subtract(x, ops.multiply(column, ops.transpose(column, [*range(down), across, down])))
        columns.append(column)
    return ops.concatenate(columns, across)


OF_MATRICES: dict[str, Callable[..., Wire]] = {
    f"linalg.{function.__name__}": function for function in (cholesky, det, inv, qr, slogdet, solve)
}
