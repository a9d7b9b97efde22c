"""What training is told: each setting is refused by its name, its value and its limits before anything happens."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, Optional

import numpy as np

from ..errors import Problem, Unsupported
from ..inputs import whole_number


def refusal(name: str, value: Any, way_out: str) -> Unsupported:
    return Unsupported(name, f"is {value!r:.80}", way_out)


Check = Callable[[str, Any], Any]


def check_settings(where: str, checks: Mapping[str, Check], given: Mapping[str, Any]) -> None:
    """Check settings by name.

    Raises:
        Unsupported: with all that are refused at once.
    """
    problems: list[Problem] = []
    for name, value in given.items():
        try:
            checks[name](f"{where}: {name}", value)
        except Unsupported as error:
            problems += error.problems
    Unsupported.raise_for(problems)


def within(least: float = -math.inf, most: float = math.inf) -> Check:
    """A check for a finite number in a range, both ends included."""
    return lambda name, value: real_number(name, value, least, most)


def one_of(*known: Any) -> Check:
    """A check for one of some words."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, str) or value not in known:
            raise refusal(name, value, f"use one of {', '.join(known)}")

    return check


def maybe(check: Check) -> Check:
    """None, or what the check lets pass."""
    return lambda name, value: None if value is None else check(name, value)


def real_number(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number in a range, both ends included. Raises Unsupported for anything else, bool included."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and least <= value <= most:
        return float(value)
    limits = "" if least == -math.inf else f" from {least:g} up" if most == math.inf else f" from {least:g} to {most:g}"
    raise refusal(name, value, f"give a finite number{limits}")


def positive(name: str, value: Any) -> float:
    """A finite number above 0, as float32 too. Raises Unsupported for anything else."""
    try:
        number = real_number(name, value)
    except Unsupported:
        number = 0.0
    if np.float32(number) > 0:
        return number
    raise refusal(name, value, "give a finite number above 0")


def rate(name: str, value: Any) -> Any:
    """A learning rate: a number, or a schedule. Raises Unsupported for anything else."""
    if callable(value):
        if isinstance(value, type):
            raise refusal(name, value, "give an instance of the schedule, not the class")
        return value
    real_number(name, value, 0)
    return value


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments; True where that cannot be asked."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def truth_value(name: str, value: Any) -> bool:
    """True or False. Raises Unsupported for anything else."""
    if not isinstance(value, bool):
        raise refusal(name, value, "give True or False")
    return value


def patterns(name: str, given: Any) -> tuple[str, ...]:
    """One name or pattern, or several of them; None means none. Raises Unsupported for anything else."""
    if isinstance(given, str):
        return (given,)
    if given is None:
        return ()
    if not isinstance(given, (list, tuple, set, frozenset)) or not all(isinstance(one, str) for one in given):
        raise refusal(name, given, "give a list of names or patterns of layers or weights")
    return tuple(given)


def rates_by_pattern(name: str, given: Any) -> dict[str, Any]:
    """Learning rates by name or pattern; None means none. Raises Unsupported for anything else."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(one, str) for one in given):
        raise refusal(name, given, "give a dict of rates by names or patterns of layers or weights")
    return {pattern: rate(f"{name}[{pattern!r}]", value) for pattern, value in given.items()}


def class_weights(given: Any) -> dict[int, float]:
    """Weights by class, None or an empty dict for none. Raises Unsupported for anything else."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise refusal("class_weight", given, "give a dict of numbers by class: {0: 1.0, 1: 5.0}")
    for key in given:
        if isinstance(key, bool) or not isinstance(key, Integral) or key < 0:
            raise refusal("class_weight: the class", key, "name classes by whole numbers from 0 up")
    return {int(key): real_number(f"class_weight[{key}]", value) for key, value in given.items()}


def file_path(name: str, given: Any) -> str:
    """A path of a file. A number is none: open() would take it for a file that is open already.

    Raises:
        Unsupported: anything else.
    """
    path = os.fspath(given) if isinstance(given, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise refusal(name, given, "give a path")
    return path


def seed_number(name: str, value: Any) -> int:
    """A seed that NeoML's generator takes, from 0 to 2³¹ − 1. Raises Unsupported for anything else."""
    if whole_number(name, value, 0) >= 2**31:
        raise refusal(name, value, f"give a whole number from 0 to {2**31 - 1}")
    return int(value)


def maybe_whole(name: str, value: Any, least: int = 1) -> Optional[int]:
    """A whole number or None. Raises Unsupported for anything else."""
    return None if value is None else whole_number(name, value, least)
