"""Keras' optimizers, for `PortedNetwork.compile` and `fit`; see `porting.training.optimizers`."""

from .training.optimizers import *  # noqa: F403
