"""Whole calls of ``fit`` and ``evaluate`` in both environments, with metrics and callbacks. Nothing but data.

Each is run from the same weights on the same rows in Keras (`record_fits`) and in NeoML (`test_fits`); histories,
numbers and the order of calls are compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.training import recipes

ROWS, HELD = 20, 12
SGD = ("SGD", {"learning_rate": 0.1})
SPARSE = "sparse_categorical_crossentropy"
Named = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Fit:
    """One call of ``fit`` and one of ``evaluate``.

    Attributes:
        net: key of `recipes.NETS`.
        loss, metrics, weighted_metrics: names, or (class, arguments); by output where there are several.
        labels: ``one_hot``, ``many`` for several flags, or what the network's recipe has.
        weights: ``samples``, or ``steps`` for a weight of each step.
        callbacks: (class, arguments); functions by their names in `FUNCTIONS`.
        settings: of ``fit``.
        fixed: layers that do not learn.
    """

    net: str
    loss: Any
    metrics: Any = ()
    weighted_metrics: Any = ()
    labels: str = ""
    weights: str = ""
    optimizer: Named = SGD
    callbacks: tuple[Named, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()


FUNCTIONS = {
    "halved": lambda epoch, rate: rate / 2,
    "by_epoch": lambda epoch: 0.1 / (1 + epoch),
}


def rows(fit: Fit) -> tuple[Any, Any, Any]:
    """Inputs, labels and sample weights of `ROWS` + `HELD` rows; the last are for validation."""
    rng = np.random.default_rng(5)
    batches = -(-(ROWS + HELD) // recipes.BATCH)
    x = np.concatenate([recipes.INPUTS[fit.net](rng) for _ in range(batches)])
    y: Any = [label(fit, rng) for _ in range(batches)]
    y = [np.concatenate(part) for part in zip(*y)] if isinstance(y[0], list) else np.concatenate(y)
    weights: Any = None
    if fit.weights:
        shape = (len(x), recipes.TIME) if fit.weights == "steps" else (len(x),)
        weights = rng.uniform(0, 2, shape).astype(np.float32)
    return x, y, weights


def label(fit: Fit, rng: np.random.Generator) -> Any:
    if fit.labels == "one_hot":
        return recipes.one_hot(rng)
    if fit.labels == "many":
        return (rng.uniform(size=(recipes.BATCH, 4)) < 0.4).astype(np.float32)
    return recipes.LABELS[fit.net](rng)


FLAGS = ("BinaryAccuracy", "AUC", "Precision", "Recall", "TruePositives", "FalsePositives", "TrueNegatives")
CLASSES = ("CategoricalAccuracy", "CategoricalCrossentropy", "MeanSquaredError", "KLDivergence", "CosineSimilarity")
PLATEAU = ("ReduceLROnPlateau", {"monitor": "loss", "factor": 0.5, "patience": 1, "min_delta": 0.05, "cooldown": 1})

FITS: dict[str, Fit] = {
    "metrics-before-activation": Fit(
        "dense",
        "mse",
        ["binary_crossentropy", "categorical_crossentropy", "accuracy"],
        labels="one_hot",
        settings={"epochs": 2, "batch_size": 8},
    ),
    "metrics-before-sigmoid": Fit(
        "masked_bilstm",
        "mae",
        [("BinaryCrossentropy", {"label_smoothing": 0.1}), "mse"],
        settings={"epochs": 2, "batch_size": 8},
    ),
    "averaged": Fit(
        "dense",
        SPARSE,
        ["accuracy"],
        optimizer=("SGD", {"learning_rate": 0.2, "momentum": 0.9, "use_ema": True, "ema_momentum": 0.8}),
        settings={"epochs": 3, "batch_size": 8},
    ),
    "flags": Fit(
        "masked_bilstm",
        "binary_crossentropy",
        ["accuracy", "auc", "Precision", *((name, {}) for name in (*FLAGS, "FalseNegatives"))],
        settings={"epochs": 2, "batch_size": 8},
    ),
    "flags-weighted": Fit(
        "masked_bilstm",
        "binary_crossentropy",
        ["accuracy", "mae"],
        ["accuracy", "mse", "BinaryCrossentropy", *((name, {}) for name in FLAGS)],
        weights="samples",
        settings={"epochs": 2, "batch_size": 8},
    ),
    "thresholds": Fit(
        "masked_bilstm",
        "binary_crossentropy",
        [
            ("AUC", {"curve": "PR", "name": "pr"}),
            ("AUC", {"curve": "PR", "summation_method": "majoring", "name": "pr_major"}),
            ("AUC", {"summation_method": "minoring", "num_thresholds": 7, "name": "roc_minor"}),
            ("AUC", {"thresholds": [0.3, 0.45, 0.7], "name": "roc_own"}),
            ("Precision", {"thresholds": 0.4}),
            ("Recall", {"thresholds": 0.6}),
            ("BinaryAccuracy", {"threshold": 0.4}),
        ],
        weighted_metrics=[("AUC", {"thresholds": [0.5], "name": "roc_weighted"})],
        weights="samples",
        settings={"epochs": 2, "batch_size": 8},
    ),
    "logits": Fit(
        "masked_gru",
        ("BinaryCrossentropy", {"from_logits": True}),
        [
            ("AUC", {"from_logits": True}),
            ("BinaryAccuracy", {"threshold": 0.0}),
            ("BinaryCrossentropy", {"from_logits": True}),
        ],
        settings={"batch_size": 8},
    ),
    "classes": Fit(
        "dense",
        SPARSE,
        ["acc", "accuracy", ("SparseTopKCategoricalAccuracy", {"k": 2}), "SparseCategoricalCrossentropy"],
        ["sparse_categorical_accuracy"],
        weights="samples",
        settings={"epochs": 2, "batch_size": 8},
    ),
    "classes-one_hot": Fit(
        "dense",
        "categorical_crossentropy",
        [
            *("accuracy", "categorical_accuracy", "auc", "mse", "kl_divergence", "cosine_similarity", "poisson"),
            *((name, {}) for name in CLASSES),
            ("TopKCategoricalAccuracy", {"k": 2}),
            ("F1Score", {"average": "macro"}),
            ("F1Score", {"average": "micro", "name": "f1_micro"}),
            ("FBetaScore", {"average": "weighted", "beta": 2.0, "threshold": 0.3}),
            ("Precision", {"top_k": 2}),
            ("Recall", {"class_id": 1}),
        ],
        [
            ("F1Score", {"average": "weighted", "name": "f1_weighted"}),
            ("Precision", {"name": "chosen"}),
            ("AUC", {"name": "area"}),
        ],
        labels="one_hot",
        weights="samples",
        settings={"epochs": 2, "batch_size": 8},
    ),
    "many_flags": Fit(
        "dense",
        "binary_crossentropy",
        ["accuracy", "binary_accuracy", "AUC"],
        labels="many",
        settings={"batch_size": 8},
    ),
    "flag_of_classes": Fit(
        "masked_bilstm", "hinge", ["BinaryCrossentropy", "accuracy"], settings={"epochs": 2, "batch_size": 8}
    ),
    "numbers": Fit(
        "regression",
        "mse",
        [
            *("mae", "RootMeanSquaredError", "mean_absolute_percentage_error", "msle", "log_cosh_error", "accuracy"),
            *("hinge", "squared_hinge", ("MeanSquaredError", {}), ("LogCoshError", {})),
        ],
        ["mse", "root_mean_squared_error"],
        weights="samples",
        settings={"epochs": 2, "batch_size": 8},
    ),
    "masked_steps": Fit("tagger", SPARSE, ["accuracy", "SparseCategoricalCrossentropy"], settings={"batch_size": 8}),
    "masked_steps-weighted": Fit(
        "tagger", SPARSE, ["accuracy"], ["accuracy"], weights="steps", settings={"epochs": 2, "batch_size": 8}
    ),
    "heads": Fit(
        "branches",
        [SPARSE, "binary_crossentropy"],
        [["accuracy"], ["accuracy", "auc"]],
        settings={"epochs": 2, "batch_size": 8},
    ),
    "heads-by_name": Fit(
        "branches",
        [SPARSE, "binary_crossentropy"],
        {"flag": ["mae", ("Precision", {})]},
        {"flag": ["mae"]},
        settings={"epochs": 2, "batch_size": 8},
    ),
    "class_weights": Fit(
        "masked_bilstm",
        "binary_crossentropy",
        ["accuracy"],
        ["accuracy", "auc"],
        settings={"epochs": 2, "batch_size": 8, "class_weight": {1: 3.0}},
    ),
    "class_weights-sparse": Fit(
        "dense", SPARSE, weighted_metrics=["acc"], settings={"batch_size": 8, "class_weight": {0: 0.5, 2: 3, 3: 0.0}}
    ),
    "class_weights-one_hot": Fit(
        "dense",
        "categorical_crossentropy",
        weighted_metrics=["accuracy"],
        labels="one_hot",
        settings={"batch_size": 8, "class_weight": {0: 0.5, 2: 3.0}},
    ),
    "early_stopping": Fit(
        "masked_bilstm",
        "binary_crossentropy",
        ["accuracy"],
        optimizer=("SGD", {"learning_rate": 2.0}),
        callbacks=(("EarlyStopping", {"monitor": "val_accuracy", "patience": 2, "restore_best_weights": True}),),
        settings={"epochs": 20, "batch_size": 8},
    ),
    "early_stopping-baseline": Fit(
        "regression",
        "mse",
        callbacks=(("EarlyStopping", {"min_delta": 0.01, "patience": 1, "baseline": 0.1, "start_from_epoch": 2}),),
        settings={"epochs": 9, "batch_size": 8, "validation_freq": 2},
    ),
    "plateau": Fit("regression", "mse", callbacks=(PLATEAU,), settings={"epochs": 9, "batch_size": 8}),
    "scheduler": Fit(
        "regression", "mse", callbacks=(("LearningRateScheduler", {"schedule": "halved"}),), settings={"epochs": 4}
    ),
    "scheduler-by_epoch": Fit(
        "regression",
        "mse",
        callbacks=(("LearningRateScheduler", {"schedule": "by_epoch"}), ("EarlyStopping", {"monitor": "loss"})),
        settings={"epochs": 4, "initial_epoch": 1, "validation_freq": [2, 4], "validation_batch_size": 5},
    ),
    "not_a_number": Fit(
        "regression",
        "mse",
        optimizer=("SGD", {"learning_rate": 1e18}),
        callbacks=(("TerminateOnNaN", {}),),
        settings={"epochs": 4, "batch_size": 8},
    ),
}
