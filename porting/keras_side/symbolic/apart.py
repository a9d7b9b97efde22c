"""What is made of several sizes at once and that no table holds: put together in the graph of what one size makes.

Of an operation's tensors one becomes a table behind the batch, or all of them; it is applied to that, its axes a place
further back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras.src import backend

from ..open_sizes import rows
from ..open_sizes.graph import Applied, said_of_sizes
from ..open_sizes.sizes import same_size
from ..open_sizes.tables import Meeting
from .nodes import FunctionOperation, is_symbolic, node_of, tensors_in
from .running import Running

StandsFor = Callable[[Any, Meeting], Any]


def put_together(tracer: Running, tensor: Any, meets: Meeting, stands_for: StandsFor) -> Any:
    """What stands for a tensor of sizes where it meets others; None where its operation is not known here.

    Args:
        tracer: that noted it.
        stands_for: gives what stands for the tensors that it is made of.
    """
    node = tracer.sizes.graph.node_of(tensor)
    known = None if node is None else APART.get(_name(node))
    if node is not None and known is None and said_of_sizes(node.name) in ("spread", "kept"):
        known = None if hasattr(node.operation, "axis") else _elementwise
    if node is None or known is None:
        return None
    beside = meets.beside if meets.beside is not None else tracer.sizes.read_by(tensor)[0][0]
    with tracer.on_behalf_of(node.operation):
        made = known(_Noted(tracer, node, beside, stands_for), tensor)
        return None if made is None else _as_they_meet(made, meets)


class _Noted:
    """One application that is done anew.

    Attributes:
        node: the application.
    """

    def __init__(self, tracer: Running, node: Applied, beside: Any, stands_for: StandsFor) -> None:
        self.tracer = tracer
        self.node = node
        self._beside = beside
        self._stands_for = stands_for

    def behind_the_batch(self, one: Any, rank: int) -> Any:
        """A tensor of sizes behind the batch, spread to a rank by axes of 1; an array or a weight as it is."""
        return self._stands_for(one, Meeting(rank + 1, self._beside))

    def own(self, made: Any) -> Any:
        self.tracer.own(node_of(made).operation)
        return made


def _name(node: Applied) -> str:
    function = node.operation.function if isinstance(node.operation, FunctionOperation) else None
    return node.name if function is None else str(function.__name__)


def _as_they_meet(made: Any, meets: Meeting) -> Any:
    """(batch, …) with as many axes as what it meets."""
    rank = len(made.shape)
    if (meets.rank is None or rank > meets.rank) and rank > 1 and made.shape[1] == 1:
        return keras.ops.squeeze(made, 1)
    for _ in range((meets.rank or 0) - rank):
        made = keras.ops.expand_dims(made, 1)
    return made


def _first(noted: _Noted, rank: int) -> tuple[Any, Any]:
    """A tensor that it is made of and that goes by a size, and the same behind the batch."""
    for one in noted.node.given:
        made = noted.behind_the_batch(one, rank)
        if is_symbolic(made):
            return one, made
    raise AssertionError("is made of sizes")


def _put(structure: Any, one: Any, made: Any) -> Any:
    if structure is one:
        return made
    return (
        type(structure)(_put(part, one, made) for part in structure)
        if isinstance(structure, (list, tuple))
        else structure
    )


def _elementwise(noted: _Noted, tensor: Any) -> Any:
    one, made = _first(noted, len(tensor.shape))
    return noted.own(noted.node.operation(*_put(tuple(noted.node.args), one, made)))


def _along_an_axis(noted: _Noted, tensor: Any) -> Any:
    """Tensors joined along an axis, which all have it."""
    operation, rank = noted.node.operation, len(noted.node.given[0].shape)
    parts = [noted.behind_the_batch(one, rank) if is_symbolic(one) else one for one in noted.node.args[0]]
    if not all(map(is_symbolic, parts)):
        return None
    return noted.own(type(operation)(axis=operation.axis % len(tensor.shape) + 1)(parts))


def _expanded(noted: _Noted, tensor: Any) -> Any:
    axes = noted.node.operation.axis
    _, made = _first(noted, len(noted.node.given[0].shape))
    for axis in sorted(axis % len(tensor.shape) for axis in (axes if isinstance(axes, (list, tuple)) else [axes])):
        made = noted.own(keras.ops.expand_dims(made, axis + 1))
    return made


def _taken(noted: _Noted, tensor: Any) -> Any:
    x, key = noted.node.args
    if tensors_in([key]) or key is None:
        return None
    behind = slice(None), *(key if isinstance(key, tuple) else (key,))
    return noted.own(noted.behind_the_batch(x, len(x.shape))[behind])


def _tiled(noted: _Noted, tensor: Any) -> Any:
    """Tiled so many times, which are numbers."""
    repeats = noted.node.operation.repeats
    repeats = list(repeats) if isinstance(repeats, (list, tuple)) else [repeats]
    rank = len(tensor.shape)
    return noted.own(keras.ops.tile(_first(noted, rank)[1], [1] * (rank + 1 - len(repeats)) + repeats))


def _transposed(noted: _Noted, tensor: Any) -> Any:
    rank = len(tensor.shape)
    axes = noted.tracer.sizes.graph.axes(noted.node) or range(rank)[::-1]
    return noted.own(keras.ops.transpose(_first(noted, rank)[1], [0, *(axis + 1 for axis in axes)]))


def _reshaped(noted: _Noted, tensor: Any) -> Any:
    node = noted.node
    wanted = node.args[1] if isinstance(node.operation, FunctionOperation) else node.operation.newshape
    made = noted.behind_the_batch(node.args[0], len(node.args[0].shape))
    return rows.of_each_row(noted.tracer, made, wanted)


def _meshed(noted: _Noted, tensor: Any) -> Any:
    """One of the grids: its own places along its axis, ones along the others'."""
    places = list(range(len(noted.node.args)))
    if noted.node.operation.indexing == "xy" and len(places) > 1:
        places[:2] = 1, 0
    at = next(at for at, one in enumerate(noted.node.outputs) if one is tensor)
    made = noted.behind_the_batch(noted.node.args[at], 1)
    wanted: list[Any] = [1] * len(places)
    for axis in (axis for axis in range(len(places)) if axis != places[at]):
        made = noted.own(keras.ops.expand_dims(made, axis + 1))
    for place, one in zip(places, noted.node.args):
        wanted[place] = noted.tracer.sizes.shape(one)[0] if place != places[at] else 1
    return _times_ones(noted, made, wanted)


