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

from ..corpus.csv_rows import BadRow, csv_records, decoded_lines, what_is_wrong
from ..corpus.outputs import arrays_in, output_names
from ..errors import Mismatch, Unsupported
from ..network import Array, Input, map_tensors
from ..ported import PortedNetwork

ROWS_AT_A_TIME = 1024


@dataclass(frozen=True)
class Row:
    """A text and the line on which its row ends, counted from 1."""

    line: int
    text: str


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
        raise Unsupported(net.network.name, f"takes {taken}, not one text", "give arrays in an npz by input name")
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
    lines = decoded_lines(stream, progress)
    if column is not None:
        rows = _csv_rows(lines, column)
    elif field is not None:
        rows = _jsonl_rows(lines, field)
    else:
        rows = (Row(number, line) for number, line in enumerate(map(_without_end, lines), 1))
    return map(_checked, rows)


def _without_end(line: str) -> str:
    line = line[:-1] if line.endswith("\n") else line
    return line[:-1] if line.endswith("\r") else line


def _checked(row: Row | BadRow) -> Row | BadRow:
    why = what_is_wrong(row.text) if isinstance(row, Row) else None
    return row if why is None else BadRow(row.line, why)


def _csv_rows(lines: Iterator[str], column: str) -> Iterator[Row | BadRow]:
    header, records = csv_records(lines)
    if column not in header:
        have = ", ".join(header) or "none"
        raise Mismatch("csv", f"has no column {column!r}; it has {have}", "name one of them with --column")
    place = header.index(column)
    for record in records:
        yield record if isinstance(record, BadRow) else Row(record.line, record.fields[place])


def _jsonl_rows(lines: Iterator[str], field: str) -> Iterator[Row | BadRow]:
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
        except ValueError as error:
            yield BadRow(number, f"is not JSON: {error}")
            continue
        if not isinstance(value, dict):
            yield BadRow(number, f"is a JSON {type(value).__name__}, not an object")
        elif not isinstance(value.get(field), str):
            found = f"holds {value[field]!r:.60}, not a string" if field in value else "is not there"
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
    names = output_names(net.network.output_refs())

    def run(texts: Sequence[str]) -> list[Array]:
        # The same structure as the network's, read in the order of its tensors.
        arrays = list(arrays_in(net.predict(_shaped(texts, one), batch_size, threads)))
        assert len(arrays) == len(names), map_tensors(net.network.outputs, str)
        return arrays

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
            raise Mismatch("csv", "outputs change their length from row to row", "write jsonl: --out FILE.jsonl")
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
