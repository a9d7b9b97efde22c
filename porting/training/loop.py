"""Epochs: what `fit` and `evaluate` do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from ..errors import BadArchive, Mismatch, PortingError, Problem
from ..network import Array
from .callback import Callback
from .checkpoints import State, read_state, write_state
from .data import Batch, Batches
from .optimizers import SCALE
from .recording import Checkpoint
from .tally import Tally
from .trainer import Trainer


@contextmanager
def whole_step(trainer: Trainer) -> Iterator[None]:
    """Let a step be made whole or not at all: other threads wait for its end, and so does Ctrl-C.

    Numbers that grow beyond float32 become infinite and NaN in the losses, as in Keras, without numpy's warnings.
    """
    with trainer.lock, _without_interrupts(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        yield


@contextmanager
def _without_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # Ctrl-C interrupts the main thread alone
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        yield
        return
    seen: list[Any] = []
    signal.signal(signal.SIGINT, lambda *given: seen.append(given))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if seen:
            handler(*seen[0])


class History:
    """What a run was like.

    Attributes:
        history: lists by name, a number for each epoch, as Keras' ``History.history``.
        epoch: the epochs' numbers.
        params: ``epochs``, ``steps`` and ``verbose``, as Keras' ``History.params``.
        moved: by weight, how far its number that moved furthest has moved.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.params: dict[str, Any] = {}
        self.moved: dict[str, float] = {}

    def add(self, epoch: int, logs: Mapping[str, float]) -> None:
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def _last(self) -> str:
        last = "  ".join(f"{name} {values[-1]:.6g}" for name, values in self.history.items())
        return f"{len(self.epoch)} epochs: {last}"

    def __repr__(self) -> str:
        return f"<History of {self._last()}>"

    def _repr_html_(self) -> str:
        from .curves import history_html

        return history_html(self.epoch, self.history)

    def __str__(self) -> str:
        lines = [self._last()]
        lines += [f"  {name}: {f'moved {far:.3g}' if far else 'did not move'}" for name, far in self.moved.items()]
        return "\n".join(lines)


