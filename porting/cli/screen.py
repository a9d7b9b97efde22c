"""What the commands print by rich: tables, and a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..checking import Report
from ..layers import Rule
from ..network import Network

WIDTH_IN_FILES = 140
STYLES = {
    "exact": "green",
    "insensitive": "yellow",
    "ill-conditioned": "yellow",
    "not checked": "yellow",
    "not recorded": "yellow",
}


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


def show_plan(network: Network, rules: Mapping[str, Rule]) -> None:
    """What each layer becomes in NeoML."""
    from ..neoml_side.plan import plan_network
    from ..neoml_side.sized import planned

    found, hangs_on_sizes = planned(network, lambda it: plan_network(it, rules))
    becomes = found.needed_nodes(network)
    table = Table("layer", "class", "output shape", "NeoML layers", title=escape(network.name))
    for call in network.calls:
        shapes = ", ".join(str(found.tensors[ref].shape) for ref in call.refs())
        kinds = [node.kind for node in becomes[call.name]]
        table.add_row(escape(call.name), network.layers[call.layer].class_name, shapes, ", ".join(kinds) or "–")
    console().print(table)
    for one in hangs_on_sizes.problems if hangs_on_sizes else ():
        console().print(escape(f"built anew for each size, here one of the references': {one.where}: {one.what}"))


def show_report(report: Report) -> None:
    """The report as a table, the first departure on top."""
    screen = console()
    colour = "red" if not report.ok else "green" if report.proved else "yellow"
    screen.print(f"[{colour}]{escape(report.headline())}[/]")
    table = Table("layer", "class")
    for column in ("alone", "allowed", "chain", "allowed", "varies"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for one in report.layers:
        numbers = (one.alone, one.allowed, one.chain, one.allowed_in_chain, one.varies)
        cells = [f"{value:.1e}" if value is not None else "–" for value in numbers]
        style = STYLES.get(one.status, "red")
        table.add_row(escape(one.call), escape(one.class_name), *cells, f"[{style}]{one.status}[/]")
    screen.print(table)
    for remark in report.remarks():
        screen.print(escape(remark))


def show_support(rows: Iterable[tuple[str, ...]]) -> None:
    """Every Keras layer that has a rule."""
    table = Table("layer", "numpy", "NeoML", "trains in NeoML", "remarks")
    for row in rows:
        table.add_row(*map(escape, row))
    console().print(table)


def show_moved(moved: Mapping[str, float]) -> None:
    """How far training moved each weight."""
    table = Table("weight", "moved by up to")
    for name, far in moved.items():
        table.add_row(escape(name), f"{far:.3g}" if far else "–")
    console().print(table)
