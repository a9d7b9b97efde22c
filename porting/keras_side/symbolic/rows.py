"""Reshapes in which axes of each row become rows of the batch, such as windows of a picture, and back.

(batch, windows, …) to (batch · windows, …) is every window as a row of its own, as TimeDistributed runs its steps. The
way back is there where the code between keeps these rows: they then lie as those of the tensor that they came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Optional

from .layers import RowsAsSteps, Shaped, StepsAsRows
from .nodes import is_symbolic, user_line
from .running import Running
from .sizes import same_size

# At this batch a number of rows shows how many each row of the batch has become; `Tables.number` takes it too.
BATCH = 7

Sizes = Sequence[Any]


def reshaped(tracer: Running, x: Any, own: Sizes, wanted: Sizes) -> Any:
    """The reshape of a tensor of these sizes; None where it is neither way."""
    if len(wanted) == len(own) - 1 and _tail_is(wanted, own) and _joins(tracer, x, own[1], wanted[0]):
        return tracer.put_in(StepsAsRows(user_line()), x)
    source = tracer.sizes.rows_from(x)
    if source is not None and len(wanted) == len(own) + 1 and _tail_is(own, wanted):
        sizes = zip(wanted[:2], tracer.sizes.shape(source))
        if all(same_size(one, -1) or same_size(one, size) for one, size in sizes):
            return tracer.put_in(RowsAsSteps(), x, source)
    known = _known(tracer, x, own, wanted)
    if known is None:
        return None
    before, after = prod(own[1:]), prod(known)
    if before == after:
        return _shaped(tracer, x, own[1:], known)
    if before > after and before % after == 0:
        steps = _shaped(tracer, x, own[1:], [before // after, after])
        return _shaped(tracer, tracer.put_in(StepsAsRows(user_line()), steps), [after], known)
    if source is not None and after == before * (source._shape[1] or 0):
        steps = tracer.put_in(RowsAsSteps(), x, source)
        return _shaped(tracer, steps, [source._shape[1], *own[1:]], known)
    return None


def _shaped(tracer: Running, x: Any, own: Sizes, wanted: list[int]) -> Any:
    return x if list(own) == wanted else tracer.put_in(Shaped(wanted), x)


def _tail_is(fewer: Sizes, more: Sizes) -> bool:
    """Whether the one's axes behind the batch are the other's behind batch and steps."""
    return all(same_size(one, other) for one, other in zip(fewer[1:], more[2:]))


def _are_known(sizes: Sizes) -> bool:
    return all(isinstance(size, int) and size > 0 for size in sizes)


def _joins(tracer: Running, x: Any, steps: Any, rows: Any) -> bool:
    """Whether a size in front is that of the batch times the steps."""
    if same_size(rows, -1):
        return True
    if not _is_size(tracer, rows):
        return False
    each = BATCH * tracer.sizes.rows_for_each(x)
    if not is_symbolic(steps):
        return bool(tracer.tables.rows(rows, BATCH) == each * steps)
    return all(tracer.tables.number(rows, steps, many) == each * many for many in (11, 13))


def _known(tracer: Running, x: Any, own: Sizes, wanted: Sizes) -> Optional[list[int]]:
    """The sizes behind the batch, -1 filled in; None where not all of them are numbers, or the rows are others."""
    tail = list(wanted[1:])
    if not _are_known(own[1:]) or any(map(is_symbolic, tail)):
        return None
    numbers = BATCH * tracer.sizes.rows_for_each(x) * prod(own[1:])
    if not same_size(wanted[0], -1):
        rows = tracer.tables.rows(wanted[0], BATCH) if _is_size(tracer, wanted[0]) else None
        others = (rows or 0) * prod(size for size in tail if size != -1)
        if not others or numbers % others or tail.count(-1) > 1:
            return None
        tail = [numbers // others if size == -1 else size for size in tail]
        if rows is None or rows * prod(tail) != numbers:
            return None
    return tail if _are_known(tail) else None


def _is_size(tracer: Running, size: Any) -> bool:
    return is_symbolic(size) and tracer.sizes.made_of_sizes(size)