class Run:
    """One call of `fit`.

    Attributes:
        trainer: the network in training.
        data: what each epoch reads.
        epoch, step: the epoch, and how many of its batches are done.
        stop: set by a callback to end after this epoch.
        resumed: whether it goes on from a checkpoint.
        history: what was seen so far.
    """

    def __init__(
        self,
        trainer: Trainer,
        data: Batches,
        epochs: int = 1,
        validation: Optional[Batches] = None,
        callbacks: Sequence[Callback] = (),
        initial_epoch: int = 0,
        validation_freq: Union[int, Collection[int]] = 1,
        model: Any = None,
        verbose: Any = 0,
    ) -> None:
        self.trainer = trainer
        self.data = data
        self.validation = validation
        self.validation_freq = validation_freq
        self.epochs = epochs
        self.callbacks = list(callbacks)
        self.history = History()
        self.history.params = {"verbose": verbose, "epochs": epochs, "steps": data.count}
        self.epoch, self.step = initial_epoch, 0
        self.stop = False
        self.resumed = False
        for callback in self.callbacks:
            callback.run, callback.model, callback.params = self, model, self.history.params

    def go(self) -> History:
        """Run all epochs, from the beginning or from where a checkpoint was resumed."""
        logs: dict[str, float] = {}
        try:
            for callback in self.callbacks:
                callback.on_train_begin({})
            while self.epoch < self.epochs and (self.step or not self.stop):
                logs = self._epoch()
                self.epoch, self.step = self.epoch + 1, 0
            self.trainer.finalize()
            for callback in self.callbacks:
                callback.on_train_end(logs)
        finally:
            self.trainer.changed = True
            self.history.moved = self.trainer.moved()
        return self.history

    def _epoch(self) -> dict[str, float]:
        if self.step == 0:
            self.trainer.tally = self.trainer.fresh_tally()
            for callback in self.callbacks:
                callback.on_epoch_begin(self.epoch, {})
        if not self.stop:
            self._batches()
        if self.step == 0:
            raise Mismatch("data", "gave no batch", "an iterator that is used up gives nothing in a next epoch")
        logs = self.trainer.tally.logs()
        if self.validation is not None and self.validates():
            measured = evaluate(self.trainer, self.validation, self.callbacks)
            logs.update({f"val_{name}": value for name, value in measured.items()})
        self._end_epoch(logs)
        return logs

    def _batches(self) -> None:
        """The rest of the epoch's batches; none after a callback has said stop."""
        for batch in self.data.epoch(self.epoch, self.step):
            for callback in self.callbacks:
                callback.on_train_batch_begin(self.step, {})
            with whole_step(self.trainer):
                self.trainer.train(batch)
                self.step += 1
            logs = self.trainer.tally.logs()
            for callback in self.callbacks:
                callback.on_train_batch_end(self.step - 1, logs)
            if self.stop:
                return

    def validates(self) -> bool:
        """Whether this epoch ends with a validation."""
        number = self.epoch + 1
        if isinstance(self.validation_freq, int):
            return number % self.validation_freq == 0
        return number in self.validation_freq

    def _end_epoch(self, measured: Mapping[str, float]) -> None:
        """The history has what callbacks add to the logs; checkpoints have the history."""
        logs = dict(measured)
        checkpoints = [one for one in self.callbacks if isinstance(one, Checkpoint)]
        for callback in self.callbacks:
            if callback not in checkpoints:
                callback.on_epoch_end(self.epoch, logs)
        self.history.add(self.epoch, logs)
        for callback in checkpoints:
            callback.on_epoch_end(self.epoch, logs)

    @property
    def keepers(self) -> list[Callback]:
        """The callbacks that a checkpoint keeps something of."""
        return [one for one in self.callbacks if one.keeps_state]

    # ---- checkpoints

    def save(self, path: Union[str, Path]) -> None:
        """Write the state of the run as it is between two steps."""
        self._save(path, self.epoch, self.step)

    def save_after_epoch(self, path: Union[str, Path]) -> None:
        """Write the state at the end of an epoch, or of the run."""
        at = self.epoch + 1 if self.step else self.epoch
        self._save(path, at, 0)

    def _save(self, path: Union[str, Path], epoch: int, step: int) -> None:
        trainer = self.trainer
        if trainer.learner.is_random:
            # What comes depends on the steps made alone, in this run as in the one that resumes.
            trainer.learner.reseed(_seed_at(trainer))
        arrays: dict[str, Array] = {"weights": trainer.learner.theta.vector}
        arrays.update({f"before/{name}": array for name, array in trainer.before.items()})
        for name, slots in trainer.optimizer.state.items():
            arrays.update({f"optimizer/{name}//{slot}": array for slot, array in slots.items()})
        for number, callback in enumerate(self.keepers):
            arrays.update({f"callback/{number}/{name}": array for name, array in callback.arrays().items()})
        write_state(State(arrays, self._numbers(epoch, step)), path)

    def _numbers(self, epoch: int, step: int) -> dict[str, Any]:
        trainer = self.trainer
        optimizer = trainer.optimizer
        rate = optimizer.learning_rate
        return {
            "epoch": epoch,
            "step": step,
            "stop": self.stop,
            "steps": trainer.steps,
            "learns": list(trainer.choice.learns),
            "optimizer": type(optimizer).__name__,
            "iterations": optimizer.iterations,
            "learning_rate": None if callable(rate) else float(rate),
            "optimizer_numbers": optimizer.numbers,
            "tally": trainer.tally.as_numbers() if step else {},
            "history": self.history.history,
            "epochs_done": self.history.epoch,
            "kept_callbacks": [type(callback).__name__ for callback in self.keepers],
            "callbacks": [callback.state() for callback in self.keepers],
        }

    def resume(self, path: Union[str, Path]) -> None:
        """Take up the state that a checkpoint holds.

        Raises:
            BadArchive: no sound checkpoint, or one of another run.
        """
        state = read_state(path)
        numbers, trainer = state.numbers, self.trainer
        tally = self._resumed_tally(path, numbers)
        self._check_fits(path, state)
        self._resume_callbacks(path, state)
        trainer.changed = True
        trainer.learner.theta.vector[...] = state.arrays["weights"]
        trainer.before = {name: state.arrays[f"before/{name}"] for name in trainer.before}
        optimizer = trainer.optimizer
        optimizer.state = _optimizer_state(state)
        optimizer.iterations = numbers["iterations"]
        optimizer.numbers = dict(numbers["optimizer_numbers"])
        if numbers["learning_rate"] is not None:
            optimizer.learning_rate = numbers["learning_rate"]
        trainer.steps = numbers["steps"]
        trainer.tally = tally
        self.epoch, self.step, self.stop = numbers["epoch"], numbers["step"], numbers["stop"]
        self.history.history = {name: list(values) for name, values in numbers["history"].items()}
        self.history.epoch = list(numbers["epochs_done"])
        if trainer.learner.is_random:
            trainer.learner.reseed(_seed_at(trainer))
        self.resumed = True

    def _resumed_tally(self, path: Union[str, Path], numbers: Mapping[str, Any]) -> Tally:
        tally = self.trainer.fresh_tally()
        try:
            for name, sums in numbers["tally"].items():
                tally.add(name, np.array(sums, np.float64))
            if numbers["step"] and "loss" not in tally.logs():
                raise KeyError("loss")
        except (KeyError, ValueError, TypeError, IndexError, ArithmeticError) as error:
            what = f"was written within an epoch, and its sums are not those of this run's metrics: {error!r}"
            raise BadArchive(str(path), what, "give the losses and metrics that it was written with") from error
        return tally

    def _resume_callbacks(self, path: Union[str, Path], state: State) -> None:
        for number, (callback, kept) in enumerate(zip(self.keepers, state.numbers["callbacks"])):
            prefix = f"callback/{number}/"
            arrays = {key[len(prefix) :]: array for key, array in state.arrays.items() if key.startswith(prefix)}
            try:
                if kept:
                    callback.resume(kept)
                callback.resume_arrays(arrays)
            except PortingError:
                raise
            except (KeyError, ValueError, TypeError, IndexError, ArithmeticError) as error:
                what = f"keeps a state of {type(callback).__name__} that it cannot take up: {error!r}"
                raise BadArchive(str(path), what, "use one before it") from error

    def _check_fits(self, path: Union[str, Path], state: State) -> None:
        trainer, numbers, where = self.trainer, state.numbers, str(path)
        arrays = trainer.learner.theta.arrays
        problems = []
        if numbers["learns"] != list(trainer.choice.learns):
            problems.append(Problem(where, "was written by a run in which other weights learn"))
        elif state.arrays["weights"].shape != trainer.learner.theta.vector.shape:
            problems.append(Problem(where, "holds weights of other shapes"))
        slots = trainer.optimizer.kept_slots
        kept_slots = _optimizer_state(state)
        for name, array in arrays.items():
            own = [state.arrays.get(f"before/{name}"), *kept_slots.get(name, {}).values()]
            fits = all(one is not None and one.shape == array.shape for one in own)
            if not fits or (name in kept_slots and kept_slots[name].keys() != slots):
                problems.append(Problem(where, f"lacks state of {name!r}, or holds it in another shape"))
        known = {"weights", *(f"before/{name}" for name in arrays)}
        known |= {f"optimizer/{name}//{slot}" for name in arrays for slot in slots}
        known |= {key for key in state.arrays if _callback_number(key) in range(len(self.keepers))}
        problems += [
            Problem(f"{where}: {key}", "belongs to nothing in this run") for key in state.arrays.keys() - known
        ]
        if numbers["optimizer"] != type(trainer.optimizer).__name__:
            problems.append(Problem(where, f"was written with the optimizer {numbers['optimizer']}"))
        elif _own_numbers(numbers["optimizer_numbers"]) != _own_numbers(trainer.optimizer.numbers):
            problems.append(Problem(where, f"holds numbers that are not {numbers['optimizer']}'s"))
        elif (numbers["learning_rate"] is None) != callable(trainer.optimizer.learning_rate):
            problems.append(Problem(where, "was written with a schedule, or without one, other than this run"))
        kept = [type(callback).__name__ for callback in self.keepers]
        if numbers["kept_callbacks"] != kept or len(numbers["callbacks"]) != len(kept):
            there = ", ".join(numbers["kept_callbacks"]) or "no callback"
            way_out = f"give the callbacks that it was written with, or train from the start; now there are {kept}"
            problems.append(Problem(where, f"keeps the state of {there}", way_out))
        BadArchive.raise_for(problems)


