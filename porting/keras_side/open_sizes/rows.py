"""Reshapes of data: every row by itself; axes that become rows of the batch, such as windows of a picture; and back.

(batch, windows, …) to (batch · windows, …) is every window as a row of its own, as TimeDistributed runs its steps. The
way back is there where the code between keeps these rows: they then lie as those of the tensor that they came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Optional, Protocol

from ..tracing import Untraceable, user_line
from .formulas import TRIED, Trial, written
from .sizes import Sizes, is_open, same_size

MIXES = "reshapes the batch together with other axes", "keep the batch in front: (batch, …)"


class Follows(Protocol):
    """What follows a user's code."""

    @property
    def sizes(self) -> Sizes: ...
    def put_in(self, layer: Any, *args: Any, **kwargs: Any) -> Any: ...


def reshaped(tracer: Follows, x: Any, own: Sequence[Any], wanted: Sequence[Any]) -> Any:
    """The reshape of a tensor of these sizes.

    Raises:
        Untraceable: rows of the batch are mixed, or it goes by sizes that are not known.
    """
    if wanted and (same_size(wanted[0], own[0]) or fills_batch(own, wanted)):
        return of_each_row(tracer, x, wanted[1:])
    if not is_open(own[0]) or tracer.sizes.origin(x, 0)[1] != 0:
        raise Untraceable(*MIXES)
    before, after = counts(tracer, x, own, wanted)
    if before == after:
        return of_each_row(tracer, x, wanted[1:])
    if all(more > fewer and more % fewer == 0 for fewer, more in zip(before, after)):
        steps = {more // fewer for fewer, more in zip(before, after)}
        return as_rows(tracer, x, steps.pop() if len(steps) == 1 else -1, wanted[1:])
    while any(more > fewer for more, fewer in zip(before, after)):
        source = tracer.sizes.rows_from(x)
        if source is None or tracer.sizes.are_moved_rows(x):
            raise Untraceable(*MIXES)
        x = tracer.put_in(tracer.sizes.graph.kinds.RowsAsSteps(), x, source)
        before = [trial.rows(x) for trial in trials(tracer)]
    if before != after:
        raise Untraceable(*MIXES)
    return of_each_row(tracer, x, wanted[1:])


def trials(tracer: Follows) -> list[Trial]:
    return [Trial(tracer.sizes, numbers) for numbers in TRIED]


def counts(tracer: Follows, x: Any, own: Sequence[Any], wanted: Sequence[Any]) -> tuple[list[int], list[int]]:
    """How many rows there are before and after a reshape, at sizes that are tried."""
    before, after = [], []
    for trial in trials(tracer):
        rows = trial.rows(x)
        numbers = rows * prod(map(trial.number, own[1:]))
        sizes = [trial.number(size) for size in wanted]
        others = prod(size for size in sizes if size != -1)
        fits = numbers % others == 0 if -1 in sizes else numbers == others
        if not sizes or not others or not fits:
            raise Untraceable(*MIXES)
        before.append(rows)
        after.append(numbers // others if sizes[0] == -1 else sizes[0])
    return before, after


def as_rows(tracer: Follows, x: Any, steps: int, tail: Sequence[Any], moved: bool = False) -> Any:
    """So many steps, or all that there are, as rows of their own."""
    own = tracer.sizes.shape(x)
    in_place = len(tail) == len(own) - 2 and all(map(same_size, tail, own[2:]))
    if steps == -1 and any(same_size(size, -1) for size in tail):
        raise Untraceable(*MIXES)
    x = x if in_place else of_each_row(tracer, x, (steps, *tail))
    return tracer.put_in(tracer.sizes.graph.kinds.StepsAsRows(user_line(), moved), x)


# ---- every row by itself


def of_each_row(tracer: Follows, x: Any, tail: Sequence[Any]) -> Any:
    """The sizes behind the batch as others: axes in front that stay, one that is the rest, and computed ones."""
    graph, own = tracer.sizes.graph, tracer.sizes.shape(x)
    if len(own) == len(tail) + 1 and all(map(same_size, own[1:], tail)):
        return x
    target: list[Any] = []
    for at, size in enumerate(tail, 1):
        stays = not any(one is not None for one in target) and at < len(own) and same_size(size, own[at])
        target.append(None if stays and is_open(size) else size)
    opened = [at for at, size in enumerate(target) if is_open(size)]
    reads = [x]
    if len(opened) == 1 and not any(same_size(size, -1) for size in target):
        target[opened[0]] = -1
    target = [size if size is None else written(size, reads, graph) for size in target]
    return tracer.put_in(graph.kinds.Shaped(_simplified(target, graph.shape(x)[1:])), x, *reads[1:])


def _simplified(target: list[Any], known: Sequence[Optional[int]]) -> list[Any]:
    """The only open axis is the rest; the rest is a number where all others are."""
    if None in target and all(isinstance(size, int) and size > 0 for size in target if size is not None):
        last = len(target) - 1 - target[::-1].index(None)
        if target.count(None) == 1 or len(target) == last + 1:
            return [*target[:last], -1, *target[last + 1 :]]
    if target.count(-1) == 1 and None not in known and all(isinstance(size, int) for size in target):
        rest = prod(size for size in known if size is not None) // prod(size for size in target if size > 0)
        return [rest if size == -1 else size for size in target]
    return target


def fills_batch(own: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Whether -1 in front can be nothing but the batch: what follows is what followed."""
    if not wanted or not same_size(wanted[0], -1) or any(same_size(one, -1) for one in wanted[1:]):
        return False
    opened = [[one for one in part if is_open(one)] for part in (own[1:], wanted[1:])]
    fixed = [prod(one for one in part if not is_open(one)) for part in (own[1:], wanted[1:])]
    return fixed[0] == fixed[1] and len(opened[0]) == len(opened[1]) and all(map(same_size, *opened))
