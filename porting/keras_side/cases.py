"""Choosing the runs that become references: batch sizes, lengths of open axes, and inputs that hurt."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..network import Array, Case, TensorRef
from .graph import Graph, refs_of
from .keras_api import Front
from .noise import Variables, with_noise
from .run import MaskLostError, Progress, check_outputs, record
from .samples import GENTLENESS, Need, make_inputs

__all__ = ["Recorder", "open_axes", "warn_of_insensitive"]

log = logging.getLogger(__name__)

# (batch, length): all paddings at once, one row, the shortest pair, one step.
TARGETS = ((5, 6), (1, 9), (3, 2), (2, 1))
# Lengths for networks that cannot take the ones above.
FURTHER_LENGTHS = (*range(3, 25), 32, 33, 48, 64, 65, 96, 100, 128, 224, 256)
FIXED_BATCHES = (5, 1, 2)
# Above this many numbers a row, fewer rows are recorded.
LARGE_ROW = 1_000_000
INSENSITIVE = 1e-5


@dataclass
class Recorder:
    """Records the cases of one model.

    Attributes:
        model: the Keras model.
        graph: its walked graph.
        front: its Keras.
        needs: what its inputs must be like.
        progress: told of each recorded case.
        variables: by layer name, the variables that it computes with.
        errors: what Keras raised at sizes that do not fit.
        spread: open axes are given sizes of their own.
        unmasked: by call, the tensors that reach it without the mask that they were made with.
        ranks: of every tensor, as the last case has it.
    """

    model: Any
    graph: Graph
    front: Front
    needs: Sequence[Need]
    progress: Progress
    variables: Variables = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    spread: bool = False
    unmasked: dict[str, tuple[TensorRef, ...]] = field(default_factory=dict)
    ranks: dict[TensorRef, int] = field(default_factory=dict)

    def record_all(self, samples: Mapping[str, Array] | None = None) -> tuple[Case, ...]:
        """All cases, `samples` as one more.

        Raises:
            Unsupported: the network runs at no size, or its numbers are not finite.
            Mismatch: the recorded calls do not give the model's own outputs.
        """
        self._open_what_is_open()
        cases = self._cases()
        if not cases:
            raise Unsupported(self._does_not_run())
        if len(cases) == 1:
            cases += self._other_values(cases[0])
        if samples is not None:
            cases.append(self._checked(self._recorded("samples", samples)))
        return tuple(cases)

    def _other_values(self, only: Case) -> list[Case]:
        """The one size that the network runs at, with other values."""
        batch = len(next(iter(only.inputs.values())))
        log.warning("references at batch %d only: a wrong port may pass at others", batch)
        case = None if open_axes(self.needs) else self._case(batch, 1, seed=1)
        return [] if case is None else [case]

    def _cases(self) -> list[Case]:
        declared = self._declared_batch()
        if declared is not None:
            return self._declared_batch_cases(declared)
        return self._open_cases() if open_axes(self.needs) else self._fixed_cases()

    def _open_what_is_open(self) -> None:
        """Open the sizes that a model took from the data it was built on, where it runs at others."""
        for place, need in enumerate(self.needs):
            batch = need.input.shape[0]
            if batch is None:
                continue
            self._try_open(place, 0)
            if self.front.is_sequential(self.model):
                for axis in range(1, len(need.input.shape)):
                    self._try_open(place, axis)

    def _try_open(self, place: int, axis: int) -> None:
        before = self.needs
        shape = before[place].input.shape
        inputs = [need.input for need in before]
        inputs[place] = replace(inputs[place], shape=(*shape[:axis], None, *shape[axis + 1 :]))
        self.needs = [replace(need, input=given) for need, given in zip(before, inputs)]
        other = (shape[axis] or 0) + 2
        if self._runs(other, 2, spread=False) if axis == 0 else self._runs(2, other, spread=False):
            self.graph.inputs = tuple(inputs)
        else:
            self.needs = before

    def _open_cases(self) -> list[Case]:
        self.spread = open_axes(self.needs) > 1 and self._runs(2, 5, spread=True)
        targets = list(TARGETS)
        cases = []
        for done, (batch, length) in enumerate(targets):
            self.progress(done, len(targets), f"batch {batch}, length {length}")
            case = self._case(batch, length)
            if case is not None:
                cases.append((length, case))
        for length in FURTHER_LENGTHS:
            lengths = {length for length, _ in cases}
            if len(lengths) >= 2:
                break
            case = self._case(2 if lengths else 5, length)
            if case is not None:
                cases.append((length, case))
                one = self._case(1, length)
                cases += [(length, one)] if one is not None else []
        self._tell_lengths(sorted({length for length, _ in cases}))
        return [case for _, case in cases]

    def _tell_lengths(self, lengths: Sequence[int]) -> None:
        refused = sorted({length for _, length in TARGETS} - set(lengths))
        if lengths and refused:
            log.warning("the network does not run at length %s; references at %s", _join(refused), _join(lengths))
        if len(lengths) == 1:
            log.warning("references at one length only (%d): a wrong port may pass at others", lengths[0])

    def _fixed_cases(self) -> list[Case]:
        first = self._case(1, 1)
        batches: Sequence[int] = FIXED_BATCHES
        if first is not None and sum(array.size for array in first.outputs.values()) > LARGE_ROW:
            batches = (2, 1)
        made = []
        for done, batch in enumerate(batches):
            self.progress(done, len(batches), f"batch {batch}")
            case = first if batch == 1 else self._case(batch, 1)
            if case is not None:
                made.append(case)
        return made

    def _declared_batch(self) -> int | None:
        """The batch size that the network declares and needs."""
        declared = {need.input.shape[0] for need in self.needs} - {None}
        return declared.pop() if len(declared) == 1 else None

    def _declared_batch_cases(self, batch: int) -> list[Case]:
        log.warning("the network runs at its declared batch size %d only", batch)
        sizes = ((6, 0), (9, 0), (2, 0)) if open_axes(self.needs) else ((1, 0), (1, 1))
        cases = [self._case(batch, length, seed) for length, seed in sizes]
        return [case for case in cases if case is not None]

    def _runs(self, batch: int, length: int, spread: bool) -> bool:
        try:
            inputs = make_inputs(self.needs, batch, length, spread)
            record(self.graph, self.front, "", inputs)
        except MaskLostError:
            raise
        except Exception as error:
            self.errors.append(error)
            return False
        return True

    def _case(self, batch: int, length: int, seed: int = 0) -> Case | None:
        """The case of that size with the hardest inputs that keep its numbers finite; None where it does not run."""
        case = None
        for gentleness, word in enumerate(GENTLENESS):
            inputs = make_inputs(self.needs, batch, length, self.spread and length > 1, gentleness, seed)
            name = self._name(batch, length, seed, word if gentleness else "")
            try:
                case = self._recorded(name, inputs)
                if all(_finite(array) for array in case.outputs.values()):
                    return self._checked(case)
            except (MaskLostError, Mismatch, Unsupported):
                raise
            except Exception as error:
                self.errors.append(error)
                return None
        assert case is not None
        raise Unsupported(list(self._not_finite(case)))

    def _recorded(self, name: str, inputs: Mapping[str, Array]) -> Case:
        case, unmasked = record(self.graph, self.front, name, inputs)
        for call, refs in unmasked.items():
            self.unmasked[call] = tuple(dict.fromkeys((*self.unmasked.get(call, ()), *refs)))
        return case

    def _name(self, batch: int, length: int, seed: int, gentle: str) -> str:
        parts = [f"batch {batch}"]
        if open_axes(self.needs):
            parts.append(f"length {length}")
        if any(need.pads or need.is_mask for need in self.needs):
            parts.append("padded")
        parts += [f"values {seed + 1}"] if seed else []
        parts += [gentle] if gentle else []
        return ", ".join(parts)

    def _checked(self, case: Case) -> Case:
        for ref in refs_of(self.graph.outputs):
            if ref in case.outputs and not case.outputs[ref].ndim:
                what = "is one number for the whole batch, which batches run side by side do not have"
                raise Unsupported(Problem(str(ref), what, "keep the batch: name the axes to reduce"))
        for ref, rank in self.ranks.items():
            if case.outputs[ref].ndim != rank:
                what = f"has {rank} axes at one batch size and {case.outputs[ref].ndim} at another"
                raise Unsupported(Problem(str(ref), what, "name the axes: without, squeeze takes the batch too"))
        self.ranks = {ref: array.ndim for ref, array in case.outputs.items()}
        check_outputs(case, self.model, self.graph, self.front)
        return with_noise(case, self.graph, self.front, self.variables)

    def _not_finite(self, case: Case) -> Iterator[Problem]:
        for ref, array in case.outputs.items():
            if not _finite(array):
                way_out = (
                    "give real inputs with samples=…" if self.errors else "make its numbers finite: check the weights"
                )
                yield Problem(str(ref), f"Keras itself computes NaN or infinity here ({case.name})", way_out)
                return

    def _does_not_run(self) -> Problem:
        error = self.errors[-1] if self.errors else None
        what = f"runs at none of the sizes tried: {_reason(error)}"
        return Problem(f"model {self.model.name!r}", what, "declare the input shapes that it needs, or give samples=…")


def _reason(error: Exception | None) -> str:
    """What Keras says, without the frame that it puts around it."""
    text = re.sub(r"\x1b\[\d*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith("Exception encountered")]
    return (said or lines or [type(error).__name__])[0][:300]


def open_axes(needs: Sequence[Need]) -> int:
    """How many axes differ from run to run; a text is an open axis of words."""
    return sum(size is None for need in needs for size in need.input.shape[1:]) + sum(need.sentences for need in needs)


def _finite(array: Array) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _join(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def warn_of_insensitive(cases: Sequence[Case], graph: Graph) -> list[str]:
    """Names and logs the network's outputs that hardly vary between rows: a wrong port could hide there."""
    still = []
    for ref in refs_of(graph.outputs):
        spans = [_span(case.outputs[ref]) for case in cases if ref in case.outputs and len(case.outputs[ref]) > 1]
        if spans and max(spans) < INSENSITIVE:
            still.append(str(ref))
            log.warning("output %s hardly varies between inputs (%.1e of its size): little is proved", ref, max(spans))
    return still


def _span(array: Array) -> float:
    """By how much of its size an output varies over the batch; of texts, whether it varies."""
    if array.dtype.kind not in "biufc":
        return float(any(row.tolist() != array[0].tolist() for row in array))
    values = array.astype(np.float64)
    size = float(np.abs(values).max(initial=0.0))
    return float((values.max(axis=0) - values.min(axis=0)).max(initial=0.0)) / size if size else 0.0
