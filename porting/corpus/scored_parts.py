"""One part of a corpus from its file through the network to its place: what a worker does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import Mismatch, Problem
from ..predicting import Predictor
from .carrying import Carried
from .ledger import Done, Ledger
from .part_files import Batch, Unreadable, batches, new_file, schema_of
from .parts import Part, fingerprint
from .scoring import Scoring, beside, joined_schema

# Rows are gathered into row groups of this size before they are written.
GROUP_ROWS = 1 << 16
GROUP_BYTES = 16 << 20


@dataclass(frozen=True)
class Failed:
    """A part that could not be read."""

    part: str
    why: str


@dataclass(frozen=True)
class PartScorer:
    """What is done with every part.

    Attributes:
        out: the folder that is written to.
        carried: the network.
        scoring: how a batch is scored.
        prefix: stands in front of the outputs' names.
    """

    out: str
    carried: Carried
    scoring: Scoring
    prefix: str

    def __call__(self, part: Part) -> Union[Done, Failed]:
        """Score, write and record a part. One that is done stays: it may be asked for again after a fault.

        Raises:
            BadArchive: the outputs cannot be written, or the network cannot be read.
            Unsupported: the engine is not installed here.
        """
        ledger = Ledger(Path(self.out))
        done = ledger.recorded(part)
        if done is not None:
            return done
        net = self.carried.live()
        try:
            self._check_file(part)
            rows, bad = self._write(ledger, part, net)
        except (Unreadable, Mismatch) as error:
            problem = error.problems[0]
            where = problem.where if problem.where == part.shown else f"{part.shown}: {problem.where}"
            return Failed(part.name, f"{where}: {problem.what}")
        except pa.ArrowException as error:  # of types that it has no function for
            return Failed(part.name, f"{part.shown}: ended with {type(error).__name__}: {error}")
        return ledger.finish(part, rows, bad)

    def _check_file(self, part: Part) -> None:
        try:
            same = fingerprint(Path(part.file)) == part.fingerprint
        except OSError as error:
            raise Unreadable(Problem(part.shown, f"cannot be read: {error.strerror}")) from error
        if not same:
            raise Unreadable(Problem(part.shown, "has changed since the run began", "start the run again"))

    def _write(self, ledger: Ledger, part: Part, net: Predictor) -> tuple[int, int]:
        """The part's rows and bad rows in their files; how many they are."""
        own = schema_of(part)
        _check_columns(own.names, self.scoring.columns.values(), part.shown)
        schema = joined_schema(own, self.scoring.outputs, self.prefix, part.shown)
        with ExitStack() as stack:
            # Left in the other order: the bad rows are there when the good ones come.
            file = stack.enter_context(new_file(ledger.output(part.name)))
            errors = stack.enter_context(new_file(ledger.errors(part.name)))
            writer = stack.enter_context(pq.ParquetWriter(file, schema, write_page_checksum=True))
            gathered = _Gathered(writer)
            bad = 0
            for batch in batches(part, self._row_bytes()):
                for entry in self._score(net, batch, part, gathered):
                    errors.write((json.dumps(entry, ensure_ascii=False) + "\n").encode())
                    bad += 1
            gathered.write()
            self._check_file(part)
        return gathered.rows, bad

    def _row_bytes(self) -> int:
        """What the outputs of a row take at least."""
        return sum(int(np.prod([size or 1 for size in one.shape])) * 4 for one in self.scoring.outputs)

    def _score(self, net: Predictor, batch: Batch, part: Part, gathered: _Gathered) -> Iterator[dict[str, Any]]:
        """Gather the good rows of a batch; the entries of the bad ones, in order."""
        bad = list(batch.bad)
        if batch.table.num_rows:
            scored = self.scoring.score(net, batch.table)
            gathered.add(beside(batch.table, scored, self.scoring.outputs, self.prefix))
            bad += [(batch.places[row], why) for row, why in scored.bad.items()]
        for place, why in sorted(bad, key=lambda one: one[0]["row"]):
            yield {"file": part.shown, **place, "why": why}


def _check_columns(names: Sequence[str], needed: Iterable[str], where: str) -> None:
    """Raises Mismatch for a column that is not there, or is there twice."""
    for name in needed:
        if name not in names:
            raise Mismatch(where, f"has no column {name!r}", f"it has {', '.join(names) or 'none'}")
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise Mismatch(where, f"has two columns {twice[0]!r}", "give one of them another name")


class _Gathered:
    """Batches that become row groups."""

    def __init__(self, writer: Any) -> None:
        self.rows = 0
        self._writer = writer
        self._batches: list[Any] = []
        self._waiting = self._bytes = 0

    def add(self, batch: Any) -> None:
        self._batches.append(batch)
        self._waiting += batch.num_rows
        self._bytes += batch.nbytes
        if self._waiting >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self.write()

    def write(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._batches))
        self.rows += self._waiting
        self._batches, self._waiting, self._bytes = [], 0, 0


def readable(parts: Iterable[Part]) -> Iterator[tuple[Part, Any]]:
    """The parts that can be read, each with its `pyarrow.Schema`."""
    for part in parts:
        try:
            schema = schema_of(part)
        except (Unreadable, Mismatch):
            continue
        yield part, schema
