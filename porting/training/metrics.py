"""Keras' metrics in numpy, summed over all batches seen: means of values of samples.

What a metric keeps is an array of sums, which add up from batch to batch; its result is a function of them.
`porting.training.confusion` has those that count hits and misses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from ..errors import Mismatch
from ..inputs import whole_number
from ..network import Array
from . import losses
from .arguments import refusal, within
from .loss import Loss, reduced

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CosineSimilarity",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "LossValue",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetric",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Poisson",
    "RootMeanSquaredError",
    "Shown",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "TopKCategoricalAccuracy",
    "accuracy_by_shape",
    "same_rank",
]

# Labels and output to one value for each sample, step or number.
Function = Callable[[Array, Array], Array]


@dataclass(frozen=True, eq=False)
class Shown:
    """What a metric is shown of a batch.

    Attributes:
        truth, output: labels, and the network's output.
        weights: of samples or steps, where the metric heeds them.
        mask: Keras' mask of the output.
        logits: what stands before the last activation, where that is known to be the one of this name.
        activation: ``sigmoid`` or ``softmax``.
    """

    truth: Array
    output: Array
    weights: Optional[Array] = None
    mask: Optional[Array] = None
    logits: Optional[Array] = None
    activation: Optional[str] = None

    def output_for(self, loss: Loss) -> tuple[Array, bool]:
        """What a loss reads, and whether that is what stands before the last activation."""
        if self.logits is not None and self.activation in loss.absorbs:
            return self.logits, True
        return self.output, False


class Metric(ABC):
    """A metric of Keras.

    Attributes:
        name: in the history.
        direction: ``up`` where more is better, ``down`` where less is, None where nobody knows.
        absorbs: the activations before which it reads a network that ends in one of them; see `Loss`.
    """

    direction: Optional[str] = None
    absorbs: Collection[str] = ()

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise refusal("metric: name", name, "give a word")
        self.name = name

    @abstractmethod
    def sums(self, shown: Shown) -> Array:
        """What one batch adds, (n,) float64. Raises ValueError, TypeError or Mismatch for labels that do not fit."""

    @abstractmethod
    def result(self, sums: Array) -> float:
        """The metric of everything that was added."""


class MeanMetric(Metric):
    """A mean over samples, each sample the mean of its values. See ``keras.metrics.MeanMetricWrapper``.

    Places that a mask rules out do not count.
    """

    def __init__(self, name: str, function: Function, direction: Optional[str] = None) -> None:
        super().__init__(name)
        self.function = function
        self.direction = direction

    def sums(self, shown: Shown) -> Array:
        values = np.asarray(self.function(shown.truth, shown.output))
        if values.dtype.kind not in "fiub" or values.shape[:1] != shown.output.shape[:1]:
            raise ValueError(f"it gives {values.dtype} of shape {values.shape}, not a number for each row")
        return mean_sums(values.astype(np.float64), masked(shown))

    def result(self, sums: Array) -> float:
        return float(sums[0] / sums[1]) if sums[1] else 0.0


def masked(shown: Shown) -> Optional[Array]:
    """The weights, 0 where a mask rules out."""
    if shown.mask is None:
        return shown.weights
    mask = shown.mask.astype(np.float64)
    if shown.weights is None:
        return mask
    weights = np.asarray(shown.weights)
    return weights.reshape(weights.shape + (1,) * (mask.ndim - weights.ndim)) * mask


def mean_sums(values: Array, weights: Optional[Array]) -> Array:
    """The weighted sum of the samples' means, and what they weigh, as Keras reduces them."""
    if weights is None:
        each = values.mean(axis=tuple(range(1, values.ndim))) if values.ndim > 1 else values
        return np.array([each.sum(), each.size], np.float64)
    values, weights = same_rank(values, np.asarray(weights, np.float64))
    values = values.mean(axis=tuple(range(weights.ndim, values.ndim)))
    weights = np.broadcast_to(weights, values.shape)
    inner = tuple(range(1, values.ndim))
    return np.array([(values * weights).mean(axis=inner).sum(), weights.mean(axis=inner).sum()], np.float64)


def same_rank(one: Array, other: Array, expand: bool = True) -> tuple[Array, Array]:
    """Keras' ``squeeze_or_expand_to_same_rank``."""
    if one.ndim == other.ndim + 1 and one.shape[-1] == 1:
        return (one, other[..., None]) if other.ndim == 1 and expand else (one[..., 0], other)
    if other.ndim == one.ndim + 1 and other.shape[-1] == 1:
        return (one[..., None], other) if one.ndim == 1 and expand else (one, other[..., 0])
    return one, other


