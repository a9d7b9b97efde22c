"""`fit` that is broken off, by Ctrl-C, errors or other threads: what was learnt until then stays whole and usable."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

import porting
from porting import optimizers
from porting.training import callbacks

PLAIN = Path(__file__).parents[2] / "saved_weights" / "plain"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 32)).astype(np.float32)
Y = RNG.integers(0, 10, 24)
LOSS = "sparse_categorical_crossentropy"


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C raises, as at a terminal: what a shell starts in the background is born deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def fresh(optimizer: Any = "adam", **settings: Any) -> porting.PortedNetwork:
    net = porting.load(PLAIN, engine="neoml")
    net.compile(optimizers.SGD(0.1, momentum=0.9) if optimizer == "momentum" else optimizer, LOSS, **settings)
    return net


def after_steps(steps: int, **settings: Any) -> dict[str, np.ndarray]:
    """The weights after so many steps of batches of 4 in their order."""
    net = fresh(**settings)
    for step in range(steps):
        at = 4 * (step % 6)
        net.train_on_batch(X[at : at + 4], Y[at : at + 4])
    return net.weights()


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


def is_usable(net: porting.PortedNetwork, weights: dict[str, np.ndarray]) -> bool:
    """The weights are these, predictions are computed with them, and training goes on."""
    right = same(net.weights(), weights) and net.check().ok
    dense = weights["classes/kernel"], weights["classes/bias"]
    logits = X @ dense[0] + dense[1]
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    right &= np.abs(net.predict(X) - powers / powers.sum(axis=-1, keepdims=True)).max() < 1e-5
    net.train_on_batch(X, Y)
    return bool(right)


class At(callbacks.Callback):
    """Do something at the end of one batch."""

    def __init__(self, step: int, action: Any) -> None:
        self.step, self.action = step, action

    def on_train_batch_end(self, batch: int, logs: Optional[Any] = None) -> None:
        if self.run.trainer.steps == self.step:
            self.action()


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "momentum"}, {"learning_rates": {"*": 0.01}}])
def test_ctrl_c_within_a_step_waits_for_its_end(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    net = fresh(**settings)
    train = type(net._trainer).train
    seen: list[int] = []

    def interrupted(trainer: Any, batch: Any) -> Any:
        seen.append(1)
        if len(seen) == 3:
            interrupt()
        return train(trainer, batch)

    monkeypatch.setattr(type(net._trainer), "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, batch_size=4, shuffle=False, verbose=0, epochs=9)
    monkeypatch.undo()
    assert is_usable(net, after_steps(3, **settings))


def test_ctrl_c_at_any_moment_leaves_whole_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted in the middle of the optimizer's work on the weights."""
    net = fresh()
    apply = optimizers.RMSprop.update

    def interrupted(optimizer: Any, *rest: Any) -> None:
        interrupt()
        apply(optimizer, *rest)

    net.compile(optimizers.RMSprop(0.01), LOSS)
    monkeypatch.setattr(optimizers.RMSprop, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    monkeypatch.undo()
    assert is_usable(net, after_steps(1, optimizer=optimizers.RMSprop(0.01)))


def test_the_handler_of_ctrl_c_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    net = fresh()
    net.fit(X, Y, verbose=0)
    with pytest.raises(porting.Mismatch):
        net.train_on_batch(X, Y + 10)
    assert signal.getsignal(signal.SIGINT) is before


def broken(error: BaseException) -> Any:
    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize("error", [ValueError("a callback's own"), KeyboardInterrupt(), SystemExit(3)])
def test_what_a_callback_raises_comes_through(error: BaseException) -> None:
    net = fresh()
    with pytest.raises(type(error)):
        net.fit(X, Y, batch_size=4, shuffle=False, epochs=5, verbose=0, callbacks=[At(8, broken(error))])
    assert net.history is not None
    assert net.history.epoch == [0]
    assert len(net.history.history["loss"]) == 1
    assert net.history.moved["classes/kernel"] > 0
    assert is_usable(net, after_steps(8))


@pytest.mark.parametrize(
    "bad", [OSError("gone"), (X[:4], Y[:4] + 10), (X[:4, :3], Y[:4]), (X[:4], Y[:3]), None, (X[:0], Y[:0]), "end"]
)
def test_an_iterator_that_breaks_leaves_whole_steps(bad: Any) -> None:
    def batches() -> Iterator[Any]:
        for at in range(0, 12, 4):
            yield X[at : at + 4], Y[at : at + 4]
        if isinstance(bad, OSError):
            raise bad
        if bad != "end":
            yield bad

    net = fresh()
    expected = OSError if isinstance(bad, OSError) else porting.Mismatch
    with pytest.raises(expected):
        net.fit(batches(), steps_per_epoch=5, verbose=0)
    assert is_usable(net, after_steps(3))


def test_stop_training_ends_after_the_batch() -> None:
    net = fresh()

    class Stop(callbacks.Callback):
        def on_batch_end(self, batch: int, logs: Optional[Any] = None) -> None:
            if batch == 2:
                self.model.stop_training = True

    history = net.fit(X, Y, batch_size=4, shuffle=False, epochs=5, verbose=0, callbacks=[Stop()])
    assert history.epoch == [0]
    assert not net.stop_training
    assert is_usable(net, after_steps(3))


def test_a_callback_may_predict_and_evaluate() -> None:
    net = fresh()
    seen: list[Any] = []
    look = At(
        4,
        lambda: seen.append((net.weights(), net.predict(X), net.evaluate(X, Y, return_dict=True)["loss"])),
    )
    net.fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[look])
    at_four = after_steps(4)
    assert same(seen[0][0], at_four)
    chosen = np.take_along_axis(seen[0][1], Y[:, None], axis=1)
    assert seen[0][2] == pytest.approx(float(-np.log(chosen).mean()), rel=1e-5)
    assert is_usable(net, after_steps(6))


