"""Keras' learning-rate schedules: functions of the step, computed in float32 as Keras computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]

f32 = np.float32


@dataclass(frozen=True)
class ExponentialDecay:
    """initial · decay_rate ^ (step / decay_steps). See ``keras.optimizers.schedules.ExponentialDecay``."""

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __call__(self, step: int) -> float:
        part = f32(step) / f32(self.decay_steps)
        part = np.floor(part) if self.staircase else part
        return float(f32(self.initial_learning_rate) * np.power(f32(self.decay_rate), part))


@dataclass(frozen=True)
class PiecewiseConstantDecay:
    """values[i] up to and including boundaries[i]. See ``keras.optimizers.schedules.PiecewiseConstantDecay``."""

    boundaries: Sequence[float]
    values: Sequence[float]

    def __call__(self, step: int) -> float:
        passed = sum(step > boundary for boundary in self.boundaries)
        return float(self.values[passed])


@dataclass(frozen=True)
class PolynomialDecay:
    """See ``keras.optimizers.schedules.PolynomialDecay``."""

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __call__(self, step: int) -> float:
        at, steps = f32(step), f32(self.decay_steps)
        if self.cycle:
            steps = steps * (f32(1) if step == 0 else np.ceil(at / steps))
        else:
            at = min(at, steps)
        span = f32(self.initial_learning_rate) - f32(self.end_learning_rate)
        return float(span * np.power(f32(1) - at / steps, f32(self.power)) + f32(self.end_learning_rate))


@dataclass(frozen=True)
class InverseTimeDecay:
    """initial / (1 + decay_rate · step / decay_steps). See ``keras.optimizers.schedules.InverseTimeDecay``."""

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __call__(self, step: int) -> float:
        part = f32(step) / f32(self.decay_steps)
        part = np.floor(part) if self.staircase else part
        return float(f32(self.initial_learning_rate) / (f32(1) + f32(self.decay_rate) * part))


@dataclass(frozen=True)
class CosineDecay:
    """Half a cosine, after a linear warm-up if asked for. See ``keras.optimizers.schedules.CosineDecay``."""

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    warmup_target: Optional[float] = None
    warmup_steps: int = 0

    def __call__(self, step: int) -> float:
        at, start = f32(step), f32(self.initial_learning_rate)
        if self.warmup_target is None:
            return self._decayed(min(at, f32(self.decay_steps)), start)
        target, warming = f32(self.warmup_target), f32(self.warmup_steps)
        at = min(at, f32(self.decay_steps) + warming)
        if at < warming:
            return float((target - start) * (at / warming) + start)
        return self._decayed(at - warming, target)

    def _decayed(self, step: np.float32, start: np.float32) -> float:
        share = step / f32(self.decay_steps)
        cosine = f32(0.5) * (f32(1) + np.cos(f32(np.pi) * share))
        return float(start * ((f32(1) - f32(self.alpha)) * cosine + f32(self.alpha)))


@dataclass(frozen=True)
class CosineDecayRestarts:
    """Cosines one after the other. See ``keras.optimizers.schedules.CosineDecayRestarts``."""

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def __call__(self, step: int) -> float:
        done = f32(step) / f32(self.first_decay_steps)
        longer = f32(self.t_mul)
        if self.t_mul == 1.0:
            restart = np.floor(done)
            done = done - restart
        else:
            restart = np.floor(np.log(f32(1) - done * (f32(1) - longer)) / np.log(longer))
            passed = (f32(1) - np.power(longer, restart)) / (f32(1) - longer)
            done = (done - passed) / np.power(longer, restart)
        cosine = f32(0.5) * np.power(f32(self.m_mul), restart) * (f32(1) + np.cos(f32(np.pi) * done))
        return float(f32(self.initial_learning_rate) * ((f32(1) - f32(self.alpha)) * cosine + f32(self.alpha)))
