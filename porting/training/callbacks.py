"""Callbacks for `fit`, with Keras' names and arguments: stopping, learning rates, progress, and files."""

from __future__ import annotations

import math
import os
import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, fields
from typing import Any, Optional, TextIO, Union

import numpy as np

from ..errors import Mismatch, Unsupported
from ..inputs import whole_number
from ..network import Array
from .arguments import Check, check_settings, maybe, one_of, real_number, refusal, takes, truth_value, within
from .callback import Callback, Logs, Watch, monitor_name
from .recording import Checkpoint, CSVLogger, ModelCheckpoint

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]


def from_zero(name: str, value: Any) -> int:
    return whole_number(name, value, 0)


def below_one(name: str, value: Any) -> None:
    if real_number(name, value, 0) >= 1:
        raise refusal(name, value, "give a number from 0 up to, but not including, 1")


SETTINGS: dict[str, Check] = {
    "monitor": monitor_name,
    "mode": one_of("auto", "min", "max"),
    "min_delta": within(),
    "baseline": maybe(within()),
    "factor": below_one,
    "min_lr": within(0),
    "restore_best_weights": truth_value,
    **dict.fromkeys(("patience", "cooldown", "start_from_epoch", "verbose"), from_zero),
}


class Watching(Callback):
    """Watches whether a number gets better; settings are checked, and what is kept begins anew with each run."""

    monitor: str
    mode: str
    min_delta: float
    verbose: int

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]
        check_settings(type(self).__name__, SETTINGS, {**given, "verbose": int(self.verbose)})
        self.watch = Watch(self, self.monitor, self.mode, self.min_delta)
        self._reset()

    @abstractmethod
    def _reset(self) -> None:
        """Forget what was seen."""

    def on_train_begin(self, logs: Optional[Logs] = None) -> None:
        if not self.run.resumed:
            self._reset()


@dataclass(eq=False, repr=False)
class EarlyStopping(Watching):
    """Stop when a number has not got better for `patience` epochs. See ``keras.callbacks.EarlyStopping``."""

    monitor: str = "val_loss"
    min_delta: float = 0.0
    patience: int = 0
    verbose: int = 0
    mode: str = "auto"
    baseline: Optional[float] = None
    restore_best_weights: bool = False
    start_from_epoch: int = 0

    def _reset(self) -> None:
        self.best: Optional[float] = None
        self.best_epoch = self.waited = self.stopped_epoch = 0
        self.best_weights: Optional[Array] = None

    def on_epoch_end(self, epoch: int, logs: Optional[Logs] = None) -> None:
        value = self.watch.value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        vector = self.run.trainer.learner.theta.vector
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = vector.copy(), epoch
        self.waited += 1
        if self.watch.better(value, self.best):
            self.best, self.best_epoch = value, epoch
            self.best_weights = vector.copy() if self.restore_best_weights else None
            if self.baseline is None or self.watch.better(value, self.baseline):
                self.waited = 0
            return
        if self.waited >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.run.stop = True

    def on_train_end(self, logs: Optional[Logs] = None) -> None:
        if self.stopped_epoch and self.verbose:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                say(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.run.trainer.learner.theta.vector[...] = self.best_weights

    def state(self) -> dict[str, float]:
        best = {} if self.best is None else {"best": self.best}
        return {**best, "best_epoch": self.best_epoch, "waited": self.waited}

    def resume(self, state: Mapping[str, float]) -> None:
        self.best = state.get("best")
        self.best_epoch, self.waited = int(state["best_epoch"]), int(state["waited"])

    def arrays(self) -> dict[str, Array]:
        return {} if self.best_weights is None else {"best_weights": self.best_weights}

    def resume_arrays(self, arrays: Mapping[str, Array]) -> None:
        best = arrays.get("best_weights")
        vector = self.run.trainer.learner.theta.vector
        if best is not None and (best.shape != vector.shape or best.dtype != vector.dtype):
            raise ValueError(f"best_weights are {best.dtype} of shape {best.shape}")
        self.best_weights = best


def say(text: str) -> None:
    sys.stderr.write(text + os.linesep)


Schedule = Union[Callable[[int], float], Callable[[int, float], float]]


class LearningRateScheduler(Callback):
    """Set the optimizer's rate before each epoch to ``schedule(epoch, rate)`` or ``schedule(epoch)``.

    See ``keras.callbacks.LearningRateScheduler``; the rate stands in the history as ``learning_rate``.
    """

    def __init__(self, schedule: Schedule, verbose: int = 0) -> None:
        if not callable(schedule) or isinstance(schedule, type) or not (takes(schedule, 2) or takes(schedule, 1)):
            raise refusal("schedule", schedule, "give a function of the epoch and the rate")
        check_settings("LearningRateScheduler", SETTINGS, {"verbose": int(verbose)})
        self.schedule: Callable[..., float] = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Optional[Logs] = None) -> None:
        optimizer = self.run.trainer.optimizer
        rate = plain_rate(optimizer)
        chosen = self.schedule(epoch, rate) if takes(self.schedule, 2) else self.schedule(epoch)
        optimizer.learning_rate = real_number(f"learning rate of epoch {epoch}", chosen, 0)
        if self.verbose:
            say(f"Epoch {epoch + 1}: LearningRateScheduler setting learning rate to {chosen}.")

    def on_epoch_end(self, epoch: int, logs: Optional[Logs] = None) -> None:
        note_rate(self, logs)


