"""Choosing the runs that become references: batch sizes, lengths of open axes, and inputs that expose faults."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import inf, prod
from typing import Any

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..network import Array, Case, TensorRef, leaves_in
from .graph import CallGraph, refs_of
from .keras_api import KerasApi
from .keras_faults import KerasFaultError
from .layers import parts_of
from .needs import Need
from .noise import Variables, with_noise
from .run import MaskLostError, Progress, UnsteadyError, check_outputs, record, unfolded_classes, with_lines
from .samples import GENTLENESS, PADDINGS, make_inputs, make_texts, stretched
from .shifted import with_shifted
from .thinning import PLACES, numbers_of, thinned, to_sample

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Probe:
    """A run that is to become a case.

    Attributes:
        batch: rows.
        length: of open axes.
        paddings: of the rows, one after the other.
        seed: see `make_inputs`.
        smaller: the batch where this one would hold many numbers; 0 leaves it out.
        noise: whether it is measured, which runs each call seven times more.
    """

    batch: int
    length: int = 1
    paddings: Sequence[str] = PADDINGS
    seed: int = 0
    smaller: int | None = None
    noise: bool = True


# All paddings at once; one padded row; the shortest pair, its last step padded throughout; many rows of one step; long.
TARGETS = (
    Probe(5, 6),
    Probe(1, 9, ("right",)),
    Probe(3, 2, ("right",), seed=5),
    Probe(33, 1, smaller=2),
    Probe(2, 40, ("none", "holes"), smaller=0),
)
# Lengths for networks that cannot take the ones above.
FURTHER_LENGTHS = (*range(3, 25), 32, 33, 48, 64, 65, 96, 100, 128, 224, 256)
# Inputs are made that outlast so many steps being cut off.
LONGEST_CUT = 20_000
FIXED = (Probe(5), Probe(1, paddings=("right",)), Probe(33, seed=5, smaller=3))
# Layers that go through the steps one by one, beside those that return sequences.
LOOPS = frozenset({"TimeDistributed"})
# A case may hold so many numbers and still be cheap; and so many where its noise is not measured.
CHEAP, CHEAP_WITHOUT_NOISE = 100_000, 300_000
# References hold about so many numbers for each of the weights, and these besides (8 MB); but two cases at least.
A_WEIGHT, BESIDES = 2, 2_000_000
# Of what is left, the first case takes no more than that.
FIRST_SHARE = 0.5
INSENSITIVE = 1e-5


@dataclass
class Recorder:
    """Records the cases of one model.

    Attributes:
        model: the Keras model.
        graph: its walked graph.
        api: its Keras.
        needs: what its inputs must be like.
        progress: told of each recorded case.
        variables: by layer name, the variables that it computes with.
        own: the same without those that another layer holds.
        noise: whether it is measured.
        references: what is kept, of `REFERENCES`.
        text_steps: tensors that preprocessing makes, which are kept whatever `references` says.
        errors: what Keras raised at sizes that do not fit.
        not_finite: where Keras computed NaN or infinity.
        left_out: what was tried and is not a reference, in words.
        spread: open axes are given sizes of their own.
        gentlest: index into `GENTLENESS` of the hardest inputs that are tried.
        takes_infinity: whether tensors may be infinite, as long as the network's outputs are not.
        unmasked: by call, the tensors that reach it without the mask that they were made with.
        ranks: of every tensor, as the last case has it.
        growth: numbers in the references for each number of the inputs, as the first case has it.
        recorded: numbers in the references so far.
        count: how many cases there are so far.
        used: how many ids they hold.
    """

    model: Any
    graph: CallGraph
    api: KerasApi
    needs: Sequence[Need]
    progress: Progress
    variables: Variables = field(default_factory=dict)
    own: Variables = field(default_factory=dict)
    noise: bool = True
    references: str = "sampled"
    text_steps: frozenset[TensorRef] = frozenset()
    errors: list[Exception] = field(default_factory=list)
    not_finite: list[Problem] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    spread: bool = False
    gentlest: int = 0
    takes_infinity: bool = False
    unmasked: dict[str, tuple[TensorRef, ...]] = field(default_factory=dict)
    ranks: dict[TensorRef, int] = field(default_factory=dict)
    growth: float = 0.0
    recorded: int = 0
    count: int = 0
    used: int = 0

    def record_all(self, samples: Mapping[str, Array] | None = None) -> tuple[Case, ...]:
        """All cases, those of `samples` last.

        Raises:
            Unsupported: the network runs at no size, or its numbers are nowhere finite.
            Mismatch: the recorded calls do not give the model's own outputs, or it does not run on the samples.
        """
        self._open_what_is_open()
        cases: list[Case] = []
        on_purpose = any(_has_infinity((step.call.inputs, step.call.arguments)) for step in self.graph.steps)
        for self.takes_infinity, self.gentlest in product((on_purpose, True), range(len(GENTLENESS))):
            self.left_out.clear()
            cases = self._cases(further=samples is None)
            if len(cases) > 1 or not self.not_finite:
                break
        cases += self._texts() if cases else []
        if samples is not None:
            cases += self._of_samples(samples, bool(cases))
        if len(cases) < 2:
            raise Unsupported(self.not_finite[:1] or self._does_not_run("one" if cases else "none"))
        if self.left_out:
            log.warning("left out of the references: %s", "; ".join(dict.fromkeys(self.left_out)))
        return tuple(cases)

    def _cases(self, further: bool) -> list[Case]:
        """Cases of invented inputs; `further`: at further lengths too."""
        declared = self._declared_batch()
        if declared is not None:
            return self._declared_batch_cases(declared)
        return self._open_cases(further) if open_axes(self.needs) else self._fixed_cases()

    def _open_what_is_open(self) -> None:
        """Open the sizes that a model took from the data it was built on, where it runs at others."""
        for place, need in enumerate(self.needs):
            batch = need.input.shape[0]
            if batch is None:
                continue
            self._try_open(place, 0)
            if self.api.is_sequential(self.model):
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

    def _open_cases(self, further: bool) -> list[Case]:
        self.spread = open_axes(self.needs) > 1 and self._runs(2, 6, spread=True)
        targets = TARGETS if self._grows_with_length() else (*TARGETS[:-1], replace(TARGETS[-1], noise=False))
        cases = []
        for done, probe in enumerate(targets):
            self.progress(done, len(targets), f"batch {probe.batch}, length {probe.length}")
            cases += [(probe, case) for case in self._sized(probe)]
        for length in self._further_lengths() if further else ():
            lengths = {probe.length for probe, _ in cases}
            if len(lengths) >= 2:
                break
            for batch in (2 if lengths else 5, 1) if length <= FURTHER_LENGTHS[-1] else (2,):
                cases += [(Probe(batch, length), case) for case in self._sized(Probe(batch, length))]
                if not cases:
                    break
        if len(cases) == 1:
            ((probe, _),) = cases
            cases += [(probe, case) for case in self._sized(replace(probe, seed=probe.seed + 1))]
        if further:
            self._tell_lengths(sorted({probe.length for probe, _ in cases}))
        return [case for _, case in cases]

    def _further_lengths(self) -> tuple[int, ...]:
        """Lengths for networks that cannot take the usual ones; of sequences also those that outlast what cuts them."""
        cut = self._cut_off()
        if FURTHER_LENGTHS[-1] <= cut <= LONGEST_CUT and all(_is_sequence(need) for need in self.needs):
            return (*FURTHER_LENGTHS, cut + 6, cut + 9)
        return FURTHER_LENGTHS

    def _cut_off(self) -> int:
        """How many steps a sequence loses on its way, on the longest one where there are several."""
        lost: dict[TensorRef, int] = {}
        for step in self.graph.steps:
            before = max((lost.get(ref, 0) for ref in step.call.reads()), default=0)
            own = sum(map(_cut_off, parts_of(self.graph.operation(step.call.layer), self.api)))
            lost.update(dict.fromkeys(step.call.refs(), before + own))
        return max(lost.values(), default=0)

    def _grows_with_length(self) -> bool:
        """Whether noise is cheap to measure on long inputs: no picture that grows both ways, no loop over steps."""
        if any(need.input.shape[1:].count(None) > 1 for need in self.needs):
            return False
        parts = [part for layer in self.graph.layers.values() for part in parts_of(layer, self.api)]
        return not any(hasattr(part, "return_sequences") or type(part).__name__ in LOOPS for part in parts)

    def _tell_lengths(self, lengths: Sequence[int]) -> None:
        refused = sorted({probe.length for probe in TARGETS if probe.smaller != 0} - set(lengths))
        if lengths and refused:
            log.warning("the network does not run at length %s; references at %s", _join(refused), _join(lengths))
        if len(lengths) == 1:
            log.warning("references at one length only (%d): a wrong port may pass at others", lengths[0])

    def _fixed_cases(self) -> list[Case]:
        one = self._sized(FIXED[1])  # first, since it tells how large the others would be
        made = []
        for done, probe in enumerate(FIXED):
            self.progress(done, len(FIXED), f"batch {probe.batch}")
            made += one if probe.batch == 1 else self._sized(probe)
        if len(made) == 1:
            batch = len(next(iter(made[0].inputs.values())))
            log.warning("references at batch %d only: a wrong port may pass at others", batch)
            made += self._sized(Probe(batch, seed=1))
        return made

    def _declared_batch(self) -> int | None:
        """The batch size that the network declares and needs."""
        declared = {need.input.shape[0] for need in self.needs} - {None}
        return declared.pop() if len(declared) == 1 else None

    def _declared_batch_cases(self, batch: int) -> list[Case]:
        log.warning("the network runs at its declared batch size %d only", batch)
        sizes = ((6, 0), (9, 0), (2, 0)) if open_axes(self.needs) else ((1, 0), (1, 1))
        return [case for length, seed in sizes for case in self._sized(Probe(batch, length, seed=seed))]

    def _sized(self, probe: Probe) -> list[Case]:
        """The probe's case, with fewer rows where they would be many numbers; none where it does not run."""
        row = self.growth * sum(prod(size or probe.length for size in need.input.shape[1:]) for need in self.needs)
        if probe.smaller is not None and row * probe.batch > CHEAP:
            fits = row * probe.batch <= CHEAP_WITHOUT_NOISE
            probe = replace(probe, noise=False) if fits else replace(probe, batch=probe.smaller)
        rows = self._rows_left(row, probe.batch)
        if rows < probe.batch and self._declared_batch() is None:
            probe = replace(probe, batch=rows, seed=probe.seed + 1)
        case = self._case(probe) if probe.batch else None
        return [] if case is None else [case]

    def _rows_left(self, row: float, wanted: int) -> int:
        """How many rows of so many numbers the references may still hold; one and two at least in the first cases."""
        fit = int(self._left() // row) if row else wanted
        return min(wanted, max(fit, 0 if self.count >= 2 else 1 + self.count))

    def _left(self) -> int:
        """How many numbers the references may still hold."""
        weights = sum(self.api.count(one) for held in self.variables.values() for one in held)
        return A_WEIGHT * weights + BESIDES - self.recorded

    def _texts(self) -> list[Case]:
        """One more case, where texts go in: of every hard one."""
        made = make_texts(self.needs, TARGETS[0].length)
        if made is None or self._declared_batch() is not None:
            return []
        rows = len(next(iter(made.values())))
        if self._rows_left(self.growth * sum(array.size for array in made.values()) / rows, rows) < rows:
            return []
        case = self._tried("texts", made)
        return [] if case is None else [case]

    def _of_samples(self, samples: Mapping[str, Array], has_others: bool) -> list[Case]:
        """A user's samples, and the same a step longer.

        Without other cases one row comes first, which tells how many numbers the rest would be.
        """
        found = [] if has_others else [self._sample("samples, the last alone", samples, 1, 0)]
        given = len(next(iter(samples.values())))
        row = self.growth * sum(array.size for array in samples.values()) / given
        found.append(self._sample("samples", samples, max(1, self._rows_left(row, given)), 0))
        open_sizes = any(size is None for need in self.needs for size in need.input.shape[1:])
        if open_sizes and (rows := self._rows_left(row, 2)):
            found.append(self._sample("samples, a step longer", samples, rows, 1))
        return [case for case in found if case is not None]

    def _sample(self, name: str, samples: Mapping[str, Array], rows: int, further: int) -> Case | None:
        inputs = stretched(samples, self.needs, self._declared_batch() or rows, further)
        if further:
            return self._tried(name, inputs)
        try:
            return self._finite(name, inputs)
        except (MaskLostError, Mismatch, Unsupported):
            raise
        except Exception as error:
            what = f"the model does not run on them: {_reason(error)}"
            raise Mismatch("samples", what, "give inputs that model.predict takes") from error

    def _runs(self, batch: int, length: int, spread: bool) -> bool:
        try:
            inputs = make_inputs(self.needs, batch, length, spread)
            record(self.graph, self.api, "", inputs, one_size=spread)
        except MaskLostError:
            raise
        except Exception as error:
            self.errors.append(error)
            return False
        return True

    def _case(self, probe: Probe) -> Case | None:
        """The case of that size with the hardest inputs that keep its numbers finite; None where it does not run."""
        spread = self.spread and probe.length > 1
        gentleness = self.gentlest
        while gentleness < len(GENTLENESS):
            settings = (gentleness, probe.seed, probe.paddings, self.used)
            inputs = make_inputs(self.needs, probe.batch, probe.length, spread, *settings)
            failed = len(self.errors)
            name = self._name(probe, GENTLENESS[gentleness] if gentleness else "")
            case = self._tried(name, inputs, spread, probe.noise)
            if case is not None:
                self.used += max((_ids_in(inputs[need.input.name], need) for need in self.needs), default=0)
                return case
            if len(self.errors) == failed:
                gentleness += 1
            elif spread:
                spread = False
            else:
                return None
        return None

    def _tried(self, name: str, inputs: Mapping[str, Array], spread: bool = False, noise: bool = True) -> Case | None:
        """The case, without the rows of which Keras makes NaN; None where none is left, or Keras raises."""
        try:
            return self._finite(name, inputs, spread, noise)
        except (MaskLostError, Mismatch, Unsupported):
            raise
        except Exception as error:
            self.errors.append(error)
            return None

    def _finite(self, name: str, inputs: Mapping[str, Array], spread: bool = False, noise: bool = True) -> Case | None:
        case = self._recorded(name, inputs, spread)
        good = finite_rows(case)
        if good.all():
            return self._checked(case, noise)
        if good.any() and self._declared_batch() is None:
            rows = f"{int((~good).sum())} of {len(good)} rows"
            # Others come twice in their place, so that the batch is as large as it was to be.
            places = np.resize(np.flatnonzero(good), len(good))
            others = self._recorded(
                f"{name}, without {rows}", {key: one[places] for key, one in inputs.items()}, spread
            )
            if finite_rows(others).all():
                self.left_out.append(f"{rows} of {name}, of which Keras makes NaN or infinity")
                return self._checked(others, noise)
        ends_finite = all(_finite(case.outputs[ref]) for ref in refs_of(self.graph.outputs) if ref in case.outputs)
        if ends_finite and (self.takes_infinity or not any(_infinite(array) for array in case.outputs.values())):
            return self._checked(case, noise)  # what is not finite the network itself puts aside
        self.not_finite += self._where_not_finite(case)
        self.left_out.append(f"{name}, of which Keras makes NaN or infinity")
        return None

    def _recorded(self, name: str, inputs: Mapping[str, Array], spread: bool = False) -> Case:
        case, unmasked = record(self.graph, self.api, name, inputs, one_size=spread)
        for call, refs in unmasked.items():
            self.unmasked[call] = tuple(dict.fromkeys((*self.unmasked.get(call, ()), *refs)))
        return case

    def _name(self, probe: Probe, gentle: str) -> str:
        parts = [f"batch {probe.batch}"]
        if open_axes(self.needs):
            parts.append(f"length {probe.length}")
        if any(need.pads or need.is_mask for need in self.needs):
            parts.append("padded")
        parts += [f"values {probe.seed + 1}"] if probe.seed else []
        parts += [gentle] if gentle else []
        return ", ".join(parts)

    def _checked(self, case: Case, noise: bool) -> Case:
        for ref in refs_of(self.graph.outputs):
            if ref in case.outputs and not case.outputs[ref].ndim:
                what = "is one number for the whole batch, which batches run side by side do not have"
                raise Unsupported(str(ref), what, "keep the batch: name the axes to reduce")
        for ref, rank in self.ranks.items():
            if case.outputs[ref].ndim != rank:
                what = f"has {rank} axes at one batch size and {case.outputs[ref].ndim} at another"
                raise Unsupported(str(ref), what, "name the axes: without, squeeze takes the batch too")
        self.ranks = {ref: array.ndim for ref, array in case.outputs.items()}
        check_outputs(case, self.model, self.graph, self.api)
        self.growth = self.growth or numbers_of(case) / sum(array.size for array in case.inputs.values())
        kept = self._kept(case, noise)
        self.recorded += numbers_of(kept)
        self.count += 1
        return kept

    def _kept(self, case: Case, noise: bool) -> Case:
        """The case, with its noise where that is asked for, and of its tensors what the folder is to keep."""
        whole = self.text_steps.union(refs_of(self.graph.outputs) if self.references != "none" else ())
        if self.references in ("outputs", "none"):
            sampled, places = frozenset(case.outputs) - whole, 0
        elif self.references == "all":
            sampled, places = frozenset[TensorRef](), 0
        else:
            left = self._left() * (1.0 if self.count else FIRST_SHARE)
            sampled, places = to_sample(case, whole, int(left)), PLACES
        if self.noise and noise and self.references != "none":
            case = with_noise(case, self.graph, self.api, self.variables, sampled)
            if self.references in ("sampled", "all") and not self.count:
                case = with_shifted(case, self.graph, self.api, self.own, self.unmasked)
        return thinned(case, sampled, places)

    def _where_not_finite(self, case: Case) -> Iterator[Problem]:
        for ref, array in case.outputs.items():
            if not _finite(array):
                way_out = "give real inputs with samples=…, or make its numbers finite: check the weights"
                yield Problem(str(ref), f"Keras itself computes NaN or infinity here ({case.name})", way_out)
                return

    def _does_not_run(self, runs_at: str) -> Problem:
        error = self.errors[-1] if self.errors else None
        if isinstance(error, KerasFaultError):
            return error.problem
        if isinstance(error, UnsteadyError):
            own = with_lines(unfolded_classes(self.graph, self.api))
            way_out = "leave out at inference what counts, draws at random or keeps a state"
            return Problem(f"model {self.model.name!r}", str(error), f"{way_out}{f', in {own}' if own else ''}")
        what = f"runs at {runs_at} of the sizes tried: {_reason(error)}"
        return Problem(f"model {self.model.name!r}", what, "declare the input shapes that it needs, or give samples=…")


def _is_sequence(need: Need) -> bool:
    return need.input.shape[1:].count(None) <= 1


def _cut_off(layer: Any) -> int:
    """How many steps a layer takes from a sequence, by cropping it or by a kernel without padding."""
    cropping, kernel = getattr(layer, "cropping", None), getattr(layer, "kernel_size", None)
    if isinstance(cropping, (tuple, list)) and all(isinstance(size, int) for size in cropping):
        return sum(cropping)
    if getattr(layer, "padding", None) == "valid" and isinstance(kernel, (tuple, list)) and len(kernel) == 1:
        return int((kernel[0] - 1) * layer.dilation_rate[0])
    return 0


def _reason(error: Exception | None) -> str:
    """What Keras says, without the frame that it puts around it."""
    text = re.sub(r"\x1b\[\d*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith("Exception encountered")]
    return (said or lines or [type(error).__name__])[0][:300]


def open_axes(needs: Sequence[Need]) -> int:
    """How many axes differ from run to run; a text is an open axis of words."""
    return sum(size is None for need in needs for size in need.input.shape[1:]) + sum(need.sentences for need in needs)


def finite_rows(case: Case) -> Array:
    """Which rows of a case have finite numbers in all of its tensors."""
    rows = len(next(iter(case.inputs.values())))
    good = np.ones(rows, bool)
    for array in (*case.inputs.values(), *case.outputs.values()):
        if array.dtype.kind in "fc" and array.shape[:1] == (rows,):
            good &= np.isfinite(array.reshape(rows, -1)).all(axis=1)
        elif not _finite(array):
            good[:] = False
    return good


def _finite(array: Array) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _infinite(array: Array) -> bool:
    return array.dtype.kind in "fc" and bool(np.isinf(array).any())


def _has_infinity(argument: Any) -> bool:
    """Whether an argument of a call holds an infinite number, such as what a pool's input is padded with."""
    return any(isinstance(leaf, float) and abs(leaf) == inf for leaf in leaves_in(argument))


def _join(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _ids_in(array: Array, need: Need) -> int:
    """How many ids an input holds, without padding."""
    if need.ids is None:
        return 0
    return int(np.sum(array != need.mask_value)) if need.pads else array.size


def warn_of_insensitive(cases: Sequence[Case], graph: CallGraph) -> list[str]:
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
