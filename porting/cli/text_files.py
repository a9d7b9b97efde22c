"""Texts from files of any size to rows of outputs: lines, a csv column, a jsonl field; csv or jsonl out.

Only a batch is in memory at a time. A row that cannot be read is reported with its line, and the rest goes on.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, Optional, TextIO

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..network import Array, Input, map_tensors, tensors_in
from ..ported import PortedNetwork

__all__ = ["BadRow", "Row", "predict_rows", "read_rows", "text_input", "write_csv", "write_jsonl"]

ROWS_AT_A_TIME = 1024
# csv's own limit of 131072 characters a field is below what texts may have; without one, an open quote takes all.
LONGEST_FIELD = 2**24
# A line is read as far as a field may go. What stands at the end of the part that was read is in no decoded text.
TOO_LONG = "\ud800"


@dataclass(frozen=True)
class Row:
    """A text and the line on which its row ends, counted from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class BadRow:
    """A row that holds no text that could be used."""

    line: int
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}"


@dataclass(frozen=True)
class Scored:
    """A row's outputs by name, without the batch axis."""

    line: int
    outputs: dict[str, Array]


def text_input(net: PortedNetwork) -> Input:
    """The network's only input, which takes strings.

    Raises:
        Unsupported: it takes other or more inputs.
    """
    inputs = net.network.inputs
    if len(inputs) != 1 or inputs[0].dtype != "string" or inputs[0].shape not in ((None,), (None, 1)):
        taken = ", ".join(f"{one.name} ({one.dtype}{list(one.shape)})" for one in inputs)
        raise Unsupported(
            Problem(net.network.name, f"takes {taken}, not one text", "give arrays in an npz by input name")
        )
    return inputs[0]


def read_rows(
    stream: BinaryIO,
    column: Optional[str] = None,
    field: Optional[str] = None,
    progress: Optional[Callable[[int], None]] = None,
) -> Iterator[Row | BadRow]:
    """The rows of a file: of a csv with `column`, of a jsonl with `field`, otherwise its lines.

    Args:
        stream: UTF-8; it may be endless.
        progress: told how many bytes have been read.

    Raises:
        Mismatch: a csv without a header or without that column.
    """
    lines = _decoded(stream, progress)
    if column is not None:
        rows = _csv_rows(lines, column)
    elif field is not None:
        rows = _jsonl_rows(lines, field)
    else:
        rows = (Row(number, line) for number, line in enumerate(map(_without_end, lines), 1))
    return map(_checked, rows)


def _decoded(stream: BinaryIO, progress: Optional[Callable[[int], None]]) -> Iterator[str]:
    """Lines; bytes that are no UTF-8 stand in them as lone surrogates. A byte order mark in front goes."""
    read, first, part = 0, True, LONGEST_FIELD + 1
    while line := stream.readline(part):
        text = line.decode("utf-8", "surrogateescape")
        while len(line) == part and not line.endswith(b"\n"):
            read += len(line)
            line = stream.readline(part)
            text = text if text.endswith(TOO_LONG) else text + TOO_LONG
        read += len(line)
        yield text[1:] if first and text.startswith("\ufeff") else text
        first = False
        if progress is not None:
            progress(read)


def _without_end(line: str) -> str:
    line = line[:-1] if line.endswith("\n") else line
    return line[:-1] if line.endswith("\r") else line


def _checked(row: Row | BadRow) -> Row | BadRow:
    if isinstance(row, Row):
        if row.text.endswith(TOO_LONG):
            return BadRow(row.line, f"is longer than {LONGEST_FIELD} bytes")
        try:
            row.text.encode()
        except UnicodeEncodeError as error:
            return BadRow(row.line, f"is no UTF-8 at character {error.start}")
    return row


