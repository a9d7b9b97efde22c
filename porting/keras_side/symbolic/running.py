"""What is noted while a user's code runs on symbolic tensors, and what the patches under it ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
from keras.src import backend, tree
from keras.src.ops.numpy import Einsum

from ..open_sizes.following import FollowedCode
from .graph import Keras3Graph
from .nodes import FunctionOperation, record

Call = Callable[..., Any]


class Running(FollowedCode, ABC):
    """A user's code in a run over Keras 3."""

    def __init__(self, longest: int) -> None:
        super().__init__(Keras3Graph(), longest)
        self._training: list[Any] = []

    @property
    def is_training(self) -> bool:
        """Whether code is followed to see what it does in training."""
        return bool(self._training and self._training[0])

    def _einsum(self, subscripts: str) -> Any:
        return Einsum(subscripts)

    @abstractmethod
    def call(self, layer: Any, args: Any, kwargs: Any, plain: Call) -> Any:
        """A layer called by a layer."""

    def call_on_constants(self, layer: Any, args: Any, kwargs: Any, plain: Call) -> Any:
        """A layer called on arrays: what it makes of them goes by its weights, which the graph keeps."""

        def kept(value: Any) -> Any:
            if not (backend.is_tensor(value) or isinstance(value, np.ndarray)):
                return value
            return self.noted(_itself, value.shape, value.dtype, (value,))

        args, kwargs = tree.map_structure(kept, (tuple(args), dict(kwargs)))
        return self.call(layer, args, kwargs, plain)

    def noted(self, function: Call, shape: Any, dtype: Any, args: Any, kwargs: Any = MappingProxyType({})) -> Any:
        """What a function of sizes, constants and weights makes, noted in the graph."""
        operation = FunctionOperation(function, tuple(shape), backend.standardize_dtype(dtype))
        self.own(operation)
        return record(operation, tuple(args), dict(kwargs), operation.made)


def _itself(value: Any) -> Any:
    return value
