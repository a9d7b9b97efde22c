"""Keras' weight constraints: what becomes of a weight after every step. See ``keras.constraints``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Union

import numpy as np

from ..errors import Unsupported
from ..network import Array

Axes = Union[int, Sequence[int]]
# Keras' `backend.epsilon()`, which it adds to norms before it divides by them.
EPSILON = np.float32(1e-7)


class Constraint(ABC):
    """A function of a weight."""

    @abstractmethod
    def __call__(self, weight: Array) -> Array:
        """What the weight, in Keras' shape, becomes."""


@dataclass(frozen=True)
class NonNeg(Constraint):
    """Numbers below 0 become 0."""

    def __call__(self, weight: Array) -> Array:
        return np.maximum(weight, np.float32(0))


@dataclass(frozen=True)
class UnitNorm(Constraint):
    """Norms along `axis` become 1."""

    axis: Axes = 0

    def __call__(self, weight: Array) -> Array:
        return weight / (EPSILON + norms(weight, self.axis))


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """Norms along `axis` are at most `max_value`."""

    max_value: float = 2
    axis: Axes = 0

    def __call__(self, weight: Array) -> Array:
        found = norms(weight, self.axis)
        return weight * (np.clip(found, 0, np.float32(self.max_value)) / (EPSILON + found))


@dataclass(frozen=True)
class MinMaxNorm(Constraint):
    """Norms along `axis` come between two numbers, or by `rate` of the way."""

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: Axes = 0

    def __call__(self, weight: Array) -> Array:
        found = norms(weight, self.axis)
        inside = np.clip(found, np.float32(self.min_value), np.float32(self.max_value))
        desired = np.float32(self.rate) * inside + np.float32(1 - self.rate) * found
        return weight * (desired / (EPSILON + found))


def norms(weight: Array, axis: Axes) -> Array:
    along = axis if isinstance(axis, int) else tuple(axis)
    return np.sqrt(np.sum(np.square(weight), axis=along, keepdims=True))


KINDS = (MaxNorm, MinMaxNorm, NonNeg, UnitNorm)
CONSTRAINTS: Mapping[str, type[Constraint]] = {
    **{kind.__name__: kind for kind in KINDS},
    **dict(zip(("max_norm", "min_max_norm", "non_neg", "unit_norm"), KINDS)),
}


def constraint_of(value: Any, where: str, key: str) -> Constraint:
    """The constraint that a configuration describes: a name, or a class name and its arguments.

    Raises:
        Unsupported: another.
    """
    name, config = (value, {}) if isinstance(value, str) else (value.get("class_name"), value.get("config") or {})
    kind = CONSTRAINTS.get(str(name))
    if kind is None or not set(config) <= {one.name for one in fields(kind)}:  # type: ignore[arg-type]
        way_out = f"use {', '.join(one.__name__ for one in KINDS)}, or freeze this layer"
        raise Unsupported(where, f"{key} {value!r} is not handled in training", way_out)
    return kind(**config)
