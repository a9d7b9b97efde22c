"""The net that predicts is the net that is proved: what `predict` runs, against the references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..engine import Engine
from ..errors import Mismatch, PortingError, Problem, Unsupported
from ..inputs import batch_size_of
from ..network import Array, Case, Network, Sampled, TensorRef
from ..predicting import run_batches
from .judging import Judge
from .tolerance import difference, equal_bits, measure
from .verdicts import RunVerdict

WAYS = ("in one batch", "a second time", "in several batches in two threads", "row by row in two threads")
# Rows of a case that are also run one by one, several in each thread, so that runs that share anything meet; where
# padding is left out, so many padded rows and fewer others.
MOST_ROWS, FEWER_ROWS = 5, 2
# Rows of several batches, at the least and at the most: the last is a smaller one.
FEWEST_IN_BATCHES, MOST_IN_BATCHES = 3, 9


def check_runs(network: Network, engine: Engine, judge: Judge, of: str = "") -> list[RunVerdict]:
    """Run the engine as `predict` does: in one batch, a second time, and in several batches and row by row in threads.

    Where padding is left out, it is here too.

    Args:
        network: its cases have references for its outputs.
        engine: what predicts.
        judge: compares.
        of: what is run, in words before the way it is run (``from the archive ``).
    """
    references = [_with_inputs(case, network) for case in network.cases]
    refs = [ref for ref in dict.fromkeys(network.output_refs()) if all(ref in case.outputs for case in references)]
    cases = [case for case in references if _fits(case, engine)]
    once, again, several, by_rows = (RunVerdict(of + how) for how in WAYS)
    if not refs or not cases:
        once.why = "no reference fits it" if refs else "no output has a reference"
        return [once]
    first: dict[str, dict[TensorRef, Array]] = {}
    for case in cases:
        made = _run(case, engine, refs, batch_size_of(case.inputs), 1, once)
        first[case.name] = made
        _judge(made, case, judge, once)
    _compare_runs(_run(cases[0], engine, refs, batch_size_of(cases[0].inputs), 1, again), first[cases[0].name], again)
    why = _rows_belong_together(network, engine, cases, refs)
    if why:
        several.why = by_rows.why = f"not tried: {why}"
    else:
        _run_in_batches(cases, engine, refs, judge, several)
        _run_by_rows(cases, engine, refs, judge, by_rows)
    return [once, again, several, by_rows]


def _run_in_batches(
    cases: Sequence[Case], engine: Engine, refs: Sequence[TensorRef], judge: Judge, verdict: RunVerdict
) -> None:
    """The most rows of any case in batches, side by side; one after the other they give the same bits.

    Where padding is left out, and rows run by their length, padded ones too.
    """
    largest = max(reversed(cases), key=lambda case: batch_size_of(case.inputs))
    for whole in [largest, *([cases[0]] if engine.padding and cases[0] is not largest else [])]:
        rows = min(MOST_IN_BATCHES, batch_size_of(whole.inputs))
        case = _picked(whole, np.arange(max(rows, FEWEST_IN_BATCHES)) % rows)
        size = max(2, rows // 2)
        made = _run(case, engine, refs, size, 2, verdict)
        _judge(made, case, judge, verdict)
        _compare_runs(made, _run(case, engine, refs, size, 1, verdict), verdict)


def _run_by_rows(
    cases: Sequence[Case], engine: Engine, refs: Sequence[TensorRef], judge: Judge, verdict: RunVerdict
) -> None:
    """Rows one by one, of the user's samples, where there are some; padded ones where padding is left out."""
    several = [case for case in cases if batch_size_of(case.inputs) > 1]
    if not several:
        verdict.why = "not tried: no reference has several rows"
        return
    padded = [(several[0], MOST_ROWS)] if engine.padding else []
    for whole, rows in [(several[-1], FEWER_ROWS if padded else MOST_ROWS), *padded]:
        case = _picked(whole, np.arange(min(rows, batch_size_of(whole.inputs))))
        _judge(_run(case, engine, refs, 1, 2, verdict), case, judge, verdict)