def _optimizer_state(state: State) -> dict[str, dict[str, Array]]:
    """By weight, then by slot."""
    found: dict[str, dict[str, Array]] = {}
    for key, array in state.arrays.items():
        if key.startswith("optimizer/"):
            name, _, slot = key[len("optimizer/") :].rpartition("//")
            found.setdefault(name, {})[slot] = array
    return found


def _own_numbers(numbers: Mapping[str, float]) -> set[str]:
    """The names of an optimizer's numbers, but for the measure that an engine left its state in."""
    return {name for name in numbers if not name.endswith(SCALE)}


def _callback_number(key: str) -> Optional[int]:
    """Of an array ``callback/NUMBER/NAME``."""
    kind, _, rest = key.partition("/")
    number = rest.partition("/")[0]
    return int(number) if kind == "callback" and number.isdecimal() else None


def _seed_at(trainer: Trainer) -> int:
    return int(np.random.default_rng([trainer.settings.seed, trainer.steps]).integers(2**31))


def evaluate(trainer: Trainer, data: Batches, callbacks: Sequence[Callback] = ()) -> dict[str, float]:
    """Loss and metrics over all batches."""
    tally = trainer.fresh_tally()
    for callback in callbacks:
        callback.on_test_begin({})
    for number, batch in enumerate(data.epoch(0)):
        for callback in callbacks:
            callback.on_test_batch_begin(number, {})
        with whole_step(trainer):
            trainer.test(batch, tally)
        logs = tally.logs() if callbacks else {}
        for callback in callbacks:
            callback.on_test_batch_end(number, logs)
    if not tally.sums:
        raise Mismatch("data", "gave no batch")
    logs = tally.logs()
    for callback in callbacks:
        callback.on_test_end(logs)
    return logs


def class_weighted(data: Batches, class_weight: Mapping[int, float], output: str) -> Batches:
    """The same batches, each sample weighing what its class weighs (1 where that is not given), as in Keras.

    Raises:
        Mismatch: the data have sample weights already.
    """

    def epoch(number: int, start: int) -> Iterator[Batch]:
        for batch in data.epoch(number, start):
            labels = batch.labels[output]
            if batch.weights[output] is not None:
                raise Mismatch("class_weight", "and sample_weight cannot both be given")
            if labels is None:
                raise Mismatch("class_weight", "needs labels")
            classes = labels
            if labels.ndim > 1:
                classes = labels.argmax(axis=-1) if labels.shape[-1] != 1 else labels[..., 0]
            weights = np.ones(classes.shape, np.float32)
            for known, weight in class_weight.items():
                weights[np.round(classes) == known] = weight
            yield Batch(batch.inputs, batch.labels, {**batch.weights, output: weights})

    return Batches(epoch, data.count)