# ---- accuracies


def equal(truth: Array, output: Array) -> Array:
    truth, output = same_rank(truth, output)
    return np.asarray(truth.astype(np.float32) == output)


def binary_accuracy(truth: Array, output: Array, threshold: float = 0.5) -> Array:
    truth, output = same_rank(truth, output)
    return np.asarray((output > np.float32(threshold)) == truth)


def categorical_accuracy(truth: Array, output: Array) -> Array:
    if truth.shape != output.shape:
        raise ValueError("the labels are not one-hot")
    return np.asarray(truth.argmax(axis=-1) == output.argmax(axis=-1))


def sparse_labels(truth: Array, output: Array) -> Array:
    if truth.ndim == output.ndim and truth.shape[-1] == 1:
        truth = truth[..., 0]
    if truth.shape != output.shape[:-1]:
        raise ValueError("the labels are not one class for each place")
    return truth


def sparse_categorical_accuracy(truth: Array, output: Array) -> Array:
    return np.asarray(sparse_labels(truth, output) == output.argmax(axis=-1))


def in_top(truth: Array, output: Array, count: int) -> Array:
    """Whether fewer than `count` classes are likelier than the true one, as TensorFlow's ``in_top_k``."""
    if truth.size and (truth.min() < 0 or truth.max() >= output.shape[-1]):
        raise ValueError(f"a class is outside 0 … {output.shape[-1] - 1}")
    chosen = np.take_along_axis(output, truth.astype(np.int64)[..., None], axis=-1)
    return np.asarray((output > chosen).sum(axis=-1) < count)


def accuracy_by_shape(truth: Array, output: Array) -> Array:
    """What Keras takes ``accuracy`` for: the shapes tell, not the loss."""
    if output.shape[-1] == 1:
        return binary_accuracy(truth, output)
    if truth.ndim < output.ndim or truth.shape[-1] == 1:
        return sparse_categorical_accuracy(truth, output)
    return categorical_accuracy(truth, output)


class Accuracy(MeanMetric):
    """How often output and label are equal. See ``keras.metrics.Accuracy``; the word ``accuracy`` means another."""

    def __init__(self, name: str = "accuracy") -> None:
        super().__init__(name, equal, "up")


class BinaryAccuracy(MeanMetric):
    """See ``keras.metrics.BinaryAccuracy``."""

    def __init__(self, name: str = "binary_accuracy", threshold: float = 0.5) -> None:
        within(0, 1)("BinaryAccuracy: threshold", threshold)
        super().__init__(name, lambda truth, output: binary_accuracy(truth, output, threshold), "up")


class CategoricalAccuracy(MeanMetric):
    """Of one-hot labels. See ``keras.metrics.CategoricalAccuracy``."""

    def __init__(self, name: str = "categorical_accuracy") -> None:
        super().__init__(name, categorical_accuracy, "up")


class SparseCategoricalAccuracy(MeanMetric):
    """Of labels that are classes' numbers. See ``keras.metrics.SparseCategoricalAccuracy``."""

    def __init__(self, name: str = "sparse_categorical_accuracy") -> None:
        super().__init__(name, sparse_categorical_accuracy, "up")


class TopKCategoricalAccuracy(MeanMetric):
    """How often the true class is among the `k` likeliest. See ``keras.metrics.TopKCategoricalAccuracy``."""

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy") -> None:
        whole_number("TopKCategoricalAccuracy: k", k)
        super().__init__(name, lambda truth, output: in_top(truth.argmax(axis=-1), output, k), "up")


class SparseTopKCategoricalAccuracy(MeanMetric):
    """The same for labels that are classes' numbers. See ``keras.metrics.SparseTopKCategoricalAccuracy``."""

    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy") -> None:
        whole_number("SparseTopKCategoricalAccuracy: k", k)
        super().__init__(name, lambda truth, output: in_top(sparse_labels(truth, output), output, k), "up")


# ---- distances


class LossMetric(MeanMetric):
    """A loss's values for the samples, averaged. Arguments of the loss are taken too."""

    loss: type[Loss]
    direction: Optional[str] = "down"

    def __init_subclass__(cls, loss: Optional[type[Loss]] = None) -> None:
        if loss is not None:  # a class of a user's own has its parent's
            cls.loss = loss

    def __init__(self, name: Optional[str] = None, **settings: Any) -> None:
        made = self.loss(**settings)
        super().__init__(name or made.name, lambda truth, output: output, self.direction)
        self.made = made
        self.absorbs = made.absorbs

    def sums(self, shown: Shown) -> Array:
        output, absorbed = shown.output_for(self.made)
        truth, output = same_rank(shown.truth, output)
        return mean_sums(np.asarray(self.made.values(truth, output, absorbed)[0], np.float64), masked(shown))


