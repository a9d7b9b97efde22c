"""Training on a dask cluster: every worker gives the gradients of its rows of a batch, and one step is made of them.

Losses, metrics, penalties and the optimizer stay in the process that trains, over the whole batch and with nothing
changed: a worker stops before each loss and sends its rows' outputs (`porting.corpus.shards`). So all numbers are those
of one process but for the order in which gradients are added up, and whatever hangs on a whole batch is right: means,
masks, sample weights, losses of one's own.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import reduce
from typing import Any, Optional

import numpy as np

from ..engine import Engine
from ..errors import Problem, Unsupported
from ..inputs import batch_size_of
from ..network import Array, TensorRef
from ..preprocessing.learner import FrontedLearner
from ..training.gradients import Gradient, Slices
from ..training.learner import Learner, OuterLearner
from ..training.optimizers import Optimizer
from ..training.trainable import draws_random
from ..training.trainer import Trainer
from .connection import (
    Lost,
    Workers,
    a_cluster,
    check_told,
    check_workers,
    connected,
    error_of,
    finished,
    lacks,
    result_of,
    unfinished,
)
from .shards import Outputs, Recipe, Seen, advance, forget, look

# Seconds that a scheduler or workers may stay away within a step.
PATIENCE = 60.0


@contextmanager
def trained_on(
    trainer: Trainer, engine: Engine, scheduler: Optional[str], workers: Optional[int], patience: float = PATIENCE
) -> Iterator[None]:
    """Have a trainer's gradients computed by a cluster's workers while the block runs.

    Args:
        trainer: what is trained.
        engine: of the network, with its weights as they are.
        scheduler: the cluster's address; None for a cluster of this machine's, made for the block.
        workers: processes of that cluster.
        patience: seconds that are waited for a scheduler, or for workers, that do not answer.

    Raises:
        Unsupported: with what rows of a batch need of the other rows; and workers that cannot run the network.
        Unfinished: scheduler or workers stay away, or workers die whenever they are given a step.
    """
    check_told(scheduler, workers)
    _check_rows_apart(trainer)
    own = trainer.learner
    core = own.inner if isinstance(own, FrontedLearner) else own
    recipe = Recipe.of(uuid.uuid4().hex, engine.core, trainer.choice.learns, trainer.absorbed)
    with a_cluster(scheduler, workers, threads=1) as address, _ends(address), connected(address, patience) as client:
        check_workers(client, recipe.unpacked, patience)
        sharded: Learner = ShardedLearner(core, recipe, client, patience)
        if isinstance(own, FrontedLearner):
            sharded = FrontedLearner(own.front, sharded, own.id_limits)
        trainer.learner = sharded
        try:
            yield
        finally:
            trainer.learner = own
            with suppress(OSError, TimeoutError):
                client.run(forget, recipe.run, on_error="ignore")


@contextmanager
def _ends(address: str) -> Iterator[None]:
    """Whatever of the cluster is lost ends the training; what was learnt stays."""
    try:
        yield
    except Lost as lost:
        raise unfinished(address, str(lost)) from lost


def _check_rows_apart(trainer: Trainer) -> None:
    """Refuse what a batch's rows do together inside the network, or by chance."""
    way_out = "leave workers and scheduler out"
    problems = []
    for layer in sorted({name.rpartition("/")[0] for name in trainer.choice.moves}):
        what = "computes with the mean of the whole batch in training, of which a worker has only rows"
        problems.append(Problem(layer, what, f"freeze it: frozen=[{layer!r}]; or {way_out}"))
    if trainer.learner.is_random:
        what = "draws random numbers in training, which would be others on workers than in one process"
        drawing = [layer for layer in trainer.network.layers.values() if draws_random(layer.config)]
        names = [f"{layer.class_name} {layer.name!r}" for layer in drawing] or ["a layer"]
        problems += [Problem(name, what, f"{way_out}; or build the model without it") for name in names]
    Unsupported.raise_for(problems)


