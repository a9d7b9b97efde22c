"""Functions of one network alone, beside the helpers in a standalone file: those that turn text into numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..layers.rule import Refusal
from ..network import Array
from ..text.strings import to_text
from .trace import Term, Trace, Traced

WAY_OUT = "use the saved folder with porting itself; its numpy engine needs numpy alone"


def refused(what: str) -> Refusal:
    return Refusal(f"{what}; it is not written into a standalone file", WAY_OUT)


def as_bytes(strings: Sequence[Any]) -> Array:
    """Strings as an array that an npz without pickles holds: JSON, bytes that are no UTF-8 as lone surrogates."""
    listed = [to_text(one) if isinstance(one, bytes) else str(one) for one in strings]
    return np.frombuffer(json.dumps(listed).encode(), np.uint8)


def new_name(trace: Trace, wanted: str) -> str:
    number = 1
    while (name := wanted if number == 1 else f"{wanted}_{number}") in {*trace.code, *trace.taken}:
        number += 1
    return name


def function_node(
    trace: Trace, name: str, lines: Sequence[str], xs: Sequence[Traced], helpers: Sequence[str] = (), hint: str = "ids"
) -> Term:
    """Keep a function, and give the expression that calls it."""
    trace.code[name] = "\n".join(lines)
    places = ", ".join(f"{{{at}}}" for at in range(len(xs)))
    return trace.add(f"{name}({places})", [x.term for x in xs], asks=0, hint=hint, helpers=helpers)
