"""What ``porting predict`` does with arrays and with files of texts."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Optional

import click
import numpy as np

from ..corpus.csv_rows import BadRow
from ..corpus.outputs import arrays_in
from ..errors import Mismatch
from ..network import Array
from ..ported import PortedNetwork
from . import text_files
from .console import note, progress_bar, say
from .options import written_whole

WRITERS = {".csv": text_files.write_csv, ".jsonl": text_files.write_jsonl}


def predict_arrays(
    net: PortedNetwork,
    path: Path,
    out: Optional[Path],
    layers: bool,
    batch_size: Optional[int],
    threads: Optional[int],
) -> None:
    """Print the outputs of a file of arrays, or write them to `out`."""
    given = read_inputs(path)
    if layers:
        outputs = net.layer_outputs(given)
    else:
        with progress_bar("predicting") as report:
            outputs = name_outputs(net, net.predict(given, batch_size, threads, report))
    if out is None:
        for name, array in outputs.items():
            click.echo(f"{name} {array.dtype}{list(array.shape)}\n{np.array2string(array, precision=6, threshold=200)}")
        return
    # Strings as numpy's own type, which needs no pickles.
    plain = {name: array.astype(str) if array.dtype == object else array for name, array in outputs.items()}
    with written_whole(out) as made:
        np.savez(made, **{name.replace("/", "."): array for name, array in plain.items()})
    say(f"wrote {', '.join(outputs)} to {out}")


def predict_texts(
    net: PortedNetwork,
    stream: BinaryIO,
    column: Optional[str],
    field: Optional[str],
    explain: bool,
    out: Optional[Path],
    batch_size: Optional[int],
    threads: Optional[int],
) -> int:
    """Write every row's outputs, or explain them; returns how many rows were bad."""
    rows = read_texts(net, stream, column, field)
    return explain_texts(net, rows) if explain else score_texts(net, rows, out, batch_size, threads)


def read_texts(
    net: PortedNetwork, stream: BinaryIO, column: Optional[str], field: Optional[str]
) -> Iterator[text_files.Row | BadRow]:
    """The rows of a file, with a bar of the bytes read; the network must take one text."""
    text_files.text_input(net)
    name = getattr(stream, "name", "-")
    total = os.path.getsize(name) if isinstance(name, str) and os.path.isfile(name) else 0
    empty = True
    with progress_bar("reading") as report:
        rows = text_files.read_rows(stream, column, field, lambda done: report(done, max(total, done), "bytes"))
        for row in rows:
            empty = False
            yield row
    if empty:
        note(f"{name}: holds no text")


def report_row(row: BadRow) -> None:
    click.echo(str(row), err=True)


def score_texts(
    net: PortedNetwork,
    rows: Iterator[text_files.Row | BadRow],
    out: Optional[Path],
    batch_size: Optional[int],
    threads: Optional[int],
) -> int:
    """Write every row's outputs; returns how many rows were bad."""
    scored = text_files.predict_rows(net, rows, batch_size, threads)
    if out is None:
        return text_files.write_csv(scored, sys.stdout, report_row)
    with written_whole(out) as made, made.open("w", encoding="utf-8", newline="") as stream:
        return WRITERS[out.suffix](scored, stream, report_row)


def explain_texts(net: PortedNetwork, rows: Iterator[text_files.Row | BadRow]) -> int:
    bad = 0
    for row in rows:
        if isinstance(row, BadRow):
            bad += 1
            report_row(row)
        else:
            click.echo(f"line {row.line}\n{net.explain(row.text)}\n")
    return bad


def read_inputs(path: Path) -> Any:
    """Arrays from an npy or npz file.

    Raises:
        Mismatch: the file holds no plain arrays.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            loaded = dict(loaded)
            other = [name for name, value in loaded.items() if not isinstance(value, np.ndarray)]
            if other:
                raise ValueError(f"{other[0]!r} is not an array")
        return loaded
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise Mismatch(str(path), f"holds no arrays: {error}", "give an npy or npz file") from error


def name_outputs(net: PortedNetwork, outputs: Any) -> dict[str, Array]:
    """A network's outputs by tensor (``dense:0``), in order."""
    refs = [str(ref) for ref in net.network.output_refs()]
    return dict(zip(refs, arrays_in(outputs)))
