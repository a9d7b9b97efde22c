"""What ``porting tune`` does with its words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, TypeVar, Union

import click

import porting as api

from ..archive.folder import as_bad_archive, check_target
from ..ported import PortedNetwork
from ..training.callbacks import Callback, Checkpoint, EarlyStopping
from ..training.files import Examples, read_examples
from ..training.optimizers import optimizer_named
from ..training.trainer import outputs_of
from .console import say, show_table
from .wrong_calls import STOPPED, WrongCall, as_wrong_call

T = TypeVar("T")


def tune_network(
    network: Path,
    data: Path,
    out: Path,
    overwrite: bool,
    settings: dict[str, Any],
    epochs: int,
    batch_size: int,
    validation_data: Optional[Path],
    validation_split: Optional[float],
    patience: Optional[int],
    checkpoint: Optional[Path],
    history: Optional[Path],
    workers: Optional[int],
    scheduler: Optional[str],
    device: str,
    rules: Any,
) -> None:
    """Fine-tune a network from files, and save it; Ctrl-C ends the training, and what was learnt is saved."""
    check_target(out, overwrite)
    net = api.load(network, engine="neoml", device=device, rules=rules)
    examples, held = _examples(net, data, validation_data, validation_split)
    with as_wrong_call():
        net.compile(**_compiled(settings))
    before = None if held is None else _measured(net, held)
    callbacks = _callbacks(patience, checkpoint, held is not None)
    where = {"workers": workers, "scheduler": scheduler}
    stopped = not _trained(net, examples, held, callbacks, checkpoint, batch_size, epochs, where)
    moved = net.moved()
    if stopped and not any(moved.values()):
        raise _stop(" before anything was learnt; nothing is written")
    _show_moved(moved)
    if before is not None and held is not None and not stopped:
        for name, value in _measured(net, held).items():
            say(f"validation {name}: {before[name]:.6g} before, {value:.6g} after")
    net.save(out, overwrite)
    say(f"saved to {out}")
    if history is not None and net.history is not None:
        with as_bad_archive(history, "cannot be written"):
            history.write_text(json.dumps(net.history.history, indent=1) + "\n", encoding="utf-8")
    if stopped:
        raise _stop("; what was learnt until then is saved")


def _stop(what: str) -> click.exceptions.Exit:
    say(f"stopped by Ctrl-C{what}", "yellow", stderr=True)
    return click.exceptions.Exit(STOPPED)


def _compiled(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options' words as `compile` takes them."""
    rate = settings["learning_rate"]
    return {
        "optimizer": optimizer_named(settings["optimizer"], **({} if rate is None else {"learning_rate": rate})),
        "loss": _by_output(settings["loss"], str),
        "loss_weights": _by_output(settings["loss_weights"], float) or None,
        "metrics": list(settings["metrics"]),
        "frozen": settings["frozen"],
        "learning_rates": _pairs(settings["learning_rates"], float),
        "seed": settings["seed"],
    }


def _trained(
    net: PortedNetwork,
    examples: Examples,
    held: Optional[Examples],
    callbacks: Sequence[Callback],
    checkpoint: Optional[Path],
    batch_size: int,
    epochs: int,
    where: Mapping[str, Any],
) -> bool:
    """Train to the end; whether that was reached. After Ctrl-C the network has the weights of the last whole step."""
    try:
        net.fit(
            examples.inputs,
            examples.labels,
            batch_size,
            epochs,
            callbacks=callbacks,
            validation_data=None if held is None else (held.inputs, held.labels, held.weights),
            sample_weight=examples.weights,
            resume=checkpoint,
            **where,
        )
    except KeyboardInterrupt:
        return False
    return True


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
            raise WrongCall(repr(word), "does not say what it is for", "write NAME=VALUE")
        found[name] = _read(word, value, read)
    return found


def _read(word: str, value: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise WrongCall(repr(word), f"{value!r} is not a number", "write NAME=NUMBER") from error


def _show_moved(moved: dict[str, float]) -> None:
    rows = [(name, f"{far:.3g}" if far else "–") for name, far in moved.items()]
    show_table(("weight", "moved by up to"), rows)
