"""A network's verdict on the command line: options, the table, the files that hold it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import click

from ..errors import Mismatch
from .console import is_terminal, progress_bar, say, show_table
from .options import NEW_FILE, FiniteRange, as_one_dict, written_whole

if TYPE_CHECKING:
    from ..checking import Report
    from ..ported import PortedNetwork

STYLES = {"exact": "green", "insensitive": "yellow", "ill-conditioned": "yellow", "not checked": "yellow"}
# Of `--strict`: nothing departs, and not everything is proved.
NOT_PROVED = 4
STDOUT = Path("-")
report_options = as_one_dict(
    "reporting",
    click.option(
        "--tolerance",
        type=FiniteRange(0),
        help="Allow t in |a − b| ≤ t + t·|b| everywhere [default: what float32 can hold].",
    ),
    click.option("--json", "json_file", type=NEW_FILE, help="Write the report here, too; -: print only the report."),
    click.option("--html", "html_file", type=NEW_FILE, help="Write the report here as an HTML page, too."),
    click.option("--strict", is_flag=True, help="Exit with 4 if a layer or a weight is not proved."),
    click.option("--weights", is_flag=True, help="Find the weights that no reference shows; takes longer."),
)


def check_and_show(
    net: PortedNetwork,
    tolerance: Optional[float],
    json_file: Optional[Path],
    html_file: Optional[Path],
    strict: bool,
    weights: bool,
) -> tuple[Report, int]:
    """Check a network, show and write the report; the report and the exit code."""
    with progress_bar("checking") as progress:
        report = net.check(tolerance, progress, weights=weights)
    written = json.dumps(report.to_json(), indent=1) + "\n"
    if json_file == STDOUT:
        click.echo(written, nl=False)
    else:
        show_report(report)
        if json_file is not None:
            _write(json_file, written)
    if html_file is not None:
        _write(html_file, report.to_html())
    if not report.ok:
        return report, Mismatch.exit_code
    if strict and not report.proved:
        told = f"--strict: nothing departs, and not everything is proved; exit code {NOT_PROVED}"
        say(told, "yellow", stderr=json_file == STDOUT)
        return report, NOT_PROVED
    return report, 0


def _write(path: Path, text: str) -> None:
    with written_whole(path) as made:
        made.write_text(text, encoding="utf-8")


def show_report(report: Report) -> None:
    """The report as a table, the first departure on top; what `str` makes of it where no terminal reads it."""
    if not is_terminal():
        click.echo(str(report))
        return
    say(report.headline(), "red" if not report.ok else "green" if report.proved else "yellow")
    columns = ("layer", "class", "alone", "allowed", "chain", "allowed in chain", "varies", "verdict")
    rows = []
    for one in report.layers:
        numbers = (one.alone, one.allowed, one.chain, one.allowed_in_chain, one.varies)
        cells = [f"{value:.1e}" if value is not None else "–" for value in numbers]
        rows.append((one.call, one.class_name, *cells, one.status))
    styles = [STYLES.get(one.status, "red") for one in report.layers]
    show_table(columns, rows, right=columns[2:7], styles=styles)
    for remark in report.remarks():
        say(remark)
