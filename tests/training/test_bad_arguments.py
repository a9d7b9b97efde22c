"""What training is told: every odd argument is refused by name, with one of our errors, before anything changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting import optimizers, schedules
from porting.training import callbacks, checkpoints, confusion, losses, metrics

PLAIN = Path(__file__).parents[2] / "saved_weights" / "plain"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 32)).astype(np.float32)
Y = RNG.integers(0, 10, 8)
NAN = float("nan")
COMPILED: dict[str, Any] = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"}
ODD_RATES = (NAN, float("inf"), -0.1, "0.1", "fast", None, True, [0.1], {})


@pytest.fixture(scope="module")
def net() -> porting.PortedNetwork:
    return porting.load(PLAIN, engine="neoml")


COMPILE: dict[str, list[Any]] = {
    "optimizer": [None, 3, "admn", object(), optimizers.SGD, {"class_name": "SGD"}, ["sgd"], True],
    "loss": [None, 3, "mes", object(), True, [], ["mse", "mae"], {"other": "mse"}, b"mse", losses.MeanSquaredError],
    "loss_weights": ["x", NAN, [1, 2], {"other": 1}, {"classes": "x"}, True, [[1]], [1, "x"]],
    "metrics": [3, True, "accurate", [3], [None], {"other": "mse"}, {"classes": 3}, [["x"]], losses.MeanSquaredError],
    "weighted_metrics": [3, "accurate", [3], {"other": "mse"}],
    "frozen": [3, "", [3], [None], [["classes"]], ["nothing"], ["*"], {"classes": 1}, True, b"classes"],
    "learning_rates": [3, "classes", ["classes"], {"nothing": 0.1}, {3: 0.1}, True, *({"*": one} for one in ODD_RATES)],
    "sparse_embeddings": ["no", 2],
    "seed": [-1, 2**31, 1.5, "x", None, NAN, [1], True],
}
FIT: dict[str, list[Any]] = {
    "callbacks": [3, [3], [callbacks.Callback], "x", [None], {}, [callbacks.EarlyStopping("nothing")], [print]],
    "class_weight": [3, "x", [1.0], {0: "x"}, {0: NAN}, {"a": 1.0}, {0: None}, {None: 1.0}, {0.5: 1.0}, True, {-1: 1}],
    "sample_weight": [3, "x", np.ones(7), np.ones((8, 3)), np.full(8, NAN), np.full(8, np.inf), {"other": 1}, True],
    "validation_data": [3, "x", (X,), (X, Y[:3]), [], (X, None), X, [3], object(), (None, None), (X, Y, [NAN] * 8)],
    "validation_split": [True, NAN, None, "x", 1.0, -1],
    "batch_size": [0, "x", 2.0, [8], True],
    "epochs": [True, NAN, None, [1], -1],
    "verbose": ["x", None, 3, [], 1.0],
    "shuffle": ["x", None, 2, "batch"],
    "initial_epoch": [None, True, 1.0],
    "steps_per_epoch": [True, NAN, 100],
    "validation_steps": ["x", 0],
    "resume": [3, True, b"x", object(), "", PLAIN, PLAIN / "network.json", PLAIN / "weights.npz"],
}
# What else an error may name.
ALSO = {
    "callbacks": "monitor",
    "validation_data": "data|labels|features|weight|inputs",
    "steps_per_epoch": "steps",
    "resume": "plain",
}
LABELS: dict[str, Any] = {
    "fractions": Y + 0.5,
    "NaN": np.full(8, NAN),
    "infinite": np.full(8, np.inf),
    "too large": np.full(8, 10),
    "negative": np.full(8, -1),
    "huge": np.full(8, 2**40),
    "huge floats": np.full(8, 1e30),
    "unsigned": np.full(8, 2**64 - 1, np.uint64),
    "rank 3": np.zeros((8, 1, 1), int),
    "one-hot": np.zeros((8, 10)),
    "missing": None,
}
DATA: dict[str, Any] = {
    "nothing": [],
    "a function of nothing": lambda: None,
    "a number": 3,
    "no labels": [(X,)],
    "None": [None],
    "empty batches": [(X[:0], Y[:0])],
    "text": ["ab"],
    "an object": object(),
    "a function of one argument": lambda one: [(X, Y)],
    "labels of None": [(X, None)],
}
OPTIMIZERS: dict[str, list[Any]] = {
    "learning_rate": [*ODD_RATES, lambda step: "x", lambda step: NAN, lambda step: -1.0, optimizers.SGD],
    "weight_decay": [NAN, -1.0, "x", True],
    "clipnorm": [NAN, -1.0, "x", True],
    "clipvalue": [NAN, -1.0, "x", True],
    "global_clipnorm": [NAN, -1.0, "x", True],
    "beta_1": [NAN, -1.0, "x", None, 1.0],
    "epsilon": [NAN, -1.0, "x", None],
    "amsgrad": ["x", None, 1],
}
CALLBACKS: list[tuple[Any, dict[str, Any]]] = [
    *((callbacks.EarlyStopping, {"patience": odd}) for odd in (-1, "x", None, 1.5, True)),
    *((callbacks.EarlyStopping, {"min_delta": odd}) for odd in (NAN, "x", None)),
    *((callbacks.EarlyStopping, {key: "x"}) for key in ("mode", "baseline", "start_from_epoch")),
    (callbacks.EarlyStopping, {"restore_best_weights": "x"}),
    (callbacks.EarlyStopping, {"monitor": 3}),
    *((callbacks.ReduceLROnPlateau, {"factor": odd}) for odd in (1.0, -1, NAN, "x")),
    *((callbacks.ReduceLROnPlateau, {key: "x"}) for key in ("patience", "cooldown", "min_lr")),
    *((callbacks.LearningRateScheduler, {"schedule": odd}) for odd in (3, None, lambda: 1, dict)),
    *((callbacks.Checkpoint, {"path": odd}) for odd in (3, None, "", "a\0b", b"x")),
    *((callbacks.Checkpoint, {"path": "x", "every_epochs": odd}) for odd in (0, "x", 1.5)),
    (callbacks.Checkpoint, {"path": "x", "every_steps": -1}),
    *((callbacks.ModelCheckpoint, {"filepath": odd}) for odd in (3, None, "", b"x")),
    *((callbacks.ModelCheckpoint, {"filepath": "x", "save_freq": odd}) for odd in (0, "batch", 1.5, None)),
    *((callbacks.ModelCheckpoint, {"filepath": "x", key: "x"}) for key in ("mode", "initial_value_threshold")),
    *((callbacks.CSVLogger, {"filename": odd}) for odd in (3, None, "")),
    *((callbacks.CSVLogger, {"filename": "x", "separator": odd}) for odd in ("", ", ", 3)),
    *((callbacks.LambdaCallback, odd) for odd in ({"on_epoch": print}, {"on_epoch_end": 3})),
    (callbacks.TerminateOnNaN, {"raise_error": 1}),
]
# Settings of losses, schedules and metrics: all that are odd are named at once.
SETTINGS: list[tuple[Any, dict[str, Any]]] = [
    *((losses.Huber, {"delta": odd}) for odd in (-1.0, NAN, "x", None)),
    (losses.BinaryFocalCrossentropy, {"alpha": -1, "gamma": NAN, "apply_class_balancing": 1}),
    (losses.CategoricalFocalCrossentropy, {"alpha": "x", "gamma": -1, "label_smoothing": 2}),
    *((losses.SparseCategoricalCrossentropy, {"ignore_class": odd}) for odd in (1.5, "x", True)),
    *((losses.BinaryCrossentropy, {"label_smoothing": odd}) for odd in (-0.1, 1.1, NAN, "x")),
    (losses.CategoricalCrossentropy, {"label_smoothing": 2, "from_logits": "yes", "reduction": "median"}),
    (losses.SparseCategoricalCrossentropy, {"from_logits": None}),
    *((schedules.ExponentialDecay, {"decay_steps": odd}) for odd in (0, -5, NAN, "x", 1e-60)),
    (schedules.ExponentialDecay, {"initial_learning_rate": -1, "decay_rate": "x", "staircase": 1}),
    (schedules.PolynomialDecay, {"decay_steps": 0, "end_learning_rate": -1, "power": NAN, "cycle": "x"}),
    (schedules.InverseTimeDecay, {"decay_steps": 0, "decay_rate": None}),
    (schedules.CosineDecay, {"decay_steps": 0, "alpha": "x", "warmup_target": -1, "warmup_steps": -1}),
    (schedules.CosineDecayRestarts, {"first_decay_steps": 0, "t_mul": 0, "m_mul": -1, "alpha": NAN}),
    *((schedules.PiecewiseConstantDecay, {"boundaries": odd}) for odd in ([], [2, 1], [1, 1], ["x"], 3, [NAN], [-1])),
    (schedules.PiecewiseConstantDecay, {"values": [0.1, 0.2]}),
    (schedules.PiecewiseConstantDecay, {"values": [0.1, "x", -1]}),
    *((metrics.TopKCategoricalAccuracy, {"k": odd}) for odd in (0, 1.5, "x")),
    *((metrics.BinaryAccuracy, {"threshold": odd}) for odd in (-1, "x")),
    *((metrics.MeanSquaredError, {"name": odd}) for odd in (3, b"x")),
    (confusion.Precision, {"thresholds": 2, "top_k": 0, "class_id": -1}),
    (confusion.AUC, {"num_thresholds": 1, "curve": "PRX", "summation_method": 3, "from_logits": None}),
    (confusion.AUC, {"multi_label": True}),
    (confusion.AUC, {"thresholds": [0.5, 2]}),
    (confusion.F1Score, {"average": None}),
    (confusion.FBetaScore, {"average": "mean", "beta": 0, "threshold": NAN}),
]
GOOD: dict[Any, dict[str, Any]] = {
    schedules.ExponentialDecay: {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5},
    schedules.PolynomialDecay: {"initial_learning_rate": 0.1, "decay_steps": 5},
    schedules.InverseTimeDecay: {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5},
    schedules.CosineDecay: {"initial_learning_rate": 0.1, "decay_steps": 5},
    schedules.CosineDecayRestarts: {"initial_learning_rate": 0.1, "first_decay_steps": 5},
    schedules.PiecewiseConstantDecay: {"boundaries": [1, 2], "values": [0.3, 0.2, 0.1]},
    confusion.F1Score: {"average": "macro"},
    confusion.FBetaScore: {"average": "macro"},
}


def rows(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}-{number}")
        for name, values in table.items()
        for number, value in enumerate(values)
    ]


def refused(named: str) -> Any:
    return pytest.raises(porting.errors.PortingError, match=named)


def test_good_arguments_are_taken(net: porting.PortedNetwork) -> None:
    """The control: what the tables change one by one is good as it stands."""
    net.fit(X, Y, verbose=0, callbacks=None, frozen=None, class_weight={0: 2}, validation_split=0.25, **COMPILED)
    net.fit(X, Y, verbose=0, callbacks=callbacks.Callback(), loss_weights=[2.0], frozen="classes/bias", **COMPILED)
    net.train_on_batch(X, Y.astype(np.float32), learning_rates={"classes": np.float32(0)}, **COMPILED)
    net.train_on_batch(X, Y, seed=2**31 - 1, **COMPILED)
    weights = np.array([0.0] + [1.0] * 7)
    net.train_on_batch(X, np.where(weights == 0, NAN, Y), sample_weight=weights)


@pytest.mark.parametrize(("name", "value"), rows(COMPILE))
def test_compile_refuses(net: porting.PortedNetwork, name: str, value: Any) -> None:
    with refused(f"{name.rstrip('s')}|pattern|weights|metric"):
        net.compile(**{**COMPILED, name: value})


@pytest.mark.parametrize(("name", "value"), rows(FIT))
def test_fit_refuses(net: porting.PortedNetwork, name: str, value: Any) -> None:
    with refused("|".join([name, ALSO.get(name, name)])):
        net.fit(X, Y, **{"verbose": 0, **COMPILED, name: value})


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("call", ["fit", "train_on_batch", "evaluate"])
def test_labels_are_refused(net: porting.PortedNetwork, kind: str, call: str) -> None:
    before = net.weights()
    with refused("labels|data"):
        getattr(net, call)(X, LABELS[kind], **COMPILED)
    assert all((net.weights()[name] == array).all() for name, array in before.items())


@pytest.mark.parametrize("kind", DATA)
def test_batches_are_refused(net: porting.PortedNetwork, kind: str) -> None:
    for call in (net.fit, net.evaluate):
        with refused("data|labels|features|inputs|batch"):
            call(DATA[kind], **COMPILED)


def test_an_iterator_that_ends_early_is_told(net: porting.PortedNetwork) -> None:
    with refused("1 of 2 batches in epoch 2"):
        net.fit(iter([(X, Y)] * 3), steps_per_epoch=2, epochs=2, verbose=0, **COMPILED)


@pytest.mark.parametrize(("name", "value"), rows(OPTIMIZERS))
def test_optimizers_refuse(net: porting.PortedNetwork, name: str, value: Any) -> None:
    with refused(name.replace("_", ".")):
        net.train_on_batch(X, Y, **{**COMPILED, "optimizer": optimizers.Adam(**{name: value})})
    optimizer = optimizers.Adam()
    with refused(name.replace("_", ".")):
        setattr(optimizer, name, value)
        net.train_on_batch(X, Y, **{**COMPILED, "optimizer": optimizer})


@pytest.mark.parametrize(("kind", "settings"), CALLBACKS)
def test_callbacks_refuse(kind: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(porting.Unsupported):
        kind(**settings)


@pytest.mark.parametrize(("kind", "settings"), SETTINGS)
def test_odd_settings_are_all_named_at_once(kind: Any, settings: dict[str, Any]) -> None:
    good = GOOD.get(kind, {})
    kind(**good)
    with pytest.raises(porting.Unsupported) as refusal:
        kind(**{**good, **settings})
    assert all(name in str(refusal.value) for name in settings)


@pytest.mark.parametrize("made", [lambda y, p: None, lambda y, p: ("x", "y"), lambda y, p: (1, 2, 3)])
def test_functions_that_give_odd_things_are_refused(net: porting.PortedNetwork, made: Any) -> None:
    with refused("loss"):
        net.train_on_batch(X, Y, optimizer="sgd", loss=made)


def test_a_loss_that_cannot_follow_the_last_activation_is_refused(net: porting.PortedNetwork) -> None:
    with pytest.raises(porting.Unsupported, match="would follow a softmax"):
        net.compile("sgd", "binary_focal_crossentropy")


@pytest.mark.parametrize("metric", ["categorical_accuracy", "binary_accuracy", "mse", lambda y, p: None])
def test_metrics_that_do_not_fit_are_refused(net: porting.PortedNetwork, metric: Any) -> None:
    with refused("metric|labels"):
        net.train_on_batch(X, Y, metrics=[metric], **COMPILED)


def test_checkpoints_that_cannot_be_written_are_refused(net: porting.PortedNetwork, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "file" / "under", tmp_path / ("n" * 300)):
        with pytest.raises(porting.BadArchive):
            net.fit(X, Y, verbose=0, callbacks=[callbacks.Checkpoint(path)], **COMPILED)


def test_checkpoints_that_lack_something_are_refused(net: porting.PortedNetwork, tmp_path: Path) -> None:
    path = tmp_path / "state"
    net.fit(X, Y, verbose=0, callbacks=[callbacks.Checkpoint(path)], **COMPILED)
    whole = checkpoints.read_state(path)
    odd = [checkpoints.State({}, {}), checkpoints.State(whole.arrays, {})]
    for key, array in whole.arrays.items():
        odd.append(checkpoints.State({name: one for name, one in whole.arrays.items() if name != key}, whole.numbers))
        odd.append(checkpoints.State({**whole.arrays, key: array[:1]}, whole.numbers))
    for state in odd:
        checkpoints.write_state(state, path)
        with pytest.raises(porting.BadArchive):
            net.fit(X, Y, verbose=0, callbacks=[callbacks.Callback()], resume=path, **COMPILED)
    checkpoints.write_state(whole, path)
    net.fit(X, Y, verbose=0, callbacks=[callbacks.Callback()], resume=path, **COMPILED)


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    left, other = tmp_path / ".state.abcd1234.unfinished", tmp_path / ".state.b.abcd1234.unfinished"
    left.write_text("")
    other.write_text("")
    checkpoints.write_state(checkpoints.State({"weights": X}, {}), tmp_path / "state")
    assert {one.name for one in tmp_path.iterdir()} == {"state", other.name}
