"""What a value may differ by, and what it does differ by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Optional

import numpy as np

from ..layers import RULES
from ..network import Array, Layer
from .noise import UNBOUNDED, size_of, unit_of

# What is allowed where noise was not measured, and at the least in the chain. float32 noise of one layer is about 3e-7
# of its values; a chain of layers adds some.
TOLERANCE = 1e-5
# A port has noise of its own, from other sums in another order: so many times what Keras' moves by. Both engines were
# at 1.5 times at the most over all recorded layers.
MARGIN = 16.0
# References that vary by less than this many allowances could hide a wrong port.
SENSITIVE = 20.0
# NeoML's Sigmoid ends at 1.2e-7 and 1 − 6e-8, and what is made of it does too.
SATURATION = 5e-7
# What computes sums and products alone has no such ends; below the least normal float32 it may give zeros.
TINIEST = 1e-37


def needed_tolerance(got: Array, want: Array) -> float:
    """The smallest t with ``|got − want| ≤ t + t·|want|`` everywhere; infinite where no t will do.

    Infinite: other shapes, another dtype, NaN or infinity in other places. For bool and whole numbers any difference
    is infinite.
    """
    if got.shape != want.shape or not same_dtype(got, want):
        return float("inf")
    if want.dtype.kind != "f":
        return 0.0 if np.array_equal(got, want) else float("inf")
    a, b = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(b)
    if not finite.all():
        if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
            return float("inf")
        a, b = a[finite], b[finite]
    if not np.isfinite(a).all():
        return float("inf")
    return float((np.abs(a - b) / (1.0 + np.abs(b))).max(initial=0.0))


def same_dtype(got: Array, want: Array) -> bool:
    """Whether two arrays are of one dtype; strings may be of any length."""
    return got.dtype == want.dtype or (got.dtype.kind in "OUS" and got.dtype.kind == want.dtype.kind)


def equal_bits(one: Array, other: Array) -> bool:
    """Whether two arrays are the same to the bit, NaN and the sign of zero included."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind in "OUS":
        return bool((one == other).all())
    whole = np.dtype(f"u{one.dtype.itemsize}")
    return np.array_equal(np.ascontiguousarray(one).view(whole), np.ascontiguousarray(other).view(whole))


def difference(got: Array, want: Array) -> str:
    """In words, what is wrong first: shape, dtype, NaN, numbers."""
    if got.shape != want.shape:
        return f"shape {got.shape} instead of {want.shape}"
    if not same_dtype(got, want):
        return f"dtype {got.dtype} instead of {want.dtype}"
    if want.dtype.kind == "f" and not np.array_equal(np.isnan(got), np.isnan(want)):
        return "NaN in other places"
    if want.dtype.kind != "f":
        return f"{int(np.sum(got != want))} of {want.size} values differ"
    with np.errstate(invalid="ignore"):
        wanted = want.astype(np.float64)
        apart = np.abs(got.astype(np.float64) - wanted) / (1.0 + np.abs(wanted))
    place = tuple(int(at) for at in np.unravel_index(int(np.nanargmax(apart)), apart.shape)) if apart.size else ()
    return f"{got[place]!s} instead of {want[place]!s} at {list(place)}"


@cache
def last_bit_of(dtype: np.dtype[Any]) -> float:
    """That of a float dtype in relation to its number; of float64 float32's, in which networks compute."""
    return float(max(np.finfo(dtype).eps, np.finfo(np.float32).eps))


def allowed_by_noise(want: Array, least: float, noise: tuple[float, float], floor: float) -> Array:
    """The allowed difference of each number, bounded from two sides by how far it moves; see `Allowance`."""
    last_bit = last_bit_of(want.dtype)
    largest, relative = noise
    size = size_of(want)
    unit = unit_of(want, size)
    held = np.minimum(MARGIN * (largest + last_bit * size), (MARGIN * (relative + last_bit)) * unit)
    return np.asarray(np.maximum(least * unit, held + floor) if least else held + floor)


def share_of_allowed(
    got: Array, want: Array, noise: Optional[tuple[float, float]], tolerance: Optional[float]
) -> float:
    """How much of what is allowed in a chain an output uses up: more than 1 departs.

    Args:
        got, want: an output and its reference.
        noise: how far the reference moves by itself; None where that is not known.
        tolerance: t of ``|a − b| ≤ t + t·|b|`` that is allowed whatever the noise is; None: what float32 can hold.
    """
    needed = needed_tolerance(got, want)
    if needed == 0.0 or got.shape != want.shape or want.dtype.kind in "OUS" or got.dtype != want.dtype:
        return needed
    if want.dtype.kind != "f":
        moved = 0.0 if noise is None or tolerance is not None else noise[0]
        return float(np.abs(got.astype(np.float64) - want).max()) / moved if moved else needed
    if noise is None or tolerance is not None or np.isinf(needed):
        return needed / (TOLERANCE if tolerance is None else max(tolerance, TINIEST))
    finite = np.isfinite(want)
    apart = np.abs(got[finite].astype(np.float64) - want[finite])
    return float((apart / allowed_by_noise(want, TOLERANCE, noise, TOLERANCE)[finite]).max(initial=0.0))


@dataclass(frozen=True)
class Allowance:
    """By how much each value of a tensor may differ.

    Attributes:
        least: t of the ``t + t·|b|`` that is allowed whatever the noise is; of t times `unit_of` where noise is known.
        noise: how far the tensor moves in Keras, at the most and relatively; None where only `least` counts.
        floor: the difference that is allowed in any case, where noise is known.
    """

    least: float
    noise: Optional[tuple[float, float]] = None
    floor: float = TOLERANCE

    def of(self, want: Array) -> Array:
        """The allowed difference of each value; of whole numbers what Keras' own moved by."""
        if want.dtype.kind != "f":
            return np.full(want.shape, 0.0 if self.noise is None else self.noise[0])
        if self.noise is None:
            return np.asarray(self.least * (1.0 + np.abs(want.astype(np.float64))))
        return allowed_by_noise(want, self.least, self.noise, self.floor)


