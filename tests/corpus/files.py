"""Corpora of parquet files, and what runs over them wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .rows import SAVED, texts

__all__ = ["SAVED", "assert_same", "columns_of", "entries", "texts", "write_corpus", "write_wide_rows"]


def write_corpus(folder: Path, files: int, rows: int, longest: int = 60) -> Path:
    """Parquet files of ids that count through the corpus, and ragged texts; 25 rows a row group."""
    folder.mkdir()
    for at in range(files):
        table = pa.table({"id": range(at * rows, (at + 1) * rows), "text": texts(rows, at, longest)})
        pq.write_table(table, folder / f"p{at}.parquet", row_group_size=25)
    return folder


def write_wide_rows(folder: Path, rows: int, width: int, group: int, dictionary: bool = False) -> None:
    """A parquet file of texts and, beside each, so many bytes that take no place on the disk; in pages of a MiB."""
    folder.mkdir()
    schema = pa.schema([("text", pa.string()), ("blob", pa.binary())])
    blob = pa.scalar(b"\x07" * width, pa.binary())
    # Unless told, Arrow looks at a page's size after 1024 values.
    with pq.ParquetWriter(folder / "a.parquet", schema, use_dictionary=dictionary, write_batch_size=16) as writer:
        for first in range(0, rows, group):
            count = min(group, rows - first)
            writer.write_table(pa.table([pa.array(texts(count, first)), pa.repeat(blob, count)], schema), group)


def columns_of(out: Path, *names: str) -> np.ndarray:
    """Columns of all that a run wrote, the rows in order; ids and scores unless named."""
    table = pq.read_table(out, partitioning=None)
    columns = np.stack([table[name].to_numpy().astype(np.float64) for name in names or ("id", "dense_1")], axis=1)
    return columns[np.argsort(columns[:, 0], kind="stable")] if not names else columns[:, 0]


def entries(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "_errors.jsonl").read_text(encoding="utf-8").splitlines()]


def assert_same(one: Path, other: Path) -> None:
    """Every file of outputs, byte by byte."""
    names, wanted = (
        sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet")) for folder in (one, other)
    )
    assert names == wanted, set(names) ^ set(wanted)
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes()