class ShardedLearner(OuterLearner):
    """A `porting.engine.Learner` whose gradients come from the workers of a cluster.

    A batch is cut into as many shards as the cluster had threads at first, whatever becomes of workers; so the sums are
    the same to the bit when one dies. Every leg of a step is a task that dask may run again: nothing changes but here.

    Args:
        local: a learner of this process's, whose weights are trained.
        recipe: what workers make theirs of.
        client: of the cluster.
        patience: seconds that workers may stay away.
    """

    def __init__(self, local: Learner, recipe: Recipe, client: Any, patience: float) -> None:
        super().__init__(local)
        self.client = client
        self.run = recipe.run
        self.workers = Workers(client, patience)
        self.count = max(1, len(self.workers.threads()))
        self.steps = 0
        self.recipe = self._sent("recipe", recipe)

    def step(self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any], optimizer: Optimizer) -> None:
        """None: no solver of an engine's goes over several nets."""

    def gradients(self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Any]) -> dict[str, Gradient]:
        """See `porting.engine.Learner.gradients`."""
        shards = self._shards(inputs)
        told: list[tuple[Optional[Array], ...]] = [()] * len(shards)
        while True:
            answers = self._answers(advance, shards, told)
            if not isinstance(answers[0], Seen):
                # Of all rows: those of the shards, one after the other; slices stay what they are
                return {name: reduce(_both, [shard[name] for shard in answers]) for name in answers[0]}
            output = np.concatenate([one.output for one in answers])
            derivative = derivatives[answers[0].ref](output, _joined([one.mask for one in answers]))
            ends = np.cumsum([len(one.output) for one in answers])[:-1]
            parts = [None] * len(shards) if derivative is None else np.split(derivative, ends)
            told = [(*before, part) for before, part in zip(told, parts)]

    def outputs(self, inputs: Mapping[str, Array]) -> Outputs:
        """See `porting.engine.Learner.outputs`."""
        shards = self._shards(inputs)
        answers: list[Outputs] = self._answers(look, shards, [()] * len(shards))
        return {
            ref: (np.concatenate([one[ref][0] for one in answers]), _joined([one[ref][1] for one in answers]))
            for ref in answers[0]
        }

    # ---- tasks

    def _shards(self, inputs: Mapping[str, Array]) -> list[tuple[Any, ...]]:
        """What every leg of a step is given beside derivatives; weights and rows are sent once."""
        self.steps += 1
        count = min(self.count, batch_size_of(inputs))
        cut = {name: np.array_split(array, count) for name, array in inputs.items()}
        rows = [{name: parts[number] for name, parts in cut.items()} for number in range(count)]
        weights = self._sent("weights", self.theta.vector.copy())
        step = self.run, self.steps
        return [(self.recipe, at, step, weights, self._sent(f"rows-{at}", part)) for at, part in enumerate(rows)]

    def _sent(self, what: str, value: Any) -> Any:
        """A value as a task's outcome, which dask makes again where the worker that has it dies."""
        return self._submit(_itself, f"{what}-{self.steps}", value)

    def _answers(
        self, leg: Any, shards: Sequence[tuple[Any, ...]], told: Sequence[tuple[Optional[Array], ...]]
    ) -> list[Any]:
        """What a leg comes to for each shard, each on a worker of its own as far as there are so many."""
        threads = self.workers.threads()
        futures = []
        for number, (given, known) in enumerate(zip(shards, told)):
            name = f"{leg.__name__}-{self.steps}-{number}-{len(known)}"
            place = {"workers": [threads[number % len(threads)]], "allow_other_workers": True} if threads else {}
            futures.append(self._submit(leg, name, *given, *known, **place))
        left = set(futures)
        while left:
            left.difference_update(finished(left))
            self.workers.threads()
        for future in futures:
            error = error_of(future)
            if error is not None:
                raise _told(error)
        return [result_of(future) for future in futures]

    def _submit(self, function: Any, name: str, *given: Any, **place: Any) -> Any:
        import dask

        # Dask warns of large arguments; these are what a step is made of.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            return self.client.submit(function, *given, key=f"porting-{self.run}-{name}", pure=False, **place)


def _itself(value: Any) -> Any:
    return value


def _told(error: BaseException) -> BaseException:
    """What a task has failed with, as users are told."""
    from distributed import KilledWorker

    if isinstance(error, ImportError):
        return lacks("workers", error)
    if isinstance(error, KilledWorker):
        return unfinished("workers", "those that a step was given to died, of too little memory or by hand")
    return error


def _joined(masks: Collection[Optional[Array]]) -> Optional[Array]:
    known = [mask for mask in masks if mask is not None]
    return np.concatenate(known) if known else None


def _both(one: Gradient, other: Gradient) -> Gradient:
    if isinstance(one, Slices):
        assert isinstance(other, Slices)
        return one.joined(other)
    assert not isinstance(other, Slices)
    return one + other
