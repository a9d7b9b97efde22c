"""Callbacks for `fit`: early stopping, checkpoints, learning rates, progress."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional, TextIO, Union

import numpy as np

from ..errors import BadArchive, Problem, Unsupported
from ..inputs import whole_number
from ..network import Array
from .arguments import file_path, maybe_whole, real_number, refusal, takes, truth_value

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "LearningRateScheduler",
    "ProgressBar",
    "ReduceLROnPlateau",
    "listed",
]

Logs = Mapping[str, float]


class Callback:
    """What `fit` calls as it goes. All methods do nothing by default.

    Attributes:
        run: the `porting.training.loop.Run`: ``run.trainer``, ``run.epoch``, ``run.step``, ``run.stop = True``.
    """

    run: Any = None

    def on_train_begin(self) -> None: ...
    def on_epoch_begin(self, epoch: int) -> None: ...
    def on_batch_end(self, step: int, logs: Logs) -> None: ...
    def on_epoch_end(self, epoch: int, logs: Logs) -> None: ...
    def on_train_end(self) -> None: ...

    def state(self) -> dict[str, float]:
        """What a checkpoint must keep of the callback: numbers by name."""
        return {}

    def resume(self, state: Mapping[str, float]) -> None:
        """Take up what `state` gave."""

    def arrays(self) -> dict[str, Array]:
        """Arrays that a checkpoint must keep."""
        return {}

    def resume_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Take up what `arrays` gave."""


def listed(given: Any) -> list[Callback]:
    """The callbacks: one, several, or None for none. Raises Unsupported for what is no callback."""
    several = [given] if isinstance(given, Callback) else [] if given is None else given
    if not isinstance(several, (list, tuple)):
        raise refusal("callbacks", given, "give a list of callbacks")
    for one in several:
        if not isinstance(one, Callback):
            way_out = "give an instance" if isinstance(one, type) else "derive it from porting.training.callbacks"
            raise refusal("callbacks: one", one, way_out)
    return list(several)


class _Watch:
    """Whether a number in the logs got better."""

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        if not isinstance(monitor, str):
            raise refusal("monitor", monitor, "name a number of the logs: 'loss', 'val_loss'")
        real_number("min_delta", min_delta)
        if mode not in ("auto", "min", "max"):
            raise Unsupported(Problem("mode", f"is {mode!r}", "use auto, min or max"))
        rises = mode == "max" or (mode == "auto" and ("acc" in monitor or "auc" in monitor))
        self.monitor, self.sign, self.min_delta = monitor, 1.0 if rises else -1.0, abs(min_delta)

    def value(self, logs: Logs) -> float:
        if self.monitor not in logs:
            what = f"is not among the logs: {', '.join(logs)}"
            raise Unsupported(Problem(f"monitor {self.monitor!r}", what, "name one of them"))
        return logs[self.monitor]

    def better(self, value: float, than: Optional[float]) -> bool:
        return than is None or self.sign * (value - than) > self.min_delta


class EarlyStopping(Callback):
    """Stop when a number has not got better for `patience` epochs. See ``keras.callbacks.EarlyStopping``."""

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        baseline: Optional[float] = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self.watch = _Watch(monitor, mode, min_delta)
        whole_number("patience", patience, 0)
        whole_number("start_from_epoch", start_from_epoch, 0)
        truth_value("restore_best_weights", restore_best_weights)
        if baseline is not None:
            real_number("baseline", baseline)
        self.patience, self.baseline = patience, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.best: Optional[float] = None
        self.best_epoch = 0
        self.waited = 0
        self.best_weights: Optional[Array] = None

    def on_train_begin(self) -> None:
        if not self.run.resumed:
            self.best, self.waited, self.best_epoch, self.best_weights = None, 0, 0, None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if epoch < self.start_from_epoch:
            return
        value = self.watch.value(logs)
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
            self.run.stop = True

    def on_train_end(self) -> None:
        if self.best_weights is not None:
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
        self.best_weights = arrays.get("best_weights")


