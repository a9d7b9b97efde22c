"""Keras 3's graph as sizes are read off it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import keras
from keras.src import backend, tree
from keras.src.backend.common.keras_tensor import KerasTensor

from ..open_sizes.graph import Applied
from . import layers, nodes
from .sizes import SizeOf, size_of


class Keras3Graph:
    """See `open_sizes.graph.Graph`."""

    kinds = layers.KINDS

    def is_symbolic(self, value: Any) -> bool:
        return isinstance(value, KerasTensor)

    def is_variable(self, value: Any) -> bool:
        return isinstance(value, keras.Variable)

    def is_layer(self, operation: Any) -> bool:
        return isinstance(operation, keras.layers.Layer)

    def is_whole(self, tensor: Any) -> bool:
        return bool(backend.is_int_dtype(tensor.dtype))

    def dtype(self, value: Any) -> str:
        return str(value.dtype)

    def tensors_in(self, structure: Any) -> list[Any]:
        return nodes.tensors_in(structure)

    def history(self, tensor: Any) -> Any:
        return nodes.history(tensor)

    def node_of(self, tensor: Any) -> Optional[Applied]:
        node = nodes.node_of(tensor)
        if node is None:
            return None
        args, given = node.arguments.args, nodes.given_to(node)
        reads = (given[0], node.operation.axis) if isinstance(node.operation, SizeOf) else None
        name = type(node.operation).__name__
        return Applied(name, node.operation, args, node.arguments.kwargs, args, tuple(node.outputs), given, reads)

    def shape(self, tensor: Any) -> tuple[Optional[int], ...]:
        return tuple(tensor._shape)

    def size(self, tensor: Any, axis: int) -> Any:
        return size_of(tensor, axis)

    def axes(self, node: Applied) -> Optional[list[int]]:
        return nodes.axes_of(node.operation, len(node.given[0]._shape))

    def says_sizes(self, node: Applied) -> bool:
        return type(node.operation).__module__.partition(".")[0] in ("keras", "porting")

    def size_made(self, tensor: Any, axis: int, sizes: Mapping[tuple[int, int], int]) -> Optional[int]:
        node = nodes.node_of(tensor)
        if self.is_layer(node.operation) and not type(node.operation).__module__.startswith("porting"):
            return None

        def sized(part: Any) -> Any:
            if not isinstance(part, KerasTensor):
                return part
            return KerasTensor([sizes.get((id(part), at), size) for at, size in enumerate(part._shape)], part.dtype)

        try:
            args, kwargs = tree.map_structure(sized, (tuple(node.arguments.args), dict(node.arguments.kwargs)))
            made = tree.flatten(node.operation.compute_output_spec(*args, **kwargs))
        except Exception:  # whatever Keras says to sizes that do not fit
            return None
        size: Optional[int] = made[nodes.history(tensor)[2]]._shape[axis]
        return size

    def run(self, node: Applied, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return node.operation(*args, **kwargs)

    def flatten(self, structure: Any) -> list[Any]:
        return list(tree.flatten(structure))

    def weights_of(self, operation: Any) -> list[Any]:
        return list(operation.weights) if self.is_layer(operation) else []

    def to_numpy(self, value: Any) -> Any:
        return keras.ops.convert_to_numpy(value)

    def line(self, operation: Any) -> str:
        return str(getattr(operation, "line", ""))
