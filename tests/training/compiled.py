"""Recipes as NeoML trains them: networks as Keras has recorded them, compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import porting
from porting import optimizers, schedules
from porting.neoml_side.learning.cut import CutLearner
from porting.neoml_side.learning.net import LearningNet
from porting.training import losses
from tests.training.recipes import Recipe

RECORDED = Path(__file__).parents[2] / "out" / "recorded-training"
# Furthest that any weight may stand from Keras' after 100 steps, and the losses' largest relative distance.
WEIGHTS = 5e-6
LOSSES = 1e-5


def made_loss(given: Any) -> Any:
    if isinstance(given, list):
        return [made_loss(one) for one in given]
    return getattr(losses, given[0])(**given[1]) if isinstance(given, tuple) else given


def made_optimizer(given: Any) -> Any:
    name, settings = given
    rate = settings["learning_rate"]
    if isinstance(rate, tuple):
        settings = {**settings, "learning_rate": getattr(schedules, rate[0])(**rate[1])}
    return getattr(optimizers, name)(**settings)


def compiled(recipe: Recipe, folder: Path) -> porting.PortedNetwork:
    net = porting.load(folder, engine="neoml")
    net.compile(
        made_optimizer(recipe.optimizer),
        made_loss(recipe.loss),
        frozen=recipe.fixed,
        sparse_embeddings=not recipe.dense,
        **recipe.options,
    )
    return net


def net_that_learns(net: porting.PortedNetwork) -> LearningNet:
    """The net that a compiled network learns in, whatever cuts its batches."""
    assert net._trainer is not None
    learner = net._trainer.learner
    made = learner.net if isinstance(learner, CutLearner) else learner
    assert isinstance(made, LearningNet)
    return made
