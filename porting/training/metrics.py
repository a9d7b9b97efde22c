"""Keras' metrics in numpy, averaged over all samples seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional, Union

import numpy as np

from ..errors import Problem, Unsupported
from ..network import Array
from .losses import LOSSES, Loss

__all__ = ["Mean", "Metric", "metric_named"]

# Labels and output to one value for each sample (or step).
Metric = Callable[[Array, Array], Array]


class Mean:
    """A mean of values by their weights, as Keras' Mean keeps it."""

    def __init__(self, total: float = 0.0, count: float = 0.0) -> None:
        self.total, self.count = total, count

    def add(self, value: float, weight: float) -> None:
        self.total += value * weight
        self.count += weight

    @property
    def value(self) -> float:
        return self.total / self.count if self.count else 0.0


def binary_accuracy(truth: Array, output: Array, threshold: float = 0.5) -> Array:
    return np.asarray(np.mean((output > threshold) == fitted(truth, output), axis=-1))


def categorical_accuracy(truth: Array, output: Array) -> Array:
    if truth.shape != output.shape:
        raise ValueError("the labels are not one-hot")
    return np.asarray(truth.argmax(axis=-1) == output.argmax(axis=-1))


def sparse_categorical_accuracy(truth: Array, output: Array) -> Array:
    if truth.ndim == output.ndim and truth.shape[-1] == 1:
        truth = truth[..., 0]
    return np.asarray(truth == output.argmax(axis=-1))


def fitted(truth: Array, output: Array) -> Array:
    return truth[..., None] if truth.ndim == output.ndim - 1 and output.shape[-1] == 1 else truth


METRICS: dict[str, Metric] = {
    "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy,
    "sparse_categorical_accuracy": sparse_categorical_accuracy,
}
ACCURACY_OF_LOSS = {
    "binary_crossentropy": binary_accuracy,
    "categorical_crossentropy": categorical_accuracy,
    "sparse_categorical_crossentropy": sparse_categorical_accuracy,
}


def accuracy(truth: Array, output: Array) -> Array:
    """What Keras takes ``accuracy`` for, where the loss does not tell."""
    if output.shape[-1] == 1:
        return binary_accuracy(truth, output)
    one_hot = truth.ndim == output.ndim and truth.shape[-1] == output.shape[-1]
    return categorical_accuracy(truth, output) if one_hot else sparse_categorical_accuracy(truth, output)


def metric_named(given: Union[str, Metric, Loss], loss: Optional[Loss] = None) -> tuple[str, Metric]:
    """A metric and its name in the history: Keras' name of a metric or a loss, a loss, or a user's function.

    Raises:
        Unsupported: another name.
    """
    if isinstance(given, type):
        raise Unsupported(Problem(f"metric {given.__name__}", "is a class", "give an instance, or its name"))
    if isinstance(given, Loss):
        return given.name, _of_loss(given)
    if callable(given):
        return getattr(given, "__name__", "metric"), given
    name = str(given)
    if name in ("accuracy", "acc"):
        return name, ACCURACY_OF_LOSS.get(loss.name if loss is not None else "", accuracy)
    if name in METRICS:
        return name, METRICS[name]
    if name.lower() in LOSSES:
        return name, _of_loss(LOSSES[name.lower()]())
    known = ", ".join(["accuracy", *METRICS, *LOSSES])
    raise Unsupported(Problem(f"metric {given!r}", "is not known", f"use one of {known}, or a function"))


def _of_loss(loss: Loss) -> Metric:
    def metric(truth: Any, output: Array) -> Array:
        return loss.values(fitted(np.asarray(truth), output), output, False)[0]

    return metric
