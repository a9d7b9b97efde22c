"""Padding that a network does not see, and how long rows are without it. `porting.padding` proves what stands here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from .network import Array, TensorRef

# Nothing is left out of rows that hold a larger number, or one that is not finite: what is masked may then matter.
LARGEST = 100.0
# Why padding is run although outputs do not hang on it.
REBUILT = "the net is built anew for each size"


@dataclass(frozen=True)
class Sequences:
    """Inputs whose steps, along axis 1, are left out together: the last ones, or (`at_front`) the first.

    Attributes:
        padding: by input, the number that a padded step holds everywhere; None for an input that pads nothing itself.
        keeps_step: one padded step stays, for what only asks whether there is one.
        real_first: the inputs whose step at the other end must not be padding.
        small: the inputs whose numbers must be within `LARGEST`.
        longest: no step is left out of inputs that are longer.
        at_front: padding stands in front.
    """

    padding: Mapping[str, Optional[float]]
    keeps_step: bool = False
    real_first: frozenset[str] = frozenset()
    small: frozenset[str] = frozenset()
    longest: Optional[int] = None
    at_front: bool = False

    def lengths(self, arrays: Mapping[str, Array], least: int = 1) -> Array:
        """By row, how many steps count, at least so many. A row that is not to be cut keeps all of its steps."""
        whole = self.steps(arrays)
        found = np.zeros(len(arrays[next(iter(self.padding))]), np.int64)
        for name, padding in self.padding.items():
            if padding is not None:
                real = self._real(arrays[name], padding)
                found = np.maximum(found, whole - real[:, ::-1].argmax(axis=1))
        lengths = np.minimum(np.maximum(found + self.keeps_step, least), whole)
        return np.where(self.stays(arrays), whole, lengths)

    def stays(self, arrays: Mapping[str, Array]) -> Array:
        """By row, whether it is not to be cut: padding alone, or what no proof is for."""
        rows = len(arrays[next(iter(self.padding))])
        stays = np.full(rows, self.longest is not None and self.steps(arrays) > self.longest)
        for name, padding in self.padding.items():
            if name in self.small:
                stays |= ~(np.abs(arrays[name]).reshape(rows, -1).max(axis=1) <= LARGEST)
            if padding is not None:
                real = self._real(arrays[name], padding)
                stays |= ~(real[:, 0] if name in self.real_first else real.any(axis=1))
        return stays

    def cut(self, array: Array, steps: int) -> Array:
        """So many steps of an input."""
        return array[:, array.shape[1] - steps :] if self.at_front else array[:, :steps]

    def steps(self, arrays: Mapping[str, Array]) -> int:
        """How many there are with all padding."""
        return int(arrays[next(iter(self.padding))].shape[1])

    def _real(self, array: Array, padding: float) -> Array:
        """By row and step, what is no padding; the steps that may be left out stand behind."""
        real = array != padding
        real = real if real.ndim == 2 else real.reshape(*real.shape[:2], -1).any(axis=2)
        return np.asarray(real[:, ::-1] if self.at_front else real)


@dataclass(frozen=True)
class Filled:
    """An axis of an output that is as long as inputs are: its last step (`at_front`: its first) stands for the rest.

    Attributes:
        axis: of the output.
        sequences: the number of the `Sequences`.
        at_front: what was left out stands in front.
    """

    axis: int
    sequences: int
    at_front: bool = False

    def fill(self, output: Array, size: int) -> Array:
        """The output as long as it is with all padding."""
        missing = size - output.shape[self.axis]
        if not missing:
            return output
        step = output.take([0 if self.at_front else -1], axis=self.axis)
        rest = np.repeat(step, missing, axis=self.axis)
        return np.concatenate([rest, output] if self.at_front else [output, rest], axis=self.axis)


@dataclass(frozen=True)
class Padding:
    """What may be left out of a network's inputs, without a change of its outputs.

    Attributes:
        sequences: inputs that are cut, each to a length of its own; none where padding is run.
        filled: by output, the axes that are as long as inputs are.
        why: in words, why padding is run; nothing where it is left out, or where there is none.
        leading: the same of padding in front, where that may be left out too.
    """

    sequences: tuple[Sequences, ...] = ()
    filled: Mapping[TensorRef, Sequence[Filled]] = field(default_factory=dict)
    why: str = ""
    leading: Optional[Padding] = None

    def __bool__(self) -> bool:
        return bool(self.sequences)

    @property
    def inputs(self) -> list[str]:
        """The inputs that are cut."""
        return [name for one in self.sequences for name in one.padding]

    def lengths(self, arrays: Mapping[str, Array], least: Mapping[str, Sequence[int]]) -> Array:
        """By sequences and row, how many steps count.

        Args:
            arrays: the inputs.
            least: by input, the least sizes that what runs them takes.
        """
        return np.stack(
            [
                one.lengths(arrays, max((least[name][1] for name in one.padding if least.get(name)), default=1))
                for one in self.sequences
            ]
        )

    def best_for(self, arrays: Mapping[str, Array], least: Mapping[str, Sequence[int]]) -> tuple[Padding, Array]:
        """What leaves out more steps of these rows, behind or in front, and its `lengths`."""
        ends = [self] if self.leading is None else [self, self.leading]
        found = [(one, one.lengths(arrays, least)) for one in ends]
        return min(found, key=lambda one: int(one[1].sum()))

    def stays(self, arrays: Mapping[str, Array]) -> Array:
        """By row, whether it is not to be cut."""
        return np.any([one.stays(arrays) for one in self.sequences], axis=0)

    def cut(self, arrays: Mapping[str, Array], lengths: Array) -> dict[str, Array]:
        """A batch without the steps that count in none of its rows."""
        short = {
            name: one.cut(arrays[name], most)
            for one, most in zip(self.sequences, lengths.max(axis=1))
            for name in one.padding
        }
        return {**arrays, **short}

    def filled_up(self, outputs: Mapping[TensorRef, Array], arrays: Mapping[str, Array]) -> dict[TensorRef, Array]:
        """The outputs of a batch that was cut, as long as those of the whole inputs."""
        found = dict(outputs)
        for ref in outputs.keys() & self.filled.keys():
            for one in self.filled[ref]:
                found[ref] = one.fill(found[ref], self.sequences[one.sequences].steps(arrays))
        return found

    @property
    def numbers(self) -> dict[str, float]:
        """By input that pads, the number of a padded step."""
        return {name: value for one in self.sequences for name, value in one.padding.items() if value is not None}

    def __str__(self) -> str:
        if not self:
            return f"padding is run: {self.why}" if self.why else "no input has padding that is masked"
        told = [_told(one) for one in (*self.sequences, *(self.leading.sequences if self.leading else ()))]
        return f"padding is left out: {'; '.join(told)}"


def _told(one: Sequences) -> str:
    until = "before its first step" if one.at_front else "from its last step"
    steps = ", ".join(f"{name!r} {until} that is not {value:g}" for name, value in _values(one))
    return f"{steps}{', but for one step' if one.keeps_step else ''}"


def _values(one: Sequences) -> list[tuple[str, float]]:
    return [(name, value) for name, value in one.padding.items() if value is not None]
