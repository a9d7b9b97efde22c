"""Keras' learning-rate schedules, for optimizers; see `porting.training.schedules`."""

from .training.schedules import *  # noqa: F403