def test_one_fit_at_a_time() -> None:
    net, errors = fresh(), []

    def second() -> None:
        for call in (lambda: net.fit(X, Y, verbose=0), lambda: net.compile("sgd", LOSS)):
            try:
                call()
            except porting.Unsupported as error:
                errors.append(str(error))

    def elsewhere() -> None:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()

    net.fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[At(2, elsewhere), At(3, second)])
    assert len(errors) == 4
    assert all("while fit runs" in error for error in errors)
    assert is_usable(net, after_steps(6))


def test_other_threads_may_predict_and_train_meanwhile() -> None:
    net, done, wrong = fresh(), threading.Event(), []

    def predict() -> None:
        while not done.is_set():
            if not np.isfinite(net.predict(X, threads=1)).all():
                wrong.append("NaN")

    threads = [threading.Thread(target=predict) for _ in range(2)]
    for thread in threads:
        thread.start()
    net.fit(X, Y, batch_size=4, shuffle=False, epochs=10, verbose=0)
    steps = [threading.Thread(target=lambda: net.train_on_batch(X, Y)) for _ in range(6)]
    for step in steps:
        step.start()
    for step in steps:
        step.join()
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong
    plain = fresh()
    plain.fit(X, Y, batch_size=4, shuffle=False, epochs=10, verbose=0)
    for _ in range(6):
        plain.train_on_batch(X, Y)
    assert is_usable(net, plain.weights())


def test_a_loss_that_is_not_a_number_stops_the_run_where_asked() -> None:
    net = fresh(optimizers.SGD(1e30))
    history = net.fit(X * 1e10, Y, batch_size=4, epochs=3, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert history.epoch == [0]
    assert not np.isfinite(history.history["loss"][0])
    with pytest.raises(porting.Mismatch, match="batch"):
        net.fit(X * 1e10, Y, verbose=0, callbacks=[callbacks.TerminateOnNaN(raise_error=True)])


def test_a_network_that_was_never_trained_says_so() -> None:
    net = porting.load(PLAIN, engine="neoml")
    assert net.history is None
    assert net.optimizer is None
    assert not net.stop_training
    with pytest.raises(porting.Unsupported, match="loss"):
        net.evaluate(X, Y)


def test_history_and_models_are_written(tmp_path: Path) -> None:
    net, table = fresh(metrics=["accuracy"]), tmp_path / "log.csv"
    best = callbacks.ModelCheckpoint(tmp_path / "best", "accuracy", save_best_only=True)
    each = callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}-{loss:.1f}")
    settings: dict[str, Any] = {"shuffle": False, "epochs": 3, "verbose": 0, "batch_size": 8}
    history = net.fit(X, Y, callbacks=[callbacks.CSVLogger(table), best, each], **settings)
    net.fit(X, Y, callbacks=[callbacks.CSVLogger(table, append=True)], **settings)
    lines = table.read_text().splitlines()
    assert lines[0] == "epoch,accuracy,loss,val_accuracy,val_loss"
    assert len(lines) == 7
    assert [float(line.split(",")[2]) for line in lines[1:4]] == history.history["loss"]
    assert lines[1].endswith(",NA,NA")
    names = [f"{number + 1:02d}-{loss:.1f}" for number, loss in enumerate(history.history["loss"])]
    assert {one.name for one in tmp_path.iterdir()} == {"log.csv", "best", *names}
    accuracies = history.history["accuracy"]
    first_best = accuracies.index(max(accuracies))
    assert same(porting.load(tmp_path / "best").weights(), porting.load(tmp_path / names[first_best]).weights())
    with pytest.raises(porting.Unsupported, match="val_los"):
        net.fit(X, Y, callbacks=[callbacks.ModelCheckpoint(tmp_path / "{val_los}")], **settings)
    with pytest.raises(porting.Unsupported, match="mode="):
        net.fit(X, Y, metrics=[lambda y, p: y], loss=LOSS, callbacks=[callbacks.EarlyStopping("<lambda>")], **settings)
