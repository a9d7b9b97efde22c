"""Gradients read off a step of plain descent: at the rate 2³⁰ it moves a weight by 2³⁰ times its gradient, exactly."""

from __future__ import annotations

import numpy as np

from ...network import Array

RATE = 2.0**30


def gradient_of(before: Array, after: Array, made: Array) -> Array:
    """What a slot's step of descent at the rate `RATE` says about its gradient; `made`, perhaps `after`, takes it."""
    np.subtract(before.reshape(-1), after.reshape(-1), out=made)
    made *= np.float32(1 / RATE)
    return made
