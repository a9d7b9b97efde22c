"""What an engine must be able to do. Rules speak to an engine through this and nothing else.

Operations are named and shaped as numpy and Keras name and shape them: the batch is axis 0,
features are the last axis, axes may be negative. They never look at masks unless a mask is
handed to them. A scalar or a `Weight` may stand where a tensor is added, multiplied or compared.

Operands of several dtypes meet in that of `keras.backend.result_type`. Whole numbers are computed in their own dtype
and wrap as it does, as in TensorFlow; a function of floats is given floats by its rule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Protocol, TypeVar, Union, runtime_checkable

import numpy as np

from .dtypes import result_type
from .network import Array, Shape


@dataclass(frozen=True, eq=False)
class Weight:
    """A weight with its full name (``dense/kernel``), in Keras' orientation unless it was arranged otherwise.

    Attributes:
        name: ``layer/weight``; empty for a fixed array, which is nobody's weight and never learns.
        value: the array.
        undo: brings an array that is arranged as `value` back to Keras' orientation; None where they are the same.
        redo: arranges an array of Keras' orientation as `value` is.
    """

    name: str
    value: Array
    undo: Optional[Callable[[Array], Array]] = None
    redo: Optional[Callable[[Array], Array]] = None

    @classmethod
    def fixed(cls, value: Array) -> Weight:
        """An array that stands where a weight may."""
        return cls("", np.asarray(value, np.float32))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    def arranged(self, axes: Optional[Sequence[int]] = None, shape: Optional[Sequence[int]] = None) -> Weight:
        """The same weight with its axes permuted, then reshaped; it is still read back as Keras has it."""
        order = tuple(range(self.value.ndim)) if axes is None else tuple(axes)
        turned = self.value.transpose(order)
        sizes = turned.shape if shape is None else tuple(shape)
        back = tuple(order.index(axis) for axis in range(len(order)))

        def undo(array: Array) -> Array:
            return self.in_keras(array.reshape(turned.shape).transpose(back))

        def redo(array: Array) -> Array:
            return self.like_value(array).transpose(order).reshape(sizes)

        return Weight(self.name, turned.reshape(sizes), undo, redo)

    def in_keras(self, array: Array) -> Array:
        """An array that is arranged as `value` is, as Keras has the weight."""
        shaped = array.reshape(self.value.shape)
        return shaped if self.undo is None else self.undo(shaped)

    def like_value(self, array: Array) -> Array:
        """An array as Keras has the weight, arranged as `value` is."""
        return array if self.redo is None else self.redo(array)


Same = TypeVar("Same")


@runtime_checkable
class Tensor(Protocol):
    """A value on its way through an engine.

    Attributes:
        shape: Keras' shape, the batch in front; None where only a run will tell.
        dtype: as Keras names it: ``float32``, ``int32``, ``uint8``, ``bool``.
        mask: bool tensor of shape ``(batch, time)``, or None.
    """

    @property
    def shape(self) -> Shape: ...
    @property
    def dtype(self) -> str: ...
    @property
    def mask(self) -> Optional[Tensor]: ...
    def with_mask(self: Same, mask: Any) -> Same: ...


# An engine's own kind of tensor.
T = TypeVar("T", bound=Tensor)
OperandOf = Union[T, Weight, float]
Operand = OperandOf[Tensor]


def dtype_of(x: Operand) -> Any:
    """An operand's dtype for `result_type`; Python's own type of a number."""
    if isinstance(x, Weight):
        return x.value.dtype.name
    if isinstance(x, (bool, np.bool_)):
        return "bool"
    if isinstance(x, (int, float)):
        return int if isinstance(x, int) else float
    return str(x.dtype)


def promoted_type(*operands: Operand, numbers: str = "weak") -> str:
    """The dtype in which operands meet.

    Args:
        operands: tensors, weights and numbers.
        numbers: ``weak`` take the dtype of what they meet; ``typed`` are int32 and float32, which some of Keras'
            operations make of them first.
    """
    dtypes = [dtype_of(one) for one in operands]
    if numbers == "typed":
        dtypes = [{int: "int32", float: "float32"}.get(one, one) for one in dtypes]
    return result_type(*dtypes)


@dataclass(frozen=True, eq=False)
class Cell:
    """A recurrent cell, as Keras' cell of the same kind computes it.

    Attributes:
        kind: ``lstm``, ``gru`` or ``simple_rnn``.
        kernel: (input, gates·units); gates in Keras' order: i, f, c, o or z, r, h.
        recurrent_kernel: (units, gates·units).
        bias: (gates·units,), for a GRU with reset_after (2, 3·units), or None.
        activation, recurrent_activation: names that `Operations.activation` knows, with arguments.
        reset_after: a GRU's reset gate works after the matrix product.
        dropout, recurrent_dropout: in training, what share of the inputs and of the state before is dropped; the
            same places in all steps of a row.
        dropped_by_gate: each gate drops places of its own.
    """

    kind: str
    kernel: Weight
    recurrent_kernel: Weight
    bias: Optional[Weight]
    activation: tuple[str, dict[str, float]]
    recurrent_activation: tuple[str, dict[str, float]] = ("sigmoid", {})
    reset_after: bool = False
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    dropped_by_gate: bool = False

    @property
    def gates(self) -> int:
        return self.kernel.shape[1] // self.units

    @property
    def units(self) -> int:
        return self.recurrent_kernel.shape[0]

    @property
    def states(self) -> int:
        return 2 if self.kind == "lstm" else 1


@dataclass(frozen=True, eq=False)
class MovingStatistics:
    """Stored statistics of a BatchNormalization that follow those of the batches in training.

    Attributes:
        mean, variance: where they are kept.
        momentum: how much of them stays in a step.
        unbiased: the stored variance is that of all rows, estimated (n / (n − 1) of the batch's).
    """

    mean: Weight
    variance: Weight
    momentum: float
    unbiased: bool = False


# How many entries of a table: a number, or the steps of a tensor along an axis; which, and from which on.
Place = tuple[Union[int, tuple[T, int]], str, int]
# Draws numbers of a shape.
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


class PositionOperations(Protocol[T]):
    """Operations that know where along an axis a value stands."""

    def full_like(self, x: T, value: float) -> T:
        """A float tensor of the shape of `x` that holds one number, whatever `x` holds."""

    def positions(self, x: T, axis: int) -> T:
        """0, 1, … along an axis of `x`, as floats; every other axis is 1 (the batch may be kept)."""

    def table(self, values: Weight, like: T, places: Sequence[Place[T]]) -> T:
        """Entries of a table for every row of the batch of `like`: (batch, *looked up, *rest).

        The table's first axes are looked up, one for each place: how many (a number, or a tensor and an axis, for as
        many as it has steps), which entries, and from which on. ``first`` and ``last`` are so many; ``at`` is the one
        of that number, counted from 1, and its axis is dropped. More steps than the table has are refused.
        """

    def cumsum(self, x: T, axis: int, reverse: bool = False) -> T: ...

    def argmax(self, x: T, axis: int) -> T:
        """Where the largest value stands (the first of equal ones), int32; the axis is dropped."""

    def array_function(
        self, name: str, operands: Sequence[OperandOf[T]], part: Optional[int] = None, **arguments: Any
    ) -> T:
        """numpy's function of that name (``sort``, ``linalg.inv``), where nothing else here expresses it.

        Few engines have it. Of a function with several results `part` says which.
        """

    def fourier(
        self, real: T, imaginary: Optional[T], axis: int, inverse: bool = False, kept: Optional[int] = None
    ) -> tuple[T, T]:
        """numpy's fft or ifft along an axis, real and imaginary part; of the first `kept` places where it is given."""


