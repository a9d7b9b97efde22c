"""What the front end asks of Keras' internals, in one place for each generation of Keras.

Everything else in `keras_side` is written against this class. `front_of` gives the right one for a model:
Keras 3 of any backend here, Keras 2 and tf_keras in `front2`.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import Problem, Unsupported
from ..network import Array

__all__ = ["Front", "Front3", "ModelGraph", "NodeView", "front_of"]

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


class Front(ABC):
    """Keras as the exporter sees it; the methods that differ between generations are in the subclasses."""

    dialect = 3

    @abstractmethod
    def versions(self) -> dict[str, str]: ...

    @abstractmethod
    def is_symbolic(self, value: Any) -> bool: ...

    @abstractmethod
    def is_variable(self, value: Any) -> bool: ...

    @abstractmethod
    def is_eager(self, value: Any) -> bool:
        """Whether the value is an array or an eager tensor."""

    @abstractmethod
    def is_layer(self, value: Any) -> bool:
        """Whether the value is a layer or a model (and no bare operation)."""

    @abstractmethod
    def is_model(self, value: Any) -> bool:
        """Whether the value is a model with a graph of its own, Sequential or functional, not overridden by a user."""

    @abstractmethod
    def is_sequential(self, value: Any) -> bool: ...

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

    def mask(self, tensor: Any) -> Any:
        """The mask that a tensor, symbolic or eager, carries; None without."""
        return getattr(tensor, "_keras_mask", None)

    @abstractmethod
    def flatten(self, structure: Any) -> list[Any]:
        """The leaves of a structure in Keras' order."""

    @abstractmethod
    def to_numpy(self, value: Any) -> Array: ...

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

    @abstractmethod
    def is_keras_name(self, class_name: str) -> bool:
        """Whether Keras has a layer of that name."""

    def call(self, operation: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return operation(*args, **kwargs)

    @abstractmethod
    def run_model(self, model: Any, inputs: list[Any]) -> Any:
        """The model's own outputs at inference."""


class Front3(Front):
    """Keras 3 of any backend."""

    dialect = 3

    def __init__(self) -> None:
        import keras

        self.keras = keras

    def versions(self) -> dict[str, str]:
        backend = self.keras.backend.backend()
        found = {"keras": self.keras.__version__, "backend": backend}
        module = __import__(backend)
        found[backend] = str(getattr(module, "__version__", ""))
        return found

    def is_symbolic(self, value: Any) -> bool:
        return isinstance(value, self.keras.KerasTensor)

    def is_variable(self, value: Any) -> bool:
        return isinstance(value, self.keras.Variable)

    def is_eager(self, value: Any) -> bool:
        return hasattr(value, "__array__") or self.keras.ops.is_tensor(value)

    def is_layer(self, value: Any) -> bool:
        return isinstance(value, self.keras.layers.Layer)

    def is_sequential(self, value: Any) -> bool:
        return isinstance(value, self.keras.Sequential)

    def is_model(self, value: Any) -> bool:
        if isinstance(value, self.keras.Sequential):
            return bool(type(value).call is self.keras.Sequential.call)
        from keras.src.models.functional import Functional

        return isinstance(value, Functional) and type(value).call is Functional.call

    def graph(self, model: Any) -> ModelGraph | None:
        if isinstance(model, self.keras.Sequential):
            model = model._functional
            if model is None:
                return None
        outputs = model._outputs_struct
        if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
            outputs = outputs[0]
        depths = sorted(model._nodes_by_depth, reverse=True)
        nodes = [_view(node) for depth in depths for node in model._nodes_by_depth[depth] if not node.is_input]
        return ModelGraph(tuple(model.inputs), outputs, tuple(nodes))

    def node(self, tensor: Any) -> NodeView | None:
        history = tensor._keras_history
        if history.operation is None:
            return None
        node = history.operation._inbound_nodes[history.node_index]
        if node.is_input:
            return None
        return _view(node)

    def history(self, tensor: Any) -> History:
        history = tensor._keras_history
        return id(history.operation), history.node_index, history.tensor_index

    def mask(self, tensor: Any) -> Any:
        try:
            from keras.src.backend import get_keras_mask
        except ImportError:  # Keras before 3.7 keeps it as an attribute
            return getattr(tensor, "_keras_mask", None)
        return get_keras_mask(tensor)

    def flatten(self, structure: Any) -> list[Any]:
        return list(self.keras.tree.flatten(structure))

    def to_numpy(self, value: Any) -> Array:
        if self.is_variable(value):
            return self._values(value)
        array = np.require(self.keras.ops.convert_to_numpy(value), None, ["OWNDATA", "WRITEABLE"])
        return to_strings(array) if array.dtype.kind in "OS" else array

    def _values(self, variable: Any) -> Array:
        """A variable's values as they are now.

        Over TensorFlow a view: a table of gigabytes is not copied. TensorFlow writes elsewhere while somebody reads.
        """
        if self.keras.backend.backend() == "tensorflow" and variable.dtype == "float32":
            return np.asarray(memoryview(variable.value.read_value()))
        return np.require(np.asarray(variable), None, ["OWNDATA", "WRITEABLE"])

    def to_tensor(self, value: Array, dtype: str) -> Any:
        if dtype == "string":
            value = value.tolist()
        return self.keras.ops.convert_to_tensor(value, dtype=dtype)

    def class_name(self, operation: Any) -> str:
        kind = type(operation)
        if self.is_layer(operation):
            registered = str(self.keras.saving.get_registered_name(kind))
            return registered if ">" in registered else str(kind.__name__)
        return f"ops.{kind.__name__}"

    def is_builtin(self, operation: Any) -> bool:
        return type(operation).__module__.partition(".")[0] == "keras"

    def shape_made(self, layer: Any, tensor: Any) -> tuple[int | None, ...]:
        if self.is_layer(layer):
            return super().shape_made(layer, tensor)
        given = self.keras.KerasTensor(tuple(tensor.shape), self.keras.backend.standardize_dtype(tensor.dtype))
        return tuple(layer.compute_output_spec(given).shape)

    def is_keras_name(self, class_name: str) -> bool:
        return hasattr(self.keras.layers, class_name)

    def run_model(self, model: Any, inputs: list[Any]) -> Any:
        functional = model._functional if isinstance(model, self.keras.Sequential) else model
        return model(self.keras.tree.pack_sequence_as(functional._inputs_struct, inputs), training=False)


def _view(node: Any) -> NodeView:
    return NodeView(node.operation, node.arguments.args, node.arguments.kwargs, tuple(node.outputs))


def front_of(model: Any) -> Front:
    """The front for the Keras that a model is of.

    Raises:
        Unsupported: the object is no Keras model.
    """
    roots = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if not roots & {"keras", "tf_keras"} or not hasattr(model, "layers"):
        raise Unsupported(
            Problem(
                "", f"not a Keras model: {type(model).__name__}", "give a keras.Sequential or a functional keras.Model"
            )
        )
    if "tf_keras" in roots or _major_version() < 3:
        from .front2 import Front2

        front: Front = Front2("tf_keras" if "tf_keras" in roots else "keras")
        return front
    return Front3()


def _major_version() -> int:
    import keras

    return int(str(keras.__version__).partition(".")[0])