def plain_rate(optimizer: Any) -> float:
    if callable(optimizer.learning_rate):
        what = "has a schedule of its own"
        raise Unsupported("learning_rate", what, "give the optimizer a number, or leave the callback out")
    return float(np.float32(optimizer.learning_rate))


def note_rate(callback: Callback, logs: Optional[Logs]) -> None:
    if isinstance(logs, MutableMapping):
        logs["learning_rate"] = plain_rate(callback.run.trainer.optimizer)


@dataclass(eq=False, repr=False)
class ReduceLROnPlateau(Watching):
    """Multiply the rate when a number has not got better. See ``keras.callbacks.ReduceLROnPlateau``.

    The rate of each epoch stands in the history as ``learning_rate``.
    """

    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    verbose: int = 0
    mode: str = "auto"
    min_delta: float = 1e-4
    cooldown: int = 0
    min_lr: float = 0.0

    def _reset(self) -> None:
        self.best: Optional[float] = None
        self.waited = self.cooling = 0

    def on_epoch_end(self, epoch: int, logs: Optional[Logs] = None) -> None:
        note_rate(self, logs)
        value = self.watch.value(logs)
        if value is None:
            return
        if self.cooling:
            self.cooling -= 1
            self.waited = 0
        if self.watch.better(value, self.best):
            self.best, self.waited = value, 0
        elif not self.cooling:
            self.waited += 1
            if self.waited >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        optimizer = self.run.trainer.optimizer
        rate = plain_rate(optimizer)
        if rate > np.float32(self.min_lr):
            optimizer.learning_rate = max(rate * self.factor, self.min_lr)
            self.cooling, self.waited = self.cooldown, 0
            if self.verbose:
                now = optimizer.learning_rate
                say(f"Epoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {now}.")

    def state(self) -> dict[str, float]:
        best = {} if self.best is None else {"best": self.best}
        return {**best, "waited": self.waited, "cooling": self.cooling}

    def resume(self, state: Mapping[str, float]) -> None:
        self.best, self.waited, self.cooling = state.get("best"), int(state["waited"]), int(state["cooling"])


class TerminateOnNaN(Callback):
    """Stop after the batch whose loss is NaN or infinite. See ``keras.callbacks.TerminateOnNaN``.

    Args:
        raise_error: raise Mismatch instead; the callbacks' ``on_train_end`` is not called then.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = truth_value("TerminateOnNaN: raise_error", raise_error)

    def on_batch_end(self, batch: int, logs: Optional[Logs] = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if math.isfinite(loss):
            return
        if self.raise_error:
            raise Mismatch("loss", f"is {loss} at batch {batch}", "lower the learning rate, or clip gradients")
        say(f"Batch {batch}: Invalid loss, terminating training")
        self.run.stop = True


class LambdaCallback(Callback):
    """Functions in place of methods: ``LambdaCallback(on_epoch_end=lambda epoch, logs: …)``.

    See ``keras.callbacks.LambdaCallback``.

    Raises:
        Unsupported: no method has that name, or no function is given.
    """

    def __init__(self, **functions: Optional[Callable[..., Any]]) -> None:
        known = [name for name in dir(Callback) if name.startswith("on_")]
        for name, function in functions.items():
            if name not in known:
                raise Unsupported(f"LambdaCallback: {name}", "is never called", f"use one of {', '.join(known)}")
            if function is not None:
                if not callable(function):
                    raise refusal(f"LambdaCallback: {name}", function, "give a function")
                setattr(self, name, function)


class ProgressBar(Callback):
    """A line for each epoch; on a terminal it grows as the epoch goes."""

    def __init__(self, file: Optional[TextIO] = None) -> None:
        self.file = file

    def on_epoch_begin(self, epoch: int, logs: Optional[Logs] = None) -> None:
        self.began = self.shown = time.monotonic()

    def on_batch_end(self, batch: int, logs: Optional[Logs] = None) -> None:
        now = time.monotonic()
        if self._out.isatty() and now - self.shown > 0.2:
            self.shown = now
            self._out.write("\r" + self._line(batch + 1, logs or {}))
            self._out.flush()

    def on_epoch_end(self, epoch: int, logs: Optional[Logs] = None) -> None:
        start = "\r" if self._out.isatty() else ""
        self._out.write(start + self._line(self.run.step, logs or {}) + os.linesep)
        self._out.flush()

    @property
    def _out(self) -> TextIO:
        return self.file or sys.stderr

    def _line(self, step: int, logs: Logs) -> str:
        place = f"{step}/{self.params['steps'] or '?'}"
        numbers = "  ".join(
            f"{name} {value:.4g}" if name == "learning_rate" else f"{name} {value:.4f}" for name, value in logs.items()
        )
        passed = time.monotonic() - self.began
        each = 1e3 * passed / max(step, 1)
        return f"epoch {self.run.epoch + 1}/{self.run.epochs}  {place}  {passed:.1f} s, {each:.1f} ms a step  {numbers}"