class _Lines:
    """Lines that can be given back; `number` is that of the last one taken, `taken` what came since `begin`."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._back: list[str] = []
        self.begin()
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.pop() if self._back else next(self._lines)
        self.taken.append(line)
        self.number += 1
        return line

    def begin(self) -> None:
        self.taken: list[str] = []

    def give_back(self) -> None:
        """All but the first of the lines taken come again."""
        again = self.taken[1:]
        self._back.extend(reversed(again))
        self.number -= len(again)


def _csv_rows(lines: Iterator[str], column: str) -> Iterator[Row | BadRow]:
    """A row that is no csv is one line: a quote that is never closed does not take those behind it."""
    csv.field_size_limit(LONGEST_FIELD)
    source = _Lines(lines)
    reader = csv.reader(source, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise Mismatch(Problem("csv", f"has no header: {error}", "begin it with the columns' names")) from error
    if column not in header:
        have = ", ".join(header) or "none"
        raise Mismatch(Problem("csv", f"has no column {column!r}; it has {have}", "name one of them with --column"))
    place = header.index(column)
    while True:
        source.begin()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            source.give_back()
            yield BadRow(source.number, f"is no csv: {error}")
            reader = csv.reader(source, strict=True)
            continue
        if len(row) != len(header):
            yield BadRow(source.number, f"has {len(row)} fields, the header has {len(header)}")
        else:
            yield Row(source.number, row[place])


def _jsonl_rows(lines: Iterator[str], field: str) -> Iterator[Row | BadRow]:
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
        except ValueError as error:
            yield BadRow(number, f"is no JSON: {error}")
            continue
        if not isinstance(value, dict):
            yield BadRow(number, f"is a JSON {type(value).__name__}, no object")
        elif not isinstance(value.get(field), str):
            found = f"holds {value[field]!r:.60}, no string" if field in value else "is not there"
            yield BadRow(number, f"field {field!r} {found}")
        else:
            yield Row(number, value[field])


def predict_rows(
    net: PortedNetwork,
    rows: Iterable[Row | BadRow],
    batch_size: Optional[int] = None,
    threads: Optional[int] = None,
) -> Iterator[Scored | BadRow]:
    """Every row's outputs, in order, a batch of rows in memory at a time.

    A text that the network does not take is a bad row of its own.

    Raises:
        Unsupported: the network takes something else than one text.
    """
    one = text_input(net)
    names = [str(ref) if ref.output else ref.call for ref in net.network.output_refs()]

    def run(texts: Sequence[str]) -> list[Array]:
        outputs = net.predict(_shaped(texts, one), batch_size, threads)
        # The same structure as the network's, read in the order of its tensors.
        return _in_order(net.network.outputs, outputs)

    def scored(given: Sequence[Row]) -> Iterator[Scored | BadRow]:
        try:
            arrays = run([row.text for row in given])
        except Mismatch as error:
            if len(given) == 1:
                yield BadRow(given[0].line, error.problems[0].what)
                return
            for row in given:
                yield from scored([row])
            return
        for at, row in enumerate(given):
            yield Scored(row.line, {name: array[at] for name, array in zip(names, arrays)})

    left = iter(rows)
    while batch := list(islice(left, ROWS_AT_A_TIME)):
        good = [row for row in batch if isinstance(row, Row)]
        made = [*(scored(good) if good else ()), *(row for row in batch if isinstance(row, BadRow))]
        yield from sorted(made, key=lambda row: row.line)


def _shaped(texts: Sequence[str], one: Input) -> Array:
    array = np.empty(len(texts), object)
    array[:] = texts
    return array.reshape(-1, 1) if len(one.shape) == 2 else array


def _in_order(structure: Any, outputs: Any) -> list[Array]:
    """The arrays of Keras' structure of outputs, in the order of `Network.output_refs`."""
    count = len(list(tensors_in(structure)))
    found: list[Array] = []

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            for part in value:
                visit(part)
        else:
            found.append(value)

    visit(outputs)
    assert len(found) == count, map_tensors(structure, str)
    return found


def write_csv(rows: Iterable[Scored | BadRow], stream: TextIO, report: Callable[[BadRow], None]) -> int:
    """A header, and for every row its line and numbers; returns how many rows were bad.

    Raises:
        Mismatch: outputs of changing length have no columns.
    """
    writer = csv.writer(stream, lineterminator="\n")
    columns: Optional[list[str]] = None
    bad = 0
    for row in rows:
        if isinstance(row, BadRow):
            bad += 1
            report(row)
            continue
        named = [name for name, array in row.outputs.items() for name in _columns(name, array)]
        if columns is None:
            columns = named
            writer.writerow(["line", *columns])
        if named != columns:
            raise Mismatch(
                Problem("csv", "outputs change their length from row to row", "write jsonl: --out FILE.jsonl")
            )
        writer.writerow([row.line, *(_shown(value) for array in row.outputs.values() for value in np.ravel(array))])
    return bad


def _columns(name: str, array: Array) -> list[str]:
    if array.size == 1:
        return [name]
    return [".".join([name, *map(str, place)]) for place in np.ndindex(array.shape)]


def _shown(value: Any) -> Any:
    """A float32 in as many digits as tell it from its neighbours."""
    return str(value) if isinstance(value, np.floating) else value.item()


def write_jsonl(rows: Iterable[Scored | BadRow], stream: TextIO, report: Callable[[BadRow], None]) -> int:
    """An object a row: ``line`` and the outputs by name; returns how many rows were bad."""
    bad = 0
    for row in rows:
        if isinstance(row, BadRow):
            bad += 1
            report(row)
            continue
        values = {name: _listed(array) for name, array in row.outputs.items()}
        stream.write(json.dumps({"line": row.line, **values}) + "\n")
    return bad


def _listed(array: Array) -> Any:
    """Numbers for JSON; a float32 in as many digits as tell it from its neighbours."""
    if array.dtype.kind != "f":
        return array.tolist()
    shortest = np.array([float(str(value)) for value in np.ravel(array)])
    listed = shortest.reshape(array.shape).tolist()
    return listed[0] if array.shape == (1,) else listed