def allowance_alone(layer: Layer, noise: tuple[float, float]) -> Allowance:
    """What is allowed to a layer on Keras' own inputs: to sums and products their noise, to others at least 1e-5.

    A mean or a variance over 65,000 numbers, added up one by one, is 3e-6 away from one that is added up in pairs.
    """
    rule = RULES.get(layer.class_name)
    if rule is not None and rule.linear and layer.config.get("activation") in (None, "linear", "relu"):
        return Allowance(0.0, noise, TINIEST)
    return Allowance(TOLERANCE, noise, SATURATION)


def allowance_in_chain(noise: tuple[float, float]) -> Allowance:
    """What is allowed in the chain: a port's noise may come from where Keras has none, so never less than 1e-5."""
    return Allowance(TOLERANCE, noise, TOLERANCE)


@dataclass(frozen=True)
class Outcome:
    """What came of a comparison.

    Attributes:
        needed: the smallest t with ``|a − b| ≤ t + t·|b|`` for every value.
        allowed: the t that would just have been allowed, had every difference grown by the same factor.
        tells: by how many times the allowance the references spread over the rows of the batch.
        unmoved: the same by the allowance that a tensor without noise would have; where `tells` says enough, that.
    """

    needed: float
    allowed: float
    tells: float = 0.0
    unmoved: float = 0.0

    @property
    def agrees(self) -> bool:
        return self.needed <= self.allowed

    def or_worse(self, other: Optional[Outcome]) -> Outcome:
        """The one of two that is nearer to what it is allowed, or beyond; what either tells is told."""
        if other is None:
            return self
        needed, share = max(self.needed, other.needed), max(self.share, other.share)
        measured = 0 < share < float("inf") and needed < float("inf")
        allowed = needed / share if measured else min(self.allowed, other.allowed)
        return Outcome(needed, allowed, max(self.tells, other.tells), max(self.unmoved, other.unmoved))

    @property
    def share(self) -> float:
        """How much of what is allowed is used."""
        if self.needed == 0:
            return 0.0
        return self.needed / self.allowed if self.allowed > 0 else float("inf")


def compare(got: Array, want: Array, allowance: Allowance) -> Outcome:
    """A tensor against its reference, and how much that tells."""
    outcome, allowed = _measured(got, want, allowance)
    tells = unmoved = spreads(want, allowed)
    if allowance.noise is not None and 0 < tells < SENSITIVE:  # rows that are the same vary by no allowance
        unmoved = spreads(want, replace(allowance, noise=(0.0, 0.0)).of(want))
    return Outcome(outcome.needed, outcome.allowed, tells, unmoved)


def measure(got: Array, want: Array, allowance: Allowance) -> Outcome:
    """A tensor against its reference, where it is known how much that tells."""
    return _measured(got, want, allowance)[0]


def _measured(got: Array, want: Array, allowance: Allowance) -> tuple[Outcome, Array]:
    """What came of a comparison, and the allowed difference of each value."""
    allowed = allowance.of(want)
    if want.dtype.kind == "f" and got.shape == want.shape and got.dtype == want.dtype:
        with np.errstate(all="ignore"):
            wanted = want.astype(np.float64)
            apart = np.abs(got - wanted)
            needed = float((apart / (1.0 + np.abs(wanted))).max(initial=0.0))
            if 0.0 < needed < np.inf:  # neither equal, nor NaN and infinity on either side
                share = float(np.where(apart > 0, apart / allowed, 0.0).max())
                return Outcome(needed, needed / share), allowed
    return _with_special_numbers(got, want, allowed), allowed


def _with_special_numbers(got: Array, want: Array, allowed: Array) -> Outcome:
    """Of what is equal, of texts and whole numbers, and of what is not finite somewhere."""
    needed = needed_tolerance(got, want)
    if want.dtype.kind in "OUS":
        return Outcome(needed, 0.0)
    wanted = want.astype(np.float64)
    if np.isinf(needed) and want.dtype.kind != "f" and got.shape == want.shape and same_dtype(got, want):
        needed = float(np.abs(got.astype(np.float64) - wanted).max(initial=0.0))
    finite = np.isfinite(wanted)
    if not finite.all():
        wanted, allowed = wanted[finite], allowed[finite]
    if needed == 0 or np.isinf(needed):
        unit = 1.0 + np.abs(wanted) if want.dtype.kind == "f" else np.ones(want.shape)
        return Outcome(needed, float((allowed / unit).min(initial=UNBOUNDED)))
    apart = np.abs((got if finite.all() else got[finite]).astype(np.float64) - wanted)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = float(np.where(apart > 0, apart / allowed, 0.0).max(initial=0.0))
    return Outcome(needed, needed / share)


def spreads(want: Array, allowed: Array) -> float:
    """How far values of a place differ between the rows of a batch, in allowances; whole numbers: any or none."""
    if want.dtype.kind != "f":
        return float("inf") if want.size > 1 and bool((want != want.flat[0]).any()) else 0.0
    if not want.ndim or len(want) < 2 or not want.size:
        return 0.0
    if not np.isfinite(want).all():
        want, allowed = np.where(np.isfinite(want), want, 0.0), np.where(np.isfinite(allowed), allowed, 0.0)
    between = want.max(axis=0).astype(np.float64) - want.min(axis=0)
    most = allowed.max(axis=0)
    return float(np.divide(between, most, out=np.zeros_like(between), where=most > 0).max(initial=0.0))
