"""A part read batch by batch, and written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Optional

import pyarrow as pa
import pyarrow.parquet as pq

from ..archive.folder import as_bad_archive, sync_folder
from ..errors import PortingError, Problem
from .csv_rows import BadRow, Record, csv_records, decoded_lines, what_is_wrong
from .parts import Part

# What is read at a time: so many rows, or fewer where they are large.
ROWS_AT_A_TIME = 1024
BYTES_AT_A_TIME = 4 << 20
# Before a row group is read nobody knows its bytes: a text that is repeated stands in the file once.
ROWS_UNSEEN = 64
WRITING = ".writing-"


class Unreadable(PortingError):
    """A part that cannot be read; the others can."""


@dataclass(frozen=True)
class Batch:
    """Rows of a part.

    Attributes:
        table: a `pyarrow.RecordBatch` of those that could be read.
        places: by row of the table, where it stands in the file: ``{"row": …}``, of a csv ``{"row": …, "line": …}``.
        bad: what could not be read: where it stands, and why.
    """

    table: Any
    places: list[dict[str, int]]
    bad: list[tuple[dict[str, int], str]]


@contextlib.contextmanager
def _reading(part: Part) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        what = f"cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise Unreadable(Problem(part.shown, what, "mend the file, and start the run again")) from error


def schema_of(part: Part) -> Any:
    """The `pyarrow.Schema` of the file; the columns of a csv are texts. Raises Unreadable, Mismatch."""
    with _reading(part):
        if not part.is_csv:
            with pq.ParquetFile(part.file) as file:
                return file.schema_arrow
        with open(part.file, "rb") as stream:
            header, _ = csv_records(decoded_lines(stream))
        if any("\ud800" <= letter <= "\udfff" for name in header for letter in name):
            raise Unreadable(Problem(part.shown, "its header is not UTF-8", "write the file as UTF-8"))
        return _texts(header)


def _texts(header: list[str]) -> Any:
    return pa.schema([(name, pa.string()) for name in header])


def batches(part: Part, row_bytes: int = 0) -> Iterator[Batch]:
    """The part's rows in order, few enough at a time that memory holds them.

    Args:
        part: what is read.
        row_bytes: what a row takes beside its own bytes.

    Raises:
        Unreadable: the file is damaged.
        Mismatch: a csv without a header.
    """
    return _csv_batches(part) if part.is_csv else _parquet_batches(part, row_bytes)


def _parquet_batches(part: Part, row_bytes: int) -> Iterator[Batch]:
    with _reading(part):
        file = pq.ParquetFile(part.file, pre_buffer=False, buffer_size=1 << 20, page_checksum_verification=True)
    with file:
        groups = range(*part.groups) if part.groups is not None else range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(at).total_byte_size for at in groups)
        count = max(1, sum(file.metadata.row_group(at).num_rows for at in groups))
        rows = max(1, min(ROWS_AT_A_TIME, BYTES_AT_A_TIME // max(1, size // count + row_bytes)))
        found = file.iter_batches(min(rows, ROWS_UNSEEN), row_groups=list(groups), use_threads=False)
        first = part.first_row
        while True:
            with _reading(part):
                table = _gathered(found, rows, row_bytes)
            if table is None:
                return
            yield Batch(table, [{"row": first + at} for at in range(table.num_rows)], [])
            first += table.num_rows


def _gathered(found: Iterator[Any], rows: int, row_bytes: int) -> Optional[Any]:
    """The next batches as one `pyarrow.RecordBatch` of about so many rows, or fewer where they are large."""
    taken, count, size = [], 0, 0
    for batch in found:
        taken.append(batch)
        count += batch.num_rows
        size += batch.nbytes + batch.num_rows * row_bytes
        if count >= rows or size >= BYTES_AT_A_TIME:
            break
    if len(taken) < 2:
        return taken[0] if taken else None
    return pa.Table.from_batches(taken).combine_chunks().to_batches()[0]


def _csv_batches(part: Part) -> Iterator[Batch]:
    with contextlib.ExitStack() as stack:
        with _reading(part):
            stream = stack.enter_context(open(part.file, "rb"))
            header, records = csv_records(decoded_lines(stream))
        numbered = enumerate(records)
        while True:
            with _reading(part):
                taken = list(_up_to(numbered))
            if not taken:
                return
            yield _csv_batch(header, taken)


def _up_to(numbered: Iterator[tuple[int, Record | BadRow]]) -> Iterator[tuple[int, Record | BadRow]]:
    size = 0
    for number, record in islice(numbered, ROWS_AT_A_TIME):
        yield number, record
        size += sum(map(len, record.fields)) if isinstance(record, Record) else 0
        if size >= BYTES_AT_A_TIME:
            return


def _csv_batch(header: list[str], taken: list[tuple[int, Record | BadRow]]) -> Batch:
    good, places, bad = [], [], []
    for number, record in taken:
        place = {"row": number, "line": record.line}
        if isinstance(record, BadRow):
            bad.append((place, record.why))
            continue
        wrong = [f"{name} {why}" for name, text in zip(header, record.fields) if (why := what_is_wrong(text))]
        if wrong:
            bad.append((place, wrong[0]))
        else:
            good.append(record.fields)
            places.append(place)
    columns = [pa.array(column, pa.string()) for column in zip(*good)] or [pa.array([], pa.string())] * len(header)
    return Batch(pa.RecordBatch.from_arrays(columns, schema=_texts(header)), places, bad)


# ---- writing


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that takes `path`'s place when the block ends well, on the disk by then.

    Raises:
        BadArchive: what the system reports: a full disk, no right to write.
    """
    with as_bad_archive(path, "cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name[:200]}{WRITING}{secrets.token_hex(8)}")
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(path.parent)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Raises BadArchive as `new_file`."""
    with new_file(path) as file:
        file.write((json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())
