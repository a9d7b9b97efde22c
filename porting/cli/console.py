"""What commands show: sentences, tables that fit where they are read, a progress bar. Rich is for terminals alone."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Optional

import click

if TYPE_CHECKING:
    from rich.console import Console

# What stands in messages and not in every encoding.
PLAIN = {"→": "->", "≤": "<=", "≥": ">=", "−": "-", "–": "-", "—": "-", "…": "...", "×": "x", "²": "^2", "·": "*"}


def speak_any_encoding() -> None:
    """Let standard output and error replace what their encoding lacks, instead of raising; closed ones take all."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for as long as the process
    codecs.register_error("porting", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="porting")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking), error.end


def is_terminal() -> bool:
    return sys.stdout.isatty()


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def say(text: str, style: str = "", stderr: bool = False) -> None:
    """A sentence; the terminal breaks its line, nothing else does."""
    if style and (sys.stderr if stderr else sys.stdout).isatty():
        from rich.markup import escape

        _console(stderr).print(escape(text), style=style, soft_wrap=True)
    else:
        click.echo(text, err=stderr)


def note(text: str) -> None:
    """A word beside the answer, on standard error."""
    say(f"note: {text}", "yellow", stderr=True)


def show_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str = "",
    right: Collection[str] = (),
    styles: Optional[Sequence[str]] = None,
) -> None:
    """A table: with lines on a terminal that is wide enough, in short blocks on a narrow one, plain in a pipe.

    Args:
        columns: their names.
        rows: a cell for each column.
        title: above it.
        right: the columns that are aligned to the right.
        styles: of each row's last cell, on a terminal.
    """
    if is_terminal():
        _show_to_people(columns, rows, title, right, styles)
    else:
        click.echo("\n".join([*([title] if title else []), *_aligned(columns, rows, right)]))


def _show_to_people(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str,
    right: Collection[str],
    styles: Optional[Sequence[str]],
) -> None:
    from rich.markup import escape
    from rich.table import Table

    screen = _console()
    if not _fits(columns, rows, screen.width):
        for text in [*([title] if title else []), *_blocks(columns, rows)]:
            click.echo(text)
        return
    table = Table(title=escape(title) or None)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    for number, row in enumerate(rows):
        style = styles[number] if styles else ""
        last = escape(row[-1])
        table.add_row(*map(escape, row[:-1]), f"[{style}]{last}[/]" if style else last)
    screen.print(table)


def _fits(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether a table with lines around its cells has room."""
    widest = [max(map(len, cells)) for cells in zip(columns, *rows)]
    return sum(widest) + 3 * len(widest) + 1 <= width


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str]) -> Iterator[str]:
    widest = [max(map(len, cells)) for cells in zip(columns, *rows)]
    for row in (columns, *rows):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, cell, width in zip(columns, row, widest)
        ]
        yield "  ".join(cells).rstrip()


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A row as its first cell and a line for each of the others."""
    wide = max(map(len, columns[1:]))
    for row in rows:
        yield row[0]
        yield from (f"    {column.ljust(wide)}  {cell}" for column, cell in zip(columns[1:], row[1:]) if cell)


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on standard error while it is a terminal; nothing otherwise."""
    if not sys.stderr.isatty():
        yield lambda done, total, text: None
        return
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console(stderr=True), transient=True) as progress:
        task = progress.add_task(words, total=None)

        def report(done: int, total: int, text: str) -> None:
            progress.update(task, completed=done, total=total, description=f"{words} {escape(text)}")

        yield report