def _spread(noted: _Noted, tensor: Any) -> Any:
    """Spread to a shape, or so many times along axes of 1."""
    tracer, (x, wanted) = noted.tracer, noted.node.args
    own = tracer.sizes.shape(x)
    own = (*[1] * (len(wanted) - len(own)), *own)
    made = noted.behind_the_batch(x, len(own))
    is_batch = is_symbolic(wanted[0]) and not tracer.tables.keys(wanted[0])
    ones = [1 if same_size(size, many) or same_size(many, 1) else many for size, many in zip(own, wanted)]
    if is_batch:
        made, ones = noted.own(keras.ops.squeeze(made, 1)), ones[1:]
    return _times_ones(noted, made, ones)


def _times_ones(noted: _Noted, made: Any, sizes: Sequence[Any]) -> Any:
    if all(same_size(size, 1) for size in sizes):
        return made
    shape = tuple(None if is_symbolic(size) else size for size in sizes)
    ones = noted.tracer.noted(backend.numpy.ones, shape, "float32", (tuple(sizes),), {"dtype": made.dtype})
    return noted.own(keras.ops.multiply(made, ones))


APART: dict[str, Callable[[_Noted, Any], Any]] = {
    "Concatenate": _along_an_axis,
    "ExpandDims": _expanded,
    "GetItem": _taken,
    "Meshgrid": _meshed,
    "Reshape": _reshaped,
    "Stack": _along_an_axis,
    "Tile": _tiled,
    "Transpose": _transposed,
    "broadcast_to": _spread,
    "reshape": _reshaped,
    "tile": _spread,
}
