"""Keras' metrics that count hits and misses at thresholds: precision, recall, areas under curves, F scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from ..errors import Problem, Unsupported
from ..inputs import whole_number
from ..network import Array
from .arguments import Check, check_settings, maybe, one_of, positive, truth_value, within
from .loss import sigmoid
from .metrics import Metric, Shown, same_rank

__all__ = [
    "AUC",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Precision",
    "Recall",
    "TrueNegatives",
    "TruePositives",
]

f32 = np.float32
# Below every output; Keras' stand-in for classes that are not among the likeliest.
LOWEST = f32(-1e10)
EPSILON = 1e-7


def share(part: Any, whole: Any) -> Any:
    """part / whole, 0 where the whole is 0."""
    whole = np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole != 0)


def unknown(where: str, others: Mapping[str, Any]) -> None:
    if others:
        raise Unsupported(Problem(f"{where}: {name}", "is not handled", "leave it out") for name in others)


def flat(shown: Shown) -> tuple[Array, Array, Array]:
    """Labels as truth values, outputs and weights, number by number."""
    output, truth = same_rank(shown.output, np.asarray(shown.truth))
    if output.shape != truth.shape:
        raise ValueError("labels and output have different shapes")
    weights = np.ones(output.shape)
    if shown.weights is not None:
        given = np.asarray(shown.weights, np.float64)[..., None]
        weights = np.broadcast_to(same_rank(truth, given, expand=False)[1], output.shape)
    return truth.astype(f32) != 0, output, weights


class Counts(Metric):
    """Base of the metrics that count at one threshold; the sums are hits, false alarms, misses, right rejections."""

    default_name = "counts"

    def __init__(
        self,
        thresholds: Optional[float] = None,
        top_k: Optional[int] = None,
        class_id: Optional[int] = None,
        name: Optional[str] = None,
    ) -> None:
        super().__init__(name or self.default_name)
        checks: dict[str, Check] = {
            "thresholds": maybe(within(0, 1)),
            "top_k": maybe(whole_number),
            "class_id": maybe(lambda name, value: whole_number(name, value, 0)),
        }
        check_settings(type(self).__name__, checks, {"thresholds": thresholds, "top_k": top_k, "class_id": class_id})
        usual = f32(0.5) if top_k is None else LOWEST
        self.threshold = usual if thresholds is None else f32(thresholds)
        self.top_k, self.class_id = top_k, class_id

    def sums(self, shown: Shown) -> Array:
        truth, output, weights = flat(shown)
        if self.top_k is not None:
            output = np.where(likeliest(output, self.top_k), output, LOWEST)
        if self.class_id is not None:
            if not 0 <= self.class_id < output.shape[-1]:
                raise ValueError(f"there is no class {self.class_id}")
            truth, output, weights = (array[..., self.class_id] for array in (truth, output, weights))
        found = output > self.threshold
        return np.array([weights[found & truth].sum(), weights[found & ~truth].sum(),
                         weights[~found & truth].sum(), weights[~found & ~truth].sum()])  # fmt: skip


def likeliest(output: Array, count: int) -> Array:
    """Whether a class is among the `count` likeliest; of equal ones the first."""
    if count > output.shape[-1]:
        raise ValueError(f"there are only {output.shape[-1]} classes")
    order = np.argsort(-output, axis=-1, kind="stable")[..., :count]
    found = np.zeros(output.shape, bool)
    np.put_along_axis(found, order, True, axis=-1)
    return found


class Precision(Counts):
    """Hits among what was found. See ``keras.metrics.Precision``; one threshold."""

    default_name, direction = "precision", "up"

    def result(self, sums: Array) -> float:
        return float(share(sums[0], sums[0] + sums[1]))


class Recall(Counts):
    """Hits among what was to be found. See ``keras.metrics.Recall``; one threshold."""

    default_name, direction = "recall", "up"

    def result(self, sums: Array) -> float:
        return float(share(sums[0], sums[0] + sums[2]))


class _Count(Counts):
    place = 0

    def __init__(self, thresholds: Optional[float] = None, name: Optional[str] = None) -> None:
        super().__init__(thresholds, name=name)

    def result(self, sums: Array) -> float:
        return float(sums[self.place])


class TruePositives(_Count):
    """See ``keras.metrics.TruePositives``; one threshold."""

    default_name, direction, place = "true_positives", "up", 0


class FalsePositives(_Count):
    """See ``keras.metrics.FalsePositives``; one threshold."""

    default_name, direction, place = "false_positives", "down", 1


class FalseNegatives(_Count):
    """See ``keras.metrics.FalseNegatives``; one threshold."""

    default_name, direction, place = "false_negatives", "down", 2


class TrueNegatives(_Count):
    """See ``keras.metrics.TrueNegatives``; one threshold."""

    default_name, direction, place = "true_negatives", "up", 3


class AUC(Metric):
    """The area under a curve of hits, by thresholds. See ``keras.metrics.AUC``; labels of several classes count as one.

    Args:
        num_thresholds: how many, evenly from 0 to 1.
        curve: ``ROC`` or ``PR``.
        summation_method: ``interpolation``, ``minoring`` or ``majoring``.
        thresholds: thresholds of your own between 0 and 1, beside 0 and 1.
        from_logits: the output stands before a sigmoid.

    Raises:
        Unsupported: settings out of range; ``multi_label`` and ``label_weights``.
    """

    direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: Optional[str] = None,
        thresholds: Optional[Sequence[float]] = None,
        from_logits: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(name or "auc")
        unknown("AUC", {key: value for key, value in others.items() if value not in (None, False)})
        checks: dict[str, Check] = {
            "num_thresholds": lambda name, value: whole_number(name, value, 2),
            "curve": one_of("ROC", "PR", "roc", "pr"),
            "summation_method": one_of("interpolation", "minoring", "majoring"),
            "from_logits": truth_value,
        }
        settings = {"num_thresholds": num_thresholds, "curve": curve, "summation_method": summation_method}
        check_settings("AUC", checks, {**settings, "from_logits": from_logits})
        given = [within(0, 1)("AUC: thresholds", one) for one in sorted(thresholds)] if thresholds is not None else None
        inner = [at / (num_thresholds - 1) for at in range(1, num_thresholds - 1)] if given is None else given
        self.thresholds = np.array([-EPSILON, *inner, 1 + EPSILON], f32)
        even = np.arange(len(inner) + 2, dtype=f32) / (len(inner) + 1)
        self.even = given is None or (len(inner) > 0 and np.allclose([0.0, *inner, 1.0], even, atol=EPSILON))
        self.curve, self.summation_method, self.from_logits = curve.upper(), summation_method, from_logits

    def sums(self, shown: Shown) -> Array:
        truth, output, weights = flat(shown)
        scores = sigmoid(output) if self.from_logits else output
        hits, alarms = (self._found(scores[chosen], weights[chosen]) for chosen in (truth, ~truth))
        totals = weights[truth].sum(), weights[~truth].sum()
        return np.concatenate([hits, alarms, totals[0] - hits, totals[1] - alarms])

    def _found(self, scores: Array, weights: Array) -> Array:
        """The weight of the scores above each threshold."""
        count = len(self.thresholds)
        if self.even:  # counted by intervals, whose ends Keras rounds in its own way
            at = np.maximum(np.ceil(np.clip(scores, f32(0), f32(1)) * f32(count - 1)) - 1, 0).astype(np.int64)
            return np.bincount(at, weights, minlength=count)[::-1].cumsum()[::-1]
        return np.array([weights[scores > threshold].sum() for threshold in self.thresholds])

    def result(self, sums: Array) -> float:
        hits, alarms, misses, rejections = sums.reshape(4, -1)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated(hits, alarms, misses)
        recall = share(hits, hits + misses)
        roc = self.curve == "ROC"
        x, y = (share(alarms, alarms + rejections), recall) if roc else (recall, share(hits, hits + alarms))
        heights = {
            "interpolation": (y[:-1] + y[1:]) / 2,
            "minoring": np.minimum(y[:-1], y[1:]),
            "majoring": np.maximum(y[:-1], y[1:]),
        }[self.summation_method]
        return float(np.sum((x[:-1] - x[1:]) * heights))

    @staticmethod
    def _interpolated(hits: Array, alarms: Array, misses: Array) -> float:
        """Davis and Goadrich 2006: precision does not run straight between two points, hits and alarms do."""
        found = hits + alarms
        gained = hits[:-1] - hits[1:]
        slope = share(gained, np.maximum(found[:-1] - found[1:], 0))
        start = hits[1:] - slope * found[1:]
        ratio = np.where((found[:-1] > 0) & (found[1:] > 0), share(found[:-1], np.maximum(found[1:], 0)), 1.0)
        return float(share(slope * (gained + start * np.log(ratio)), np.maximum(hits[1:] + misses[1:], 0)).sum())


class FBetaScore(Metric):
    """See ``keras.metrics.FBetaScore``: of one-hot labels, averaged over the classes.

    Args:
        average: ``macro``, ``micro`` or ``weighted``; Keras' default gives a number for each class, which is refused.
        beta: how much recall counts beside precision.
        threshold: what is found; None takes the likeliest class.
        name: in the history.

    Raises:
        Unsupported: settings out of range, or no average.
    """

    direction = "up"

    def __init__(
        self,
        average: Optional[str] = None,
        beta: float = 1.0,
        threshold: Optional[float] = None,
        name: str = "fbeta_score",
    ) -> None:
        super().__init__(name)
        checks = {"average": one_of("macro", "micro", "weighted"), "beta": positive, "threshold": maybe(within(0, 1))}
        check_settings(type(self).__name__, checks, {"average": average, "beta": beta, "threshold": threshold})
        self.average, self.beta, self.threshold = average, beta, threshold

    def sums(self, shown: Shown) -> Array:
        truth, output = np.asarray(shown.truth, f32), shown.output
        if truth.ndim != 2 or truth.shape != output.shape:
            raise ValueError("labels and output must be (rows, classes)")
        if self.threshold is None:
            found = (output >= output.max(axis=-1, keepdims=True)) & (np.abs(output) > 1e-9)
        else:
            found = output > f32(self.threshold)
        weights = np.ones(len(truth)) if shown.weights is None else np.asarray(shown.weights, np.float64)
        if weights.shape != (len(truth),):
            raise ValueError("sample weights must be one for each row")
        each = np.stack([found * truth, found * (1 - truth), ~found * truth, truth])
        counts = np.einsum("krc,r->kc", each, weights)
        return (counts.sum(axis=1, keepdims=True) if self.average == "micro" else counts).reshape(-1)

    def result(self, sums: Array) -> float:
        hits, alarms, misses, there = sums.reshape(4, -1)
        precision, recall = hits / (hits + alarms + EPSILON), hits / (hits + misses + EPSILON)
        square = self.beta**2
        scores = precision * recall / (square * precision + recall + EPSILON) * (1 + square)
        if self.average == "weighted":
            return float(np.sum(scores * there / (there.sum() + EPSILON)))
        return float(scores.mean())


class F1Score(FBetaScore):
    """See ``keras.metrics.F1Score`` and `FBetaScore`."""

    def __init__(
        self, average: Optional[str] = None, threshold: Optional[float] = None, name: str = "f1_score"
    ) -> None:
        super().__init__(average, 1.0, threshold, name)
