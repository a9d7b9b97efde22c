"""What losses share: the base of all of them, and how samples' values become one number and one derivative."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from ..errors import Mismatch, Problem
from ..network import Array
from .arguments import Check, check_settings, maybe, one_of, refusal, truth_value, within

f32 = np.float32
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight")


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), without overflow."""
    small = np.exp(-np.abs(x))
    made: Array = np.where(x >= 0, f32(1), small) / (f32(1) + small)
    return made


def softmax(x: Array) -> Array:
    """Over the last axis."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    made: Array = powers / powers.sum(axis=-1, keepdims=True)
    return made


# The activations that a loss may be computed before.
LAST = {"sigmoid": sigmoid, "softmax": softmax}


def back_through(activation: Optional[str], output: Array, gradient: Array) -> Array:
    """The derivative by what stands before an activation, from that by its output."""
    if activation is None:
        return gradient
    if activation == "sigmoid":
        return gradient * output * (1 - output)
    return output * (gradient - (gradient * output).sum(axis=-1, keepdims=True))


def whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise refusal(name, value, "give a class's whole number")


# What settings may be, as Keras raises or documents it.
SETTINGS: dict[str, Check] = {
    "reduction": one_of(*REDUCTIONS),
    "from_logits": truth_value,
    "label_smoothing": within(0, 1),
    "delta": within(0),
    "gamma": within(0),
    "alpha": within(0),
    "apply_class_balancing": truth_value,
    "ignore_class": maybe(whole),
}


class Loss(ABC):
    """A loss of Keras.

    Attributes:
        name: for the history.
        reduction: how samples' values become one: as ``keras.losses.Loss`` has it.
        absorbs: the activations before which this loss reads a network that ends in one of them. Keras on TensorFlow
            takes what stands before a sigmoid or softmax for the logits of any cross-entropy, fitting or not.
        unfit: the activations that it cannot follow.
        checks_labels: labels that count must be numbers.
        takes_classes: labels are the numbers of classes.
    """

    name = "loss"
    absorbs: Collection[str] = ()
    unfit: Collection[str] = ()
    checks_labels = True
    takes_classes = False

    def __init__(self, reduction: str = "sum_over_batch_size", **settings: Any) -> None:
        check_settings(f"loss {self.name}", SETTINGS, {"reduction": reduction, **settings})
        self.reduction = reduction

    @abstractmethod
    def values(self, truth: Array, prediction: Array, logits: bool) -> tuple[Array, Array]:
        """Samples' values, and by how much each changes with each number of its prediction.

        Args:
            truth: as the user gave it, its rank fitted to the prediction's.
            prediction: (batch, …, features), float32.
            logits: the prediction stands before the network's own last sigmoid or softmax.

        Returns:
            (batch, …) and an array like `prediction`.

        Raises:
            Mismatch: shapes or labels that do not fit.
        """

    def counted(self, truth: Array, prediction: Array) -> Optional[Array]:
        """Which samples count at all, (batch, …); None for all of them."""
        return None


@dataclass(frozen=True, eq=False)
class Reduced:
    """A loss over a batch.

    Attributes:
        value: the scalar, unweighted by `loss_weights`.
        gradient: by the prediction.
    """

    value: float
    gradient: Array


def reduced(
    loss: Loss,
    truth: Array,
    prediction: Array,
    sample_weight: Optional[Array] = None,
    mask: Optional[Array] = None,
    logits: bool = False,
) -> Reduced:
    """Keras' ``loss(y_true, y_pred, sample_weight)`` with its gradient.

    A mask on the prediction counts as in Keras: valid places weigh total/valid, the others nothing. Samples of weight
    0 do not count whatever their label holds, NaN included.
    """
    fitted = _fitted(truth, prediction)
    values, slopes = loss.values(fitted, prediction, logits)
    counted_labels = loss.counted(fitted, prediction)
    if counted_labels is not None:
        mask = counted_labels if mask is None else counted_labels & mask
    weights = _weights(values, sample_weight, mask, loss.reduction)
    if loss.checks_labels:
        _check_labels(loss, fitted, values, weights)
    divisor = f32(1)
    if loss.reduction == "mean_with_sample_weight" and weights is not None:
        divisor = f32(weights.sum())
    elif loss.reduction != "sum":
        divisor = f32(values.size)
    if weights is not None:
        counted = weights != 0
        values = np.where(counted, values * weights, f32(0))
        weights = np.broadcast_to(weights, values.shape)[..., None] if slopes.ndim > values.ndim else weights
        slopes = np.where(weights != 0, slopes * weights, f32(0))
    if divisor == 0:
        return Reduced(0.0, np.zeros_like(prediction))
    return Reduced(float(values.sum(dtype=np.float32) / divisor), (slopes / divisor).astype(np.float32, copy=False))


def _check_labels(loss: Loss, truth: Array, values: Array, weights: Optional[Array]) -> None:
    """Refuse labels that are no numbers, or for classes no whole ones, wherever they count."""
    if truth.dtype.kind != "f":
        return
    wrong = ~np.isfinite(truth)
    if loss.takes_classes:
        wrong |= truth != np.floor(truth)
    bad = wrong.reshape(*values.shape, -1).any(axis=-1)
    if weights is not None:
        bad = bad & (weights != 0)
    if bad.any():
        first = tuple(int(one) for one in np.argwhere(bad)[0])
        value = truth[first].ravel()[wrong[first].ravel()][0] if wrong[first].ndim else truth[first]
        way_out = "mend these labels, or give such samples the weight 0"
        raise Mismatch(Problem(f"labels for {loss.name}", f"hold {value} at {first}", way_out))


def _weights(values: Array, sample_weight: Optional[Array], mask: Optional[Array], reduction: str) -> Optional[Array]:
    weights: Optional[Array] = None
    if mask is not None:
        valid = f32(mask.sum())
        share = f32(mask.size) / valid if valid else f32(0)
        weights = np.where(mask, share if reduction in ("mean", "sum_over_batch_size") else f32(1), f32(0))
        weights = _aligned(weights, values, "mask")
    if sample_weight is not None:
        given = _aligned(np.asarray(sample_weight, np.float32), values, "sample_weight")
        weights = given if weights is None else weights * given
    return weights


def _aligned(weights: Array, values: Array, what: str) -> Array:
    """Weights of samples, or of steps, against values of any rank."""
    while weights.ndim > values.ndim and weights.shape[-1] == 1:
        weights = weights[..., 0]
    while weights.ndim < values.ndim:
        weights = weights[..., None]
    try:
        np.broadcast_to(weights, values.shape)
    except ValueError:
        shapes = f"has shape {weights.shape}, the loss has {values.shape}"
        raise Mismatch(Problem(what, shapes, "give one weight for each row, or for each step of each row")) from None
    return weights


def _fitted(truth: Any, prediction: Array) -> Array:
    """Keras' ``squeeze_or_expand_to_same_rank``."""
    array = np.asarray(truth)
    if array.ndim == prediction.ndim - 1 and prediction.shape[-1] == 1:
        return array[..., None]
    return array


def same_shape(name: str, truth: Array, prediction: Array) -> Array:
    if truth.ndim == prediction.ndim + 1 and truth.shape[-1] == 1:
        truth = truth[..., 0]
    if truth.shape != prediction.shape:
        what = f"have shape {truth.shape}, the output has {prediction.shape}"
        raise Mismatch(Problem(f"labels for {name}", what, "give labels of the output's shape, or another loss"))
    return truth.astype(np.float32, copy=False)
