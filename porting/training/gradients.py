"""Gradients of weights: arrays, or the rows of a table that a batch picked.

TensorFlow gives the gradient of an embedding table as slices, one for each id of the batch, and Keras' optimizers work
on them before they are summed: the square of a gradient is the sum of the slices' squares, not the square of their
sum. So Adam's step on an embedding differs from the dense one wherever an id occurs twice in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Union

import numpy as np

from ..network import Array

# Up to so many slices of one row are added place by place: np.add.reduceat is slow where its runs are short.
FEW = 6
SHORT = 1 << 16


@dataclass(frozen=True, eq=False)
class Slices:
    """The gradient of a table as one row for each id that was looked up.

    Attributes:
        rows: (n,) int, which row of the table each slice belongs to; rows may repeat.
        values: (n, width).
        shape: the table's.
    """

    rows: Array
    values: Array
    shape: tuple[int, ...]

    def summed(self, values: Array) -> Array:
        """Values given for each slice, added up by row: (rows, width)."""
        made = np.zeros(self.shape, np.float32)
        made[self.picked] = self.sums(values)
        return made

    def sums(self, values: Array) -> Array:
        """The same of the rows that were picked, as `picked` names them."""
        order, starts, counts = self._runs
        made: Array = values.take(order[starts], axis=0)
        for places, slices in self._others:
            made[places] += values.take(slices, axis=0)
        many = counts > FEW
        if many.any():
            begins = np.cumsum(counts[many]) - counts[many]
            made[many] = np.add.reduceat(values[order[np.repeat(many, counts)]], begins, axis=0)
        return made

    @cached_property
    def picked(self) -> Array:
        """The rows that slices belong to, each once."""
        order, starts, _ = self._runs
        return self.rows[order[starts]]

    @cached_property
    def _others(self) -> list[tuple[Array, Array]]:
        """Rows with few slices, as places in `picked`, and their second slices; those with a third one; and so on."""
        order, starts, counts = self._runs
        places = [np.flatnonzero((counts > at) & (counts <= FEW)) for at in range(1, FEW)]
        return [(found, order[starts[found] + at]) for at, found in enumerate(places, 1) if found.size]

    @cached_property
    def _runs(self) -> tuple[Array, Array, Array]:
        """The slices' numbers in the order of their rows; where in it each row begins, and its count of slices."""
        # numpy sorts numbers of 16 bits in linear time.
        order = np.argsort(self.rows.astype(np.uint16) if self.shape[0] <= SHORT else self.rows, kind="stable")
        rows = self.rows[order]
        starts = np.flatnonzero(np.diff(rows, prepend=rows[:1] - 1))
        return order, starts, np.diff(starts, append=len(rows))

    def joined(self, other: Slices) -> Slices:
        """Both lookups' slices: a shared table that was read twice."""
        rows = np.concatenate([self.rows, other.rows])
        return Slices(rows, np.concatenate([self.values, other.values]), self.shape)


Gradient = Union[Array, Slices]


def each(gradient: Gradient, change: Callable[[Array], Array]) -> Gradient:
    if isinstance(gradient, Slices):
        return replace(gradient, values=change(gradient.values))
    return change(gradient)


def total(gradient: Gradient) -> Array:
    """The gradient as one array of the weight's shape."""
    return gradient.summed(gradient.values) if isinstance(gradient, Slices) else gradient


def squares(gradient: Gradient) -> Array:
    """What Keras gets for ``square(gradient)``, of the weight's shape."""
    if isinstance(gradient, Slices):
        return gradient.summed(np.square(gradient.values))
    return np.square(gradient)


def absolutes(gradient: Gradient) -> Array:
    """What Keras gets for ``abs(gradient)``, of the weight's shape."""
    return gradient.summed(np.abs(gradient.values)) if isinstance(gradient, Slices) else np.abs(gradient)


def norm_squared(gradient: Gradient) -> np.float32:
    """The sum of the squares, slice by slice."""
    values = (gradient.values if isinstance(gradient, Slices) else gradient).ravel()
    return np.float32(np.dot(values, values))


def scaled(gradient: Gradient, factor: np.float32) -> Gradient:
    return each(gradient, lambda values: values * factor)


def clipped(gradient: Gradient, limit: float) -> Gradient:
    """Every number within ± limit, slice by slice."""
    return each(gradient, lambda values: np.clip(values, np.float32(-limit), np.float32(limit)))