class ScalingOperations(Protocol[T]):
    """Normalisation over axes of each row."""

    def normalize(
        self, x: T, axes: Sequence[int], epsilon: float, gamma: Optional[Weight], beta: Optional[Weight]
    ) -> T:
        """(x − mean) / √(variance + epsilon) · gamma + beta, mean and variance over `axes`.

        gamma and beta have the sizes of `axes`, in the order of `axes`.
        """


class ConvolutionOperations(Protocol[T]):
    """Convolutions over (batch, *sizes, features) of one, two or three sizes; lists hold a number for each size."""

    def convolution(
        self,
        x: T,
        kernel: Weight,
        bias: Optional[Weight] = None,
        *,
        strides: Sequence[int],
        padding: str,
        dilation: Sequence[int],
        groups: int = 1,
    ) -> T:
        """Kernel (*window, in / groups, filters); `padding` is ``valid``, ``same`` or ``causal``."""

    def depthwise_convolution(
        self,
        x: T,
        kernel: Weight,
        bias: Optional[Weight] = None,
        *,
        strides: Sequence[int],
        padding: str,
        dilation: Sequence[int],
    ) -> T:
        """Kernel (*window, in, multiplier); channel c gives the channels c · multiplier + m."""

    def transposed_convolution(
        self,
        x: T,
        kernel: Weight,
        bias: Optional[Weight] = None,
        *,
        strides: Sequence[int],
        padding: str,
        output_padding: Optional[Sequence[int]],
        dilation: Sequence[int],
    ) -> T:
        """Kernel (*window, filters, in): the gradient of the convolution with that kernel."""


