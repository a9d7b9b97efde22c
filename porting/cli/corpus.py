"""``porting predict --parquet``: a corpus of files, its progress and how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import porting as api

from ..errors import Mismatch
from .console import progress_bar, say
from .options import FiniteRange

if TYPE_CHECKING:
    from ..corpus.run import Progress, Summary

SHOWN_ERRORS = 20
OPTIONS = (
    click.option(
        "--parquet",
        "corpus",
        nargs=2,
        type=click.Path(path_type=Path),
        metavar="IN OUT",
        help="Score a folder of parquet and csv files into a folder of parquet files.",
    ),
    click.option("--prefix", default="", help="Put in front of the names of output columns, with --parquet."),
    click.option(
        "--scheduler", metavar="ADDRESS", help="Of a dask scheduler, whose workers do the scoring, with --parquet."
    ),
    click.option(
        "--workers", type=click.IntRange(1), help="Processes of this machine that do the scoring, with --parquet."
    ),
    click.option(
        "--patience",
        type=FiniteRange(0),
        help="Seconds to wait for a scheduler or workers that are gone, with --parquet [default: 60].",
    ),
)


def corpus_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `porting predict` that go with --parquet."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def score_corpus(network: Path, corpus: tuple[Path, Path], **options: Any) -> None:
    """Score a corpus, and say how it ended; the exit code is 1 where a row or a file could not be used."""
    with _shown() as progress:
        summary = api.predict_files(network, *corpus, progress=progress, **options)
    _say_end(summary, corpus[1])
    if summary.bad or summary.failed:
        raise click.exceptions.Exit(Mismatch.exit_code)


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """Rows, or parts where rows are not known, and rows a second."""
    with progress_bar("scoring") as report:

        def progress(run: Progress) -> None:
            words = f"{run.done} of {run.parts} parts, {_speed(run)}"
            if run.rows is None:
                report(run.done, run.parts, words)
            else:
                report(run.rows_done, run.rows, words)

        yield progress


def _speed(run: Progress) -> str:
    return f"{run.scored / run.seconds:,.0f} rows a second" if run.seconds > 0 else "no rows yet"


def _say_end(summary: Summary, out: Path) -> None:
    run = summary.progress
    if run.scored:
        say(f"scored {_counted(run.scored, 'row')} in {run.seconds:.1f} s, {_speed(run)}")
    say(f"{_counted(summary.rows, 'row')} in {_counted(summary.parts, 'part')} are in {out}")
    if summary.errors is None:
        return
    with open(summary.errors, encoding="utf-8") as lines:
        for line in islice(lines, SHOWN_ERRORS):
            say(_entry(json.loads(line)), stderr=True)
    failed = f", {_counted(len(summary.failed), 'part')} could not be read" if summary.failed else ""
    say(f"{_counted(summary.bad, 'row')} could not be used{failed}: all are named in {summary.errors}", stderr=True)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _entry(entry: dict[str, Any]) -> str:
    if "row" not in entry:
        return str(entry["why"])
    where = f"line {entry['line']}" if "line" in entry else f"row {entry['row']}"
    return f"{entry['file']}, {where}: {entry['why']}"
