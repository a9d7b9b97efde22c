"""Every step of a sequence as a row of its own, and back.

The list size lies behind the batch in a blob's memory, so both are a Transform that moves nothing. Back to a time
that is known only in a run no Transform finds the way. There each row is multiplied with a one for each step: NeoML
multiplies matrices in pairs and asks only that both sides have as many, not that they lie in the same dimensions, and
the product lies as the ones do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...layers.rule import Refusal
from ...network import Shape
from ..graph import Port
from ..slots import AXES
from ..values import Wire, canonical, is_ascending
from .base import Part

Rule = tuple[str, int]
INSIDE = "HWD"


def transform(x: Wire, rules: Mapping[str, Rule], default: Rule = ("set", 1)) -> Port:
    return x.graph.add("Transform", x.port, transforms=[rules.get(letter, default) for letter in AXES])


def sizes(layout: str, shape: Shape) -> dict[str, Rule]:
    """Set every axis but the batch, whose sizes must be known, and leave the rest to the batch."""
    known: dict[str, Rule] = {letter: ("set", size or 1) for letter, size in zip(layout[1:], shape[1:])}
    return {**known, layout[0]: ("remainder", 1)}


def in_order(x: Wire) -> Wire:
    """The tensor with its axes in memory in Keras' order."""
    return x if is_ascending(x.layout) else x.to(canonical(x.rank, x.dtype))


def fold(x: Wire) -> Wire:
    """(batch, time, …) to (batch · time, …)."""
    shape = (None, *x.shape[2:])
    inner = canonical(x.rank - 1, x.dtype)
    if None not in shape[1:]:
        x = in_order(x)
        port = transform(x, sizes(inner, shape))
    else:
        x = x.to("BS" + inner[1:])
        time = x.shape[1]
        joined: dict[str, Rule] = {"S": ("set", 1), "B": ("remainder", 1) if time is None else ("multiply", time)}
        port = transform(x, joined, ("multiply", 1))
    return replace(x.made(port, shape, layout=inner), origin=None, ids_from=x.ids_from)


def unfold(ops: Part, x: Wire, like: Wire) -> Wire:
    """(batch · time, …) to (batch, time, …), as long as `like` is."""
    shape = (like.shape[0], like.shape[1], *x.shape[1:])
    if shape[1] is None:
        return as_steps(ops, x, like, shape)
    if None not in shape[1:]:
        x = in_order(x)
        layout = canonical(len(shape))
        return x.made(transform(x, sizes(layout, shape)), shape, layout=layout)
    x = x if x.layout[0] == "B" and "S" not in x.layout else x.to(canonical(x.rank))
    split: dict[str, Rule] = {"B": ("divide", shape[1]), "S": ("set", shape[1])}
    layout = "BS" + x.layout[1:]
    return x.made(transform(x, split, ("multiply", 1)), shape, layout=layout)


def as_steps(ops: Part, x: Wire, like: Wire, shape: Shape) -> Wire:
    """Row n of `x` at batch n // time and step n % time."""
    x, layout = in_order(x), "BS" + canonical(x.rank)[1:]
    several = x.shape[1:].count(None) > 1
    ones = one_a_line(ops, x, like) if several else one_a_step(ops, like)
    if several:
        layout = layout.replace(layout[x.shape.index(None, 1) + 1], "L")
        x = x.to("B" + layout[2:])
    kept = dict.fromkeys("LBS", ("multiply", 1))
    row = transform(x, {**kept, "S": ("set", 1), "C": ("remainder", 1)})
    made = replace(x, port=x.graph.add("MatrixMultiplication", ones, row))
    inside: dict[str, Rule] = {letter: ("set", size) for letter, size in zip(layout[2:], shape[2:]) if size}
    last = next((letter for letter in layout[2:] if letter not in inside and letter != "L"), "C")
    return x.made(transform(made, {**inside, **kept, last: ("remainder", 1)}), shape, layout=layout)


def one_a_line(ops: Part, x: Wire, like: Wire) -> Port:
    """A one for every step of `like` and every place along the first open axis of `x`: these lie in the length."""
    first = x.shape.index(None, 1)
    if x.shape[1:].count(None) > 2:
        raise Refusal(f"steps of shape {x.shape[1:]} over a time of open size", "fix the sizes in the Input")
    lines = ops.reduce(x, "sum", [axis for axis in range(1, x.rank) if axis != first])
    return ops.filled(as_steps(ops, lines, like, (*like.shape[:2], None)).to("BSL"), 1.0).port


def one_a_step(ops: Part, like: Wire) -> Port:
    """A one for every step of a tensor: batch and list size."""
    inside = like.rank - 2
    if inside > len(INSIDE):
        raise Refusal(f"steps of rank {inside} over a time of open size", "fix the time in the Input")
    like = like.to("BS" + INSIDE[:inside])
    port = like.graph.add("GlobalSumPooling", like.port) if inside else like.port
    return ops.filled(like.made(port, like.shape[:2], layout="BS"), 1.0).port
