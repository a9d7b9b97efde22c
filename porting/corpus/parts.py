"""A corpus of files, cut into parts: whole csv files, and row groups of parquet files."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from ..errors import Mismatch, MissingFile, Problem

# A parquet file is cut where a part has so many rows or bytes: what a worker that dies has done in vain.
PART_ROWS = 1 << 17
PART_BYTES = 128 << 20
HEAD = 1 << 16
SHOWN_OTHERS = 5
SUFFIXES = (".parquet", ".pq", ".csv")


@dataclass(frozen=True)
class Part:
    """What is scored, written and recorded as one.

    Attributes:
        name: of what is written, below the folder for outputs; ends in ``.parquet``.
        file: the path that it is read from.
        shown: the file's path below the corpus, for messages.
        groups: of a parquet file, its row groups from the first up to the second; None for all there is.
        first_row: the place of the part's first row in the file, from 0.
        rows: how many; None where only reading tells.
        fingerprint: of the file.
    """

    name: str
    file: str
    shown: str
    groups: Optional[tuple[int, int]]
    first_row: int
    rows: Optional[int]
    fingerprint: str

    @property
    def is_csv(self) -> bool:
        return self.file.lower().endswith(".csv")


def files_in(corpus: Path) -> list[Path]:
    """The parquet and csv files of a folder and those below it, by name; a file is a corpus too.

    Links that lead nowhere are among them, to be named as what cannot be read. A warning names what else is there;
    names that begin with ``_`` or ``.`` are other programs' notes.

    Raises:
        MissingFile: neither is there.
        Mismatch: there are none.
    """
    if not corpus.exists():
        raise MissingFile(str(corpus), "does not exist", "give a folder of parquet and csv files, or one of them")
    there = [
        path
        for path in ([corpus] if corpus.is_file() else sorted(corpus.rglob("*")))
        if (path.is_file() or (path.is_symlink() and not path.is_dir()))
        and not any(part.startswith(("_", ".")) for part in path.relative_to(corpus).parts)
    ]
    found = [path for path in there if path.suffix.lower() in SUFFIXES]
    if not found:
        what = "is" if corpus.is_file() else "holds"
        way_out = "give a folder of such files; unpack what is compressed"
        raise Mismatch(str(corpus), f"{what} no {', '.join(SUFFIXES)} file", way_out)
    others = [str(path.relative_to(corpus)) for path in there if path not in set(found)]
    if others:
        more = f" and {len(others) - SHOWN_OTHERS} more" if len(others) > SHOWN_OTHERS else ""
        names = ", ".join(repr(name)[1:-1] for name in others[:SHOWN_OTHERS])
        warnings.warn(f"{corpus}: no parquet or csv files, and left out: {names}{more}", stacklevel=2)
    return found


def fingerprint(path: Path) -> str:
    """What tells that a file is as it was: size, time of change, and the sha256 of its first and last 64 KiB.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        stat = os.fstat(file.fileno())
        digest = hashlib.sha256(file.read(HEAD))
        file.seek(max(0, stat.st_size - HEAD))
        digest.update(file.read(HEAD))
    return f"{stat.st_size}-{stat.st_mtime_ns}-{digest.hexdigest()}"


def cut(corpus: Path, files: Sequence[Path]) -> list[Part]:
    """The parts of all files, in order. A parquet file that cannot be read is one part, whose scoring says so.

    Raises:
        Mismatch: two files whose outputs would have one name.
    """
    root = corpus if corpus.is_dir() else corpus.parent
    alike = Counter(path.with_suffix("") for path in files)
    parts = [
        part
        for path in files
        for part in _parts_of(path, path.relative_to(root), path.name if alike[path.with_suffix("")] > 1 else path.stem)
    ]
    seen: dict[str, str] = {}
    problems = []
    for part in parts:
        if part.name in seen:
            what = f"and {seen[part.name]} would both be written to {part.name}"
            problems.append(Problem(part.shown, what, "give one of them another name"))
        seen[part.name] = part.shown
    Mismatch.raise_for(problems)
    return parts


def _parts_of(path: Path, below: Path, stem: str) -> Iterator[Part]:
    try:
        mark = fingerprint(path)
    except OSError:  # whoever reads the part says why
        mark = ""
    spans = [(None, 0, None)] if path.suffix.lower() == ".csv" else _spans(path)
    for at, (groups, first, rows) in enumerate(spans):
        name = below.with_name(f"{stem}-{at:05d}.parquet").as_posix()
        yield Part(name, os.path.realpath(path), below.as_posix(), groups, first, rows, mark)


def _spans(path: Path) -> list[Any]:
    """Row groups in runs, where each begins, and its rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
            sizes = [(group.num_rows, group.total_byte_size) for group in groups]
    except (pa.ArrowException, OSError):
        return [(None, 0, None)]
    spans: list[Any] = []
    begin = first = rows = size = 0
    for at, (more_rows, more_bytes) in enumerate(sizes):
        rows, size = rows + more_rows, size + more_bytes
        if rows >= PART_ROWS or size >= PART_BYTES or at == len(sizes) - 1:
            spans.append(((begin, at + 1), first, rows))
            begin, first, rows, size = at + 1, first + rows, 0, 0
    return spans or [(None, 0, 0)]
