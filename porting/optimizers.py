"""Keras' optimizers, for `PortedNetwork.compile` and `fit`; see `porting.training.optimizers`."""

from __future__ import annotations

from .training.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Nadam,
    Optimizer,
    RMSprop,
    optimizer_named,
)

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "optimizer_named",
]
