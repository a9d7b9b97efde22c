"""Fine-tuning as users call it: what `porting.PortedNetwork` inherits."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from .engine import Engine
from .errors import Problem, Unsupported
from .inputs import whole_number
from .network import Input, Network
from .training.arguments import (
    Check,
    check_settings,
    class_weights,
    file_path,
    maybe_whole,
    patterns,
    rates_by_pattern,
    real_number,
    refusal,
    seed_number,
    truth_value,
)
from .training.callback import Callback, listed
from .training.callbacks import Checkpoint, ProgressBar
from .training.data import Arrays, Batch, Batches, Outputs, as_batches
from .training.loop import History, Run, class_weighted, evaluate, whole_step
from .training.optimizers import Optimizer
from .training.tally import in_keras_order
from .training.trainer import Given, Settings, Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack

BATCH_SIZE = 32
SETTINGS = tuple(field.name for field in fields(Settings))


def share(name: str, value: Any) -> None:
    if real_number(name, value, 0, 1) == 1:
        raise refusal(name, value, "give a number from 0 up to, but not including, 1")


def frequency(name: str, value: Any) -> None:
    """Every so many epochs, or a list of their numbers from 1 up."""
    if isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            whole_number(name, one)
    else:
        whole_number(name, value)


def how_loud(name: str, value: Any) -> None:
    if value not in (0, 1, 2, "auto") or isinstance(value, float):
        raise refusal(name, value, "give 0 for silence or 1 for progress")


FIT_SETTINGS: dict[str, Check] = {
    **dict.fromkeys(("epochs", "initial_epoch"), lambda name, value: whole_number(name, value, 0)),
    **dict.fromkeys(("batch_size", "steps_per_epoch", "validation_steps", "validation_batch_size"), maybe_whole),
    "validation_split": share,
    "validation_freq": frequency,
    "shuffle": truth_value,
    "verbose": how_loud,
}
EVALUATE_SETTINGS: dict[str, Check] = {
    **dict.fromkeys(("batch_size", "steps"), maybe_whole),
    "return_dict": truth_value,
    "verbose": how_loud,
}


def given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are not None."""
    return {name: value for name, value in settings.items() if value is not None}


def shown(trainer: Trainer, logs: dict[str, float], by_name: bool) -> Any:
    """Numbers as Keras returns them: by name, or in its order, and the loss alone where there is nothing else."""
    if by_name:
        return logs
    values = in_keras_order(logs, list(trainer.losses), trainer.metrics)
    return values[0] if len(values) == 1 else values


