"""What is noted while a user's code runs on symbolic tensors, and what the patches under it ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from string import ascii_lowercase
from types import MappingProxyType
from typing import Any

import numpy as np
from keras.src import backend, tree
from keras.src.layers import Layer
from keras.src.ops.numpy import Einsum

from ..tracing import CodeInARun
from .nodes import FunctionOperation, node_of, record
from .sizes import Sizes, said_of_sizes
from .tables import Meeting, Tables, variables_in

Call = Callable[..., Any]


class Running(CodeInARun, ABC):
    """A user's code in a run over Keras 3.

    Attributes:
        sizes: the open sizes of the walk.
        tables: what is made of sizes alone.
        kept: operations that must not die, since they are known by their ids.
    """

    def __init__(self, longest: int) -> None:
        super().__init__()
        self.sizes = Sizes()
        self.tables = Tables(self.sizes, longest)
        self.kept: list[Any] = []
        self._training: list[Any] = []

    @property
    def is_training(self) -> bool:
        """Whether code is followed to see what it does in training."""
        return bool(self._training and self._training[0])

    def own(self, operation: Any) -> None:
        """Note whose code called an operation."""
        self.kept.append(operation)  # ids are of living objects
        if self._stack:
            self.owners.setdefault(id(operation), (operation, self._stack[-1]))

    alone = Meeting()

    def meeting(self, operation: Any, rank: int, beside: Any) -> Meeting:
        """How a tensor of sizes meets others in an operation, or beside which it is given to a layer."""
        spreads = said_of_sizes(type(operation).__name__) == "spread"
        if isinstance(operation, Layer) and not spreads:
            return Meeting(None, beside, given=True)
        return Meeting(rank, beside, spreads=spreads)

    def beside(self, tensor: Any, rank: int) -> Meeting:
        return Meeting(rank, tensor)

    def product(self, beside: Any) -> Meeting:
        return Meeting(len(beside._shape), None, product=True)

    def turned_product(self, product: Any, rank: int) -> Any:
        """An operation for x · weightᵀ, x of this rank, in place of another product, as its owner's."""
        axes = ascii_lowercase[:rank]  # TensorFlow 2.19 computes "...i,ji->...j" wrongly for two axes
        return self.einsum_instead(product, f"{axes},z{axes[-1]}->{axes[:-1]}z")

    def einsum_instead(self, product: Any, subscripts: str) -> Any:
        """A product by subscripts in place of another, as its owner's."""
        made = Einsum(subscripts)
        self.kept.append(made)
        if id(product) in self.owners:
            self.owners[id(made)] = made, self.owners[id(product)][1]
        return made

    def follow(self, tensor: Any, held: Any) -> None:
        """Note the weights that a tensor of sizes was computed with, but for one that stands for it."""
        node = node_of(tensor)
        owner = self.owners.get(id(node.operation)) or self.callers.get(id(node.operation))
        for variable in variables_in(tensor):
            if variable is not held and owner is not None:
                self.computed_with(variable, owner[1])

    def plain_call(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """A layer of this package applied."""
        with self.resting():
            return layer(*args, **kwargs)

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

    def put_in(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """A layer of this package applied, as the running code's own."""
        self.own(layer)
        return self.plain_call(layer, *args, **kwargs)


def _itself(value: Any) -> Any:
    return value
