"""Keras 3's graph as the tracer reads it: which application made a tensor, of which tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Optional

import keras
import numpy as np
from keras.src.backend.common.keras_tensor import KerasTensor
from keras.src.ops.node import Node
from keras.src.ops.operation import Operation

from ..tracing import user_line

# A way out of random draws.
OF_TRAINING = "draw them in training only, or save the part of the model that comes before"


def is_symbolic(value: Any) -> bool:
    return isinstance(value, KerasTensor)


def tensors_in(structure: Any) -> list[Any]:
    """The symbolic tensors of a structure, in slices too."""
    return list(_tensors(structure))


def _tensors(structure: Any) -> Iterator[Any]:
    if isinstance(structure, KerasTensor):
        yield structure
    elif isinstance(structure, slice):
        for part in (structure.start, structure.stop, structure.step):
            yield from _tensors(part)
    elif isinstance(structure, dict):
        for part in structure.values():
            yield from _tensors(part)
    elif isinstance(structure, (list, tuple)):
        for part in structure:
            yield from _tensors(part)


def history(tensor: Any) -> tuple[int, int, int]:
    """A tensor's identity: the operation that made it, in which of its calls, as which output."""
    found = getattr(tensor, "_keras_history", None)
    if found is None or found.operation is None:
        return id(tensor), 0, 0
    return id(found.operation), found.node_index, found.tensor_index


def node_of(tensor: Any) -> Any:
    """The node that made a tensor; None for an input of a model."""
    found = getattr(tensor, "_keras_history", None)
    if found is None or found.operation is None or isinstance(found.operation, keras.layers.InputLayer):
        return None
    return found.operation._inbound_nodes[found.node_index]


def given_to(node: Any) -> list[Any]:
    """The symbolic tensors that an application takes."""
    return tensors_in((node.arguments.args, node.arguments.kwargs))


def axes_of(operation: Any, rank: int) -> Optional[list[int]]:
    """The axes of its tensor in the order that a transposition gives them; None of another operation."""
    told = {"Transpose": ("axes",), "Swapaxes": ("axis1", "axis2"), "Moveaxis": ("source", "destination")}
    kind = type(operation).__name__
    if kind not in told:
        return None
    sizes = np.empty(range(1, rank + 1))
    moved = getattr(np, kind.lower())(sizes, *(getattr(operation, one) for one in told[kind]))
    return [size - 1 for size in moved.shape]


class FunctionOperation(Operation):  # type: ignore[misc]
    """A function of sizes, constants and weights, such as ``arange(n)``; with tensors among its arguments' structures.

    Keras' own operations keep sizes as settings, where no node sees them.
    """

    def __init__(self, function: Callable[..., Any], shape: tuple[Optional[int], ...], dtype: str) -> None:
        super().__init__(name="made")
        self.function = function
        self.made = KerasTensor(shape, dtype)
        self.line = user_line()

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        return self.made


def record(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> Any:
    """Note an application in the graph; returns its outputs."""
    Node(operation=operation, call_args=args, call_kwargs=kwargs, outputs=outputs)
    return outputs
