"""Keras' losses in numpy: the value for each sample, and its derivative by the prediction.

A network trains on these exactly, whatever its engine: the derivative is all that a backward pass needs to know of
a loss. Cross-entropies of a network that ends in its own sigmoid or softmax are computed from what stands before
it, as Keras on TensorFlow does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from typing import Optional, Union

import numpy as np

from ..errors import Mismatch, Problem, Unsupported, did_you_mean
from ..network import Array
from .arguments import check_settings
from .loss import SETTINGS, Loss, back_through, same_shape, sigmoid, softmax

__all__ = [
    "LOSSES",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "UserLoss",
    "loss_named",
]

f32 = np.float32
EPSILON = f32(1e-7)


class MeanOverLast(Loss):
    """A loss that is the mean of one number for each number of the prediction."""

    def values(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        truth = same_shape(self.name, truth, prediction)
        each, slope = self.each(truth, prediction, logits)
        return each.mean(axis=-1, dtype=np.float32), slope / f32(prediction.shape[-1])

    @abstractmethod
    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]: ...


class MeanSquaredError(MeanOverLast):
    name = "mean_squared_error"

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        error = prediction - truth
        return np.square(error), f32(2) * error


class MeanAbsoluteError(MeanOverLast):
    name = "mean_absolute_error"

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        error = prediction - truth
        return np.abs(error), np.sign(error)


class Huber(MeanOverLast):
    name = "huber_loss"

    def __init__(self, delta: float = 1.0, reduction: str = "sum_over_batch_size") -> None:
        super().__init__(reduction, delta=delta)
        self.delta = f32(delta)

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        error = prediction - truth
        size = np.abs(error)
        near = size <= self.delta
        far = self.delta * size - f32(0.5) * np.square(self.delta)
        return np.where(near, f32(0.5) * np.square(error), far), np.where(near, error, self.delta * np.sign(error))


class LogCosh(MeanOverLast):
    name = "log_cosh"

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        error = prediction - truth
        return error + np.logaddexp(f32(0), -2 * error) - f32(np.log(2.0)), np.tanh(error)


class Poisson(MeanOverLast):
    name = "poisson"

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        shifted = prediction + EPSILON
        return prediction - truth * np.log(shifted), f32(1) - truth / shifted


class MeanSquaredLogarithmicError(MeanOverLast):
    name = "mean_squared_logarithmic_error"

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        kept = np.maximum(prediction, EPSILON)
        error = np.log(kept + f32(1)) - np.log(np.maximum(truth, EPSILON) + f32(1))
        slope = np.where(prediction >= EPSILON, f32(2) * error / (kept + f32(1)), f32(0))
        return np.square(error), slope


class MeanAbsolutePercentageError(MeanOverLast):
    name = "mean_absolute_percentage_error"

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        share = (prediction - truth) / np.maximum(np.abs(truth), EPSILON)
        return f32(100) * np.abs(share), f32(100) * np.sign(share) / np.maximum(np.abs(truth), EPSILON)


class KLDivergence(Loss):
    name = "kl_divergence"

    def values(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        truth = np.clip(same_shape(self.name, truth, prediction), EPSILON, f32(1))
        kept = np.clip(prediction, EPSILON, f32(1))
        slope = np.where((prediction >= EPSILON) & (prediction <= 1), -truth / kept, f32(0))
        return np.sum(truth * np.log(truth / kept), axis=-1), slope


def signed(truth: Array) -> Array:
    """Labels 0 and 1 become −1 and 1."""
    return f32(2) * truth - f32(1) if np.isin(truth, (0, 1)).all() else truth


class Hinge(MeanOverLast):
    name = "hinge"

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        truth = signed(truth)
        gap = f32(1) - truth * prediction
        return np.maximum(gap, f32(0)), np.where(gap >= 0, -truth, f32(0))


class SquaredHinge(MeanOverLast):
    name = "squared_hinge"

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        truth = signed(truth)
        gap = np.maximum(f32(1) - truth * prediction, f32(0))
        return np.square(gap), f32(-2) * truth * gap


class CategoricalHinge(Loss):
    """See ``keras.losses.CategoricalHinge``; labels are one-hot. Equal maxima share their gradient."""

    name = "categorical_hinge"

    def values(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        truth = same_shape(self.name, truth, prediction)
        others = (f32(1) - truth) * prediction
        largest = others.max(axis=-1, keepdims=True)
        gap = largest[..., 0] - np.sum(truth * prediction, axis=-1) + f32(1)
        at_most = (others == largest).astype(np.float32)
        slope = at_most / at_most.sum(axis=-1, keepdims=True) * (f32(1) - truth) - truth
        return np.maximum(gap, f32(0)), np.where(gap[..., None] >= 0, slope, f32(0))


class CosineSimilarity(Loss):
    """See ``keras.losses.CosineSimilarity``: −1 for equal directions along the last axis."""

    name = "cosine_similarity"

    def values(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        truth = same_shape(self.name, truth, prediction)
        toward, length = unit(truth)[0], unit(prediction)[1]
        here = prediction * length
        cosine = np.sum(toward * here, axis=-1, keepdims=True)
        # Shorter than 1e-7 nothing is normalized.
        across = np.where(length < f32(1e7), toward - cosine * here, toward)
        return -cosine[..., 0], -across * length


def unit(x: Array) -> tuple[Array, Array]:
    """Rows of length 1, and what they were multiplied by, at most 1e7."""
    with np.errstate(divide="ignore"):
        factor = np.minimum(f32(1) / np.sqrt(np.sum(np.square(x), axis=-1, keepdims=True)), f32(1e7))
    return x * factor, factor


def smoothed(truth: Array, smoothing: float, classes: int) -> Array:
    """Labels of so many classes, each taking an even part of what is smoothed away."""
    return truth * f32(1 - smoothing) + f32(smoothing) / f32(classes) if smoothing else truth


def by_parts(by_share: Array, shares: Array, sums: Array) -> Array:
    """The derivative by numbers, from that by their shares of their sum."""
    made: Array = (by_share - np.sum(by_share * shares, axis=-1, keepdims=True)) / sums
    return made


class Crossentropy(Loss):
    """A loss of chances, or of logits, whose labels may be smoothed."""

    absorbs: Collection[str] = ("sigmoid", "softmax")

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, reduction: str = "sum_over_batch_size"
    ) -> None:
        super().__init__(reduction, from_logits=from_logits, label_smoothing=label_smoothing)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing


class BinaryCrossentropy(Crossentropy, MeanOverLast):
    """See ``keras.losses.BinaryCrossentropy``; `axis` is the last."""

    name = "binary_crossentropy"

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        truth = smoothed(truth, self.label_smoothing, 2)
        if logits or self.from_logits:
            each = np.maximum(prediction, f32(0)) - prediction * truth + np.log1p(np.exp(-np.abs(prediction)))
            return each, sigmoid(prediction) - truth
        kept = np.clip(prediction, EPSILON, f32(1) - EPSILON)
        each = -(truth * np.log(kept) + (f32(1) - truth) * np.log(f32(1) - kept))
        inside = (prediction >= EPSILON) & (prediction <= f32(1) - EPSILON)
        return each, np.where(inside, (f32(1) - truth) / (f32(1) - kept) - truth / kept, f32(0))


class CategoricalCrossentropy(Crossentropy):
    """See ``keras.losses.CategoricalCrossentropy``; the classes are the last axis."""

    name = "categorical_crossentropy"

    def values(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        truth = smoothed(same_shape(self.name, truth, prediction), self.label_smoothing, prediction.shape[-1])
        if logits or self.from_logits:
            moved = prediction - prediction.max(axis=-1, keepdims=True)
            powers = np.exp(moved)
            sums = powers.sum(axis=-1, keepdims=True)
            # TensorFlow's gradient is softmax − labels, even where the labels do not sum to 1.
            return np.sum(truth * (np.log(sums) - moved), axis=-1), powers / sums - truth
        sums = prediction.sum(axis=-1, keepdims=True)
        shares = prediction / sums
        kept = np.clip(shares, EPSILON, f32(1) - EPSILON)
        by_share = np.where((shares >= EPSILON) & (shares <= f32(1) - EPSILON), -truth / kept, f32(0))
        return -np.sum(truth * np.log(kept), axis=-1), by_parts(by_share, shares, sums)


def _one_each(truth: Array, prediction: Array) -> Array:
    """Classes' numbers without an axis of their own."""
    return truth[..., 0] if truth.ndim == prediction.ndim and truth.shape[-1] == 1 else truth


