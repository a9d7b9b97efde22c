"""Run every call of `fits` in Keras and keep what it gave. Runs in the Keras environment, from `record`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

import porting
from porting.keras_side.walking import walk
from porting.keras_side.weights import collect_weights
from porting.keras_side.which_keras import keras_api_of
from tests.training.fits import FITS, FUNCTIONS, ROWS, Fit, rows
from tests.training.recipes import NETS


def made(module: Any, given: Any) -> Any:
    """(class, arguments) as objects, in lists and dicts too."""
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], dict):
        arguments = {
            key: FUNCTIONS.get(value, value) if key == "schedule" else value for key, value in given[1].items()
        }
        return getattr(module, given[0])(**arguments)
    if isinstance(given, dict):
        return {key: made(module, one) for key, one in given.items()}
    return [made(module, one) for one in given] if isinstance(given, (list, tuple)) else given


def part(given: Any, which: slice) -> Any:
    return [one[which] for one in given] if isinstance(given, list) else None if given is None else given[which]


class Diary(keras.callbacks.Callback):
    """Which methods were called, with which numbers and which names in the logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Any] = []
        for name in (f"on_{what}_{end}" for what in ("train_batch", "test_batch", "epoch") for end in ("begin", "end")):
            setattr(self, name, lambda number, logs=None, name=name: self.note(name, number, logs))
        for name in (f"on_{what}_{end}" for what in ("train", "test") for end in ("begin", "end")):
            setattr(self, name, lambda logs=None, name=name: self.note(name, None, logs))

    def note(self, name: str, number: Any, logs: Any) -> None:
        self.lines.append([name, number, sorted(logs or {}), (logs or {}).get("loss")])


def run(fit: Fit, model: Any) -> dict[str, Any]:
    for layer in model.layers:
        layer.trainable = layer.name not in fit.fixed
    model.compile(
        made(keras.optimizers, fit.optimizer),
        made(keras.losses, fit.loss),
        metrics=made(keras.metrics, fit.metrics) or None,
        weighted_metrics=made(keras.metrics, fit.weighted_metrics) or None,
        jit_compile=False,
    )
    x, y, weights = rows(fit)
    kept, held = slice(0, ROWS), slice(ROWS, None)
    diary = Diary()
    history = model.fit(
        part(x, kept),
        part(y, kept),
        sample_weight=part(weights, kept),
        validation_data=tuple(part(one, held) for one in (x, y, weights) if one is not None),
        shuffle=False,
        verbose=0,
        callbacks=[diary, *made(keras.callbacks, list(fit.callbacks))],
        **fit.settings,
    )
    numbers = model.evaluate(part(x, held), part(y, held), sample_weight=part(weights, held), batch_size=8, verbose=0)
    return {
        "history": {name: [float(one) for one in values] for name, values in history.history.items()},
        "epoch": history.epoch,
        "params": history.params,
        "evaluate": [float(one) for one in np.atleast_1d(numbers)],
        "diary": diary.lines,
    }


def record_fits(net: str, folder: Path, wanted: list[str]) -> list[str]:
    """The wanted fits of one network, from the weights that its saved folder has, into FOLDER/fits/NAME.json."""
    (folder / "fits").mkdir(exist_ok=True)
    names = [name for name in wanted if name in FITS and FITS[name].net == net]
    saved = porting.load(folder / net, engine="numpy").weights()
    for name in names:
        keras.utils.clear_session()  # a model that is compiled again keeps its old metrics
        model = NETS[net](keras)
        api = keras_api_of(model)
        for layer, held in collect_weights(walk(model, api), api).variables.items():
            for key, variable in held.items():
                variable.assign(saved[f"{layer}/{key}"])
        text = json.dumps(run(FITS[name], model), indent=1)
        (folder / "fits" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return names
