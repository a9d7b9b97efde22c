"""What the commands of `porting.cli.commands` share: options, the console, a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["FOLDER", "console", "device_option", "engine_option", "progress_bar", "rules_option"]

WIDTH_IN_FILES = 140
FOLDER = click.Path(exists=True, path_type=Path)

engine_option = click.option(
    "--engine", type=click.Choice(["neoml", "numpy"]), help="What runs the network [default: NeoML where installed]."
)
device_option = click.option("--device", default="cpu", show_default=True, help="cpu, gpu or gpu:1 (NeoML only).")
rules_option = click.option(
    "--rules",
    "rule_files",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    help="A Python file of your own with @porting.rule functions for custom layers; it is run.",
)


def console(stderr: bool = False) -> Console:
    """Rich's console; wide enough for whole names where the output goes to a file."""
    width = None if sys.stdout.isatty() else WIDTH_IN_FILES
    return Console(stderr=stderr, highlight=False, width=width)


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on standard error while it is a terminal; nothing otherwise."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(words, total=None)

        def report(done: int, total: int, text: str) -> None:
            progress.update(task, completed=done, total=total, description=f"{words} {escape(text)}")

        yield report
