"""The command ``porting tune``: fine-tuning from files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, TypeVar, Union

import click
from rich.markup import escape
from rich.table import Table

import porting as api

from ..errors import Problem, Unsupported
from ..training.callbacks import Callback, Checkpoint, EarlyStopping
from ..training.files import Examples, read_examples
from ..training.optimizers import optimizer_named
from ..training.trainer import outputs_of
from .options import FOLDER, console, device_option, rules_option

__all__ = ["tune"]

DATA = click.Path(exists=True, dir_okay=False, path_type=Path)
T = TypeVar("T")


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
def tune(
    network: Path,
    data: Path,
    out: Path,
    overwrite: bool,
    loss: tuple[str, ...],
    loss_weight: tuple[str, ...],
    metric: tuple[str, ...],
    optimizer: str,
    learning_rate: Optional[float],
    rate: tuple[str, ...],
    freeze: tuple[str, ...],
    epochs: int,
    batch_size: int,
    validation: Optional[Path],
    validation_split: Optional[float],
    patience: Optional[int],
    checkpoint: Optional[Path],
    seed: int,
    history: Optional[Path],
    device: str,
    rule_files: tuple[str, ...],
) -> None:
    """Fine-tune NETWORK, a saved folder, in NeoML on DATA, and write it with its new weights to --out.

    DATA is an npz of arrays named after the network's inputs (or x) and outputs (or y), sample_weight if any. In the
    Keras environment porting.restore(OUT, model) puts the weights back.
    """
    if out.exists() and not overwrite:
        raise api.BadArchive(Problem(str(out), "exists", "choose another folder, or --overwrite"))
    net = api.load(network, engine="neoml", device=device, rules=rule_files)
    examples, held = _examples(net, data, validation, validation_split)
    net.compile(
        optimizer_named(optimizer, **({} if learning_rate is None else {"learning_rate": learning_rate})),
        _by_output(loss, str),
        _by_output(loss_weight, float) or None,
        list(metric),
        frozen=freeze,
        learning_rates=_pairs(rate, float),
        seed=seed,
    )
    before = None if held is None else _measured(net, held)
    run = net.fit(
        examples.inputs,
        examples.labels,
        batch_size,
        epochs,
        callbacks=_callbacks(patience, checkpoint, held is not None),
        validation_data=None if held is None else (held.inputs, held.labels, held.weights),
        sample_weight=examples.weights,
        resume=checkpoint,
    )
    _show_moved(run.moved)
    if before is not None and held is not None:
        for name, value in _measured(net, held).items():
            click.echo(f"validation {name}: {before[name]:.6g} before, {value:.6g} after")
    net.save(out, overwrite)
    click.echo(f"saved to {out}")
    if history is not None:
        _write_history(run.history, history)


def _write_history(numbers: Mapping[str, list[float]], path: Path) -> None:
    try:
        path.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise api.BadArchive(Problem(str(path), f"cannot be written: {error.strerror or error}")) from error


def _examples(
    net: api.PortedNetwork, data: Path, validation: Optional[Path], share: Optional[float]
) -> tuple[Examples, Optional[Examples]]:
    """What to train on, and what to measure on."""
    if validation is not None and share is not None:
        raise click.UsageError("give --validation or --validation-split")
    inputs, outputs = [one.name for one in net.network.inputs], list(outputs_of(net.network))
    examples = read_examples(data, inputs, outputs)
    if share is not None:
        return examples.split(share)
    return examples, None if validation is None else read_examples(validation, inputs, outputs)


def _measured(net: api.PortedNetwork, held: Examples) -> dict[str, float]:
    return net.evaluate(held.inputs, held.labels, sample_weight=held.weights)


def _callbacks(patience: Optional[int], checkpoint: Optional[Path], validated: bool) -> list[Callback]:
    made: list[Callback] = [] if checkpoint is None else [Checkpoint(checkpoint)]
    if patience is not None:
        monitor = "val_loss" if validated else "loss"
        made.append(EarlyStopping(monitor, patience=patience, restore_best_weights=True))
    return made


def _by_output(words: Sequence[str], read: Callable[[str], T]) -> Union[T, dict[str, T]]:
    """One word for all outputs, or OUTPUT=WORD for each."""
    if len(words) == 1 and "=" not in words[0]:
        return _read(words[0], words[0], read)
    return _pairs(words, read)


def _pairs(words: Sequence[str], read: Callable[[str], T]) -> dict[str, T]:
    found = {}
    for word in words:
        name, equals, value = word.rpartition("=")
        if not equals:
            raise Unsupported(Problem(repr(word), "names nothing that it is for", "write NAME=VALUE"))
        found[name] = _read(word, value, read)
    return found


def _read(word: str, value: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise Unsupported(Problem(repr(word), f"{value!r} is no number")) from error


def _show_moved(moved: dict[str, float]) -> None:
    table = Table("weight", "moved by up to")
    for name, far in moved.items():
        table.add_row(escape(name), f"{far:.3g}" if far else "–")
    console().print(table)
