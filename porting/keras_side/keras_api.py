"""What the front end asks of Keras' internals, in one place for each generation of Keras.

Everything else in `keras_side` is written against this class. `keras_api_of` gives the right one for a model:
Keras 3 of any backend here, Keras 2 and tf_keras in `keras2`.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..network import Array

# A way out for functions that are given to operations.
BY_OPERATIONS = "say the same by operations on whole tensors, or leave it to a layer of your own, with a rule"

# The place of a symbolic tensor: which operation made it, in which of its calls, as which output.
History = tuple[int, int, int]


@dataclass(frozen=True)
class NodeView:
    """One application of an operation in a Keras graph."""

    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: tuple[Any, ...]


@dataclass(frozen=True)
class ModelGraph:
    """The graph of one functional model.

    Attributes:
        inputs: its symbolic inputs in order.
        outputs: its symbolic outputs in the structure that the model returns.
        nodes: its applications in the order in which Keras runs them.
    """

    inputs: tuple[Any, ...]
    outputs: Any
    nodes: tuple[NodeView, ...]


def to_strings(array: Array) -> Array:
    """TensorFlow's bytes as an object array of str."""
    decoded = np.empty(array.size, object)
    decoded[:] = [text.decode() if isinstance(text, bytes) else text for text in array.ravel().tolist()]
    texts: Array = decoded.reshape(array.shape)
    return texts


class KerasApi(ABC):
    """Keras as the exporter sees it; the methods that differ between generations are in the subclasses."""

    dialect = 3
    keras: Any

    @abstractmethod
    def versions(self) -> dict[str, str]: ...

    @abstractmethod
    def is_symbolic(self, value: Any) -> bool: ...

    @abstractmethod
    def is_variable(self, value: Any) -> bool: ...

    @abstractmethod
    def is_eager(self, value: Any) -> bool:
        """Whether the value is an array or an eager tensor."""

    def is_layer(self, value: Any) -> bool:
        """Whether the value is a layer or a model (and no bare operation)."""
        return isinstance(value, self.keras.layers.Layer)

    @abstractmethod
    def is_model(self, value: Any) -> bool:
        """Whether the value is a model with a graph of its own, Sequential or functional, not overridden by a user."""

    def is_sequential(self, value: Any) -> bool:
        return isinstance(value, self.keras.Sequential)

    def input_name(self, tensor: Any) -> str:
        """The name of the layer that declares an input."""
        operation = tensor._keras_history[0]
        return str(tensor.name if operation is None else operation.name)

    def dtype_name(self, tensor: Any) -> str:
        return str(tensor.dtype)

    def get_config(self, operation: Any) -> dict[str, Any]:
        """The operation's config in the dialect of Keras 3."""
        return dict(operation.get_config())

    @abstractmethod
    def graph(self, model: Any) -> ModelGraph | None:
        """The model's graph; None when it has not been built."""

    @abstractmethod
    def node(self, tensor: Any) -> NodeView | None:
        """The application that made a symbolic tensor; None for an input."""

    @abstractmethod
    def history(self, tensor: Any) -> History: ...

    @abstractmethod
    def cast(self, tensor: Any, dtype: str) -> Any:
        """The symbolic tensor in another dtype."""

    def mask(self, tensor: Any) -> Any:
        """The mask that a tensor, symbolic or eager, carries; None without."""
        return getattr(tensor, "_keras_mask", None)

    def with_mask(self, tensor: Any, mask: Any) -> Any:
        """The eager tensor itself, which carries this mask from now on, or none."""
        if mask is not None:
            tensor._keras_mask = mask
        return tensor

    @abstractmethod
    def flatten(self, structure: Any) -> list[Any]:
        """The leaves of a structure in Keras' order."""

    @abstractmethod
    def to_numpy(self, value: Any) -> Array: ...

    def count(self, variable: Any) -> int:
        """How many numbers a weight has."""
        return prod(variable.shape)

    @abstractmethod
    def to_tensor(self, value: Array, dtype: str) -> Any: ...

    def own_variables(self, layer: Any) -> list[Any]:
        """The weights that a layer made itself, not those of layers it holds."""
        return [*layer._trainable_variables, *layer._non_trainable_variables]

    def variable_name(self, variable: Any) -> str:
        return str(variable.name)

    def signature(self, operation: Any) -> inspect.Signature:
        """The signature of an operation's ``call``."""
        found = getattr(operation, "_call_signature", None)
        return found if found is not None else inspect.signature(operation.call)

    def takes_training(self, operation: Any) -> bool:
        return "training" in self.signature(operation).parameters

    @abstractmethod
    def class_name(self, operation: Any) -> str: ...

    @abstractmethod
    def is_builtin(self, operation: Any) -> bool:
        """Whether the operation's class is Keras' own."""

    def shape_made(self, layer: Any, tensor: Any) -> tuple[int | None, ...]:
        """The shape that a layer of one input says it makes of a tensor."""
        return tuple(layer.compute_output_shape(tuple(tensor.shape)))

    def is_lambda(self, operation: Any) -> bool:
        """Whether the operation is Python code without a description."""
        return any(kind.__name__ == "Lambda" for kind in type(operation).__mro__) and self.is_layer(operation)

    def is_keras_name(self, class_name: str) -> bool:
        """Whether Keras has a layer of that name."""
        return hasattr(self.keras.layers, class_name)

    def call(self, operation: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return operation(*args, **kwargs)

    def tracer(self, unfolds: Callable[[Any], bool], longest: int) -> Any:
        """What runs the code of a user's layers on symbolic tensors; None where this Keras has none."""
        return None

    def is_known_activation(self, function: Any) -> bool:
        """Whether a function is one of `keras.activations` itself, whatever its name is."""
        return any(function is known for known in vars(self.keras.activations).values())

    @abstractmethod
    def registered_function(self, function: Any) -> str | None:
        """The name that a function is registered under, ``package>name``; None where it is not."""

    def shapes_made(self, layer: Any) -> list[tuple[int | None, ...]]:
        """The shapes that a layer's calls in graphs give; none for a layer that another one holds."""
        return [tuple(self.flatten(node.outputs)[0].shape) for node in layer._inbound_nodes]

    def input_tensor(self, shape: tuple[int | None, ...]) -> Any:
        """A new symbolic tensor of that shape behind the batch."""
        return self.keras.Input(shape, name="x")

    def model_between(self, inputs: Any, outputs: Any) -> Any:
        """The functional model between symbolic tensors."""
        return self.keras.Model(inputs, outputs, name="traced")

    @abstractmethod
    def run_model(self, model: Any, inputs: list[Any]) -> Any:
        """The model's own outputs at inference."""


def registered_name(function: Any, name_of: Callable[[Any], str]) -> str | None:
    """What Keras' registry calls a function; None where it is not in it."""
    name = name_of(function) if inspect.isfunction(function) else None
    return name if name != getattr(function, "__name__", None) else None
