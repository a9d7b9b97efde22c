"""Rows of csv files of any size, a line at a time; a row that is not csv is one bad row, and the rest goes on."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Optional, Union

from ..errors import Mismatch

# csv's own limit of 131072 characters a field is below what texts may have; without one, an open quote takes all.
LONGEST_FIELD = 2**24
# A line is read as far as a field may go. What stands at the end of the part that was read is in no decoded text.
TOO_LONG = "\ud800"
HEADER = "begin it with the columns' names"


@dataclass(frozen=True)
class Record:
    """A row's fields and the line on which it ends, counted from 1."""

    line: int
    fields: list[str]


@dataclass(frozen=True)
class BadRow:
    """A row that holds no text that could be used."""

    line: int
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}"


def decoded_lines(stream: BinaryIO, progress: Optional[Callable[[int], None]] = None) -> Iterator[str]:
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


def what_is_wrong(text: str) -> Optional[str]:
    """Why a decoded text cannot be used, if so."""
    if text.endswith(TOO_LONG):
        return f"is longer than {LONGEST_FIELD} bytes"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"is not UTF-8 at character {error.start}"
    return None


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


def csv_records(lines: Iterator[str]) -> tuple[list[str], Iterator[Union[Record, BadRow]]]:
    """The header of a csv, and its rows; blank lines are none.

    Raises:
        Mismatch: a csv without a header.
    """
    csv.field_size_limit(LONGEST_FIELD)
    source = _Lines(lines)
    reader = csv.reader(source, strict=True)
    try:
        header = next(filter(None, reader), [])
    except csv.Error as error:
        raise Mismatch("csv", f"has no header: {error}", HEADER) from error
    if not header:
        raise Mismatch("csv", "is empty, without a header", HEADER)
    return header, _records(source, len(header))


def _records(source: _Lines, width: int) -> Iterator[Union[Record, BadRow]]:
    """A row that is not csv is one line: a quote that is never closed does not take those behind it."""
    reader = csv.reader(source, strict=True)
    while True:
        source.begin()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            source.give_back()
            yield BadRow(source.number, f"is not csv: {error}")
            reader = csv.reader(source, strict=True)
            continue
        if not row:
            continue
        if len(row) != width:
            yield BadRow(source.number, f"has {len(row)} fields, the header has {width}")
        else:
            yield Record(source.number, row)
