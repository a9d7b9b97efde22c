"""A Keras model's graph as it was walked: calls in running order, with what runs them in Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Problem
from ..network import Argument, Call, Input, Shape, TensorRef


@dataclass(frozen=True)
class Step:
    """A call with what is needed to run it in Keras.

    Attributes:
        call: the call as saved.
        operation: the Keras layer or operation.
        args: its positional arguments, tensors as `TensorRef`.
        kwargs: its other arguments.
        implied: the tensors whose masks Keras must hand on to this call by itself.
        shapes: of the tensors that it is given, None where open.
    """

    call: Call
    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    implied: tuple[TensorRef, ...] = ()
    shapes: Mapping[TensorRef, Shape] = field(default_factory=dict)


@dataclass
class CallGraph:
    """A Keras model's calls, as a walk found them.

    Attributes:
        inputs: in model order.
        steps: in running order.
        layers: the Keras operation by layer name.
        constants: arrays and Keras variables among call arguments, by layer name and weight name.
        outputs: the structure of the model's outputs.
        holders: layers that were unfolded, and those whose weights they use without calling them, by name.
        remarks: of unfolded layers, by name: what their code does otherwise in training.
        computed: by unfolded layer, the weights whose numbers its code computed with as the network was walked.
        problems: everything that keeps the model from being saved.
        prepare: where `inputs` are texts in front of the model: what makes the model's inputs of them in Keras.
    """

    inputs: tuple[Input, ...] = ()
    steps: list[Step] = field(default_factory=list)
    layers: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: Argument = None
    holders: dict[str, Any] = field(default_factory=dict)
    remarks: dict[str, dict[str, Any]] = field(default_factory=dict)
    computed: dict[str, list[Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    prepare: Callable[[list[Any]], list[Any]] | None = None

    def operation(self, name: str) -> Any:
        """The layer or operation of that name."""
        return self.layers[name] if name in self.layers else self.holders[name]

    def computed_ids(self) -> set[int]:
        """The ids of all weights that were computed with."""
        return {id(variable) for variables in self.computed.values() for variable in variables}


def refs_of(structure: Any) -> list[TensorRef]:
    """The references of an output structure in Keras' order: dicts by sorted key."""
    if isinstance(structure, TensorRef):
        return [structure]
    if isinstance(structure, Mapping):
        return [ref for key in sorted(structure) for ref in refs_of(structure[key])]
    return [ref for part in structure for ref in refs_of(part)]
