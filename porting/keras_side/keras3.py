"""Models of Keras 3, as the exporter reads them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..network import Array
from .keras_api import History, KerasApi, ModelGraph, NodeView, registered_name, to_strings


class Keras3(KerasApi):
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

    def get_config(self, operation: Any) -> dict[str, Any]:
        try:
            return super().get_config(operation)
        except NotImplementedError:
            if type(operation).get_config not in (self.keras.Layer.get_config, self.keras.Operation.get_config):
                raise  # what it holds has none
            # Keras notes the arguments of what has no get_config() where all are plain, as no policy or array is.
            settings = _settings(operation)
            if not self.is_builtin(operation) or not settings <= vars(operation).keys():
                raise
            base = {"name": operation.name}
            if self.is_layer(operation):
                base.update(trainable=operation.trainable, dtype=operation.dtype_policy.name)
            return {**base, **{name: getattr(operation, name) for name in settings}}

    def is_symbolic(self, value: Any) -> bool:
        return isinstance(value, self.keras.KerasTensor)

    def cast(self, tensor: Any, dtype: str) -> Any:
        return self.keras.ops.cast(tensor, dtype)

    def is_variable(self, value: Any) -> bool:
        return isinstance(value, self.keras.Variable)

    def is_eager(self, value: Any) -> bool:
        return hasattr(value, "__array__") or self.keras.ops.is_tensor(value)

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

    def with_mask(self, tensor: Any, mask: Any) -> Any:
        try:
            from keras.src.backend import set_keras_mask
        except ImportError:  # Keras before 3.7 keeps it as an attribute
            return super().with_mask(tensor, mask)
        set_keras_mask(tensor, mask)
        return tensor

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

    def registered_function(self, function: Any) -> str | None:
        return registered_name(function, self.keras.saving.get_registered_name)

    def tracer(self, unfolds: Callable[[Any], bool], longest: int) -> Any:
        from .symbolic.tracer import Tracer

        return Tracer(unfolds, longest)

    def run_model(self, model: Any, inputs: list[Any]) -> Any:
        functional = model._functional if isinstance(model, self.keras.Sequential) else model
        return model(self.keras.tree.pack_sequence_as(functional._inputs_struct, inputs), training=False)


def _settings(layer: Any) -> set[str]:
    """The arguments that a layer's class has of its own."""
    parameters = list(inspect.signature(type(layer).__init__).parameters.values())[1:]
    return {one.name for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD}


def _view(node: Any) -> NodeView:
    return NodeView(node.operation, node.arguments.args, node.arguments.kwargs, tuple(node.outputs))