class Checkpoint(Callback):
    """Write the run's whole state to a file, so that ``fit(…, resume=path)`` goes on from there to the bit.

    Args:
        path: of the file; replaced as a whole, so that a run killed while it writes leaves the one before.
        every_epochs: how often; the end of the run is always written.
        every_steps: also within epochs, after so many steps.
    """

    def __init__(
        self, path: Union[str, Path], every_epochs: Optional[int] = 1, every_steps: Optional[int] = None
    ) -> None:
        self.path = Path(file_path("Checkpoint: path", path))
        self.every_epochs = maybe_whole("every_epochs", every_epochs)
        self.every_steps = maybe_whole("every_steps", every_steps)

    def on_train_begin(self) -> None:
        if os.path.isdir(self.path):
            raise BadArchive(Problem(str(self.path), "is a folder", "name a file, in this folder or elsewhere"))

    def on_batch_end(self, step: int, logs: Logs) -> None:
        if self.every_steps and self.run.trainer.steps % self.every_steps == 0:
            self.run.save(self.path)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.every_epochs and (epoch + 1) % self.every_epochs == 0:
            self.run.save_after_epoch(self.path)

    def on_train_end(self) -> None:
        self.run.save_after_epoch(self.path)


class LearningRateScheduler(Callback):
    """Set the optimizer's rate before each epoch to ``schedule(epoch, rate)``."""

    def __init__(self, schedule: Callable[[int, float], float]) -> None:
        if not callable(schedule) or isinstance(schedule, type) or not takes(schedule, 2):
            raise refusal("schedule", schedule, "give a function of the epoch and the rate")
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int) -> None:
        optimizer = self.run.trainer.optimizer
        chosen = self.schedule(epoch, _plain_rate(optimizer))
        optimizer.learning_rate = real_number(f"learning rate of epoch {epoch}", chosen, 0)


def _plain_rate(optimizer: Any) -> float:
    if callable(optimizer.learning_rate):
        what = "has a schedule of its own"
        raise Unsupported(Problem("learning_rate", what, "give the optimizer a number, or leave the callback out"))
    return float(np.float32(optimizer.learning_rate))


class ReduceLROnPlateau(Callback):
    """Multiply the rate when a number has not got better. See ``keras.callbacks.ReduceLROnPlateau``."""

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        self.watch = _Watch(monitor, mode, min_delta)
        whole_number("patience", patience, 0)
        whole_number("cooldown", cooldown, 0)
        real_number("min_lr", min_lr, 0)
        if real_number("factor", factor, 0) >= 1:
            raise refusal("factor", factor, "give a number below 1")
        self.factor, self.patience, self.cooldown, self.min_lr = factor, patience, cooldown, min_lr
        self.best: Optional[float] = None
        self.waited = 0
        self.cooling = 0

    def on_train_begin(self) -> None:
        if not self.run.resumed:
            self.best, self.waited, self.cooling = None, 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        value = self.watch.value(logs)
        if self.cooling:
            self.cooling -= 1
            self.waited = 0
        if self.watch.better(value, self.best):
            self.best, self.waited = value, 0
        elif not self.cooling:
            self.waited += 1
            if self.waited >= self.patience:
                self._reduce()

    def _reduce(self) -> None:
        optimizer = self.run.trainer.optimizer
        rate = _plain_rate(optimizer)
        if rate > np.float32(self.min_lr):
            optimizer.learning_rate = max(rate * self.factor, self.min_lr)
            self.cooling, self.waited = self.cooldown, 0

    def state(self) -> dict[str, float]:
        best = {} if self.best is None else {"best": self.best}
        return {**best, "waited": self.waited, "cooling": self.cooling}

    def resume(self, state: Mapping[str, float]) -> None:
        self.best, self.waited, self.cooling = state.get("best"), int(state["waited"]), int(state["cooling"])


class ProgressBar(Callback):
    """A line for each epoch; on a terminal it grows as the epoch goes."""

    def __init__(self, file: Optional[TextIO] = None) -> None:
        self.file = file

    def on_epoch_begin(self, epoch: int) -> None:
        self.began = self.shown = time.monotonic()

    def on_batch_end(self, step: int, logs: Logs) -> None:
        now = time.monotonic()
        if self._out.isatty() and now - self.shown > 0.2:
            self.shown = now
            self._out.write("\r" + self._line(step, self.run.trainer.tally.logs()))
            self._out.flush()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        start = "\r" if self._out.isatty() else ""
        self._out.write(start + self._line(self.run.step, logs) + os.linesep)
        self._out.flush()

    @property
    def _out(self) -> TextIO:
        return self.file or sys.stderr

    def _line(self, step: int, logs: Logs) -> str:
        count = self.run.data.count
        place = f"{step}/{count or '?'}"
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        passed = time.monotonic() - self.began
        each = 1e3 * passed / max(step, 1)
        return f"epoch {self.run.epoch + 1}/{self.run.epochs}  {place}  {passed:.1f} s, {each:.1f} ms a step  {numbers}"
