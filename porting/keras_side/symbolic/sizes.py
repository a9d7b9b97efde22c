"""Open sizes: what ``ops.shape(x)[1]`` is where no number is known.

A size is a symbolic whole number, so Keras' operations compute with it and record what they do, and Python that needs a
number (``range(n)``, ``int(n)``, ``if n < 100``) fails at its own line. Two axes have one size where the operations
between them keep it; the size is then read where it first was, at best off the model's input.
"""

from __future__ import annotations

import sys
from typing import Any

import keras
from keras.src.backend.common.keras_tensor import KerasTensor
from keras.src.ops.operation import Operation

from ..open_sizes.sizes import Sizes
from ..tracing import Untraceable, is_library
from .nodes import record


class SizeOf(Operation):  # type: ignore[misc]
    """The size of one axis of a tensor."""

    def __init__(self, axis: int) -> None:
        super().__init__(name="size")
        self.axis = axis

    def call(self, x: Any) -> Any:
        return keras.ops.shape(x)[self.axis]

    def compute_output_spec(self, x: Any) -> Any:
        return KerasTensor((), "int32")


class OpenSize(KerasTensor):  # type: ignore[misc]
    """The size of an axis that differs from run to run."""

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if other is None or isinstance(other, (str, float)) or is_library(sys._getframe(1)):
            return False
        raise Untraceable(f"compares an open size with {_shown(other)}", "declare the size in keras.Input")

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return id(self)

    def __index__(self) -> int:
        raise Untraceable("needs an open size as a number (range, an index)", "declare the size in keras.Input")

    def __repr__(self) -> str:
        return "None"


class Shape(tuple):  # type: ignore[type-arg]
    """A shape as TensorFlow's tensors have it too, of which a layer's code may ask what it asks of theirs."""

    __slots__ = ()

    @property
    def rank(self) -> int:
        return len(self)

    ndims = rank

    def as_list(self) -> list[Any]:
        return list(self)


def shape_for(frame: Any, tensor: Any, sizes: Sizes) -> Any:
    """A tensor's shape, with sizes for open axes where a user's code reads it, itself or by `keras.ops.shape`."""
    module = str(frame.f_globals.get("__name__", ""))
    if module.startswith(("tensorflow.", "keras.src.legacy.backend")):
        return sys.modules["tensorflow"].TensorShape(tensor._shape)
    if is_library(frame) and not (frame.f_code.co_name == "shape" and module.endswith("ops.core")):
        return tensor._shape
    return Shape(sizes.shape(tensor))


def _shown(other: object) -> str:
    return "another" if isinstance(other, KerasTensor) else repr(other)[:40]


def size_of(tensor: Any, axis: int) -> OpenSize:
    """The size of an open axis, noted in the graph."""
    size = OpenSize((), "int32")
    record(SizeOf(axis), (tensor,), {}, size)
    return size
