"""What ``porting tune`` does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, TypeVar, Union

import click

import porting as api

from ..errors import BadArchive, Problem, Unsupported
from ..ported import PortedNetwork
from ..training.callbacks import Callback, Checkpoint, EarlyStopping
from ..training.files import Examples, read_examples
from ..training.optimizers import optimizer_named
from ..training.trainer import outputs_of
from .screen import show_moved

__all__ = ["tune_network"]

T = TypeVar("T")


def tune_network(
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
    """Fine-tune a network from files; the arguments are the command's words."""
    if out.exists() and not overwrite:
        raise BadArchive(Problem(str(out), "exists", "choose another folder, or --overwrite"))
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
    show_moved(run.moved)
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
        raise BadArchive(Problem(str(path), f"cannot be written: {error.strerror or error}")) from error


def _examples(
    net: PortedNetwork, data: Path, validation: Optional[Path], share: Optional[float]
) -> tuple[Examples, Optional[Examples]]:
    """What to train on, and what to measure on."""
    if validation is not None and share is not None:
        raise click.UsageError("give --validation or --validation-split")
    inputs, outputs = [one.name for one in net.network.inputs], list(outputs_of(net.network))
    examples = read_examples(data, inputs, outputs)
    if share is not None:
        return examples.split(share)
    return examples, None if validation is None else read_examples(validation, inputs, outputs)


def _measured(net: PortedNetwork, held: Examples) -> dict[str, float]:
    return net.evaluate(held.inputs, held.labels, sample_weight=held.weights, return_dict=True)


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
