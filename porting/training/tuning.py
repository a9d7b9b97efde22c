"""Fine-tuning as users call it: what `porting.PortedNetwork` inherits."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union, cast

from ..errors import Problem, Unsupported
from ..inputs import whole_number
from ..network import Input, Network
from .arguments import (
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
from .callbacks import Callback, Checkpoint, ProgressBar, listed
from .data import Arrays, Batch, Batches, Outputs, as_batches
from .loop import History, Run, class_weighted, evaluate
from .results import with_references, with_weights
from .trainer import LearningEngine, Settings, Trainer

if TYPE_CHECKING:
    from ..engine import Engine

__all__ = ["Tunable"]

BATCH_SIZE = 32
SETTINGS = tuple(field.name for field in fields(Settings))


def check_numbers(
    batch_size: Any, epochs: Any, initial_epoch: Any, steps: Any, validation_steps: Any, validation_split: Any
) -> None:
    """Raises Unsupported for the numbers of `fit` that are none."""
    whole_number("epochs", epochs, 0)
    whole_number("initial_epoch", initial_epoch, 0)
    maybe = {"batch_size": batch_size, "steps_per_epoch": steps, "validation_steps": validation_steps}
    for name, value in maybe.items():
        if value is not None:
            whole_number(name, value)
    if real_number("validation_split", validation_split, 0, 1) == 1:
        raise refusal("validation_split", validation_split, "give a number from 0 up to, but not including, 1")


class Tunable:
    """Training of a network on an engine that can learn.

    Attributes:
        network: the network, with the weights as they are now.
        engine: what runs it, with the same weights.
    """

    def __init__(self, network: Network, engine: Engine) -> None:
        self._network = network
        self._engine = engine
        self._trainer: Optional[Trainer] = None
        self._behind = False

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
        if self._behind and self._trainer is not None:
            self._behind = False
            self._network = with_weights(self._network, self._trainer.weights())
            self._engine = cast(LearningEngine, self._engine).renewed(self._network)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = (),
        weighted_metrics: Any = (),
        frozen: Sequence[str] = (),
        learning_rates: Optional[Mapping[str, Any]] = None,
        sparse_embeddings: bool = True,
        seed: int = 0,
    ) -> None:
        """Say how to train, as Keras' ``compile`` does; see `porting.training.trainer.Settings`.

        Raises:
            Unsupported: with every layer and setting that cannot be trained as Keras trains it.
            Mismatch: names that fit no output, layer or weight.
        """
        self._complete()
        self._check_learns()
        settings = Settings(
            optimizer,
            loss,
            loss_weights,
            metrics,
            weighted_metrics,
            patterns("frozen", frozen),
            rates_by_pattern("learning_rates", learning_rates),
            truth_value("sparse_embeddings", sparse_embeddings),
            seed_number("seed", seed),
        )
        self._trainer = Trainer(self.network, settings, cast(LearningEngine, self._engine).learner)

    def _check_learns(self) -> None:
        # What stands before an engine, for texts, passes questions on to it.
        if hasattr(getattr(self._engine, "core", self._engine), "learner"):
            return
        what, way_out = f"the {self._engine.name} engine does not learn", "load the network with engine='neoml'"
        raise Unsupported(Problem("training", what, way_out))

    def _complete(self) -> None:
        """Have the whole network at hand. A stored net predicts without; it is read when more is asked for."""
        whole = getattr(self._engine, "whole", None)
        if whole is not None:
            self._network, self._engine = whole()

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
        resume: Optional[Union[str, Path]] = None,
        **settings: Any,
    ) -> History:
        """Train as Keras' ``fit`` does.

        Args:
            x: inputs as `predict` takes them; or without `y` an iterable of ``(x, y)`` or ``(x, y, sample_weight)``
                batches, or a function that gives a fresh one for each epoch.
            y: labels; for several outputs a list, or a dict by output (None where an output has none).
            batch_size, epochs, validation_split, initial_epoch: as in Keras; batches have 32 rows by default.
            verbose: show progress.
            callbacks: of `porting.training.callbacks`.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, or batches as `x` may be.
            shuffle: another order in each epoch, told by `seed`; arrays only.
            class_weight: by class; one output only.
            sample_weight: for each sample, or each sample and step; for several outputs a list or dict.
            steps_per_epoch, validation_steps: batches to take of an iterator that does not end.
            resume: a checkpoint to go on from, where the file exists.
            settings: those of `compile`, which is then called first.

        Raises:
            Unsupported, Mismatch, BadArchive: as `compile`, the data and the checkpoint ask for it.
        """
        check_numbers(batch_size, epochs, initial_epoch, steps_per_epoch, validation_steps, validation_split)
        if verbose not in (0, 1, 2, "auto") or isinstance(verbose, float):
            raise refusal("verbose", verbose, "give 0 for silence or 1 for progress")
        truth_value("shuffle", shuffle)
        weights_of_classes = class_weights(class_weight)
        given_callbacks = listed(callbacks)
        resumed = None if resume is None else file_path("resume", resume)
        trainer = self._ready(settings)
        seed = trainer.settings.seed if shuffle else None
        if validation_split:
            whole = self._arrays(x, y, sample_weight)
            kept, held = whole.split(validation_split)
            data = Batches.of_arrays(kept, batch_size or BATCH_SIZE, seed)
            validation: Optional[Batches] = Batches.of_arrays(held, batch_size or BATCH_SIZE, None)
        else:
            data = self._batches(x, y, sample_weight, batch_size, seed, steps_per_epoch)
            validation = self._validation(validation_data, batch_size, validation_steps)
        if weights_of_classes:
            data = class_weighted(data, weights_of_classes, self._only_output(trainer))
        ordered = sorted(given_callbacks, key=lambda one: isinstance(one, Checkpoint))
        bars = [ProgressBar()] if verbose and not any(isinstance(one, ProgressBar) for one in ordered) else []
        run = Run(trainer, data, epochs, validation, [*ordered, *bars], initial_epoch)
        if resumed is not None and os.path.exists(resumed):
            run.resume(resumed)
        self._behind = True
        return run.go()

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Optional[Mapping[int, float]] = None,
        **settings: Any,
    ) -> dict[str, float]:
        """One step; its loss and metrics by name, as Keras gives them with ``return_dict=True``."""
        weights_of_classes = class_weights(class_weight)
        trainer = self._ready(settings)
        batch = self._batch(x, y, sample_weight)
        if weights_of_classes:
            whole = Batches(lambda number, start: iter([batch]), 1)
            batch = next(class_weighted(whole, weights_of_classes, self._only_output(trainer)).epoch(0))
        self._behind = True
        return trainer.train(batch)

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: Optional[int] = None,
        sample_weight: Any = None,
        steps: Optional[int] = None,
        **settings: Any,
    ) -> dict[str, float]:
        """Loss and metrics over all batches, as Keras' ``evaluate(…, return_dict=True)``."""
        for name, value in (("batch_size", batch_size), ("steps", steps)):
            maybe_whole(name, value)
        trainer = self._ready(settings)
        return evaluate(trainer, self._batches(x, y, sample_weight, batch_size, None, steps))

    def moved(self) -> dict[str, float]:
        """By weight, how far its number that moved furthest has moved in training."""
        return {} if self._trainer is None else self._trainer.moved()

    def save(self, folder: Union[str, Path], overwrite: bool = False) -> None:
        """Write a saved network with the weights as they are now; `porting.restore` takes them back to Keras.

        Its references are recomputed by the numpy engine; ``origin`` says so.

        Raises:
            BadArchive: the folder exists, or cannot be written.
        """
        from ..archive import write_network

        write_network(self._referenced(), file_path("folder", folder), overwrite=overwrite)

    def _referenced(self) -> Network:
        """The network with references that fit its weights."""
        self._complete()
        network = self.network
        refs = {ref for call in network.calls for ref in call.refs()}
        fit = self._trainer is None and all(case.outputs.keys() == refs for case in network.cases)
        return network if fit else with_references(network, cast(LearningEngine, self._engine).rules)

    # ---- data

    def _ready(self, settings: Mapping[str, Any]) -> Trainer:
        unknown = [key for key in settings if key not in SETTINGS]
        if unknown:
            way_out = f"settings of compile are {', '.join(SETTINGS)}"
            raise Unsupported(Problem(key, "is no setting of training", way_out) for key in unknown)
        if settings or self._trainer is None:
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
