"""Keras' learning-rate schedules: functions of the step, computed in float32 as Keras computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np

from .arguments import Check, check_settings, maybe, positive, refusal, truth_value, within

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]

f32 = np.float32


def divided(step: Union[float, np.float32], by: Union[float, np.float32]) -> np.float32:
    """A step by a constant, as TensorFlow's compilers divide: times the reciprocal, so that 90 / 30 is more than 3."""
    return f32(f32(step) * (f32(1) / f32(by)))


def increasing(name: str, value: Any) -> None:
    """Steps at which a rate changes."""
    steps = numbers(name, value)
    if not steps or any(later <= earlier for earlier, later in zip(steps, steps[1:])):
        raise refusal(name, value, "give strictly increasing steps, at least one")


def numbers(name: str, value: Any) -> list[float]:
    if not isinstance(value, (list, tuple)):
        raise refusal(name, value, "give a list of numbers")
    return [within(0)(f"{name}[{at}]", one) for at, one in enumerate(value)]


# What settings may be, as Keras raises or documents it.
SETTINGS: dict[str, Check] = {
    "initial_learning_rate": within(0),
    "end_learning_rate": within(0),
    "warmup_target": maybe(within(0)),
    "warmup_steps": within(0),
    "decay_steps": positive,
    "first_decay_steps": positive,
    "decay_rate": within(0),
    "power": within(0),
    "alpha": within(),
    "t_mul": positive,
    "m_mul": within(0),
    "staircase": truth_value,
    "cycle": truth_value,
    "boundaries": increasing,
    "values": numbers,
}


class Schedule:
    """A learning rate for each step. Raises Unsupported for settings out of range, all of them at once."""

    def __post_init__(self) -> None:
        check_settings(type(self).__name__, SETTINGS, vars(self))


@dataclass(frozen=True)
class DecayByRate(Schedule):
    """A schedule of how often `decay_steps` have passed: as a fraction, or as the whole number below it."""

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def _passed(self, step: int) -> np.float32:
        part = divided(step, self.decay_steps)
        return f32(np.floor(part)) if self.staircase else part


class ExponentialDecay(DecayByRate):
    """initial · decay_rate ^ (step / decay_steps). See ``keras.optimizers.schedules.ExponentialDecay``."""

    def __call__(self, step: int) -> float:
        return float(f32(self.initial_learning_rate) * np.power(f32(self.decay_rate), self._passed(step)))


@dataclass(frozen=True)
class PiecewiseConstantDecay(Schedule):
    """values[i] up to and including boundaries[i]. See ``keras.optimizers.schedules.PiecewiseConstantDecay``."""

    boundaries: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.values) != len(self.boundaries) + 1:
            way_out = f"give {len(self.boundaries) + 1} values, one more than boundaries"
            raise refusal("PiecewiseConstantDecay: values", self.values, way_out)

    def __call__(self, step: int) -> float:
        passed = sum(step > boundary for boundary in self.boundaries)
        return float(self.values[passed])


@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """See ``keras.optimizers.schedules.PolynomialDecay``."""

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __call__(self, step: int) -> float:
        at, steps = f32(step), f32(self.decay_steps)
        if self.cycle:
            part = at / (steps * (f32(1) if step == 0 else np.ceil(divided(step, steps))))
        else:
            part = divided(min(at, steps), steps)
        span = f32(self.initial_learning_rate) - f32(self.end_learning_rate)
        return float(span * np.power(f32(1) - part, f32(self.power)) + f32(self.end_learning_rate))


class InverseTimeDecay(DecayByRate):
    """initial / (1 + decay_rate · step / decay_steps). See ``keras.optimizers.schedules.InverseTimeDecay``."""

    def __call__(self, step: int) -> float:
        return float(f32(self.initial_learning_rate) / (f32(1) + f32(self.decay_rate) * self._passed(step)))


@dataclass(frozen=True)
class CosineDecay(Schedule):
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
            return float((target - start) * divided(at, warming) + start)
        return self._decayed(at - warming, target)

    def _decayed(self, step: np.float32, start: np.float32) -> float:
        share = divided(step, self.decay_steps)
        cosine = f32(0.5) * (f32(1) + np.cos(f32(np.pi) * share))
        return float(start * ((f32(1) - f32(self.alpha)) * cosine + f32(self.alpha)))


@dataclass(frozen=True)
class CosineDecayRestarts(Schedule):
    """Cosines one after the other. See ``keras.optimizers.schedules.CosineDecayRestarts``."""

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def __call__(self, step: int) -> float:
        done = divided(step, self.first_decay_steps)
        longer = f32(self.t_mul)
        if self.t_mul == 1.0:
            restart = np.floor(done)
            done = done - restart
        else:
            restart = np.floor(divided(np.log(f32(1) - done * (f32(1) - longer)), np.log(longer)))
            passed = divided(f32(1) - np.power(longer, restart), f32(1) - longer)
            done = (done - passed) / np.power(longer, restart)
        cosine = f32(0.5) * np.power(f32(self.m_mul), restart) * (f32(1) + np.cos(f32(np.pi) * done))
        return float(f32(self.initial_learning_rate) * ((f32(1) - f32(self.alpha)) * cosine + f32(self.alpha)))
