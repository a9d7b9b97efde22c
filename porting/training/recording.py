"""Callbacks that write files: checkpoints to go on from, networks, tables of numbers."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional, Union

from ..errors import BadArchive, Unsupported
from ..inputs import whole_number
from .arguments import Check, check_settings, file_path, maybe, maybe_whole, one_of, refusal, truth_value, within
from .callback import Callback, Logs, Watch, monitor_name


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
        checks: dict[str, Check] = {"path": file_path, "every_epochs": maybe_whole, "every_steps": maybe_whole}
        settings = {"path": path, "every_epochs": every_epochs, "every_steps": every_steps}
        check_settings("Checkpoint", checks, settings)
        self.path, self.every_epochs, self.every_steps = Path(path), every_epochs, every_steps

    def on_train_begin(self, logs: Optional[Logs] = None) -> None:
        if os.path.isdir(self.path):
            raise BadArchive(str(self.path), "is a folder", "name a file, in this folder or elsewhere")

    def on_batch_end(self, batch: int, logs: Optional[Logs] = None) -> None:
        if self.every_steps and self.run.trainer.steps % self.every_steps == 0:
            self.run.save(self.path)

    def on_epoch_end(self, epoch: int, logs: Optional[Logs] = None) -> None:
        if self.every_epochs and (epoch + 1) % self.every_epochs == 0:
            self.run.save_after_epoch(self.path)

    def on_train_end(self, logs: Optional[Logs] = None) -> None:
        self.run.save_after_epoch(self.path)


class ModelCheckpoint(Callback):
    """Save the network as epochs go, or only its best. See ``keras.callbacks.ModelCheckpoint``.

    What is written is a saved network's folder, as `save` writes it: `porting.load` opens it, and `porting.restore`
    takes its weights to Keras. To go on with a run that was broken off, use `Checkpoint`.

    Args:
        filepath: of the folder, with the epoch and the logs if you like: ``"best-{epoch:02d}-{val_loss:.2f}"``. What
            stands there is replaced.
        monitor: the number that is watched.
        verbose: say what is done.
        save_best_only: save only where the number got better.
        mode: ``min``, ``max``, or ``auto``: as the metric of that name has it.
        save_freq: ``epoch``, or after how many batches.
        initial_value_threshold: save only what is better than this.
    """

    def __init__(
        self,
        filepath: Union[str, Path],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
        save_freq: Union[str, int] = "epoch",
        initial_value_threshold: Optional[float] = None,
    ) -> None:
        checks: dict[str, Check] = {
            "filepath": file_path,
            "monitor": monitor_name,
            "save_best_only": truth_value,
            "mode": one_of("auto", "min", "max"),
            "save_freq": how_often,
            "initial_value_threshold": maybe(within()),
        }
        settings = {"filepath": filepath, "monitor": monitor, "save_best_only": save_best_only, "mode": mode}
        others = {"save_freq": save_freq, "initial_value_threshold": initial_value_threshold}
        check_settings("ModelCheckpoint", checks, {**settings, **others})
        self.watch = Watch(self, monitor, mode)
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_freq, self.best = save_best_only, save_freq, initial_value_threshold
        self.batches = 0

    def on_epoch_begin(self, epoch: int, logs: Optional[Logs] = None) -> None:
        self.epoch = epoch

    def on_batch_end(self, batch: int, logs: Optional[Logs] = None) -> None:
        self.batches += 1
        if self.save_freq != "epoch" and self.batches >= int(self.save_freq):
            self.batches = 0
            self._save(self.epoch, {"batch": batch + 1, **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: Optional[Logs] = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs or {})

    def _save(self, epoch: int, logs: Logs) -> None:
        folder = self._folder(epoch, logs)
        if self.save_best_only:
            value = self.watch.value(logs)
            if value is None or not self.watch.better(value, self.best):
                return
            self.best = value
        self.model.save(folder, overwrite=True)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved to {folder}")

    def _folder(self, epoch: int, logs: Logs) -> str:
        try:
            return self.filepath.format(**{**logs, "epoch": epoch + 1})
        except (KeyError, IndexError, ValueError) as error:
            what = f"cannot be filled in: {error!r}; there are epoch, {', '.join(logs)}"
            raise Unsupported(f"filepath {self.filepath!r}", what, "name some of these") from error

    def state(self) -> dict[str, float]:
        best = {} if self.best is None else {"best": self.best}
        return {**best, "batches": self.batches}

    def resume(self, state: Any) -> None:
        self.best, self.batches = state.get("best"), int(state["batches"])


def how_often(name: str, value: Any) -> None:
    if value != "epoch":
        whole_number(name, value)


class CSVLogger(Callback):
    """A row of numbers for each epoch, in a file. See ``keras.callbacks.CSVLogger``.

    Args:
        filename: of the file.
        separator: one character between the numbers.
        append: go on with the file where it exists.

    Raises:
        BadArchive: while training: the file cannot be written.
    """

    def __init__(self, filename: Union[str, Path], separator: str = ",", append: bool = False) -> None:
        checks: dict[str, Check] = {"filename": file_path, "separator": one_character, "append": truth_value}
        check_settings("CSVLogger", checks, {"filename": filename, "separator": separator, "append": append})
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self.names: list[str] = []

    def on_train_begin(self, logs: Optional[Logs] = None) -> None:
        self.names = []
        is_old = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        self.headed = is_old
        self._write("a" if self.append else "w", [])

    def on_epoch_end(self, epoch: int, logs: Optional[Logs] = None) -> None:
        known = logs or {}
        if not self.names:
            self.names = sorted(known)
            if not any(name.startswith("val_") for name in known):
                self.names += [f"val_{name}" for name in self.names]
        rows = [[epoch, *(known.get(name, "NA") for name in self.names)]]
        self._write("a", rows if self.headed else [["epoch", *self.names], *rows])
        self.headed = True

    def _write(self, mode: str, rows: Iterable[Iterable[Any]]) -> None:
        try:
            with open(self.filename, mode, newline="", encoding="utf-8") as file:
                csv.writer(file, delimiter=self.separator).writerows(rows)
        except OSError as error:
            raise BadArchive(self.filename, f"cannot be written: {error.strerror or error}") from error


def one_character(name: str, value: Any) -> None:
    if not isinstance(value, str) or len(value) != 1:
        raise refusal(name, value, "give one character")
