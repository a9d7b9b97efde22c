"""How far a model's tensors move in Keras when numbers move by a last bit: what no port can be asked to get right.

Each call is run on inputs and weights that have moved (alone), and on what the calls before it made of such inputs and
weights, which moves once more (the chain). What falls one way or the other, a mask or a whole number, falls in the
chain as it did without: a decision is not noise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ..checking.noise import PATTERNS, generator, moves, nudged, size_of, united
from ..network import Array, Case, Noise, TensorRef, tensors_in
from .graph import CallGraph, Step
from .keras_api import KerasApi
from .run import run_step

Variables = Mapping[str, Sequence[Any]]
# Larger weights stay: to move them takes twice their memory, and what a call reads moves all the same.
LARGEST = 64 << 20


def with_noise(
    case: Case, graph: CallGraph, api: KerasApi, variables: Variables, sampled: Collection[TensorRef] = ()
) -> Case:
    """The case with its noise.

    Args:
        case: as it was recorded.
        graph: what is run.
        api: its Keras.
        variables: by layer name, the variables that a call of it computes with. They are as they were when this ends.
        sampled: tensors that will not be kept whole: a call alone is given what the calls before it make of the others.
    """
    kept = _inputs(case, graph, api)
    trials = [_Trial(api, case, generator(pattern), frozenset(sampled)) for pattern in range(PATTERNS)]
    noise: dict[TensorRef, Noise] = {}
    last = _last_steps(graph)
    for number, step in enumerate(graph.steps):
        read = {ref: kept[ref] for ref in tensors_in((step.args, step.kwargs))}
        moved = [trial.moved_inputs(read) for trial in trials]
        kept.update(zip(step.call.refs(), run_step(step, kept, api)))
        held = [one for one in variables.get(step.call.layer, ()) if _moves(one, api)]
        measured = [trial.measure(step, kept, read, one, held) for trial, one in zip(trials, moved)]
        noise.update({ref: united(found[ref] for found in measured) for ref in step.call.refs()})
        for ref in last.get(number, ()):
            for values in (kept, *(trial.values for trial in trials), *(trial.made for trial in trials)):
                values.pop(ref, None)
    return replace(case, noise=noise)


class _Trial:
    """One pattern of ups and downs, and the chain of values that follows from it.

    Attributes:
        values: the chain, as far as it has come; inputs, which no call makes, move anew for each call that reads them.
        made: of the tensors that are not kept whole, what calls alone have made.
    """

    def __init__(self, api: KerasApi, case: Case, random: np.random.Generator, sampled: Collection[TensorRef]) -> None:
        self.api = api
        self.case = case
        self.values: dict[TensorRef, Any] = {}
        self.random = random
        self.sampled = sampled
        self.made: dict[TensorRef, Any] = {}

    def moved_inputs(self, read: Mapping[TensorRef, Any]) -> dict[TensorRef, Any]:
        """What a call reads, moved; with the masks that it has at this moment, before the call takes them off."""
        return {ref: self._moved(self.made.get(ref, value), self.api.mask(value)) for ref, value in read.items()}

    def measure(
        self,
        step: Step,
        kept: Mapping[TensorRef, Any],
        read: Mapping[TensorRef, Any],
        moved: Mapping[TensorRef, Any],
        held: Sequence[Any],
    ) -> dict[TensorRef, Noise]:
        """Run a call on moved inputs and in the chain; takes the chain one call further."""
        refs = step.call.refs()
        if not held and not any(self._floats(value) for value in read.values()):
            self.values.update({ref: kept[ref] for ref in refs})
            return {ref: Noise((0.0, 0.0), (0.0, 0.0)) for ref in refs}
        with changed_weights(held, self.api, lambda values: nudged(values, self.random)):
            alone = run_step(step, moved, self.api)
            if not all(self._decides_alike(value, kept[ref]) for ref, value in zip(refs, alone)):
                moved = {ref: self._same(value) for ref, value in read.items()}
                alone = run_step(step, moved, self.api)
            chain = run_step(step, {**moved, **self.values}, self.api)
        steady = steady_rounding(step, read, self.api)
        found = {}
        for ref, one, other in zip(refs, alone, chain):
            want = self.case.outputs[ref]
            measured = Noise(moves(self.api.to_numpy(one), want), moves(self.api.to_numpy(other), want))
            lost = (steady, steady / min(1.0, size_of(want) or 1.0))
            found[ref] = united([measured, Noise(lost, lost)])
            if ref in self.sampled:
                self.made[ref] = one
            follows = other if self._floats(other) else kept[ref]
            self.values[ref] = self._moved(follows, self.api.mask(kept[ref]), steady)
        return found

    def _moved(self, value: Any, mask: Any, further: float = 0.0) -> Any:
        """A tensor with each number moved by a last bit, and by so much at the most."""
        if not self._floats(value):
            return value
        array = nudged(self.api.to_numpy(value), self.random)
        if further:
            array = (array + further * self.random.uniform(-1, 1, array.shape)).astype(array.dtype)
        return self._tensor(array, mask)

    def _same(self, value: Any) -> Any:
        return self._tensor(self.api.to_numpy(value), self.api.mask(value)) if self._floats(value) else value

    def _tensor(self, array: Array, mask: Any) -> Any:
        return self.api.with_mask(self.api.to_tensor(array, array.dtype.name), mask)

    @staticmethod
    def _floats(value: Any) -> bool:
        return "float" in str(getattr(value, "dtype", ""))

    def _decides_alike(self, one: Any, other: Any) -> bool:
        """Whether two outputs have the same mask, and are equal where they are whole numbers."""
        masks = [self.api.mask(value) for value in (one, other)]
        if any(mask is None for mask in masks):
            same = masks[0] is masks[1]
        else:
            same = np.array_equal(self.api.to_numpy(masks[0]), self.api.to_numpy(masks[1]))
        return same and (self._floats(one) or np.array_equal(self.api.to_numpy(one), self.api.to_numpy(other)))


def steady_rounding(step: Step, read: Mapping[TensorRef, Any], api: KerasApi) -> float:
    """What a call rounds away alike however its numbers move, so that no move shows it.

    LayerNormalization is x·s + (β − mean·s) in Keras, with s = γ / √(variance + ε). Where all x are about their mean,
    as over a single feature, of β is left what a last bit of mean·s leaves.
    """
    layer, given = step.operation, step.args[0] if step.args else None
    if api.class_name(layer) != "LayerNormalization" or not isinstance(given, TensorRef):
        return 0.0
    x = api.to_numpy(read[given]).astype(np.float64)
    axes = tuple(layer.axis) if isinstance(layer.axis, (list, tuple)) else (layer.axis,)
    scale = np.abs(x.mean(axes)) / np.sqrt(x.var(axes) + layer.epsilon)
    gamma = getattr(layer, "gamma", None)
    largest = 1.0 if gamma is None else size_of(api.to_numpy(gamma))
    return float(np.finfo(np.float32).eps) * largest * float(scale.max(initial=0.0))


def _inputs(case: Case, graph: CallGraph, api: KerasApi) -> dict[TensorRef, Any]:
    return {given.ref: api.to_tensor(case.inputs[given.name], given.dtype) for given in graph.inputs}


def _last_steps(graph: CallGraph) -> dict[int, list[TensorRef]]:
    """By number of a step, the tensors that no later one reads."""
    last: dict[TensorRef, int] = {}
    for number, step in enumerate(graph.steps):
        for ref in [*tensors_in((step.args, step.kwargs)), *step.call.refs()]:
            last[ref] = number
    by_step: dict[int, list[TensorRef]] = {}
    for ref, number in last.items():
        by_step.setdefault(number, []).append(ref)
    return by_step


def _moves(variable: Any, api: KerasApi) -> bool:
    if not api.is_variable(variable) or "float" not in str(variable.dtype):
        return False
    return 4 * api.count(variable) <= LARGEST


@contextmanager
def changed_weights(variables: Sequence[Any], api: KerasApi, change: Callable[[Array], Array]) -> Iterator[None]:
    """Variables that hold other numbers, as long as the block runs."""
    before = [np.array(api.to_numpy(variable)) for variable in variables]
    try:
        for variable, values in zip(variables, before):
            variable.assign(change(values))
        yield
    finally:
        for variable, values in zip(variables, before):
            variable.assign(values)
