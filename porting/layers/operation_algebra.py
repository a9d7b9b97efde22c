"""Keras' linear algebra, `keras.ops.linalg`, on the matrices that the last two axes hold: the numpy engine runs it."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np

from ..operations import Operations, Tensor, Weight
from .operation_kinds import as_float, function_of, known, operation, swapped
from .operation_shapes import triangular
from .rule import LayerView

SMALL = "in NeoML of at most 16 rows and columns"
ITERATED = "it is iterated until it converges, which no fixed number of NeoML's layers is"
EPSILON = 2.0**-23


@operation("Det", "Inv", note=SMALL, neoml="partly", learns="no")
def of_matrices(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.array_function(f"linalg.{function_of(layer)}", [as_float(x, ops)])


@operation("Cholesky", note=SMALL, neoml="partly", learns="no")
def cholesky(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    factor = ops.array_function("linalg.cholesky", [as_float(x, ops)])
    return swapped(factor, -1, -2, ops) if layer.config["upper"] else factor


@operation("Pinv", note=ITERATED, neoml="refused")
def pinv(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Singular values below 10 · eps · the longer side, of the largest, count as zeros, see tf.linalg.pinv."""
    least = layer.config["rcond"]
    least = 10 * EPSILON * max(known(x, -1), known(x, -2)) if least is None else float(least)
    return ops.array_function("linalg.pinv", [as_float(x, ops)], rcond=least)


@operation("CholeskyInverse", note=SMALL, neoml="partly", learns="no")
def cholesky_inverse(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """The inverse of a matrix whose triangular factor is given."""
    factor = triangular(as_float(x, ops), 0, not layer.config["upper"], ops)
    turned = swapped(factor, -1, -2, ops)
    whole = ops.matmul(turned, factor) if layer.config["upper"] else ops.matmul(factor, turned)
    return ops.array_function("linalg.inv", [whole])


@operation("Logdet", note=SMALL, neoml="partly", learns="no")
def logdet(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """By a Cholesky factor, as TensorFlow has it: of the lower triangle, and NaN of what is not positive."""
    factor = ops.array_function("linalg.cholesky", [as_float(x, ops)])
    eye = Weight.fixed(np.eye(known(x, -1), dtype=np.float32))
    diagonal = ops.reduce(ops.multiply(factor, eye), "sum", (-1,))
    return ops.multiply(ops.reduce(ops.unary(diagonal, "log"), "sum", (-1,)), 2.0)


@operation("Slogdet", note=SMALL, neoml="partly", learns="no")
def slogdet(layer: LayerView, x: Tensor, ops: Operations) -> list[Tensor]:
    sign, size = (ops.array_function("linalg.slogdet", [as_float(x, ops)], part=part) for part in (0, 1))
    return [ops.where(ops.compare(size, size, "equal"), sign, nan), size]


@operation("Qr", note=SMALL, neoml="partly", learns="no")
def qr(layer: LayerView, x: Tensor, ops: Operations) -> list[Tensor]:
    mode = layer.config["mode"]
    return [ops.array_function("linalg.qr", [as_float(x, ops)], part=part, mode=mode) for part in (0, 1)]


@operation("Solve", "SolveTriangular", note=SMALL, neoml="partly", learns="no")
def solve(layer: LayerView, a: Any, b: Any, ops: Operations) -> Tensor:
    """Of a x = b, b a matrix or one column less."""
    a, b = as_float(a, ops), as_float(b, ops)
    if layer.class_name == "ops.SolveTriangular":
        a = triangular(a, 0, layer.config["lower"], ops)
    if len(b.shape) == len(a.shape):
        return ops.array_function("linalg.solve", [a, b])
    column = ops.array_function("linalg.solve", [a, ops.expand_dims(b, len(b.shape))])
    return ops.squeeze(column, len(b.shape))


@operation("SVD", note=ITERATED, neoml="refused")
def svd(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.config["compute_uv"]:
        raise layer.refuse("the signs of singular vectors are not determined", "use compute_uv=False: the values")
    layer.irrelevant("full_matrices")
    return ops.array_function("linalg.svd", [as_float(x, ops)], compute_uv=False)


@operation("Eigh", "Eig", note=ITERATED, neoml="refused")
def eigenvectors(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    raise layer.refuse("the signs of eigenvectors are not determined", "compute what does not hang on their signs")


@operation("MatrixRank", note=ITERATED, neoml="refused")
def matrix_rank(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """How many singular values are above eps · the longer side · the largest of them."""
    if layer.config.get("tol") is not None or layer.config.get("rtol") is not None:
        raise layer.refuse("a rank by a tolerance of one's own is not handled", "leave it out")
    values = ops.array_function("linalg.svd", [as_float(x, ops)], compute_uv=False)
    last = len(values.shape) - 1
    least = ops.multiply(ops.reduce(values, "max", (last,), keepdims=True), EPSILON * max(known(x, -1), known(x, -2)))
    return ops.cast(ops.reduce(ops.cast(ops.compare(values, least, "greater"), "float32"), "sum", (last,)), "int32")
