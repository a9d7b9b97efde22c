"""Subscripts of data by sizes."""

from __future__ import annotations

from typing import Any

from ..tracing import Untraceable
from .following import FollowedCode
from .formulas import written
from .sizes import is_open

# Of an axis with one step, x[n - 2 :] is all of it, and x[-2:] too.
FROM_THE_END = 2


def taken_by_sizes(tracer: FollowedCode, x: Any, axis: int, part: Any) -> tuple[Any, Any]:
    """What a tensor is cut to along an axis by a subscript of sizes, and the subscript that is left.

    Places that are so many from the axis' own end are said from there, which holds at any size.
    """
    ends = (part.start, part.stop) if isinstance(part, slice) else (part,)
    if not all(tracer.sizes.made_of_sizes(one) for one in ends if is_open(one)):
        raise Untraceable("slices at places that the data decide", "use keras.ops.take")
    found = [_from_end(tracer, x, axis, one) for one in ends]
    if not isinstance(part, slice):
        if found == [0]:
            raise Untraceable("asks for a step behind the last")
        return (x, found[0]) if found != [None] else (_cut(tracer, x, axis, slice(part, part + 1)), 0)
    if any(one is None for one, end in zip(found, ends) if end is not None):
        return _cut(tracer, x, axis, part), slice(None)
    to_end = found[1] == 0 and is_open(part.stop)
    return x, slice(found[0], None if to_end else found[1], part.step)


def _cut(tracer: FollowedCode, x: Any, axis: int, part: slice) -> Any:
    reads, graph = [x], tracer.sizes.graph
    start, stop = (one if one is None else written(one, reads, graph) for one in (part.start, part.stop))
    return tracer.put_in(graph.kinds.Sliced(axis, start, stop, part.step), x, *reads[1:])


def _from_end(tracer: FollowedCode, x: Any, axis: int, place: Any) -> Any:
    """A place counted from the end of its axis; None where it goes by another size, or by a share of its own.

    So many from the end that a short axis does not have them is None too: there they count from the end again.
    """
    if not is_open(place):
        return place
    is_known = tracer.sizes.graph.shape(x)[axis] is not None
    own = None if is_known else tracer.sizes.of(x, axis)
    if own is None or tracer.tables.keys(place) != tracer.tables.keys(own):
        return None
    found = {tracer.tables.number(place, own, size) - size for size in (1, 2, 50, 81)}
    return found.pop() if len(found) == 1 and -FROM_THE_END <= min(found) <= 0 else None
