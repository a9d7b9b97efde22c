"""The command ``porting tune``: fine-tuning from files. What it does is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import FOLDER, device_option, rules_option

__all__ = ["tune"]

DATA = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("network", type=FOLDER)
@click.argument("data", type=DATA)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the network with new weights.")
@click.option("--overwrite", is_flag=True, help="Replace the folder if it exists.")
@click.option("--loss", multiple=True, required=True, help="Keras' name of it; OUTPUT=NAME for each of several.")
@click.option("--loss-weight", multiple=True, help="OUTPUT=NUMBER: how much that output's loss counts.")
@click.option("--metric", multiple=True, help="accuracy, or Keras' name of a metric or loss.")
@click.option("--optimizer", default="adam", show_default=True, help="Keras' name of it.")
@click.option("--learning-rate", type=float, help="[default: the optimizer's]")
@click.option("--rate", multiple=True, help="PATTERN=NUMBER: a rate of its own for layers or weights.")
@click.option("--freeze", multiple=True, help="A layer or weight that stays, by name or pattern.")
@click.option("--epochs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--validation", type=DATA, help="An npz like DATA to measure on before and after.")
@click.option(
    "--validation-split", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Or a share of DATA."
)
@click.option("--patience", type=click.IntRange(0), help="Stop after so many epochs without gain; keep the best.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Written each epoch; gone on from where it exists.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of shuffling and dropout.")
@click.option(
    "--history", type=click.Path(dir_okay=False, path_type=Path), help="Write the epochs' numbers here (JSON)."
)
@device_option
@rules_option
def tune(**words: Any) -> None:
    """Fine-tune NETWORK, a saved folder, in NeoML on DATA, and write it with its new weights to --out.

    DATA is an npz of arrays named after the network's inputs (or x) and outputs (or y), sample_weight if any. In the
    Keras environment porting.restore(OUT, model) puts the weights back.
    """
    from .tuning import tune_network

    tune_network(**words)
