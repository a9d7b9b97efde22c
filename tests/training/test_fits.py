"""Whole calls of `fit` and `evaluate` follow Keras: histories, metrics, callbacks, the order of calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

import porting
from porting import optimizers
from porting.training import callbacks, confusion, losses, metrics
from tests.training.fits import FITS, FUNCTIONS, ROWS, Fit, rows

RECORDED = Path(__file__).parents[2] / "out" / "recorded-training"
NEAR = 2e-5
COUNTED = confusion.__all__


class METRICS:
    """Keras keeps all metrics in one module."""

    def __class_getitem__(cls, name: str) -> Any:
        return getattr(confusion if name in COUNTED else metrics, name)


def made(find: Any, given: Any) -> Any:
    """(class, arguments) as objects, in lists and dicts too."""
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], dict):
        arguments = {
            key: FUNCTIONS.get(value, value) if key == "schedule" else value for key, value in given[1].items()
        }
        return find(given[0])(**arguments)
    if isinstance(given, dict):
        return {key: made(find, one) for key, one in given.items()}
    return [made(find, one) for one in given] if isinstance(given, (list, tuple)) else given


def of(module: Any) -> Any:
    return lambda name: getattr(module, name)


def part(given: Any, which: slice) -> Any:
    return [one[which] for one in given] if isinstance(given, list) else None if given is None else given[which]


class Diary(callbacks.Callback):
    """Which methods were called, with which numbers and which names in the logs."""

    def __init__(self) -> None:
        self.lines: list[list[Any]] = []
        for name in (f"on_{what}_{end}" for what in ("train_batch", "test_batch", "epoch") for end in ("begin", "end")):
            setattr(self, name, lambda number, logs=None, name=name: self.note(name, number, logs))
        for name in (f"on_{what}_{end}" for what in ("train", "test") for end in ("begin", "end")):
            setattr(self, name, lambda logs=None, name=name: self.note(name, None, logs))

    def note(self, name: str, number: Optional[int], logs: Any) -> None:
        self.lines.append([name, number, sorted(logs or {}), (logs or {}).get("loss")])


def run(fit: Fit) -> dict[str, Any]:
    net = porting.load(RECORDED / fit.net, engine="neoml")
    net.compile(
        made(of(optimizers), fit.optimizer),
        made(of(losses), fit.loss),
        metrics=made(METRICS.__class_getitem__, fit.metrics),
        weighted_metrics=made(METRICS.__class_getitem__, fit.weighted_metrics),
        frozen=fit.fixed,
    )
    x, y, weights = rows(fit)
    kept, held = slice(0, ROWS), slice(ROWS, None)
    diary = Diary()
    history = net.fit(
        part(x, kept),
        part(y, kept),
        sample_weight=part(weights, kept),
        validation_data=tuple(part(one, held) for one in (x, y, weights) if one is not None),
        shuffle=False,
        verbose=0,
        callbacks=[diary, *made(of(callbacks), list(fit.callbacks))],
        **fit.settings,
    )
    numbers = net.evaluate(
        part(x, held), part(y, held), batch_size=8, sample_weight=part(weights, held), return_dict=False
    )
    return {
        "history": history.history,
        "epoch": history.epoch,
        "params": history.params,
        "evaluate": np.atleast_1d(numbers).tolist(),
        "diary": diary.lines,
    }


@pytest.mark.parametrize("name", FITS)
def test_fit_follows_keras(name: str) -> None:
    recorded = RECORDED / "fits" / f"{name}.json"
    assert recorded.exists(), "python -m tests.training.record out/recorded-training, in the Keras environment"
    keras = json.loads(recorded.read_text())
    made = run(FITS[name])
    assert made["history"].keys() == keras["history"].keys()
    for key, values in keras["history"].items():
        np.testing.assert_allclose(made["history"][key], values, rtol=NEAR, atol=1e-6, err_msg=key)
    np.testing.assert_allclose(made["evaluate"], keras["evaluate"], rtol=NEAR, atol=1e-6)
    assert made["epoch"] == keras["epoch"]
    assert made["params"] == keras["params"]
    assert [line[:3] for line in made["diary"]] == [line[:3] for line in keras["diary"]]
    losses = [[line[3] for line in lines if line[3] is not None] for lines in (made["diary"], keras["diary"])]
    np.testing.assert_allclose(*losses, rtol=NEAR)