class MeanSquaredError(LossMetric, loss=losses.MeanSquaredError):
    """See ``keras.metrics.MeanSquaredError``."""


class MeanAbsoluteError(LossMetric, loss=losses.MeanAbsoluteError):
    """See ``keras.metrics.MeanAbsoluteError``."""


class MeanAbsolutePercentageError(LossMetric, loss=losses.MeanAbsolutePercentageError):
    """See ``keras.metrics.MeanAbsolutePercentageError``."""


class MeanSquaredLogarithmicError(LossMetric, loss=losses.MeanSquaredLogarithmicError):
    """See ``keras.metrics.MeanSquaredLogarithmicError``."""


class LogCoshError(LossMetric, loss=losses.LogCosh):
    """See ``keras.metrics.LogCoshError``."""

    def __init__(self, name: str = "logcosh") -> None:
        super().__init__(name)


class Hinge(LossMetric, loss=losses.Hinge):
    """See ``keras.metrics.Hinge``."""


class SquaredHinge(LossMetric, loss=losses.SquaredHinge):
    """See ``keras.metrics.SquaredHinge``."""


class Poisson(LossMetric, loss=losses.Poisson):
    """See ``keras.metrics.Poisson``."""


class KLDivergence(LossMetric, loss=losses.KLDivergence):
    """See ``keras.metrics.KLDivergence``."""


class BinaryCrossentropy(LossMetric, loss=losses.BinaryCrossentropy):
    """See ``keras.metrics.BinaryCrossentropy``; takes ``from_logits`` and ``label_smoothing``."""


class CategoricalCrossentropy(LossMetric, loss=losses.CategoricalCrossentropy):
    """See ``keras.metrics.CategoricalCrossentropy``; takes ``from_logits`` and ``label_smoothing``."""


class SparseCategoricalCrossentropy(LossMetric, loss=losses.SparseCategoricalCrossentropy):
    """See ``keras.metrics.SparseCategoricalCrossentropy``; takes ``from_logits``."""


class RootMeanSquaredError(MeanMetric):
    """See ``keras.metrics.RootMeanSquaredError``. As there, masked places count."""

    def __init__(self, name: str = "root_mean_squared_error") -> None:
        super().__init__(name, squared_error, "down")

    def sums(self, shown: Shown) -> Array:
        return mean_sums(np.asarray(squared_error(shown.truth, shown.output), np.float64), shown.weights)

    def result(self, sums: Array) -> float:
        return float(np.sqrt(super().result(sums)))


def squared_error(truth: Array, output: Array) -> Array:
    truth, output = same_rank(truth, output)
    if truth.shape != output.shape:
        raise ValueError("labels and output have different shapes")
    return np.square(output - truth.astype(np.float32))


class CosineSimilarity(MeanMetric):
    """Of labels and output along the last axis. See ``keras.metrics.CosineSimilarity``."""

    def __init__(self, name: str = "cosine_similarity") -> None:
        super().__init__(name, cosine, "up")


def cosine(truth: Array, output: Array) -> Array:
    truth, output = same_rank(truth, output)
    if truth.shape != output.shape:
        raise ValueError("labels and output have different shapes")
    return np.asarray(np.sum(normalized(truth.astype(np.float32)) * normalized(output), axis=-1))


def normalized(x: Array) -> Array:
    """Rows of length 1; rows of zeros stay."""
    return np.asarray(x / np.sqrt(np.maximum(np.square(x).sum(axis=-1, keepdims=True), np.float32(1e-14))))


class LossValue(MeanMetric):
    """A loss object among the metrics: the mean of the batches' losses, as in Keras."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.name, lambda truth, output: output, "down")
        self.loss = loss
        self.absorbs = loss.absorbs

    def sums(self, shown: Shown) -> Array:
        if shown.mask is not None or shown.weights is not None:
            way_out = f"give the metric of that name, metrics.{type(self.loss).__name__}()"
            raise Mismatch(f"metric {self.name}", "is a loss, and masks or sample weights count", way_out)
        output, absorbed = shown.output_for(self.loss)
        return np.array([reduced(self.loss, shown.truth, output, logits=absorbed).value, 1.0])
