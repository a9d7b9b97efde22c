"""The operations of the proof that padding changes nothing: what is not named here is not proved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from math import inf, sqrt
from typing import Any, Optional

import numpy as np

from ..network import Array, Shape
from ..numpy_side.values import Value
from ..operations import Cell, Draw, MovingStatistics, TrainingOperations, Weight
from ..padded import LARGEST
from .base import MANY, Operand, largest
from .elementwise import ElementwiseReader
from .facts import Fact, Steps
from .products import ProductReader
from .shapes import ShapeReader

# Cells whose outputs stay within 1.
BOUNDED_BY = frozenset({"tanh", "sigmoid", "hard_sigmoid", "softsign", "hard_tanh"})
MIXES = "mixes padded steps with others"


class Reader(ElementwiseReader, ProductReader, ShapeReader):
    """`porting.operations.Operations` whose tensors are facts.

    Attributes:
        training: what it can besides in a net that learns.
        at_front: the first steps of inputs are looked at in the place of the last.
    """

    def __init__(
        self,
        padding: Mapping[str, Optional[float]],
        groups: Mapping[str, str],
        moving: Optional[Collection[str]] = None,
        at_front: bool = False,
    ) -> None:
        super().__init__(padding, groups)
        self.training: Optional[TrainingOperations[Fact]] = None if moving is None else TrainingReader(self, moving)
        self.learns = moving is not None
        self.at_front = at_front

    def source(self, name: str, array: Array) -> Fact:
        """An input of a network."""
        made = Value(array)
        group = self.groups.get(name)
        if group is None:
            return Fact(made, source=name)
        is_float = array.dtype.kind == "f"
        known = None if is_float else self.padding.get(name)
        steps = {1: Steps(group, self.at_front, padding=known, even=known is not None)}
        most, asks = (LARGEST, frozenset({("small", name)})) if is_float else (inf, frozenset())
        return Fact(made, steps, source=name, most=most, asks=asks)

    # ---- recurrence

    def recurrent(
        self,
        cell: Cell,
        x: Fact,
        *,
        initial_state: Optional[Sequence[Fact]] = None,
        mask: Optional[Fact] = None,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
    ) -> tuple[Fact, Fact, list[Fact]]:
        """Masked steps are not looked at: they keep the state, and repeat the output or put out zeros."""
        starts = list(initial_state or ())
        given = None if mask is None else mask.made
        arrays = [one.made for one in starts] or None
        outputs, last, states = self.numpy.recurrent(
            cell,
            x.made,
            initial_state=arrays,
            mask=given,
            go_backwards=go_backwards,
            zero_output_for_mask=zero_output_for_mask,
        )
        parts = [x, *starts, *([] if mask is None else [mask])]
        asks = self._asks(parts)
        if not any(one.steps or one.why for one in parts):
            return Fact(outputs, asks=asks), Fact(last, asks=asks), [Fact(one, asks=asks) for one in states]
        if not _is_masked(x, mask, starts):
            spoilt = [self._spoilt(one, "walks over padded steps", parts) for one in (outputs, last, *states)]
            return spoilt[0], spoilt[1], spoilt[2:]
        steps = x.steps[1]
        # Whether the steps that are cut off come first: then they put out zeros, for they follow nothing.
        begins = steps.at_front != go_backwards
        nothing = begins or zero_output_for_mask
        most = _most_of(cell, starts)
        put_out = Steps(steps.of, steps.at_front != go_backwards, 0.0 if nothing else None, True)
        sequence = Fact(outputs, {1: put_out}, most=most, asks=asks)
        stays = {("step", steps.of)} if zero_output_for_mask and not begins else set()
        # Behind the output, an LSTM has what it adds up.
        ends = [Fact(one, most=most if at == 0 else most * MANY, asks=asks) for at, one in enumerate(states)]
        return sequence, Fact(last, most=most, asks=asks | stays), ends

    # ---- over axes that no step is along

    def normalize(
        self, x: Fact, axes: Sequence[int], epsilon: float, gamma: Optional[Weight], beta: Optional[Weight]
    ) -> Fact:
        x = self._by_rows(x, axes)
        made = self.numpy.normalize(x.made, axes, epsilon, gamma, beta)
        over = [axis % x.rank for axis in axes]
        if x.why or any(axis in x.steps for axis in over):
            return self._spoilt(made, "takes the mean over padded steps", [x])
        size = sqrt(np.prod([x.size(axis) for axis in over]))
        most = size * (1.0 if gamma is None else largest(gamma)) + largest(beta)
        return self._by_steps(x, made, most)

    def batch_normalization(
        self,
        x: Fact,
        mean: Weight,
        variance: Weight,
        gamma: Optional[Weight] = None,
        beta: Optional[Weight] = None,
        *,
        epsilon: float,
        axis: int,
    ) -> Fact:
        made = self.numpy.batch_normalization(x.made, mean, variance, gamma, beta, epsilon=epsilon, axis=axis)
        if x.why or axis % x.rank in x.steps:
            return self._spoilt(made, "has statistics for each padded step", [x])
        scale = 1.0 if gamma is None else largest(gamma)
        most = (x.most + largest(mean)) * scale / sqrt(max(float(variance.value.min()), 0.0) + epsilon) + largest(beta)
        return self._by_steps(x, made, most)

    def scale_and_shift(self, x: Fact, scale: Optional[Array], shift: Optional[Array], axis: int) -> Fact:
        made = self.numpy.scale_and_shift(x.made, scale, shift, axis)
        if x.why or axis % x.rank in x.steps:
            return self._spoilt(made, "has a number for each padded step", [x])
        factor = 1.0 if scale is None else largest(Weight("", np.asarray(scale)))
        term = 0.0 if shift is None else largest(Weight("", np.asarray(shift)))
        return self._by_steps(x, made, x.most * factor + term)

    def _by_steps(self, x: Fact, made: Value, most: float) -> Fact:
        """The same at every step, whatever the others hold."""
        steps = {axis: replace(one, padding=None) for axis, one in x.steps.items()}
        return Fact(made, steps, x.loose, most=most, asks=x.asks)

    # ---- not proved where a value is as long as inputs

    def computed(self, function: Callable[..., Array], inputs: Sequence[Any]) -> Fact:
        made = self.numpy.computed(function, [self._made(one) for one in inputs])
        parts = [one for given in inputs for one in (given if isinstance(given, list) else [given])]
        return self._plain(made, parts, "computes with padding in Python")

    def array_function(
        self, name: str, operands: Sequence[Operand], part: Optional[int] = None, **arguments: Any
    ) -> Fact:
        made = self.numpy.array_function(name, [self._made(one) for one in operands], part, **arguments)
        return self._spoilt(made, f"takes numpy's {name}", [one for one in operands if isinstance(one, Fact)])

    def fourier(
        self, real: Fact, imaginary: Optional[Fact], axis: int, inverse: bool = False, kept: Optional[int] = None
    ) -> tuple[Fact, Fact]:
        real = self._by_rows(real, [axis])
        given = None if imaginary is None else imaginary.made
        made = self.numpy.fourier(real.made, given, axis, inverse, kept)
        parts = [real, *([] if imaginary is None else [imaginary])]
        return self._plain(made[0], parts, MIXES), self._plain(made[1], parts, MIXES)

    def convolution(self, x: Fact, kernel: Weight, bias: Optional[Weight] = None, **options: Any) -> Fact:
        return self._plain(self.numpy.convolution(x.made, kernel, bias, **options), [x], MIXES)

    def depthwise_convolution(self, x: Fact, kernel: Weight, bias: Optional[Weight] = None, **options: Any) -> Fact:
        return self._plain(self.numpy.depthwise_convolution(x.made, kernel, bias, **options), [x], MIXES)

    def transposed_convolution(self, x: Fact, kernel: Weight, bias: Optional[Weight] = None, **options: Any) -> Fact:
        return self._plain(self.numpy.transposed_convolution(x.made, kernel, bias, **options), [x], MIXES)

    def pool(self, x: Fact, name: str, window: Sequence[int], strides: Sequence[int], padding: str) -> Fact:
        return self._plain(self.numpy.pool(x.made, name, window, strides, padding), [x], MIXES)

    def pad(self, x: Fact, amounts: Sequence[tuple[int, int]], value: float = 0.0) -> Fact:
        return self._plain(self.numpy.pad(x.made, amounts, value), [x], "puts others behind padded steps")

    def upsample(self, x: Fact, times: Sequence[int]) -> Fact:
        return self._plain(self.numpy.upsample(x.made, times), [x], "repeats padded steps")

    def resample(self, x: Fact, axis: int, matrix: Array) -> Fact:
        return self._plain(self.numpy.resample(x.made, axis, matrix), [x], MIXES)

    def time_to_batch(self, x: Fact) -> Fact:
        return self._plain(self.numpy.time_to_batch(x.made), [x], "runs padded steps as rows")

    def batch_to_time(self, x: Fact, like: Fact) -> Fact:
        return self._plain(self.numpy.batch_to_time(x.made, like.made), [x, like], "runs padded steps as rows")


class TrainingReader:
    """`porting.operations.TrainingOperations` whose tensors are facts."""

    def __init__(self, reader: Reader, moving: Collection[str]) -> None:
        self.reader = reader
        self.moving = moving

    def dropout(self, x: Fact, rate: float, whole_features: bool = False) -> Fact:
        """What is drawn for padded steps shifts what is drawn for others."""
        most = x.most / (1 - rate) if rate < 1 else inf
        return self.reader._plain(x.made, [x], "draws numbers for padded steps", most)

    def drawn(self, shape: Shape, draw: Draw) -> Fact:
        sizes = tuple(1 if size is None else size for size in shape)
        made = Value(np.asarray(draw(np.random.default_rng(0), sizes), np.float32))
        if None in shape[1:]:
            return self.reader._spoilt(made, "draws numbers for padded steps")
        return Fact(made)

    def normalize_batch(
        self,
        x: Fact,
        statistics: MovingStatistics,
        gamma: Optional[Weight] = None,
        beta: Optional[Weight] = None,
        *,
        epsilon: float,
        axis: int,
        mask: Optional[Fact] = None,
        by_steps: bool = False,
    ) -> Fact:
        if mask is not None and not by_steps and _counts_alike(x, mask) and axis % x.rank not in x.steps:
            scale = 1.0 if gamma is None else largest(gamma)
            most = 2 * x.most * scale / sqrt(epsilon) + largest(beta) if epsilon else inf
            return self.reader._by_steps(x, x.made, most)
        made = self.reader._plain(x.made, [x, *([] if mask is None else [mask])], "takes statistics over padded steps")
        self.reader.followed.append(made)
        return made


def _most_of(cell: Cell, starts: Sequence[Fact]) -> float:
    """What a cell's outputs stay within: 1, or what they begin with."""
    gated = cell.kind == "simple_rnn" or cell.recurrent_activation[0] in ("sigmoid", "hard_sigmoid")
    return max([1.0, *(one.most for one in starts)]) if gated and cell.activation[0] in BOUNDED_BY else inf


def _is_masked(x: Fact, mask: Optional[Fact], starts: Sequence[Fact]) -> bool:
    """Whether a cell sees no step that is cut off, and none that differs."""
    return mask is not None and not any(one.why or one.steps for one in starts) and _counts_alike(x, mask)


def _counts_alike(x: Fact, mask: Fact) -> bool:
    """Whether a mask takes out all steps that are cut off, and all that differ."""
    if x.why or mask.why or x.steps.keys() != {1} or mask.steps.keys() != {1} or mask.loose:
        return False
    alike = (x.steps[1].of, x.steps[1].at_front) == (mask.steps[1].of, mask.steps[1].at_front)
    return alike and mask.steps[1].padding == 0 and x.loose <= mask.only
