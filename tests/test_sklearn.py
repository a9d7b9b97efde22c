"""Ported networks as scikit-learn's estimators."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_data import points
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import porting
from porting import Network
from porting.network import Call, Input, Layer, TensorRef
from porting.sklearn import PortedClassifier, PortedRegressor

ROOT = Path(__file__).parent.parent
PLAIN = ROOT / "saved_weights" / "plain"
FILTER = ROOT / "saved_weights" / "filter"


def network_for_any_columns(outputs: int, activation: str) -> Network:
    """Features (rows, any) → their mean, by two layers → Dense."""
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=size).astype(np.float32) for size in ((1, 1, 4), (4, outputs))]
    zeros = [np.zeros(size, np.float32) for size in (4, outputs)]
    dense = {"use_bias": True}
    layers = [
        Layer("apart", "Reshape", {"target_shape": [-1, 1]}),
        Layer(
            "each", "Dense", {"units": 4, "activation": "tanh", **dense}, {"kernel": kernels[0][0], "bias": zeros[0]}
        ),
        Layer("mean", "GlobalAveragePooling1D", {"data_format": "channels_last", "keepdims": False}),
        Layer(
            "last",
            "Dense",
            {"units": outputs, "activation": activation, **dense},
            {"kernel": kernels[1], "bias": zeros[1]},
        ),
    ]
    names = ["x", *(layer.name for layer in layers)]
    calls = tuple(Call(name, name, (TensorRef(before),)) for before, name in zip(names, names[1:]))
    inputs = (Input("x", (None, None)),)
    return Network("any", inputs, calls, {layer.name: layer for layer in layers}, TensorRef("last"))


# scikit-learn's checks that a network of so many classes cannot pass: they bring data of another number of classes.
OTHER_CLASSES = "a network trained elsewhere has as many classes as it has outputs, whatever the data"
FAILS_BY_DESIGN = {
    "three classes": dict.fromkeys(
        ("check_dtype_object", "check_estimators_nan_inf", "check_classifiers_classes", "check_classifiers_train"),
        OTHER_CLASSES,
    ),
    "regressor": {},
}
ESTIMATORS = {
    "three classes": PortedClassifier(network_for_any_columns(3, "softmax"), engine="numpy"),
    "regressor": PortedRegressor(network_for_any_columns(1, "linear"), engine="numpy"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_scikit_learns_own_checks(kind: str) -> None:
    expected = FAILS_BY_DESIGN[kind]
    results = check_estimator(ESTIMATORS[kind], expected_failed_checks=expected, on_fail=None, on_skip=None)
    failed = {one["check_name"]: repr(one["exception"]) for one in results if one["status"] == "failed"}
    assert failed == {}
    assert {one["check_name"] for one in results if one["status"] == "xfail"} == set(expected)
    assert sum(one["status"] == "passed" for one in results) > 30


# ---- used


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    return points(120, 5)


def test_a_network_as_it_was_trained_is_cross_validated(data: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = data
    right = porting.load(PLAIN, engine="numpy").predict(x).argmax(-1) == y
    made = cross_val_predict(PortedClassifier(PLAIN, engine="numpy"), x, y, cv=3)
    assert (made == y).tolist() == right.tolist()
    assert right.mean() > 0.8


def test_the_folds_go_to_other_processes(data: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = data
    alone, side_by_side = (
        cross_val_score(PortedClassifier(PLAIN, engine="neoml"), x, y, cv=2, n_jobs=jobs) for jobs in (1, 2)
    )
    assert alone.tolist() == side_by_side.tolist()


def test_every_fold_is_tuned_from_what_keras_trained(data: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = data
    tuned = PortedClassifier(PLAIN, engine="neoml", epochs=2, optimizer="adam", batch_size=16)
    first, again = (clone(tuned).fit(x, y) for _ in range(2))
    assert (first.predict_proba(x) == again.predict_proba(x)).all()
    assert len(first.history_.epoch) == 2
    assert (first.predict_proba(x) != PortedClassifier(PLAIN, engine="neoml").fit(x, y).predict_proba(x)).any()
    by_hand = porting.load(PLAIN, engine="neoml")
    settings = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy"}
    by_hand.fit(x, y, batch_size=16, epochs=2, verbose=0, **settings)
    np.testing.assert_array_equal(first.net_.predict(x), by_hand.predict(x))


def test_a_network_that_is_given_stays_as_it_is(data: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = data
    net = porting.load(PLAIN, engine="neoml")
    before = net.predict(x)
    tuned = PortedClassifier(net, epochs=1).fit(x, y)
    np.testing.assert_array_equal(net.predict(x), before)
    assert (tuned.net_.predict(x) != before).any()


def test_pipelines_and_searches(data: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = data
    steps = make_pipeline(StandardScaler(), PortedClassifier(PLAIN, engine="neoml", batch_size=16, seed=1))
    search = GridSearchCV(steps, {"portedclassifier__epochs": [0, 3]}, cv=2).fit(x, y)
    assert search.best_params_ == {"portedclassifier__epochs": 3}
    kept = pickle.loads(pickle.dumps(search))
    assert (kept.predict(x) == search.predict(x)).all()


def test_texts_are_classified() -> None:
    texts = ["an arcade game", "a library for numbers", "a chess game", "documentation"]
    scores = porting.load(FILTER, engine="numpy").predict(texts)[:, 0]
    labels = np.where(scores > 0.5, "game", "other")
    assert sorted(set(labels)) == ["game", "other"]
    made = PortedClassifier(FILTER, classes=["other", "game"], engine="numpy").fit(texts, labels)
    assert (made.predict(texts) == labels).all()
    assert made.score(texts, labels) == 1
    np.testing.assert_allclose(made.predict_proba(texts)[:, 1], scores, rtol=1e-6)


def test_logits_become_probabilities() -> None:
    x = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)
    y = np.array([0, 1, 2, 0, 1, 2])
    ends = [
        PortedClassifier(network_for_any_columns(3, end), engine="numpy", from_logits=end == "linear").fit(x, y)
        for end in ("softmax", "linear")
    ]
    np.testing.assert_allclose(*(one.predict_proba(x) for one in ends), rtol=1e-5)
    with pytest.raises(porting.Mismatch, match="from_logits=True"):
        PortedClassifier(network_for_any_columns(3, "linear"), engine="numpy").fit(x, y).predict(x)
    for end, logits in (("sigmoid", False), ("linear", True)):
        one = PortedClassifier(network_for_any_columns(1, end), engine="numpy", from_logits=logits).fit(x, y % 2)
        np.testing.assert_allclose(one.predict_proba(x).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("settings", "y", "error"),
    [
        ({}, ["a", "b", "a", "b"], "holds 2 classes, the network has 3"),
        ({}, [0, 1, 2, 7], "holds 4 classes, the network has 3"),
        ({"classes": ["a", "b"]}, ["a", "b", "a", "b"], "names 2, the network has 3"),
        ({"classes": ["a", "b", "c"]}, ["a", "b", "d", "b"], r"lacks \['d'\]"),
    ],
)
def test_labels_that_do_not_fit_are_named(settings: dict[str, Any], y: list[Any], error: str) -> None:
    x = np.zeros((4, 5), np.float32)
    with pytest.raises(porting.Mismatch, match=error):
        PortedClassifier(network_for_any_columns(3, "softmax"), engine="numpy", **settings).fit(x, y)


def test_what_an_estimator_is_not_is_refused() -> None:
    x, y = np.zeros((4, 2), np.int32), [0, 1, 0, 1]
    with pytest.raises(porting.Unsupported, match="1 inputs and 4 outputs"):
        PortedClassifier(ROOT / "saved_weights" / "tutorial", engine="numpy").fit(x, y)
    with pytest.raises(porting.Unsupported, match="network: is missing"):
        PortedClassifier().fit(x, y)
    with pytest.raises(porting.Unsupported, match="does not learn"):
        PortedClassifier(network_for_any_columns(2, "softmax"), engine="numpy", epochs=1).fit(x, y)
    with pytest.raises(porting.Mismatch, match="the network gives 2 numbers"):
        PortedRegressor(network_for_any_columns(2, "linear"), engine="numpy").fit(x, y)
