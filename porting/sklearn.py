"""Ported networks as estimators of scikit-learn: cross-validation, pipelines, searches over settings.

::

    net = PortedClassifier("folder")                      # as it was trained in Keras
    cross_val_score(net, X, y)
    tuned = PortedClassifier("folder", epochs=5, optimizer="adam")
    make_pipeline(StandardScaler(), tuned).fit(X, y)      # fine-tuned, NeoML only

Needs scikit-learn: in a checkout ``pip install '.[sklearn]'``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, check_X_y, column_or_1d, validate_data

import porting

from .engine import EngineName
from .errors import Mismatch, Unsupported
from .inputs import whole_number
from .network import Array, Network
from .ported import PortedNetwork
from .training.callback import Callback
from .training.losses import BinaryCrossentropy, SparseCategoricalCrossentropy

__all__ = ["PortedClassifier", "PortedRegressor"]

# How far probabilities of float32 may be from adding up to 1.
NEAR_ONE = 1e-3


@dataclass(eq=False, repr=False)
class _Ported(BaseEstimator):  # type: ignore[misc]
    """A network with one input and one output.

    Args:
        network: a saved network's folder, a stored net, a network, or a ported network, which is copied.
        engine, device, rules: as `porting.load` takes them.
        epochs: of fine-tuning in `fit`. With 0, the default, the network stays as it was trained, and `fit` looks at
            the data alone; that is what the numpy engine can.
        optimizer, loss, metrics, frozen, learning_rates, seed: as `PortedNetwork.compile` takes them. By default the
            loss is the cross-entropy of a classifier, and the mean squared error of a regressor.
        batch_size, validation_split, callbacks, verbose: as `PortedNetwork.fit` takes them.

    Attributes:
        net_: the `PortedNetwork`.
        history_: of the fine-tuning, None without.
        n_features_in_: columns of `X`, where it is a table of numbers.
    """

    network: Union[str, Path, Network, PortedNetwork, None] = None
    engine: Optional[EngineName] = None
    device: Optional[str] = None
    rules: Any = None
    epochs: int = 0
    optimizer: Any = "rmsprop"
    loss: Any = None
    metrics: Any = ()
    frozen: Sequence[str] = ()
    learning_rates: Optional[Mapping[str, Any]] = None
    batch_size: int = 32
    validation_split: float = 0.0
    callbacks: Sequence[Callback] = ()
    seed: int = 0
    verbose: int = 0

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = tags.input_tags.string = True
        return tags

    def _loaded(self) -> PortedNetwork:
        if self.network is None:
            raise Unsupported("network", "is missing", "give a saved network's folder")
        if isinstance(self.network, PortedNetwork):
            net = copy.deepcopy(self.network)
        else:
            net = porting.load(self.network, self.engine, self.device, self.rules)
        refs = net.network.output_refs()
        if len(net.network.inputs) != 1 or len(refs) != 1:
            what = f"has {len(net.network.inputs)} inputs and {len(refs)} outputs"
            raise Unsupported(net.network.name, what, "an estimator has one of each: use PortedNetwork")
        return net

    def _checked(self, X: Any, *y: Any) -> Any:
        """Texts as they are, numbers as scikit-learn checks them; in `fit` with `y` beside them."""
        (given,) = self.net_.network.inputs
        if given.dtype == "string":
            texts = np.asarray(X, object)
            return (texts, check_X_y(np.arange(len(texts))[:, None], *y, multi_output=True)[1]) if y else texts
        rank = len(given.shape)
        settings = {"dtype": given.dtype, "ensure_2d": rank == 2, "allow_nd": rank > 2}
        if not y:
            return validate_data(self, X, reset=False, **settings)
        return validate_data(self, X, *y, multi_output=True, **settings)

    def _tune(self, X: Any, y: Array, sample_weight: Any, loss: Any) -> None:
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, y, dtype=np.float32)
        epochs = whole_number("epochs", self.epochs, 0)
        self.history_ = None
        if epochs == 0:
            return
        self.net_.compile(
            copy.deepcopy(self.optimizer),
            loss if self.loss is None else self.loss,
            metrics=self.metrics,
            frozen=self.frozen,
            learning_rates=self.learning_rates,
            seed=self.seed,
        )
        self.history_ = self.net_.fit(
            X,
            y,
            self.batch_size,
            epochs,
            self.verbose,
            copy.deepcopy(self.callbacks),
            self.validation_split,
            sample_weight=weights,
        )

    def _predicted(self, X: Any) -> Array:
        check_is_fitted(self, "net_")
        made = self.net_.predict(self._checked(X))
        array: Array = next(iter(made.values())) if isinstance(made, Mapping) else made
        return array[0] if isinstance(made, list) else array


@dataclass(eq=False, repr=False)
class PortedClassifier(ClassifierMixin, _Ported):  # type: ignore[misc]
    """A network that ends in probabilities: of each class, or one of the second of two.

    Args:
        classes: what each probability stands for, in the order of the outputs. By default 0, 1, 2 … where `y` holds
            such numbers, and else the labels in `y`, sorted.
        from_logits: the network ends before its softmax or sigmoid.
        network and the rest: see `PortedRegressor`, which has the same.

    Attributes:
        classes_: the labels in the order of the probabilities.
    """

    classes: Optional[Sequence[Any]] = None
    from_logits: bool = False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # It was trained before, for other data than those of scikit-learn's checks.
        tags.classifier_tags.poor_score = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PortedClassifier:
        """Load the network, learn what its classes are called, and fine-tune it where `epochs` says so.

        Raises:
            Mismatch: more labels than the network has classes, or others than `classes`.
            Unsupported: a network of several inputs or outputs, or one that cannot be trained as asked.
        """
        self.net_ = self._loaded()
        X, y = self._checked(X, y)
        check_classification_targets(y)
        labels = column_or_1d(y, warn=True)
        probabilities = self.net_.predict(X[:1])
        self._width = probabilities.shape[-1]
        self.classes_ = self._classes(np.unique(labels))
        numbers = self._numbers(labels)
        binary = self._width == 1
        kind = BinaryCrossentropy if binary else SparseCategoricalCrossentropy
        targets = numbers.astype(np.float32)[:, None] if binary else numbers.astype(np.int32)
        self._tune(X, targets, sample_weight, kind(from_logits=self.from_logits))
        return self

    def _classes(self, labels: Array) -> Array:
        count = max(self._width, 2)
        if self.classes is not None:
            named = np.asarray(self.classes)
            unknown = [label for label in labels.tolist() if label not in named.tolist()]
            if len(named) != count or unknown:
                what = f"names {len(named)}, the network has {count}" if len(named) != count else f"lacks {unknown}"
                raise Mismatch("classes", what, "name every output's class, in the order of the outputs")
            return named
        if labels.dtype.kind in "iub" and labels.min() >= 0 and labels.max() < count:
            return np.arange(count) if labels.dtype.kind != "b" else np.array([False, True])
        if len(labels) != count:
            what = f"holds {len(labels)} class{'es' if len(labels) != 1 else ''}, the network has {count}"
            raise Mismatch("y", what, "say by `classes` which class each output stands for")
        return labels

    def _numbers(self, labels: Array) -> Array:
        places = {label: place for place, label in enumerate(self.classes_.tolist())}
        return np.array([places[label] for label in labels.tolist()])

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, (rows, classes).

        Raises:
            Mismatch: what the network gives is not a probability.
        """
        made = self._predicted(X).astype(np.float64)
        if self.from_logits:
            made = 0.5 * (1 + np.tanh(0.5 * made)) if made.shape[-1] == 1 else _softmax(made)
        if made.shape[-1] == 1:
            made = np.concatenate([1 - made, made], axis=-1)
        if (made < 0).any() or not np.allclose(made.sum(axis=-1), 1, atol=NEAR_ONE):
            way_out = "give from_logits=True where the network ends before its softmax or sigmoid"
            raise Mismatch("predict_proba", "the network's outputs are no probabilities", way_out)
        return made

    def predict(self, X: Any) -> Array:
        """The likeliest class of each row."""
        places = self.predict_proba(X).argmax(axis=-1)
        labels: Array = self.classes_[places]
        return labels


class PortedRegressor(RegressorMixin, _Ported):  # type: ignore[misc]
    __doc__ = (_Ported.__doc__ or "").replace("A network with one input and one output.", "A network of numbers.")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # It was trained before, for other data than those of scikit-learn's checks.
        tags.regressor_tags.poor_score = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PortedRegressor:
        """Load the network, and fine-tune it where `epochs` says so.

        Raises:
            Mismatch: `y` has another width than the network.
            Unsupported: a network of several inputs or outputs, or one that cannot be trained as asked.
        """
        self.net_ = self._loaded()
        X, targets = self._checked(X, y)
        width = self.net_.predict(X[:1]).shape[-1]
        if width == 1:
            targets = column_or_1d(targets, warn=True)[:, None]
        if targets.shape != (len(X), width):
            what = f"has shape {targets.shape}, the network gives {width} numbers for each of {len(X)} rows"
            raise Mismatch("y", what)
        self._tune(X, targets.astype(np.float32), sample_weight, "mse")
        return self

    def predict(self, X: Any) -> Array:
        """The network's output; one number for each row where it has width 1."""
        made = self._predicted(X)
        return made[:, 0] if made.ndim == 2 and made.shape[1] == 1 else made


def _softmax(x: Array) -> Array:
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)