class BinaryFocalCrossentropy(BinaryCrossentropy):
    """See ``keras.losses.BinaryFocalCrossentropy``; `axis` is the last."""

    name = "binary_focal_crossentropy"
    # Keras takes the softmax for the chances and what stands before it for the logits of sigmoids.
    unfit = ("softmax",)

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        settings = {"apply_class_balancing": apply_class_balancing, "alpha": alpha, "gamma": gamma}
        check_settings(f"loss {self.name}", SETTINGS, settings)
        super().__init__(from_logits, label_smoothing, reduction)
        self.apply_class_balancing, self.alpha, self.gamma = apply_class_balancing, f32(alpha), f32(gamma)

    def each(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        entropy, slope = super().each(truth, prediction, logits)
        truth = smoothed(truth, self.label_smoothing, 2)
        is_logit = logits or self.from_logits
        chance = sigmoid(prediction) if is_logit else prediction
        missed = f32(1) - (truth * chance + (f32(1) - truth) * (f32(1) - chance))
        by_chance = -self.gamma * np.power(missed, self.gamma - f32(1)) * (f32(2) * truth - f32(1))
        steep = by_chance * (chance * (f32(1) - chance) if is_logit else f32(1))
        factor = np.power(missed, self.gamma)
        weight = truth * self.alpha + (f32(1) - truth) * (f32(1) - self.alpha) if self.apply_class_balancing else f32(1)
        return weight * factor * entropy, weight * (factor * slope + steep * entropy)


class CategoricalFocalCrossentropy(Loss):
    """See ``keras.losses.CategoricalFocalCrossentropy``; the classes are the last axis."""

    name = "categorical_focal_crossentropy"

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        settings = {"alpha": alpha, "gamma": gamma, "from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(reduction, **settings)
        self.alpha, self.gamma = f32(alpha), f32(gamma)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def values(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        truth = smoothed(same_shape(self.name, truth, prediction), self.label_smoothing, prediction.shape[-1])
        chances = softmax(prediction) if self.from_logits else prediction
        sums = chances.sum(axis=-1, keepdims=True)
        shares = chances / sums
        kept = np.clip(shares, EPSILON, f32(1) - EPSILON)
        missed, logs = f32(1) - kept, np.log(kept)
        factor = np.power(missed, self.gamma)
        value = -self.alpha * np.sum(factor * truth * logs, axis=-1)
        by_share = -self.alpha * truth * (factor / kept - self.gamma * np.power(missed, self.gamma - f32(1)) * logs)
        by_share = np.where((shares >= EPSILON) & (shares <= f32(1) - EPSILON), by_share, f32(0))
        slope = by_parts(by_share, shares, sums)
        return value, back_through("softmax", chances, slope) if self.from_logits else slope


class SparseCategoricalCrossentropy(Loss):
    """See ``keras.losses.SparseCategoricalCrossentropy``; the classes are the last axis."""

    name = "sparse_categorical_crossentropy"
    absorbs: Collection[str] = ("sigmoid", "softmax")
    takes_classes = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: Optional[int] = None,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction, from_logits=from_logits, ignore_class=ignore_class)
        self.from_logits, self.ignore_class = from_logits, ignore_class
        if ignore_class is not None:
            # Keras blanks what is ignored, and so loses sight of what stands before the activation.
            self.absorbs = ()

    def values(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        counted = self.counted(truth, prediction)
        if counted is not None:
            truth = np.where(counted, _one_each(truth, prediction), 0)
        labels = self._labels(truth, prediction)
        if not (logits or self.from_logits):
            kept = np.clip(prediction, EPSILON, f32(1) - EPSILON)
            values, slope = self._from_logits(labels, np.log(kept))
            inside = (prediction >= EPSILON) & (prediction <= f32(1) - EPSILON)
            return values, np.where(inside, slope / kept, f32(0))
        return self._from_logits(labels, prediction)

    def counted(self, truth: Array, prediction: Array) -> Optional[Array]:
        if self.ignore_class is None:
            return None
        return np.asarray(_one_each(truth, prediction) != self.ignore_class)

    @staticmethod
    def _from_logits(labels: Array, logits: Array) -> tuple[Array, Array]:
        moved = logits - logits.max(axis=-1, keepdims=True)
        powers = np.exp(moved)
        sums = powers.sum(axis=-1, keepdims=True)
        slope = powers / sums
        at = labels[..., None]
        chosen = np.take_along_axis(moved, at, axis=-1)
        np.put_along_axis(slope, at, np.take_along_axis(slope, at, axis=-1) - f32(1), axis=-1)
        return (np.log(sums) - chosen)[..., 0], slope

    def _labels(self, truth: Array, prediction: Array) -> Array:
        truth = _one_each(truth, prediction)
        where = f"labels for {self.name}"
        if truth.shape != prediction.shape[:-1]:
            raise Mismatch(Problem(where, f"have shape {truth.shape}, the output has {prediction.shape}"))
        labels = np.nan_to_num(truth, nan=0) if truth.dtype.kind == "f" else truth
        classes = prediction.shape[-1]
        if labels.size and (labels.min() < 0 or labels.max() >= classes):
            worst = labels.min() if labels.min() < 0 else labels.max()
            raise Mismatch(Problem(where, f"hold class {worst}, outside 0 … {classes - 1}"))
        return labels.astype(np.int64)


UserFunction = Callable[[Array, Array], tuple[Array, Array]]


class UserLoss(Loss):
    """A loss of the user's own.

    `function` takes the labels and the output and returns the samples' values, (batch, …) without the output's last
    axis, and their derivatives, an array like the output.
    """

    checks_labels = False

    def __init__(self, function: UserFunction, reduction: str = "sum_over_batch_size") -> None:
        self.name = getattr(function, "__name__", "loss")
        super().__init__(reduction)
        self.function = function

    def values(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        made = self.function(truth, prediction)
        if not isinstance(made, (tuple, list)) or len(made) != 2:
            what = f"returns {made!r:.80}"
            raise Mismatch(Problem(f"loss {self.name}", what, "return a pair: the values and their derivatives"))
        try:
            values, slope = (np.asarray(part, np.float32) for part in made)
        except (ValueError, TypeError) as error:
            raise Mismatch(Problem(f"loss {self.name}", f"returns no arrays of numbers: {error}")) from error
        if slope.shape != prediction.shape or values.shape not in (prediction.shape[:-1], prediction.shape):
            what = f"returns shapes {values.shape} and {slope.shape} for an output of shape {prediction.shape}"
            way_out = "return values without the output's last axis, and derivatives in the output's shape"
            raise Mismatch(Problem(f"loss {self.name}", what, way_out))
        return values, slope


LOSSES: dict[str, type[Loss]] = {
    "binary_crossentropy": BinaryCrossentropy,
    "bce": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "mape": MeanAbsolutePercentageError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError,
    "msle": MeanSquaredLogarithmicError,
    "huber": Huber,
    "log_cosh": LogCosh,
    "logcosh": LogCosh,
    "poisson": Poisson,
    "kl_divergence": KLDivergence,
    "kld": KLDivergence,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "categorical_hinge": CategoricalHinge,
    "cosine_similarity": CosineSimilarity,
    "binary_focal_crossentropy": BinaryFocalCrossentropy,
    "categorical_focal_crossentropy": CategoricalFocalCrossentropy,
}


def loss_named(given: Union[str, Loss, UserFunction]) -> Loss:
    """The loss itself, one of Keras' name (``mse``), or a user's function.

    Raises:
        Unsupported: another name.
    """
    if isinstance(given, type):
        raise Unsupported(Problem(f"loss {given.__name__}", "is a class", "give an instance, or its name"))
    if isinstance(given, Loss):
        return given
    if callable(given):
        return UserLoss(given)
    kind = LOSSES.get(str(given).lower()) or next((one for one in LOSSES.values() if one.__name__ == given), None)
    if kind is None:
        way_out = f"{did_you_mean(given, LOSSES)}use one of {', '.join(sorted(LOSSES))}"
        raise Unsupported(Problem(f"loss {given!r}", "is not known", way_out))
    return kind()
