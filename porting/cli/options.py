"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["FOLDER", "device_option", "engine_option", "rules_option"]

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
