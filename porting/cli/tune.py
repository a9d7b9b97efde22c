"""The command ``porting tune``: fine-tuning from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import FOLDER, NEW_FILE, NEW_FOLDER, FiniteRange, as_one_dict, device_option, rules_option

DATA = click.Path(exists=True, dir_okay=False, path_type=Path)
# What `compile` is told; a parameter has its argument's name.
setting_options = as_one_dict(
    "settings",
    click.option(
        "--loss", multiple=True, required=True, help="By its Keras name; OUTPUT=NAME for each of several outputs."
    ),
    click.option(
        "--loss-weight", "loss_weights", multiple=True, help="OUTPUT=NUMBER: the weight of that output's loss."
    ),
    click.option("--metric", "metrics", multiple=True, help="accuracy, or a metric or loss by its Keras name."),
    click.option("--optimizer", default="adam", show_default=True, help="By its Keras name."),
    click.option("--learning-rate", type=float, help="[default: the optimizer's]"),
    click.option(
        "--rate",
        "learning_rates",
        multiple=True,
        help="PATTERN=NUMBER: a learning rate for the layers or weights that match.",
    ),
    click.option("--freeze", "frozen", multiple=True, help="A layer or weight to keep as it is, by name or pattern."),
    click.option("--seed", type=int, default=0, show_default=True, help="For shuffling and dropout."),
)


@click.command()
@click.argument("network", type=FOLDER)
@click.argument("data", type=DATA)
@click.option("--out", required=True, type=NEW_FOLDER, help="Folder for the network with new weights.")
@click.option("--overwrite", is_flag=True, help="Replace the saved network in that folder.")
@setting_options
@click.option("--epochs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--validation", "validation_data", type=DATA, help="An npz like DATA to measure on before and after.")
@click.option(
    "--validation-split", type=FiniteRange(0, 1, min_open=True, max_open=True), help="Or a share of DATA, its end."
)
@click.option("--patience", type=click.IntRange(0), help="Stop after this many epochs without gain; keep the best.")
@click.option("--checkpoint", type=NEW_FILE, help="A file written after each epoch; where it exists, go on from it.")
@click.option("--history", type=NEW_FILE, help="Write each epoch's losses and metrics here (JSON).")
@click.option("--workers", type=click.IntRange(1), help="Processes of this machine that share each batch's rows.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a dask scheduler, whose workers share each batch's rows.")
@device_option
@rules_option
def tune(**words: Any) -> None:
    """Fine-tune NETWORK, a saved folder, in NeoML on DATA, and write it with its new weights to --out.

    DATA is an npz of arrays named after the network's inputs (or x) and outputs (or y), sample_weight if any. Ctrl-C
    ends the training and saves what was learnt; workers change nothing in the numbers. `porting restore` puts the
    weights back into the Keras model.
    """
    from .tuning import tune_network

    tune_network(**words)
