"""Keras 2's graph as sizes are read off it: functions of TensorFlow's in layers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from .keras_api import KerasApi
from .layers import TENSORFLOW_CODE
from .open_sizes.graph import Applied
from .own_layers import OwnLayer, own_layers
from .tensorflow_functions import TensorFlowFunction, size_read

tf = importlib.import_module("tensorflow")
_shape = tf.shape


def function_of(layer: Any) -> str:
    """The canonical name of the function that a layer is around."""
    return str(layer.get_config().get("function"))


def _sizes(x: Any) -> list[Any]:
    """A tensor's sizes, as numbers where they are known."""
    opened = _shape(x)
    return [opened[at] if size is None else size for at, size in enumerate(x.shape)]


OPS = SimpleNamespace(
    cast=tf.cast,
    convert_to_tensor=tf.convert_to_tensor,
    copy=tf.identity,
    maximum=tf.maximum,
    minimum=tf.minimum,
    repeat=tf.repeat,
    reshape=tf.reshape,
    shape=_sizes,
    transpose=tf.transpose,
)


class Keras2Graph:
    """See `open_sizes.graph.Graph`."""

    def __init__(self, api: KerasApi) -> None:
        self.api = api
        self.kinds = own_layers(api.keras, OPS)

    def is_symbolic(self, value: Any) -> bool:
        return self.api.is_symbolic(value)

    def is_variable(self, value: Any) -> bool:
        return self.api.is_variable(value)

    def is_layer(self, operation: Any) -> bool:
        return self.api.is_layer(operation) and type(operation).__name__ not in TENSORFLOW_CODE

    def is_whole(self, tensor: Any) -> bool:
        return bool(tensor.dtype.is_integer)

    def dtype(self, value: Any) -> str:
        return self.api.dtype_name(value)

    def tensors_in(self, structure: Any) -> list[Any]:
        return [one for one in self.api.flatten(structure) if self.api.is_symbolic(one)]

    def history(self, tensor: Any) -> Any:
        return self.api.history(tensor)

    def node_of(self, tensor: Any) -> Applied | None:
        view = self.api.node(tensor)
        if view is None:
            return None
        layer, node_index, _ = tensor._keras_history
        node = layer._inbound_nodes[node_index]
        args, kwargs = tuple(node.call_args), dict(node.call_kwargs)
        name = getattr(view.operation, "class_name", type(layer).__name__)
        given = self.tensors_in((args, kwargs))
        reads = size_read(tensor) if type(layer).__name__ in TENSORFLOW_CODE else None
        return Applied(name, layer, args, kwargs, view.args, view.outputs, given, reads)

    def shape(self, tensor: Any) -> tuple[int | None, ...]:
        return tuple(tensor.shape)

    def size(self, tensor: Any, axis: int) -> Any:
        return _shape(tensor)[axis]

    def axes(self, node: Applied) -> list[int] | None:
        view = self.api.node(node.outputs[0])
        if node.name != "Transpose" or view is None or not isinstance(view.operation, TensorFlowFunction):
            return None
        axes = view.operation.config["axes"]
        rank = len(node.given[0].shape)
        return list(range(rank))[::-1] if axes is None else [int(axis) % rank for axis in axes]

    def says_sizes(self, node: Applied) -> bool:
        return self.api.is_builtin(node.operation)

    def size_made(self, tensor: Any, axis: int, sizes: Mapping[tuple[int, int], int]) -> int | None:
        node = self.node_of(tensor)
        if node is None:
            return None
        shapes = [tuple(sizes.get((id(one), at), size) for at, size in enumerate(one.shape)) for one in node.given]
        if isinstance(node.operation, OwnLayer):
            return node.operation.shape_made(*shapes)[axis]
        return None if self.is_layer(node.operation) else self._inferred(node, tensor, axis, shapes)

    def _inferred(self, node: Applied, tensor: Any, axis: int, shapes: list[Any]) -> int | None:
        """What TensorFlow says of the size that a function makes of tensors of these shapes."""

        def called(*given: Any) -> Any:
            by_id = {id(one): value for one, value in zip(node.given, given)}
            args, kwargs = tf.nest.map_structure(lambda part: by_id.get(id(part), part), (node.args, dict(node.kwargs)))
            return node.operation.call(*args, **kwargs)

        specs = [tf.TensorSpec(shape, one.dtype) for shape, one in zip(shapes, node.given)]
        try:
            made = self.flatten(tf.function(called).get_concrete_function(*specs).structured_outputs)
        except Exception:  # whatever TensorFlow says to sizes that do not fit
            return None
        shape = made[self.history(tensor)[2]].shape
        return None if shape.rank is None else shape[axis]

    def run(self, node: Applied, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return node.operation(*args, **kwargs)

    def flatten(self, structure: Any) -> list[Any]:
        return self.api.flatten(structure)

    def weights_of(self, operation: Any) -> list[Any]:
        return list(operation.weights) if self.is_layer(operation) else []

    def to_numpy(self, value: Any) -> Any:
        return np.asarray(value)

    def line(self, operation: Any) -> str:
        return ""
