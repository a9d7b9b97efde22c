"""Keras 2 and tf_keras: their graphs, configs and TensorFlow functions, seen as those of Keras 3."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..network import Array
from .dialects import in_keras_3
from .keras2_tracer import Keras2Tracer
from .keras_api import History, KerasApi, ModelGraph, NodeView, registered_name, to_strings
from .tensorflow_functions import TensorFlowFunction, translate


class Keras2(KerasApi):
    """Keras 2 (``keras`` up to 2.15) and its continuation ``tf_keras``."""

    dialect = 2

    def __init__(self, package: str) -> None:
        self.package = package
        self.keras = importlib.import_module(package)
        self.tf = importlib.import_module("tensorflow")
        try:
            self.functional = importlib.import_module(f"{package}.src.engine.functional").Functional
        except ImportError:  # Keras before 2.13
            self.functional = importlib.import_module(f"{package}.engine.functional").Functional
        self.translated: dict[int, TensorFlowFunction] = {}
        self._tracer: Keras2Tracer | None = None

    def versions(self) -> dict[str, str]:
        return {
            "keras": str(self.keras.__version__),
            "package": self.package,
            "backend": "tensorflow",
            "tensorflow": str(self.tf.__version__),
        }

    def is_symbolic(self, value: Any) -> bool:
        return hasattr(value, "_keras_history")

    def is_variable(self, value: Any) -> bool:
        return isinstance(value, self.tf.Variable)

    def is_eager(self, value: Any) -> bool:
        return isinstance(value, np.ndarray) or (self.tf.is_tensor(value) and not self.is_symbolic(value))

    def is_model(self, value: Any) -> bool:
        if self.is_sequential(value):
            return bool(type(value).call is self.keras.Sequential.call)
        return isinstance(value, self.functional) and type(value).call is self.functional.call

    def input_name(self, tensor: Any) -> str:
        return str(tensor._keras_history[0].name)

    def dtype_name(self, tensor: Any) -> str:
        name = str(tensor.dtype.name)
        # A Sequential model built on numpy arrays declares their float64; its layers compute in float32.
        return "float32" if name == "float64" else name

    def get_config(self, operation: Any) -> dict[str, Any]:
        if isinstance(operation, TensorFlowFunction):
            return operation.config
        return in_keras_3(operation, self.keras)

    def cast(self, tensor: Any, dtype: str) -> Any:
        return self.tf.cast(tensor, dtype)

    def graph(self, model: Any) -> ModelGraph | None:
        if model.inputs is None:
            return None
        depths = sorted(model._nodes_by_depth, reverse=True)
        nodes = [node for depth in depths for node in model._nodes_by_depth[depth] if not node.is_input]
        return ModelGraph(tuple(model.inputs), model._nested_outputs, tuple(map(self._view, nodes)))

    def node(self, tensor: Any) -> NodeView | None:
        layer, node_index, _ = tensor._keras_history
        node = layer._inbound_nodes[node_index]
        return None if node.is_input else self._view(node)

    def _view(self, node: Any) -> NodeView:
        args, kwargs = tuple(node.call_args), dict(node.call_kwargs)
        outputs = tuple(self.tf.nest.flatten(node.outputs))
        if type(node.layer).__name__ in {"TFOpLambda", "SlicingOpLambda"}:
            known = self.translated.get(id(node))
            function = known or translate(node.layer, args, kwargs, self.is_eager)
            if function is not None:
                self.translated[id(node)] = function
                if self._tracer is not None and id(node.layer) in self._tracer.owners:
                    self._tracer.owners[id(function)] = function, self._tracer.owners[id(node.layer)][1]
                return NodeView(function, function.tensors, function.named, outputs)
        if hasattr(node.layer, "cell") or hasattr(node.layer, "forward_layer"):
            args, kwargs = _with_initial_state(args, kwargs)
        return NodeView(node.layer, args, kwargs, outputs)

    def history(self, tensor: Any) -> History:
        layer, node_index, tensor_index = tensor._keras_history
        return id(layer), node_index, tensor_index

    def flatten(self, structure: Any) -> list[Any]:
        return list(self.tf.nest.flatten(structure))

    def to_numpy(self, value: Any) -> Array:
        array = np.require(np.asarray(value), None, ["OWNDATA", "WRITEABLE"])
        return to_strings(array) if array.dtype == object else array

    def count(self, variable: Any) -> int:
        # What grows with the texts that it is adapted to has an open shape.
        known = self.tf.TensorShape(variable.shape).num_elements()
        return int(known) if known is not None else int(np.size(self.to_numpy(variable)))

    def to_tensor(self, value: Array, dtype: str) -> Any:
        return self.tf.convert_to_tensor(value, dtype=dtype)

    def own_variables(self, layer: Any) -> list[Any]:
        # A lookup's table counts as a weight there.
        return list(filter(self.is_variable, [*layer._trainable_weights, *layer._non_trainable_weights]))

    def variable_name(self, variable: Any) -> str:
        return str(variable.name).rpartition("/")[2].partition(":")[0]

    def signature(self, operation: Any) -> inspect.Signature:
        return inspect.signature(operation.call)

    def class_name(self, operation: Any) -> str:
        if isinstance(operation, TensorFlowFunction):
            return operation.class_name if ">" in operation.class_name else f"ops.{operation.class_name}"
        registered = str(self.keras.utils.get_registered_name(type(operation)))
        name = registered if ">" in registered else type(operation).__name__
        # On one machine, and at inference anywhere, it is no other layer.
        return "BatchNormalization" if name == "SyncBatchNormalization" else name

    def is_builtin(self, operation: Any) -> bool:
        return type(operation).__module__.partition(".")[0] in {"keras", "tf_keras", "porting"}

    def registered_function(self, function: Any) -> str | None:
        return registered_name(function, self.keras.utils.get_registered_name)

    def tracer(self, unfolds: Callable[[Any], bool], longest: int) -> Any:
        self._tracer = Keras2Tracer(self, unfolds, longest)
        return self._tracer

    def run_model(self, model: Any, inputs: list[Any]) -> Any:
        return model(self.tf.nest.pack_sequence_as(model._nested_inputs, inputs), training=False)


def _with_initial_state(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A recurrent layer's arguments with its states as `initial_state`; Keras 2 puts them behind the input."""
    if args and isinstance(args[0], (list, tuple)) and len(args[0]) > 1:
        inputs, *states = args[0]
        return (inputs, *args[1:]), {**kwargs, "initial_state": states}
    return args, kwargs
