"""What a worker does in training on a cluster: gradients of its rows of each batch.

A pass through a net that learns stops at each loss, since the derivative of a loss hangs on the whole batch, of which a
worker has only rows. `advance` is one leg of that way: up to the next loss, or to the end. It is a function of what it
is given, so that a cluster may run it again anywhere; where it goes on from the leg before, in the process that ran
that, it takes up the net that waits there.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from typing import Any, Optional, Union

import numpy as np

from ..engine import Engine
from ..network import Array, TensorRef
from ..training.gradients import Gradient, Slices
from ..training.learner import Learner
from .carrying import pickled

# Nets that a process keeps; those used last stay.
MOST_SHARDS = 16

Outputs = dict[TensorRef, tuple[Array, Optional[Array]]]
Step = tuple[str, int]


@dataclass(frozen=True)
class Recipe:
    """What a worker makes a net that learns of.

    Attributes:
        run: a name of its own.
        data: the engine, the names of the weights that learn, and the activations that losses absorb, pickled.
    """

    run: str
    data: bytes

    @classmethod
    def of(
        cls, run: str, engine: Engine, learns: Sequence[str], absorbed: Mapping[TensorRef, Collection[str]]
    ) -> Recipe:
        """Raises Unsupported where rules are functions of no module."""
        return cls(run, pickled(engine.network.name, (engine, learns, absorbed)))

    def unpacked(self) -> tuple[Engine, Sequence[str], Mapping[TensorRef, Collection[str]]]:
        """Raises Unsupported where the engine is not installed."""
        found: tuple[Engine, Sequence[str], Mapping[TensorRef, Collection[str]]] = pickle.loads(self.data)
        return found


@dataclass(frozen=True, eq=False)
class Seen:
    """A loss's output for a shard's rows, and its mask, where a pass waits for the derivative."""

    ref: TensorRef
    output: Array
    mask: Optional[Array]


@dataclass(frozen=True, eq=False)
class Pass:
    """Rows to go through a net: forth, and with `back` back."""

    weights: Array
    inputs: Mapping[str, Array]
    back: bool = True


Answer = Union[Seen, dict[str, Gradient], Outputs, BaseException]


class _Abandoned(Exception):
    """Another pass is wanted, or none any more."""


class Shard:
    """A live net on a thread of its own, where a pass may wait in the middle."""

    def __init__(self, recipe: Recipe) -> None:
        self.lock = threading.Lock()
        self._at: Optional[tuple[Step, int]] = None
        self._is_over = False
        self._orders: SimpleQueue[Any] = SimpleQueue()
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._instead: list[Optional[Pass]] = []
        threading.Thread(target=self._serve, args=(recipe,), daemon=True).start()

    def advance(self, step: Step, given: Pass, derivatives: Sequence[Optional[Array]]) -> Any:
        """What comes after the derivatives that are known; raises what the net has raised, or that it was let go."""
        with self.lock:
            if self._is_over:
                raise _Abandoned
            waits_here = bool(derivatives) and self._at == (step, len(derivatives) - 1)
            known = [(one,) for one in derivatives]
            orders: list[Any] = known[-1:] if waits_here else [given, *known]
            self._at = None
            for order in orders:
                self._orders.put(order)
                answer = self._answers.get()
                if isinstance(answer, BaseException):
                    raise answer
            self._at = step, len(derivatives)
            return answer

    def end(self) -> None:
        """Let the net go, also in the middle of a pass."""
        self._orders.put(None)

    # ---- on its thread

    def _serve(self, recipe: Recipe) -> None:
        learner: Optional[Learner] = None
        order = self._orders.get()
        while order is not None:
            self._instead.clear()
            try:
                if learner is None:
                    engine, learns, absorbed = recipe.unpacked()
                    learner, refs = engine.learner(engine.network, learns, absorbed, 0), list(absorbed)
                self._answers.put(self._made(learner, refs, order))
            except _Abandoned:
                (order,) = self._instead
                continue
            except BaseException as error:  # told to whoever waits
                self._answers.put(error)
            order = self._orders.get()
        self._is_over = True
        self._answers.put(_Abandoned())

    def _made(self, learner: Learner, refs: Sequence[TensorRef], given: Pass) -> Answer:
        learner.theta.vector[...] = given.weights
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            if not given.back:
                return dict(learner.outputs(given.inputs))
            made = learner.gradients(given.inputs, {ref: partial(self._ask, ref) for ref in refs})
        return {name: _copied(one) for name, one in made.items()}

    def _ask(self, ref: TensorRef, output: Array, mask: Optional[Array]) -> Optional[Array]:
        if self._instead:  # NeoML asks for the other losses still
            return None
        self._answers.put(Seen(ref, output, mask))
        order = self._orders.get()
        if order is None or isinstance(order, Pass):
            self._instead.append(order)
            raise _Abandoned
        (derivative,) = order
        return derivative


def _copied(gradient: Gradient) -> Gradient:
    """The net's own arrays are written over by its next pass."""
    return replace(gradient, values=gradient.values.copy()) if isinstance(gradient, Slices) else gradient.copy()


_shards: dict[tuple[str, int], Shard] = {}
_lock = threading.Lock()


def _shard(recipe: Recipe, number: int) -> Shard:
    with _lock:
        key = recipe.run, number
        found = _shards.pop(key) if key in _shards else Shard(recipe)
        _shards[key] = found
        while len(_shards) > MOST_SHARDS:
            _shards.pop(next(iter(_shards))).end()
        return found


def advance(
    recipe: Recipe, number: int, step: Step, weights: Array, inputs: Mapping[str, Array], *derivatives: Optional[Array]
) -> Union[Seen, dict[str, Gradient]]:
    """One leg of a shard's way through a net: what its next loss sees, or at the end the gradients.

    Args:
        recipe: of the net.
        number: of the shard.
        step: of the training.
        weights: before the step, as `Theta.vector`.
        inputs: the shard's rows.
        derivatives: of the losses that the way has passed.

    Raises:
        Mismatch: NeoML cannot run the net on these inputs.
        Unsupported: the engine is not installed here.
    """
    made: Union[Seen, dict[str, Gradient]] = _advanced(recipe, number, step, Pass(weights, inputs), derivatives)
    return made


def look(recipe: Recipe, number: int, step: Step, weights: Array, inputs: Mapping[str, Array]) -> Outputs:
    """`Learner.outputs` of a shard's rows; raises as `advance`."""
    made: Outputs = _advanced(recipe, number, step, Pass(weights, inputs, back=False), ())
    return made


def _advanced(recipe: Recipe, number: int, step: Step, given: Pass, derivatives: Sequence[Optional[Array]]) -> Any:
    while True:
        # A net that was let go meanwhile, for others, is made again.
        with suppress(_Abandoned):
            return _shard(recipe, number).advance(step, given, derivatives)


def forget(run: str) -> None:
    """Let a run's nets go."""
    with _lock:
        for key in [key for key in _shards if key[0] == run]:
            _shards.pop(key).end()
