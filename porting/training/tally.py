"""Which metrics a run measures: by Keras' names, under Keras' names in the history."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

import numpy as np

from ..errors import Mismatch, PortingError, Unsupported, did_you_mean
from ..network import Array
from . import confusion, metrics
from .arguments import refusal
from .data import Outputs
from .loss import Loss
from .metrics import Function, LossValue, MeanMetric, Metric, Shown, accuracy_by_shape

MEAN = MeanMetric("mean", lambda truth, output: output, "down")
SHORT = {
    "bce": "binary_crossentropy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
}
KINDS = {
    name: getattr(module, name)
    for module in (metrics, confusion)
    for name in module.__all__
    if isinstance(getattr(module, name), type) and issubclass(getattr(module, name), Metric)
}
for _base in ("Metric", "MeanMetric", "LossValue", "Accuracy"):
    del KINDS[_base]


def snake(name: str) -> str:
    """``RootMeanSquaredError`` becomes ``root_mean_squared_error``, as in Keras."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


METRICS: dict[str, Any] = {**KINDS, **{snake(name): kind for name, kind in KINDS.items()}}
METRICS.update({short: METRICS[long] for short, long in SHORT.items()})


def metric_named(given: Union[str, Metric, Loss, Function]) -> Metric:
    """The metric itself, one of Keras' name (``auc``), one of a loss, or of a user's function.

    Raises:
        Unsupported: another name.
    """
    if isinstance(given, type):
        raise Unsupported(f"metric {given.__name__}", "is a class", "give an instance, or its name")
    if isinstance(given, Metric):
        return given
    if isinstance(given, Loss):
        return LossValue(given)
    if callable(given):
        return MeanMetric(getattr(given, "__name__", "metric"), given)
    if isinstance(given, str) and given.lower() in ("accuracy", "acc"):
        return MeanMetric(given, accuracy_by_shape, "up")
    kind = METRICS.get(given) or METRICS.get(given.lower()) if isinstance(given, str) else None
    if kind is None:
        known = ["accuracy", *sorted(name for name in METRICS if name.islower())]
        way_out = f"{did_you_mean(given, known)}use one of {', '.join(known)}, or a function"
        raise Unsupported(f"metric {given!r}", "is not known", way_out)
    made: Metric = kind()
    made.name = given
    return made


@dataclass(frozen=True, eq=False)
class Measured:
    """A metric of one output.

    Attributes:
        name: in the history.
        output: whose.
        metric: what is measured.
        weighted: sample weights count.
    """

    name: str
    output: str
    metric: Metric
    weighted: bool

    def sums(self, shown: Shown) -> Array:
        """What one batch adds.

        Raises:
            Mismatch: the metric cannot be computed of these labels.
        """
        try:
            return self.metric.sums(shown)
        except PortingError:
            raise
        except (ValueError, TypeError, IndexError) as error:
            what = f"cannot be computed of labels {shown.truth.shape} and an output {shown.output.shape}: {error}"
            raise Mismatch(f"metric {self.name}", what, "choose a metric that fits these labels") from error


def chosen_metrics(given: Any, weighted: Any, outputs: Outputs, with_loss: Sequence[str]) -> list[Measured]:
    """Metrics and weighted metrics by output, under the names that Keras gives them in the history."""
    found: list[Measured] = []
    taken: dict[str, int] = {}
    for heeds_weights, listed in ((False, given), (True, weighted)):
        for output, one in _by_output(listed, outputs, with_loss):
            metric = metric_named(one)
            prefix = f"{output}_" if len(outputs.names) > 1 else ""
            name = prefix + metric.name
            if heeds_weights and name in taken:
                name = f"{prefix}weighted_{metric.name}"
            count = taken.get(name, 0)
            taken[name] = count + 1
            found.append(Measured(f"{name}_{count}" if count else name, output, metric, heeds_weights))
    return found


def _by_output(given: Any, outputs: Outputs, with_loss: Sequence[str]) -> list[tuple[str, Any]]:
    """Pairs of output and metric; a list of plain metrics counts for every output that has a loss."""
    if not isinstance(given, Mapping):
        plain = _listed(given)
        per_output = len(outputs.names) > 1 and any(isinstance(one, (list, tuple)) for one in plain)
        given = dict(zip(outputs.names, plain)) if per_output else dict.fromkeys(with_loss, plain)
    spread = outputs.spread(given, "metrics")
    return [(name, one) for name, listed in spread.items() for one in _listed(listed)]


def _listed(given: Any) -> list[Any]:
    """One metric or several."""
    if given is None:
        return []
    if isinstance(given, (str, Loss, Metric)) or callable(given):
        return [given]
    if not isinstance(given, (list, tuple)):
        raise refusal("metrics", given, "give a list of names, metrics, losses or functions")
    return list(given)


@dataclass
class Tally:
    """Running sums of one epoch.

    Attributes:
        kinds: metrics by name in the history; losses are means.
        sums: what was added so far.
    """

    kinds: Mapping[str, Metric]
    sums: dict[str, Array] = field(default_factory=dict)

    def add(self, name: str, sums: Array) -> None:
        self.sums[name] = self.sums[name] + sums if name in self.sums else sums

    def logs(self) -> dict[str, float]:
        return {name: self.kinds[name].result(sums) for name, sums in self.sums.items()}

    def as_numbers(self) -> dict[str, list[float]]:
        """For a checkpoint."""
        return {name: sums.tolist() for name, sums in self.sums.items()}


def mean_of(value: float, weight: float) -> Array:
    return np.array([value * weight, weight], np.float64)


def in_keras_order(logs: Mapping[str, float], losses: Sequence[str], measured: Sequence[Measured]) -> list[float]:
    """The numbers in the order of the list that Keras' ``evaluate`` gives, a number that it lists twice included."""
    names = ["loss", *(f"{name}_loss" for name in losses), *(one.metric.name for one in measured)]
    rest = sorted(name for name in logs if name not in names)
    return [logs[name] for name in [*names, *rest] if name in logs]


def direction_of(name: str, kinds: Mapping[str, Metric]) -> Optional[str]:
    """Whether a number of the logs is better ``up`` or ``down``; None where nobody knows."""
    kind = kinds.get(name[len("val_") :] if name.startswith("val_") else name)
    return None if kind is None else kind.direction