class Tunable(ABC):
    """Training of a network on an engine that can learn.

    Attributes:
        network: the network, with the weights as they are now.
        engine: what runs it, with the same weights.
        history: of the last call of `fit`, one that was broken off too; None before.
    """

    def __init__(self, network: Network, engine: Engine) -> None:
        self._network = network
        self._engine = engine
        self._trainer: Optional[Trainer] = None
        # References of Keras' fit the weights of Keras'.
        self._is_tuned = False
        self._run: Optional[Run] = None
        self._busy = threading.Lock()
        self.history: Optional[History] = None

    @property
    def network(self) -> Network:
        self._catch_up()
        return self._network

    @property
    def engine(self) -> Engine:
        self._catch_up()
        return self._engine

    def _catch_up(self) -> None:
        """Give the weights that training has changed to what predicts."""
        trainer = self._trainer
        if trainer is None or not trainer.changed:
            return
        with trainer.lock:
            if trainer.changed:
                trainer.changed = False
                self._network = self._network.with_weights(trainer.weights())
                self._engine = self._engine.renewed(self._network)

    @property
    def optimizer(self) -> Optional[Optimizer]:
        """The optimizer that was compiled, with its state; None before."""
        return None if self._trainer is None else self._trainer.optimizer

    @property
    def stop_training(self) -> bool:
        """Whether `fit` is told to stop; a callback sets it, as in Keras, and the run ends after this batch."""
        return self._run is not None and self._run.stop

    @stop_training.setter
    def stop_training(self, stop: bool) -> None:
        if self._run is not None:
            self._run.stop = truth_value("stop_training", stop)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = (),
        weighted_metrics: Any = (),
        frozen: Sequence[str] = (),
        learning_rates: Optional[Mapping[str, Any]] = None,
        sparse_embeddings: Optional[bool] = None,
        seed: int = 0,
    ) -> None:
        """Say how to train, as Keras' ``compile`` does; see `porting.training.trainer.Settings`.

        Raises:
            Unsupported: with every layer and setting that cannot be trained as Keras trains it.
            Mismatch: names that fit no output, layer or weight.
        """
        settings = Settings(
            optimizer,
            loss,
            loss_weights,
            metrics,
            weighted_metrics,
            frozen,
            {} if learning_rates is None else learning_rates,
            sparse_embeddings,
            seed,
        )
        with self._alone("compile"):
            self._prepare(settings)

    def _prepare(self, settings: Settings) -> None:
        if settings.sparse_embeddings is not None:
            truth_value("sparse_embeddings", settings.sparse_embeddings)
        checked = replace(
            settings,
            frozen=patterns("frozen", settings.frozen),
            learning_rates=rates_by_pattern("learning_rates", settings.learning_rates),
            seed=seed_number("seed", settings.seed),
        )
        self._complete()
        self._trainer = Trainer(self.network, checked, self._engine.learner, self._engine.rules)
        self._is_tuned = True

    def _complete(self) -> None:
        """Have the whole network at hand. A stored net predicts without; it is read when more is asked for."""
        if self._engine.is_partial:
            self._network, self._engine = self._engine.whole()

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: Optional[int] = None,
        epochs: int = 1,
        verbose: Union[bool, int] = 1,
        callbacks: Sequence[Callback] = (),
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Optional[Mapping[int, float]] = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: Optional[int] = None,
        validation_steps: Optional[int] = None,
        validation_batch_size: Optional[int] = None,
        validation_freq: Union[int, Collection[int]] = 1,
        resume: Optional[Union[str, Path]] = None,
        *,
        workers: Optional[int] = None,
        scheduler: Optional[str] = None,
        optimizer: Any = None,
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        frozen: Optional[Sequence[str]] = None,
        learning_rates: Optional[Mapping[str, Any]] = None,
        sparse_embeddings: Optional[bool] = None,
        seed: Optional[int] = None,
    ) -> History:
        """Train as Keras' ``fit`` does.

        Args:
            x: inputs as `predict` takes them; or without `y` an iterable of ``(x, y)`` or ``(x, y, sample_weight)``
                batches, or a function that gives a fresh one for each epoch; or an object that gives batches by number,
                with ``__len__`` and ``__getitem__``, as ``keras.utils.PyDataset``.
            y: labels; for several outputs a list, or a dict by output (None where an output has none).
            batch_size, epochs, validation_split, initial_epoch: as in Keras; batches have 32 rows by default.
            verbose: show progress.
            callbacks: of `porting.training.callbacks`.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, or batches as `x` may be.
            shuffle: another order in each epoch, told by `seed`: of rows of arrays, or of batches by number.
            class_weight: by class; one output only.
            sample_weight: for each sample, or each sample and step; for several outputs a list or dict.
            steps_per_epoch, validation_steps: batches to take of an iterator that does not end.
            validation_batch_size: of the validation data; `batch_size` by default.
            validation_freq: validate every so many epochs, or after the epochs of these numbers, from 1 up.
            resume: a checkpoint to go on from, where the file exists.
            workers: so many processes of this machine share the rows of each batch, and the numbers stay those of one;
                needs the extra ``dask``.
            scheduler: the address of a dask scheduler whose workers do.
            optimizer, loss, loss_weights, metrics, weighted_metrics: as for `compile`, which is called first where any
                of these and the following is given.
            frozen, learning_rates, sparse_embeddings, seed: as for `compile`.

        Raises:
            Unsupported, Mismatch, BadArchive: as `compile`, the data and the checkpoint ask for it; and with the layers
                whose rows of a batch cannot be shared out.
            porting.corpus.connection.Unfinished: workers or their scheduler stay away; what was learnt stays.
        """
        numbers = {"batch_size": batch_size, "epochs": epochs, "initial_epoch": initial_epoch, "verbose": verbose}
        steps = {"steps_per_epoch": steps_per_epoch, "validation_steps": validation_steps, "shuffle": shuffle}
        validating = {"validation_batch_size": validation_batch_size, "validation_freq": validation_freq}
        split = {"validation_split": validation_split}
        check_settings("fit", FIT_SETTINGS, {**numbers, **steps, **split, **validating})
        weights_of_classes = class_weights(class_weight)
        given_callbacks = listed(callbacks)
        resumed = None if resume is None else file_path("resume", resume)
        told = {"optimizer": optimizer, "loss": loss, "loss_weights": loss_weights, "metrics": metrics, "seed": seed}
        told.update(weighted_metrics=weighted_metrics, frozen=frozen, learning_rates=learning_rates)
        settings = given({**told, "sparse_embeddings": sparse_embeddings})
        with self._alone("fit"):
            trainer = self._ready(settings, is_alone=True)
            seed = trainer.settings.seed if shuffle else None
            if validation_split:
                whole = self._arrays(x, y, sample_weight)
                kept, held = whole.split(validation_split)
                data = Batches.of_arrays(kept, batch_size or BATCH_SIZE, seed)
                size = validation_batch_size or batch_size or BATCH_SIZE
                validation: Optional[Batches] = Batches.of_arrays(held, size, None)
            else:
                data = self._batches(x, y, sample_weight, batch_size, seed, steps_per_epoch)
                validation = self._validation(validation_data, validation_batch_size or batch_size, validation_steps)
            if weights_of_classes:
                data = class_weighted(data, weights_of_classes, self._only_output(trainer))
            bars = (
                [ProgressBar()] if verbose and not any(isinstance(one, ProgressBar) for one in given_callbacks) else []
            )
            ordered = sorted([*given_callbacks, *bars], key=lambda one: isinstance(one, Checkpoint))
            run = Run(trainer, data, epochs, validation, ordered, initial_epoch, validation_freq, self, verbose)
            with self._trained_on(trainer, scheduler, workers):
                return self._go(run, resumed)

    @abstractmethod
    def _trained_on(
        self, trainer: Trainer, scheduler: Optional[str], workers: Optional[int]
    ) -> AbstractContextManager[None]:
        """While the block runs a cluster gives the gradients, where there is to be one."""

    def _go(self, run: Run, resumed: Optional[str]) -> History:
        self._run, self.history = run, run.history
        try:
            if resumed is not None and os.path.exists(resumed):
                run.resume(resumed)
            return run.go()
        finally:
            self._run = None

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """One `fit` or `compile` at a time."""
        if not self._busy.acquire(blocking=False):
            way_out = "wait for the end of fit, or load the network a second time"
            raise Unsupported(what, "cannot be called while fit runs on the same network", way_out)
        try:
            yield
        finally:
            self._busy.release()

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Optional[Mapping[int, float]] = None,
        return_dict: bool = False,
        **settings: Unpack[Given],
    ) -> Any:
        """One step; its loss and metrics, as Keras' ``train_on_batch``.

        They are of this batch alone, as in Keras after ``reset_metrics``. `return_dict` and `settings` are as for
        `evaluate`.
        """
        truth_value("return_dict", return_dict)
        weights_of_classes = class_weights(class_weight)
        trainer = self._ready(settings)
        batch = self._batch(x, y, sample_weight)
        if weights_of_classes:
            whole = Batches(lambda number, start: iter([batch]), 1)
            batch = next(class_weighted(whole, weights_of_classes, self._only_output(trainer)).epoch(0))
        with whole_step(trainer):
            return shown(trainer, trainer.train(batch), return_dict)

    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        return_dict: bool = False,
        **settings: Unpack[Given],
    ) -> Any:
        """Loss and metrics of one batch, as Keras' ``test_on_batch``; nothing learns. The rest is as for `evaluate`."""
        truth_value("return_dict", return_dict)
        trainer = self._ready(settings)
        batch = self._batch(x, y, sample_weight)
        with whole_step(trainer):
            return shown(trainer, trainer.test(batch, trainer.fresh_tally()), return_dict)

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: Optional[int] = None,
        verbose: Union[bool, int, str] = 0,
        sample_weight: Any = None,
        steps: Optional[int] = None,
        callbacks: Union[Callback, Sequence[Callback], None] = None,
        return_dict: bool = False,
        **settings: Unpack[Given],
    ) -> Any:
        """Loss and metrics over all batches, as Keras' ``evaluate``: a list, or the loss alone without metrics.

        Args:
            x, y, sample_weight: as `fit` takes them.
            batch_size: rows of a batch, 32 by default.
            verbose: 1 says the numbers.
            steps: batches to take of an iterator that does not end.
            callbacks: whose ``on_test_…`` methods are called.
            return_dict: give the numbers by name.
            settings: those of `compile`, which is then called first.
        """
        numbers = {"batch_size": batch_size, "steps": steps, "return_dict": return_dict, "verbose": verbose}
        check_settings("evaluate", EVALUATE_SETTINGS, numbers)
        given_callbacks = listed(callbacks)
        trainer = self._ready(settings)
        data = self._batches(x, y, sample_weight, batch_size, None, steps)
        for callback in given_callbacks:
            callback.model, callback.params = self, {"steps": data.count, "verbose": verbose}
        logs = evaluate(trainer, data, given_callbacks)
        if verbose in (1, 2, True):
            print("  ".join(f"{name} {value:.4f}" for name, value in logs.items()))
        return shown(trainer, logs, return_dict)

    def moved(self) -> dict[str, float]:
        """By weight, how far its number that moved furthest has moved in training."""
        return {} if self._trainer is None else self._trainer.moved()

    # ---- data

    def _ready(self, settings: Mapping[str, Any], is_alone: bool = False) -> Trainer:
        unknown = [key for key in settings if key not in SETTINGS]
        if unknown:
            way_out = f"settings of compile are {', '.join(SETTINGS)}"
            raise Unsupported(Problem(key, "is not a setting of training", way_out) for key in unknown)
        if is_alone and (settings or self._trainer is None):
            self._prepare(Settings(**settings))
        elif settings or self._trainer is None:
            self.compile(**settings)
        assert self._trainer is not None
        return self._trainer

    def _form(self) -> tuple[Sequence[Input], Outputs, Mapping[str, int]]:
        assert self._trainer is not None
        return self._network.inputs, self._trainer.outputs, self._engine.id_limits

    def _arrays(self, x: Any, y: Any, weights: Any) -> Arrays:
        return Arrays(x, y, weights, *self._form())

    def _batch(self, x: Any, y: Any, weights: Any) -> Batch:
        return self._arrays(x, y, weights).batch(slice(None))

    def _batches(
        self, x: Any, y: Any, weights: Any, size: Optional[int], seed: Optional[int], count: Optional[int]
    ) -> Batches:
        return as_batches(x, y, weights, *self._form(), size or BATCH_SIZE, seed, count)

    def _validation(self, given: Any, size: Optional[int], steps: Optional[int]) -> Optional[Batches]:
        if given is None:
            return None
        if isinstance(given, (tuple, list)) and len(given) in (2, 3):
            x, y = given[:2]
            return self._batches(x, y, given[2] if len(given) == 3 else None, size, None, None)
        return self._batches(given, None, None, size, None, steps)

    @staticmethod
    def _only_output(trainer: Trainer) -> str:
        if len(trainer.losses) != 1:
            problem = Problem("class_weight", "counts for one output only", "give sample_weight for each output")
            raise Unsupported(problem)
        return next(iter(trainer.losses))
