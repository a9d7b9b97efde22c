"""Keras' operations that compare two tensors: cross-entropies, and how far pictures are apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..operations import Operations, Tensor
from .operation_kinds import as_float, known, operation
from .rule import LayerView

EPSILON = 1e-7


def clipped(x: Tensor, ops: Operations) -> Tensor:
    """Probabilities kept away from 0 and 1."""
    return ops.minimum(ops.maximum(x, EPSILON), 1 - EPSILON)


@operation("BinaryCrossentropy")
def binary_crossentropy(layer: LayerView, target: Any, output: Tensor, ops: Operations) -> Tensor:
    target, output = as_float(target, ops), as_float(output, ops)
    if layer.config["from_logits"]:
        small = ops.unary(ops.unary(output, "abs"), "negative")
        rest = ops.subtract(ops.activation(output, "relu"), ops.multiply(output, target))
        return ops.add(rest, ops.unary(ops.unary(small, "exp"), "log1p"))
    output = clipped(output, ops)
    right = ops.multiply(ops.unary(output, "log"), target)
    wrong = ops.multiply(ops.unary(ops.subtract(1.0, output), "log"), ops.subtract(1.0, target))
    return ops.unary(ops.add(right, wrong), "negative")


@operation("CategoricalCrossentropy")
def categorical_crossentropy(layer: LayerView, target: Any, output: Tensor, ops: Operations) -> Tensor:
    output, axis = as_float(output, ops), layer.config["axis"] % len(output.shape)
    return against(as_float(target, ops), log_probabilities(layer, output, axis, True, ops), axis, ops)


@operation("SparseCategoricalCrossentropy", learns="not where its targets are computed from what learns")
def sparse_categorical_crossentropy(layer: LayerView, target: Tensor, output: Tensor, ops: Operations) -> Tensor:
    last = len(output.shape) - 1
    if layer.config["axis"] not in (-1, last):
        raise layer.refuse("classes along another axis than the last", "move them there")
    logs = log_probabilities(layer, as_float(output, ops), last, False, ops)
    if len(target.shape) <= last:
        target = ops.expand_dims(target, last)
    classes = ops.constant(np.arange(known(output, last), dtype=np.float32).reshape([1] * last + [-1]))
    spread = ops.repeat(as_float(ops.cast(target, "int32"), ops), known(output, last), last)
    named = ops.compare(spread, classes, "equal")
    return ops.unary(ops.reduce(ops.where(named, logs, 0.0), "sum", (last,)), "negative")


def log_probabilities(layer: LayerView, output: Tensor, axis: int, shares: bool, ops: Operations) -> Tensor:
    """Of logits, or of probabilities; these are made to sum to 1 first where Keras does so."""
    if layer.config["from_logits"]:
        return ops.softmax(output, (axis,), log=True)
    if shares:
        output = ops.divide(output, ops.reduce(output, "sum", (axis,), keepdims=True))
        return ops.unary(clipped(output, ops), "log")
    # The probabilities' logarithms go into Keras' softmax once more.
    return ops.softmax(ops.unary(clipped(output, ops), "log"), (axis,), log=True)


def against(target: Any, logs: Tensor, axis: int, ops: Operations) -> Tensor:
    return ops.unary(ops.reduce(ops.multiply(logs, target), "sum", (axis,)), "negative")