class ImageOperations(Protocol[T]):
    """Pools, margins and fixed maps along axes of (batch, *sizes, features)."""

    def pool(self, x: T, name: str, window: Sequence[int], strides: Sequence[int], padding: str) -> T:
        """``max`` or ``mean`` of every window over the sizes; what ``same`` pads does not count."""

    def pad(self, x: T, amounts: Sequence[tuple[int, int]], value: float = 0.0) -> T:
        """Grow each axis after the batch by (before, after); below 0 cut it."""

    def upsample(self, x: T, times: Sequence[int]) -> T:
        """Repeat every step of each axis after the batch, as numpy's repeat does."""

    def resample(self, x: T, axis: int, matrix: Array) -> T:
        """Multiply a fixed matrix (new size, size) along an axis."""

    def scale_and_shift(self, x: T, scale: Optional[Array], shift: Optional[Array], axis: int) -> T:
        """x · scale + shift with fixed vectors along an axis."""

    def batch_normalization(
        self,
        x: T,
        mean: Weight,
        variance: Weight,
        gamma: Optional[Weight] = None,
        beta: Optional[Weight] = None,
        *,
        epsilon: float,
        axis: int,
    ) -> T:
        """(x − mean) / sqrt(variance + epsilon) · gamma + beta along an axis, with fixed statistics."""

    def time_to_batch(self, x: T) -> T:
        """(batch, time, …) to (batch · time, …)."""

    def batch_to_time(self, x: T, like: T) -> T:
        """Undo `time_to_batch`: the batch and time of `like`, the other axes of `x`."""


class TrainingOperations(Protocol[T]):
    """What a net that learns can besides.

    Attributes:
        moving: stored statistics that follow those of the batches, by ``layer/weight``.
    """

    moving: Collection[str]

    def dropout(self, x: T, rate: float, whole_features: bool = False) -> T:
        """Zeros at random, the rest divided by 1 − rate.

        With `whole_features` a feature is zero at every place of a row or at none.
        """

    def drawn(self, shape: Shape, draw: Draw) -> T:
        """What a function of numpy's generator and a shape draws anew in every step.

        `shape` has None in front, for the rows of a batch.
        """

    def normalize_batch(
        self,
        x: T,
        statistics: MovingStatistics,
        gamma: Optional[Weight] = None,
        beta: Optional[Weight] = None,
        *,
        epsilon: float,
        axis: int,
        mask: Optional[T] = None,
        by_steps: bool = False,
    ) -> T:
        """`batch_normalization` with the mean and variance of this batch, over all axes but one; the statistics move.

        Asked for only where they are among `moving`. The mask has every axis but the last; what it takes out
        is normalised too, but does not count. With `by_steps`, and then without a mask, every place along axis 1 has a
        mean and variance of its own, and the statistics move once for each.
        """


