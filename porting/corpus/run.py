"""`predict` over a corpus of files: parts scored in this process or by a cluster's workers, each once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Union

from ..archive.folder import as_bad_archive
from ..errors import Mismatch
from ..front import KERAS_BATCH_SIZE
from ..inputs import whole_number
from ..predicting import Predictor
from .carrying import CarriedPath, digest_of
from .columns import check_type
from .columns_chosen import choose_columns
from .connection import check_told
from .ledger import Done, Ledger
from .outputs import outputs_of
from .parts import Part, cut, files_in
from .scored_parts import Failed, PartScorer, readable
from .scoring import Scoring, joined_schema

__all__ = ["Progress", "Summary", "predict_corpus"]

# Rows of a batch unless told: words become ids 256 texts at a time in two fifths of the time that 32 at a time take.
BATCH_ROWS = 256


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        parts, done: how many there are, and are done, those of earlier runs too.
        rows: how many the parts have; None where only reading tells.
        rows_done: of parts that are done, bad ones too.
        scored: of these, in this run.
        seconds: of this run.
    """

    parts: int
    rows: Optional[int]
    done: int = 0
    rows_done: int = 0
    scored: int = 0
    seconds: float = 0.0

    def add(self, done: Done, now: bool) -> None:
        self.done += 1
        self.rows_done += done.rows + done.bad
        self.scored += (done.rows + done.bad) if now else 0


@dataclass(frozen=True)
class Summary:
    """What a run ended with.

    Attributes:
        parts: how many are done, of all runs.
        rows: how many were written, of all runs.
        bad: how many rows were not.
        failed: why a part could not be read, by its name.
        errors: the file that names bad rows and failed parts; None where there are none.
        progress: of this run.
    """

    parts: int
    rows: int
    bad: int
    failed: Mapping[str, str]
    errors: Optional[Path]
    progress: Progress = field(compare=False)


Report = Callable[[Progress], None]
Outcomes = Iterable[Union[Done, Failed]]


def predict_corpus(
    load: Callable[..., Predictor],
    network: Path,
    corpus: Path,
    out: Path,
    *,
    column: Optional[str] = None,
    prefix: str = "",
    engine: Optional[str] = None,
    device: str = "cpu",
    rules: Iterable[Union[str, Path]] = (),
    batch_size: Optional[int] = None,
    scheduler: Optional[str] = None,
    workers: Optional[int] = None,
    patience: float = 60.0,
    overwrite: bool = False,
    report: Optional[Report] = None,
) -> Summary:
    """Score a corpus; see `porting.predict_files`, whose `load` is `porting.load`."""
    network, corpus, out = network.resolve(), corpus.resolve(), out.resolve()
    _check_told(corpus, out, batch_size, scheduler, workers)
    paths = tuple(str(Path(rule).resolve()) for rule in rules)
    net = load(network, engine, device, paths)
    with as_bad_archive(corpus, "cannot be read"):
        parts = cut(corpus, files_in(corpus))
    carried = CarriedPath(str(network), digest_of(network, paths), net.engine.name, device, paths, load)
    in_process = scheduler is None and workers is None
    scoring = _scoring(net, parts, column, prefix, batch_size, None if in_process else 1)
    told = {
        "network": carried.digest,
        "engine": net.engine.name,
        "device": device,
        "columns": scoring.columns,
        "prefix": prefix,
        "batch_size": batch_size,
    }
    with as_bad_archive(out, "cannot be written"):
        out.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(out)
    with ledger.held():
        done = ledger.begin(told, parts, overwrite)
        scorer = PartScorer(str(out), carried, scoring, prefix)
        left = [part for part in parts if part.name not in done]
        outcomes: Outcomes = map(scorer, left)
        if left and not in_process:
            from .cluster import on_cluster

            outcomes = on_cluster(scorer, left, scheduler, workers, patience)
        return _ended(ledger, parts, done, outcomes, report)


def _check_told(
    corpus: Path, out: Path, batch_size: Optional[int], scheduler: Optional[str], workers: Optional[int]
) -> None:
    if out == corpus or corpus in out.parents or out in corpus.parents:
        raise Mismatch(str(out), "is the corpus, or stands in it", "write to another folder")
    check_told(scheduler, workers)
    if batch_size is not None:
        whole_number("batch_size", batch_size)


def _scoring(
    net: Predictor,
    parts: list[Part],
    column: Optional[str],
    prefix: str,
    batch_size: Optional[int],
    threads: Optional[int],
) -> Scoring:
    """What is asked of every part, as the first that it fits says; where that is none, as if all could be mended.

    Raises:
        Mismatch: none of those that can be read has the columns, or all have them of another type, or have those that
            outputs would be called; what is wrong with the first.
    """
    inputs, outputs = net.network.inputs, outputs_of(net)
    columns = {one.name: column or one.name for one in inputs}
    wrong: Optional[Mismatch] = None
    for part, schema in readable(parts):
        try:
            columns = choose_columns(inputs, column, schema.names, part.shown)
            for one in inputs:
                check_type(schema.field(columns[one.name]).type, one, columns[one.name], part.shown)
            joined_schema(schema, outputs, prefix, part.shown)
        except Mismatch as error:
            wrong = wrong or error
        else:
            wrong = None
            break
    if wrong is not None:
        raise wrong
    return Scoring(columns, outputs, batch_size or _batch_rows(net), threads)


def _batch_rows(net: Predictor) -> int:
    """Where texts are padded to the longest of their batch, it is Keras' batch that counts."""
    engine = net.engine
    pads = engine.front is not None and engine.front.pads_to_longest
    return KERAS_BATCH_SIZE if pads else BATCH_ROWS


def _ended(
    ledger: Ledger, parts: list[Part], done: Mapping[str, Done], outcomes: Outcomes, report: Optional[Report]
) -> Summary:
    """Take outcomes as they come, tell of them, and sum up."""
    rows = [part.rows for part in parts]
    progress = Progress(len(parts), None if None in rows else sum(count for count in rows if count is not None))
    finished, failed = dict(done), {}
    for one in done.values():
        progress.add(one, now=False)
    begun = time.monotonic()
    for outcome in _told(outcomes, progress, begun, report):
        if isinstance(outcome, Done):
            finished[outcome.part] = outcome
        else:
            failed[outcome.part] = outcome.why
    bad = sum(one.bad for one in finished.values())
    errors = ledger.gather_errors(parts, failed, bad > 0)
    return Summary(len(finished), sum(one.rows for one in finished.values()), bad, failed, errors, progress)


def _told(
    outcomes: Outcomes, progress: Progress, begun: float, report: Optional[Report]
) -> Iterator[Union[Done, Failed]]:
    if report is not None:
        report(progress)
    for outcome in outcomes:
        if isinstance(outcome, Done):
            progress.add(outcome, now=True)
        progress.seconds = time.monotonic() - begun
        if report is not None:
            report(progress)
        yield outcome
