"""`fit` and what belongs to it: data, callbacks, checkpoints, parts that stay, the way back."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting import optimizers, schedules
from porting.archive import read_network
from porting.engine_factory import make_engine
from porting.training import callbacks, metrics
from tests.training import recipes
from tests.training.compiled import net_that_learns

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "out" / "recorded-training"
QUIET: dict[str, Any] = {"verbose": 0}
ADAM = {"optimizer": "adam", "loss": "binary_crossentropy"}


def texts(rows: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.concatenate([recipes.ids(rng, True) for _ in range(rows // recipes.BATCH)])
    return x, (x.max(axis=1) > 12).astype(np.float32)


def bilstm() -> porting.PortedNetwork:
    return porting.load(RECORDED / "masked_bilstm", engine="neoml")


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


def test_fit_learns_and_predict_uses_what_it_learnt() -> None:
    net, (x, y) = bilstm(), texts()
    before = net.predict(x)
    history = net.fit(
        x,
        y,
        epochs=8,
        validation_split=0.25,
        metrics=["accuracy"],
        **ADAM | {"optimizer": optimizers.Adam(0.02)},
        **QUIET,
    )
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert len(history.history["loss"]) == 8
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert np.abs(net.predict(x) - before).max() > 0.1
    seen = net.evaluate(x, y, return_dict=True)
    accuracy = np.mean((net.predict(x)[:, 0] > 0.5) == y)
    assert seen["accuracy"] == pytest.approx(accuracy)
    assert net.check().ok


def test_shuffling_is_told_by_the_seed() -> None:
    x, y = texts()

    def weights(**settings: Any) -> dict[str, np.ndarray]:
        net = bilstm()
        net.fit(x, y, batch_size=8, epochs=2, **ADAM, **settings, **QUIET)
        return net.weights()

    first = weights(seed=1)
    assert same(first, weights(seed=1))
    assert not same(first, weights(seed=2))
    assert not same(first, weights(seed=1, shuffle=False))


def test_an_iterator_of_batches_trains_as_arrays_do() -> None:
    x, y = texts()
    whole, parts = bilstm(), bilstm()

    def batches() -> Iterator[Any]:
        for start in range(0, len(x), 8):
            yield x[start : start + 8], y[start : start + 8]

    whole.fit(x, y, batch_size=8, epochs=2, shuffle=False, **ADAM, **QUIET)
    parts.fit(batches, epochs=2, **ADAM, **QUIET)
    assert same(whole.weights(), parts.weights())


def test_batches_by_number_train_as_arrays_do() -> None:
    x, y = texts()

    class Numbered:
        ended = 0

        def __len__(self) -> int:
            return len(x) // 8

        def __getitem__(self, number: int) -> Any:
            return x[number * 8 : number * 8 + 8], y[number * 8 : number * 8 + 8]

        def on_epoch_end(self) -> None:
            self.ended += 1

    whole, parts, shuffled, source = bilstm(), bilstm(), bilstm(), Numbered()
    whole.fit(x, y, batch_size=8, epochs=2, shuffle=False, **ADAM, **QUIET)
    history = parts.fit(source, epochs=2, shuffle=False, **ADAM, **QUIET)
    assert same(whole.weights(), parts.weights())
    assert source.ended == 2
    assert history.params["steps"] == 6
    shuffled.fit(source, epochs=2, **ADAM, **QUIET)
    assert not same(whole.weights(), shuffled.weights())
    assert parts.evaluate(source, return_dict=True)["loss"] == pytest.approx(
        parts.evaluate(x, y, batch_size=8, return_dict=True)["loss"]
    )


def test_losses_go_by_the_names_of_their_classes_too() -> None:
    x, y = texts(8)
    one, other = bilstm(), bilstm()
    one.fit(x, y, optimizer="adam", loss="BinaryCrossentropy", **QUIET)
    other.fit(x, y, optimizer="Adam", loss="bce", **QUIET)
    assert same(one.weights(), other.weights())


def test_ragged_lengths_train() -> None:
    net, rng = bilstm(), np.random.default_rng(0)
    lengths = [3, 17, 1, 9]

    def batches() -> Iterator[Any]:
        for time_steps in lengths:
            yield recipes.ids(rng, True, time_steps), recipes.binary(rng)

    history = net.fit(batches, epochs=2, **ADAM, **QUIET)
    assert np.isfinite(history.history["loss"]).all()


def test_a_running_iterator_is_read_so_many_steps_an_epoch() -> None:
    def endless() -> Iterator[Any]:
        rng = np.random.default_rng(0)
        while True:
            yield recipes.ids(rng, True), recipes.binary(rng)

    net = bilstm()
    net.fit(endless(), epochs=3, steps_per_epoch=4, **ADAM, **QUIET)
    assert net._trainer is not None
    assert net._trainer.steps == 12


@pytest.mark.parametrize("pattern", ["embedding", "bilstm/forward_layer", "*/bias", "bilstm/backward_layer/kernel"])
def test_frozen_parts_stay_to_the_bit(pattern: str) -> None:
    net, (x, y) = bilstm(), texts()
    before = net.weights()
    net.fit(x, y, frozen=[pattern], **ADAM, **QUIET)
    from porting.training.trainable import matching

    frozen = matching(before, pattern)
    assert frozen
    moved = net.moved()
    for name, array in net.weights().items():
        assert (array == before[name]).all() == (name in frozen), name
        assert (moved[name] == 0) == (name in frozen)


def test_parts_have_rates_of_their_own() -> None:
    net, (x, y) = bilstm(), texts(8)
    rates = {"embedding": 0.0, "bilstm/*": schedules.ExponentialDecay(0.01, 10, 0.5)}
    net.fit(x, y, optimizer=optimizers.Adam(0.001), loss="binary_crossentropy", learning_rates=rates, **QUIET)
    moved = net.moved()
    assert moved["embedding/embeddings"] == 0
    assert moved["bilstm/forward_layer/kernel"] == pytest.approx(0.01, rel=1e-2)
    assert moved["score/kernel"] == pytest.approx(0.001, rel=1e-2)


def test_class_weights_are_sample_weights() -> None:
    x, y = texts()
    one, other = bilstm(), bilstm()
    one.fit(x, y, class_weight={1: 3.0}, **ADAM, **QUIET)
    other.fit(x, y, sample_weight=np.where(y == 1, 3.0, 1.0), **ADAM, **QUIET)
    assert same(one.weights(), other.weights())


def test_samples_without_a_label_count_for_one_head_only() -> None:
    x = np.random.default_rng(0).normal(size=(16, 12)).astype(np.float32)
    labels = np.full(16, np.nan)
    labels[:5] = [0, 1, 2, 3, 0]
    settings: dict[str, Any] = {"optimizer": "sgd", "loss": ["sparse_categorical_crossentropy", "mse"]}
    settings["sample_weight"] = {"classes": (np.arange(16) < 5).astype(np.float32)}
    one, other = (porting.load(RECORDED / "forked", engine="neoml") for _ in range(2))
    one.train_on_batch(x, {"classes": labels, "decoded": x}, **settings)
    other.train_on_batch(x, [np.nan_to_num(labels), x], **settings)
    assert same(one.weights(), other.weights())
    assert all(np.isfinite(array).all() for array in one.weights().values())
    without = porting.load(RECORDED / "forked", engine="neoml")
    without.train_on_batch(x, {"decoded": x}, optimizer="sgd", loss={"decoded": "mse"})
    assert without.moved()["classes/kernel"] == 0 < without.moved()["code/kernel"]


def test_early_stopping_restores_the_best_weights() -> None:
    net, (x, y) = bilstm(), texts()
    stopping = callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    wrong = 1 - y[-16:]
    history = net.fit(
        x, y, epochs=40, callbacks=[stopping], validation_data=(x[-16:], wrong), batch_size=8,
        optimizer=optimizers.Adam(0.01), loss="binary_crossentropy", **QUIET,
    )  # fmt: skip
    losses = history.history["val_loss"]
    assert len(losses) < 40
    assert net.evaluate(x[-16:], wrong, return_dict=True)["loss"] == pytest.approx(min(losses), rel=1e-6)


def test_a_schedule_of_epochs_sets_the_rate() -> None:
    net, (x, y) = bilstm(), texts(8)
    seen: list[float] = []

    def schedule(epoch: int, rate: float) -> float:
        seen.append(rate)
        return rate / 2

    optimizer = optimizers.SGD(0.5)
    net.fit(
        x, y, epochs=3, callbacks=[callbacks.LearningRateScheduler(schedule)], optimizer=optimizer, loss="mse", **QUIET
    )
    assert seen == [0.5, 0.25, 0.125]
    assert optimizer.learning_rate == 0.0625


def test_the_rate_falls_on_a_plateau() -> None:
    net, (x, y) = bilstm(), texts(8)
    optimizer = optimizers.SGD(0.0)
    optimizer.learning_rate = 1e-12
    callback = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1)
    net.fit(x, y, epochs=4, callbacks=[callback], optimizer=optimizer, loss="mse", **QUIET)
    assert optimizer.learning_rate == pytest.approx(1.25e-13)


# The steps are made in numpy, or by a solver of NeoML.
MADE: dict[str, dict[str, Any]] = {
    "here": {"optimizer": optimizers.Nadam(0.01)},
    "by itself": {"optimizer": optimizers.Adam(0.01), "frozen": ["embedding"]},
}


def resumable(path: Path, epochs: int, resume: bool = False, made: str = "here", **more: Any) -> porting.PortedNetwork:
    net, (x, y) = bilstm(), texts()
    net.fit(
        x, y, batch_size=8, epochs=epochs, validation_split=0.25, resume=path if resume else None,
        callbacks=[callbacks.Checkpoint(path, every_steps=3), callbacks.EarlyStopping("loss", patience=9)],
        loss="binary_crossentropy", seed=3, **copy.deepcopy(MADE[made]), **more, **QUIET,
    )  # fmt: skip
    return net


def test_a_run_resumes_to_the_bit(tmp_path: Path) -> None:
    whole = resumable(tmp_path / "whole", 6)
    resumable(tmp_path / "parts", 4)
    resumed = resumable(tmp_path / "parts", 6, resume=True)
    assert same(whole.weights(), resumed.weights())


def test_a_run_resumes_between_the_batches_of_one_step(tmp_path: Path) -> None:
    def run(path: Path, epochs: int, resume: bool = False) -> porting.PortedNetwork:
        net, (x, y) = bilstm(), texts(40)
        settings: dict[str, Any] = {"batch_size": 8, "loss": "binary_crossentropy", **QUIET}
        settings["optimizer"] = optimizers.Adam(0.01, gradient_accumulation_steps=3)
        net.fit(
            x, y, epochs=epochs, callbacks=[callbacks.Checkpoint(path)], resume=path if resume else None, **settings
        )
        return net

    whole = run(tmp_path / "whole", 3)
    before = run(tmp_path / "parts", 2).weights()
    resumed = run(tmp_path / "parts", 3, resume=True)
    assert same(whole.weights(), resumed.weights())
    assert not same(whole.weights(), before)


@pytest.mark.parametrize("count", [1, 0, 2.5, True, "3"])
def test_batches_of_one_step_are_two_or_more(count: Any) -> None:
    with pytest.raises((porting.Unsupported, porting.Mismatch), match="gradient_accumulation_steps"):
        optimizers.SGD(gradient_accumulation_steps=count)


@pytest.mark.parametrize("made", MADE)
def test_a_run_killed_at_any_moment_resumes_to_the_bit(made: str, tmp_path: Path) -> None:
    whole = resumable(tmp_path / "whole", 12, made=made)
    assert net_that_learns(whole).steps_by_itself == (made == "by itself")
    path = tmp_path / "killed"
    code = f"from tests.training.test_fit import *; resumable(Path({str(path)!r}), 12, True, {made!r})"
    killed = 0
    for wait in np.random.default_rng().uniform(0, 0.15, 3):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
        began = path.stat().st_mtime_ns if path.exists() else 0
        while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == began):
            time.sleep(0.01)
        time.sleep(wait)
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert killed
    resumed = resumable(path, 12, resume=True, made=made)
    assert same(whole.weights(), resumed.weights())


def test_a_write_that_is_broken_off_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint"
    resumable(path, 1)
    good = path.read_bytes()

    def broken_off(file: Any, *rest: Any, **options: Any) -> None:
        file.write(good[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(np.lib.format, "write_array", broken_off)
    with pytest.raises(KeyboardInterrupt):
        resumable(path, 2)
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "checkpoint"
    resumable(path, 1)
    good = path.read_bytes()
    at = len(good) // 2
    flipped = good[:at] + bytes([good[at] ^ 8]) + good[at + 1 :]
    path.write_bytes({"cut": good[:at], "flip": flipped, "empty": b"", "other": b"not a checkpoint"}[harm])
    with pytest.raises(porting.BadArchive):
        resumable(path, 2, resume=True)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    resumable(path, 1)
    with pytest.raises(porting.BadArchive, match="other weights learn"):
        resumable(path, 2, resume=True, frozen=["embedding"])


def test_saved_weights_come_back_to_the_bit(tmp_path: Path) -> None:
    net, (x, y) = bilstm(), texts()
    net.fit(x, y, epochs=2, **ADAM, **QUIET)
    net.save(tmp_path / "tuned")
    again = porting.load(tmp_path / "tuned", engine="neoml")
    assert same(net.weights(), again.weights())
    assert again.check().ok
    assert json.loads((tmp_path / "tuned" / "network.json").read_text())["origin"]["references"] == "computed by numpy"
    again.fit(x, y, **ADAM, **QUIET)


def test_a_network_that_takes_texts_learns(tmp_path: Path) -> None:
    net = porting.load(ROOT / "saved_weights" / "filter", engine="neoml")
    words = [str(word) for word in net.network.layers["text_vectorization"].weights["vocabulary"][10:50]]
    texts = [" ".join(words[start::4]) for start in range(4)]
    labels = np.array([1.0, 0.0, 1.0, 0.0])
    history = net.fit(texts, labels, epochs=40, optimizer=optimizers.Adam(0.01), loss="binary_crossentropy", **QUIET)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert "text_vectorization/vocabulary" not in net.moved()
    assert net.moved()["embedding/embeddings"] > 0
    net.save(tmp_path / "tuned")
    again = porting.load(tmp_path / "tuned", engine="neoml")
    assert again.check().ok
    assert (again.predict(texts) == net.predict(texts)).all()


@pytest.mark.parametrize(
    ("origin", "slices"),
    [
        ({"keras": "3.15.1", "backend": "tensorflow"}, True),
        ({"keras": "3.15.1", "backend": "jax"}, False),
        ({"keras": "2.15.0", "backend": "tensorflow"}, False),
    ],
)
def test_embeddings_learn_as_in_the_keras_that_saved_them(origin: dict[str, str], slices: bool) -> None:
    network = replace(read_network(RECORDED / "masked_bilstm"), origin=origin)
    x, y = texts(8)

    def trained(**settings: Any) -> dict[str, np.ndarray]:
        net = porting.PortedNetwork(network, make_engine(network, "neoml", None))
        net.train_on_batch(x, y, **ADAM, **settings)
        return net.weights()

    by_default = trained()
    assert same(by_default, trained(sparse_embeddings=slices))
    assert not same(by_default, trained(sparse_embeddings=not slices))


def test_a_rate_that_fails_changes_nothing() -> None:
    net, (x, y) = bilstm(), texts(8)
    net.compile(learning_rates={"score/bias": lambda step: -1.0}, **ADAM)
    before = net.weights()
    with pytest.raises(porting.Unsupported, match="learning rate of step 0"):
        net.train_on_batch(x, y)
    assert same(before, net.weights())


def changed(net: str, name: str, **config: Any) -> porting.PortedNetwork:
    """A recorded network with other settings in one layer."""
    network = read_network(RECORDED / net)
    old = network.layers[name]
    network = replace(network, layers={**network.layers, name: replace(old, config={**old.config, **config})})
    return porting.PortedNetwork(network, make_engine(network, "neoml", None))


L2 = {"class_name": "L2", "config": {"l2": 0.1}}


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"kernel_constraint": {"class_name": "Mine", "config": {}}}, "kernel_constraint .*Mine.* is not handled"),
        ({"kernel_constraint": {"class_name": "MaxNorm", "config": {"most": 1}}}, "most.* is not handled"),
        ({"kernel_regularizer": {"class_name": "Orthogonal"}}, "kernel_regularizer .* is not handled"),
        ({"activity_regularizer": {"class_name": "Mine"}}, "activity_regularizer .* is not handled"),
    ],
)
def test_what_a_layer_carries_is_done_or_refused(config: dict[str, Any], told: str) -> None:
    net = changed("masked_bilstm", "score", **config)
    with pytest.raises(porting.Unsupported, match=told) as caught:
        net.compile("sgd", "binary_crossentropy")
    assert all(problem.way_out for problem in caught.value.problems)
    if "kernel" in told:
        net.compile("sgd", "binary_crossentropy", frozen=["score"])


def test_an_activity_regularizer_inside_a_wrapper_is_refused() -> None:
    config = read_network(RECORDED / "masked_bilstm").layers["bilstm"].config
    inner = {**config["layer"], "config": {**config["layer"]["config"], "activity_regularizer": L2}}
    net = changed("masked_bilstm", "bilstm", layer=inner)
    with pytest.raises(porting.Unsupported, match="of a layer inside it is not handled in training"):
        net.compile("sgd", "binary_crossentropy")


def test_activities_count_in_evaluate_too() -> None:
    """Their part is told by the outputs alone, divided by the rows."""
    net, plain = changed("regression", "first", activity_regularizer=L2), porting.load(RECORDED / "regression", "neoml")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 7)).astype("f"), rng.normal(size=(6, 3)).astype("f")
    made = plain.layer_outputs(x)["first:0"]
    apart = (
        net.evaluate(x, y, loss="mse", return_dict=True)["loss"]
        - plain.evaluate(x, y, loss="mse", return_dict=True)["loss"]
    )
    assert apart == pytest.approx(0.1 * np.square(made).sum() / 6, rel=1e-5)


def test_dropout_in_a_convolutional_lstm_is_refused() -> None:
    network = read_network(ROOT / "out" / "recorded" / "convolution_recurrent--conv_lstm1d_sequences")
    (name,) = (one.name for one in network.layers.values() if one.class_name == "ConvLSTM1D")
    layer = network.layers[name]
    dropping = replace(layer, config={**layer.config, "recurrent_dropout": 0.5})
    network = replace(network, layers={**network.layers, name: dropping})
    net = porting.PortedNetwork(network, make_engine(network, "neoml", None))
    assert net.check().ok
    with pytest.raises(porting.Unsupported, match="dropout inside a ConvLSTM is not handled in training"):
        net.compile("sgd", "mse")


def test_what_cannot_be_trained_is_refused_by_name() -> None:
    net = porting.load(RECORDED / "conv_frozen_bn", engine="neoml")
    with pytest.raises(porting.Mismatch, match="of moving_mean and moving_variance only one is frozen"):
        net.compile("sgd", "mse", frozen=["norm/moving_mean"])
    with pytest.raises(porting.Mismatch, match="fits no layer"):
        net.compile("sgd", "mse", frozen=["norm", "nrom"])
    with pytest.raises(porting.Unsupported, match="does not learn"):
        porting.load(RECORDED / "dense", engine="numpy").compile("sgd", "mse")
    with pytest.raises(porting.Unsupported, match="does not learn"):
        porting.load(ROOT / "saved_weights" / "filter", engine="numpy").compile("sgd", "mse")


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.full((4, 5), recipes.VOCABULARY), np.zeros(4)),
        (np.ones((4, 5)), np.zeros(3)),
        (np.ones((4, 5)), np.zeros((4, 2))),
        (np.ones((0, 5)), np.zeros(0)),
    ],
)
def test_data_that_do_not_fit_are_refused(x: Any, y: Any) -> None:
    with pytest.raises(porting.Mismatch):
        bilstm().fit(x, y, **ADAM, **QUIET)


def test_labels_out_of_range_are_refused_and_the_net_lives_on() -> None:
    net = porting.load(RECORDED / "dense", engine="neoml")
    x = np.zeros((3, 12), np.float32)
    settings = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"}
    with pytest.raises(porting.Mismatch, match="class 4"):
        net.train_on_batch(x, np.array([0, 1, 4]), **settings)
    assert net.train_on_batch(x, np.array([0, 1, 3]), return_dict=True)["loss"] > 0


def test_a_loss_of_the_users_own() -> None:
    def cubes(truth: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        error = output - truth
        return np.mean(np.abs(error) ** 3, axis=-1), 3 * error * np.abs(error) / error.shape[-1]

    net = porting.load(RECORDED / "regression", engine="neoml")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 7)), rng.normal(size=(32, 3))
    history = net.fit(x, y, epochs=20, optimizer=optimizers.Adam(0.01), loss=cubes, **QUIET)
    assert history.history["loss"][-1] < 0.7 * history.history["loss"][0]


def test_a_metric_of_the_users_own_derives_from_that_of_a_loss() -> None:
    class Twice(metrics.BinaryCrossentropy):
        def sums(self, shown: metrics.Shown) -> np.ndarray:
            return super().sums(shown) * (2, 1)

    net, (x, y) = bilstm(), texts(8)
    net.compile("adam", "binary_crossentropy", metrics=[Twice(name="twice"), "binary_crossentropy"])
    numbers = net.evaluate(x, y, return_dict=True)
    assert numbers["twice"] == pytest.approx(2 * numbers["binary_crossentropy"])


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    net, (x, y) = bilstm(), texts(8)
    net.fit(x, y, epochs=2, **ADAM)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("epoch 2/2")
    assert os.linesep not in lines[1]
