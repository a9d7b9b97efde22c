"""Running a walked graph in Keras, call by call, and recording every output and mask."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import Mismatch, Problem
from ..layers import RULES
from ..network import Array, Case, TensorRef, map_tensors, tensors_in
from .graph import CallGraph, Step, refs_of
from .keras_api import KerasApi
from .keras_faults import check_answer, check_question

Progress = Callable[[int, int, str], None]
# By call, the tensors that reach it without the mask that they were made with.
Unmasked = Mapping[str, tuple[TensorRef, ...]]
# The final outputs of the calls must equal the model's own.
TOLERANCE = 1e-6


class MaskLostError(Exception):
    """A mask that the graph hands on explicitly is gone when its call is run.

    Keras 3's MultiHeadAttention takes the masks off its inputs (``set_keras_mask(query, None)``), so what runs after
    it on the same tensors sees no mask, save where the graph holds the mask as an argument. Such a graph is walked
    again with its mask arguments kept.
    """


class UnsteadyError(Exception):
    """The model answers the same inputs otherwise each time."""


def record(
    graph: CallGraph, api: KerasApi, name: str, inputs: Mapping[str, Array], one_size: bool = False
) -> tuple[Case, Unmasked]:
    """Run every call on the outputs of the calls before it, masks carried as Keras carries them.

    Args:
        graph: what to run.
        api: its Keras.
        name: of the case.
        inputs: by name.
        one_size: refuse sizes that fit each other only because one is 1 by chance.

    Returns:
        The case, and by call the tensors that reached it without the mask that they were made with.

    Raises:
        MaskLostError: the graph must be walked again with its mask arguments kept.
        Exception: whatever Keras raises when the inputs do not fit the model.
    """
    values: dict[TensorRef, Any] = {}
    masks: dict[TensorRef, Array] = {}
    unmasked: dict[str, tuple[TensorRef, ...]] = {}
    for given in graph.inputs:
        values[given.ref] = api.to_tensor(inputs[given.name], given.dtype)
    for step in graph.steps:
        if any(api.mask(values[ref]) is None for ref in step.implied):
            raise MaskLostError(step.call.name)
        taken = dict.fromkeys(tensors_in((step.args, step.kwargs)))
        lost = tuple(ref for ref in taken if ref in masks and api.mask(values[ref]) is None)
        if lost:
            unmasked[step.call.name] = lost
        if one_size:
            _check_broadcast(step, values, api)
        for ref, value in zip(step.call.refs(), run_step(step, values, api)):
            if 0 in tuple(value.shape):
                raise RuntimeError(f"{ref} is empty, of shape {tuple(value.shape)}")
            values[ref] = value
            mask = api.mask(value)
            if mask is not None:
                masks[ref] = api.to_numpy(mask).astype(bool)
    outputs = {ref: api.to_numpy(values[ref]) for step in graph.steps for ref in step.call.refs()}
    case = Case(name, {given.name: api.to_numpy(values[given.ref]) for given in graph.inputs}, outputs, masks)
    return case, unmasked


def run_step(step: Step, values: Mapping[TensorRef, Any], api: KerasApi) -> list[Any]:
    """One call on the tensors that it reads.

    Raises:
        RuntimeError: Keras answers something that is not to be trusted.
        Exception: whatever Keras raises.
    """
    check_question(step, values, api)
    keywords = map_tensors(step.kwargs, values.__getitem__)
    if api.takes_training(step.operation):
        keywords["training"] = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras said it when the model was made
        made = api.flatten(api.call(step.operation, map_tensors(step.args, values.__getitem__), keywords))
    check_answer(step, values, made[0], api)
    if len(made) != step.call.outputs:
        raise RuntimeError(f"{step.call.name} returned {len(made)} tensors, the graph says {step.call.outputs}")
    return made


def _check_broadcast(step: Step, values: Mapping[TensorRef, Any], api: KerasApi) -> None:
    """Refuse tensors whose open sizes are 1 here and others there: at other lengths they would not fit."""
    rule = RULES.get(api.class_name(step.operation))
    if rule is None or rule.sizes != "spread":
        return
    rank = max((len(shape) for shape in step.shapes.values()), default=0)
    for place in range(1, rank):  # from the last axis; the first is the batch
        sizes = {int(values[ref].shape[-place]) for ref, shape in step.shapes.items() if len(shape) >= place}
        by_chance = any(
            shape[-place] is None and values[ref].shape[-place] == 1
            for ref, shape in step.shapes.items()
            if len(shape) >= place
        )
        if by_chance and len(sizes) > 1:
            raise RuntimeError(f"{step.call.name} is given the sizes {sorted(sizes)}, of which 1 is broadcast")


def run_model(model: Any, graph: CallGraph, api: KerasApi, inputs: Mapping[str, Array]) -> list[Array]:
    """The model's own outputs, flat, in the order of the graph's output references."""
    tensors = [api.to_tensor(inputs[given.name], given.dtype) for given in graph.inputs]
    if graph.prepare is not None:
        tensors = graph.prepare(tensors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = api.run_model(model, tensors)
    return [api.to_numpy(value) for value in api.flatten(made)]


def check_outputs(case: Case, model: Any, graph: CallGraph, api: KerasApi) -> None:
    """The exporter's own control: running the calls one by one gives what the model gives.

    Raises:
        Mismatch: it does not.
        UnsteadyError: the model does not give the same twice.
    """
    own = run_model(model, graph, api, case.inputs)
    problems = []
    for ref, expected in zip(refs_of(graph.outputs), own):
        found = case.outputs[ref] if ref in case.outputs else case.inputs[ref.call]
        departure = _departure(found, expected)
        if not departure <= TOLERANCE:
            what = f"run call by call it departs from the model's own output by {departure:.1e} ({case.name})"
            problems.append(Problem(str(ref), what, _way_out(graph, api)))
    if problems:
        again = run_model(model, graph, api, case.inputs)
        if not all(np.array_equal(one, other) for one, other in zip(own, again)):
            raise UnsteadyError(f"the model answers the same inputs otherwise each time ({case.name})")
        raise Mismatch(problems)


def unfolded_classes(graph: CallGraph, api: KerasApi) -> dict[str, str]:
    """The classes of a user's own whose code stands in the graph, each with where that code is (``a.py:12``)."""
    found = {api.class_name(layer): _line(layer) for layer in graph.holders.values() if not api.is_builtin(layer)}
    return dict(sorted(found.items()))


def with_lines(classes: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({line})" if line else name for name, line in classes.items())


def _line(layer: Any) -> str:
    """Where a layer's call begins; "" where that is no Python code."""
    code = getattr(inspect.unwrap(type(layer).call), "__code__", None)
    return "" if code is None else f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"


def _way_out(graph: CallGraph, api: KerasApi) -> str:
    unfolded = unfolded_classes(graph, api)
    if not unfolded:
        return "please report the model: its graph was not understood"
    return (
        f"the code of {with_lines(unfolded)} was unfolded; where it goes by sizes or by values of its inputs, write it "
        f"without, or keep it whole, with a rule: save(…, whole={list(unfolded)})"
    )


def _departure(found: Array, expected: Array) -> float:
    """The largest difference, relative to the largest number; infinite for another shape or dtype, or NaN elsewhere."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return float("inf")
    if not found.size:
        return 0.0
    if found.dtype == object:
        return 0.0 if np.array_equal(found, expected) else float("inf")
    one, other = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return float("inf")
    size = max(float(np.abs(other[finite]).max(initial=0.0)), 1e-30)
    return float(np.abs(one[finite] - other[finite]).max(initial=0.0)) / size
