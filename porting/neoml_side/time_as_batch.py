"""Every step of a sequence as a row of its own, and back.

The list size lies behind the batch in a blob's memory, so both are a Transform that moves nothing. Back to a time
that is known only in a run no Transform finds the way: there ScatterND writes the rows into a blob of the right shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from ..layers.rule import Refusal
from ..network import Shape
from .graph import AXES, Graph, Parameter, Port
from .wires import Wire, canonical, is_ascending

__all__ = ["fold", "unfold"]

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
    return x if is_ascending(x.layout) and x.layout[0] == "B" else x.to(canonical(x.rank, x.dtype))


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


def unfold(x: Wire, like: Wire) -> Wire:
    """(batch · time, …) to (batch, time, …), as long as `like` is."""
    shape = (like.shape[0], like.shape[1], *x.shape[1:])
    if shape[1] is None:
        return scattered(x, like, shape)
    if None not in shape[1:]:
        x = in_order(x)
        layout = canonical(len(shape))
        return x.made(transform(x, sizes(layout, shape)), shape, layout=layout)
    x = x if x.layout[0] == "B" and "S" not in x.layout else x.to(canonical(x.rank))
    split: dict[str, Rule] = {"B": ("divide", shape[1]), "S": ("set", shape[1])}
    layout = "BS" + x.layout[1:]
    return x.made(transform(x, split, ("multiply", 1)), shape, layout=layout)


def scattered(x: Wire, like: Wire, shape: Shape) -> Wire:
    """Row n of `x` written to batch n // time and step n % time of a blob of zeros."""
    graph = x.graph
    x = in_order(x)
    steps = one_a_step(like)
    one = graph.add("Linear", steps, multiplier=1.0, free_term=1.0)
    places = [graph.add("Linear", one, multiplier=0.0, free_term=0.0)]
    for dimension in ("batch_width", "list_size"):
        count = graph.add("CumSum", one, dimension=dimension)
        places.append(graph.add("Linear", count, multiplier=1.0, free_term=-1.0))
    indices = graph.add("Cast", graph.add("ConcatChannels", *places), output_type="int")
    layout = "BS" + canonical(x.rank)[1:]
    blank = blank_rows(like, steps, layout, x.shape)
    return x.made(graph.add("ScatterND", blank, indices, x.port), shape, layout=layout)


def zeros_of(like: Wire, layout: str) -> Port:
    """Zeros in the shape of a tensor."""
    like = like.to(layout)
    less = like.graph.add("Less", like.port, like.port)
    return like.graph.add("Cast", less, output_type="float")


def one_a_step(like: Wire) -> Port:
    """A zero for every step of a tensor: batch and list size."""
    inside = like.rank - 2
    if inside > len(INSIDE):
        raise Refusal(f"steps of rank {inside} over a time of open size", "fix the time in the Input")
    return like.graph.add("GlobalSumPooling", zeros_of(like, "BS" + INSIDE[:inside]))


def blank_rows(like: Wire, steps: Port, layout: str, shape: Shape) -> Port:
    """A blob of zeros for rows of this shape, as many as `like` has steps."""
    graph, inside = like.graph, shape[1:-1]
    if None not in shape[1:]:
        row = more_channels(graph, steps, 1, prod(size or 1 for size in shape[1:]))
        split: dict[str, Rule] = {letter: ("set", size or 1) for letter, size in zip(layout[2:-1], inside)}
        split.update({"B": ("multiply", 1), "S": ("multiply", 1), "C": ("remainder", 1)})
        return transform(replace(like, port=row), split)
    if shape[-1] is not None and len(inside) < len(INSIDE):
        if inside == like.shape[2:]:
            return more_channels(graph, zeros_of(like, layout[:-1]), 1, shape[-1])
        if inside == like.shape[2:-1]:
            return more_channels(graph, zeros_of(like, layout), like.size(-1), shape[-1])
    raise Refusal(f"steps of shape {shape[1:]} over a time of open size", "fix the sizes in the Input")


def more_channels(graph: Graph, zeros: Port, channels: int, wanted: int) -> Port:
    """Zeros with another number of channels."""
    return graph.add(
        "Conv",
        zeros,
        filter_count=wanted,
        filter_size=(1, 1),
        is_zero_free_term=True,
        parameters={"filter": Parameter.fixed(np.zeros((channels, wanted), np.float32), "CB")},
    )