class EngineOperations(
    ConvolutionOperations[T], ImageOperations[T], PositionOperations[T], ScalingOperations[T], Protocol[T]
):
    """The operations of an engine. Shapes below leave the batch axis out where it does not matter.

    Attributes:
        training: what is there besides where the net is to learn, and layers do what they do in training; None at
            inference.
    """

    @property
    def training(self) -> Optional[TrainingOperations[T]]: ...

    # values
    def constant(self, value: Array) -> T:
        """An array that is not a weight; its first axis stands for the batch and may be 1."""

    def cast(self, x: OperandOf[T], dtype: str) -> T: ...

    def computed(self, function: Callable[..., Array], inputs: Sequence[Any]) -> T:
        """What a function of arrays makes of tensors (or lists of them), where the engine can call one."""

    # linear maps
    def dense(self, x: T, kernel: Weight, bias: Optional[Weight] = None) -> T:
        """(…, n) · (n, units) + (units,)."""

    def embedding(self, ids: T, table: Weight) -> T:
        """Rows of (vocabulary, width) for ids of any shape."""

    def matmul(self, a: OperandOf[T], b: OperandOf[T], transpose_b: bool = False) -> T:
        """numpy's matmul of operands of two axes or more; `transpose_b` swaps the last two of `b` first."""

    def einsum(self, equation: str, operands: Sequence[OperandOf[T]]) -> T:
        """numpy's einsum of tensors and weights."""

    # element by element
    def activation(self, x: T, name: str, **arguments: Any) -> T:
        """A function of `keras.activations` without an axis, with Keras 3's argument names.

        relu, relu6 and threshold keep whole numbers; the others make floats.
        """

    def add(self, a: OperandOf[T], b: OperandOf[T]) -> T: ...
    def subtract(self, a: OperandOf[T], b: OperandOf[T]) -> T: ...
    def multiply(self, a: OperandOf[T], b: OperandOf[T]) -> T: ...
    def divide(self, a: OperandOf[T], b: OperandOf[T]) -> T: ...
    def maximum(self, a: OperandOf[T], b: OperandOf[T]) -> T: ...
    def minimum(self, a: OperandOf[T], b: OperandOf[T]) -> T: ...
    def whole_division(self, a: OperandOf[T], b: OperandOf[T], name: str) -> T:
        """``floor_divide`` or ``mod`` of whole numbers, rounded down; 0 may not be a divisor."""

    def unary(self, x: T, name: str) -> T:
        """numpy's function of that name: exp, log, abs, negative, square, sqrt, rsqrt, reciprocal …"""

    def power(self, x: T, exponent: float) -> T:
        """numpy's power with a fixed exponent."""

    # comparisons and logic; bool tensors
    def compare(self, a: OperandOf[T], b: OperandOf[T], name: str) -> T:
        """equal, not_equal, less, less_equal, greater, greater_equal."""

    def logical_and(self, a: T, b: T) -> T: ...
    def logical_or(self, a: T, b: T) -> T: ...
    def logical_not(self, a: T) -> T: ...
    def where(self, condition: T, a: OperandOf[T], b: OperandOf[T]) -> T: ...

    # over axes
    def reduce(self, x: T, name: str, axes: Sequence[int], keepdims: bool = False) -> T:
        """sum, mean, max, min in the dtype of `x`; any, all for bool tensors."""

    def softmax(self, x: T, axes: Sequence[int], log: bool = False) -> T: ...

    # shapes; axes count the batch as 0
    def reshape(self, x: T, shape: Sequence[Optional[int]]) -> T:
        """`shape` without the batch; one -1 at most. None, in front only, for axes that stay as they are."""

    def transpose(self, x: T, axes: Sequence[int]) -> T: ...
    def expand_dims(self, x: T, axis: int) -> T: ...
    def squeeze(self, x: T, axis: int) -> T: ...
    def repeat(self, x: T, times: int, axis: int) -> T:
        """Every step of an axis repeated, as `numpy.repeat` does with one number."""

    def concatenate(self, xs: Sequence[T], axis: int) -> T: ...
    def flip(self, x: T, axis: int) -> T: ...
    def slice(self, x: T, axis: int, start: Optional[int], stop: Optional[int], step: int = 1) -> T: ...

    # recurrence
    def recurrent(
        self,
        cell: Cell,
        x: T,
        *,
        initial_state: Optional[Sequence[T]] = None,
        mask: Optional[T] = None,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
    ) -> tuple[T, T, list[T]]:
        """Run a cell over (batch, time, features).

        Returns the outputs of every step in processing order (batch, time, units), the output of
        the last step, and the states after it: h and c for an LSTM, h for the others. With
        `go_backwards` time runs from its end, the mask's too. A masked step keeps the states; its output
        repeats the one before (zeros at the start), or is zero with `zero_output_for_mask`. See
        `keras.backend.rnn`.
        """


# As rules see them: they know of tensors no more than `Tensor` says.
Operations = EngineOperations[Tensor]