def compare_engines(network: Network, stored: Engine, live: Engine) -> None:
    """Run an engine over what was stored beside the one that it was stored from, on every case that fits.

    Raises:
        Mismatch: they do not give the same, or do not hold the same weights, to the bit.
    """
    refs = list(dict.fromkeys(network.output_refs()))
    problems: list[str] = []
    for case in network.cases:
        if not _fits(case, stored):
            continue
        wanted, found = live.run(case.inputs, refs), stored.run(case.inputs, refs)
        for ref in refs:
            if not np.array_equal(found[ref], wanted[ref], equal_nan=wanted[ref].dtype.kind == "f"):
                problems.append(f"gives {case.name}, {ref}: {difference(found[ref], wanted[ref])}")
    if not live.is_partial:
        problems += [f"holds {what}" for what in _other_weights(live.weights_in(stored), live.weights_in(live))]
    if problems:
        raise Mismatch(Problem(f"the archive of {network.name}", what, "report it, please") for what in problems)


def check_stored_weights(network: Network, stored: Engine, live: Engine) -> RunVerdict:
    """What an archive holds, against the weights of the network beside it, to the bit.

    Args:
        network: with its weights.
        stored: over the archive.
        live: an engine for the network.
    """
    verdict = RunVerdict("from the archive with its weights")
    try:
        others = _other_weights(live.weights_in(stored), network.weights())
    except Unsupported as error:
        verdict.why = f"not compared: {error.problems[0].what}"
        return verdict
    verdict.compared = True
    for what in others:
        verdict.accuse(what)
    return verdict


def _other_weights(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> list[str]:
    """The first differences of weights that are not the same to the bit."""
    return [
        f"the weight {name!r}: {difference(array, wanted[name])}"
        for name, array in found.items()
        if not equal_bits(array, wanted[name])
    ]


def _with_inputs(case: Case, network: Network) -> Case:
    """A case whose inputs stand among the outputs where the network hands them out as they came."""
    handed_out = {ref: case.inputs[ref.call] for ref in network.output_refs() if ref.call in case.inputs}
    return replace(case, outputs={**case.outputs, **handed_out}) if handed_out else case


def _fits(case: Case, engine: Engine) -> bool:
    """Whether a case has the sizes that an engine for one size takes."""
    for name, shape in engine.declared_shapes().items():
        array = case.inputs.get(name, case.outputs.get(TensorRef(name)))
        if array is not None and any(size not in (None, has) for size, has in zip(shape[1:], array.shape[1:])):
            return False
    return True


def _rows_belong_together(network: Network, engine: Engine, cases: Sequence[Case], refs: Sequence[TensorRef]) -> str:
    """Why rows cannot be run apart from each other; nothing where they can."""
    if engine.front is not None and engine.front.pads_to_longest:
        return "texts are padded to the longest of their batch"
    if engine.rows_together:
        return "a layer computes over the rows of the batch"
    if any(one.shape[0] is not None for one in network.inputs):
        return "the network declares its batch size"
    if any(len(case.outputs[ref]) != batch_size_of(case.inputs) for case in cases for ref in refs):
        return "an output does not have the batch's rows"
    return ""


def _picked(case: Case, rows: Array) -> Case:
    """A case's rows at these places; what does not have the batch's rows is left out."""
    batch = batch_size_of(case.inputs)
    sampled = {
        ref: Sampled((len(rows), *one.shape[1:]), one.values[rows])
        for ref, one in case.sampled.items()
        if one.shape[0] == batch
    }
    return replace(
        case,
        inputs={name: array[rows] for name, array in case.inputs.items()},
        outputs={ref: array[rows] for ref, array in case.outputs.items() if array.shape[:1] == (batch,)},
        masks={ref: array[rows] for ref, array in case.masks.items() if array.shape[:1] == (batch,)},
        sampled=sampled,
    )


def _run(
    case: Case, engine: Engine, refs: Sequence[TensorRef], size: int, workers: int, verdict: RunVerdict
) -> dict[TensorRef, Array]:
    try:
        return run_batches(engine, case.inputs, refs, size, workers)
    except PortingError as error:
        verdict.accuse(f"{case.name}: {error.problems[0]}")
        return {}


def _judge(made: dict[TensorRef, Array], case: Case, judge: Judge, verdict: RunVerdict) -> None:
    for ref, got in made.items():
        outcome = judge.chain(case, ref, got, measure)
        verdict.outcome = outcome.or_worse(verdict.outcome)
        if not outcome.agrees:
            verdict.accuse(f"{case.name}, {ref}: {difference(got, case.outputs[ref])}")


def _compare_runs(made: dict[TensorRef, Array], before: dict[TensorRef, Array], verdict: RunVerdict) -> None:
    """The same run gives the same bits."""
    for ref, got in made.items():
        if ref in before and not np.array_equal(got, before[ref], equal_nan=got.dtype.kind == "f"):
            verdict.accuse(f"{ref}: {difference(got, before[ref])}")
    verdict.compared = bool(made)
