"""Tensors whose batch was moved off the front, by a transposition or a new axis before it.

What is computed of them is computed with the batch in front, where rows stay apart, and moved as it would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from string import ascii_lowercase
from typing import Any

import keras
import numpy as np
from keras.src import backend
from keras.src.backend.common.keras_tensor import KerasTensor

from ...layers import RULES
from ..open_sizes import rows
from ..open_sizes.graph import said_of_sizes
from ..open_sizes.sizes import same_size
from ..tracing import Untraceable
from .layers import RowsAsSteps
from .nodes import axes_of, is_symbolic, node_of, tensors_in
from .running import Running

KEEPING_AXES = ("Cumprod", "Cumsum", "Flip", "LogSoftmax", "Softmax", "Split")
REDUCING = (
    *("All", "Any", "Argmax", "Argmin", "CountNonzero", "Logsumexp", "Max", "Mean", "Min", "Prod"),
    *("Squeeze", "Std", "Sum", "Var"),
)
ADDING = ("ExpandDims", "Stack")


def applied_in_front(tracer: Running, operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """An operation on tensors whose batch is not in front; NotImplemented where there are none, or it has to be so."""
    name = type(operation).__name__
    data = [one for one in tensors_in((args, kwargs)) if not tracer.sizes.made_of_sizes(one)]
    if not data or kwargs or (name not in ADDING and name != "Einsum" and not any(map(place_of, data))):
        return NotImplemented
    function = BY_NAME.get(name)
    if function is None and said_of_sizes(name) in ("kept", "spread") and not hasattr(operation, "axis"):
        function = _elementwise
    return NotImplemented if function is None else function(tracer, operation, *args)


def called_in_front(layer: Any, args: Sequence[Any], kwargs: dict[str, Any], call: Callable[..., Any]) -> Any:
    """A layer that takes every place by itself, called on one tensor whose batch is not in front."""
    rule = RULES.get(type(layer).__name__)
    if isinstance(getattr(layer, "activation", None), keras.layers.Layer):
        return NotImplemented
    if rule is None or not rule.pointwise or len(args) != 1 or not is_symbolic(args[0]) or tensors_in(kwargs):
        return NotImplemented
    place, last = place_of(args[0]), len(args[0]._shape) - 1
    if not place or place == last or getattr(layer, "axis", -1) not in (-1, [-1], last, [last]):
        return NotImplemented
    before = in_front(args[0])
    if backend.get_keras_mask(before) is not None:
        return NotImplemented
    return moved_back(call(layer, before, **kwargs), place)


# ---- where the batch is


def place_of(tensor: Any) -> int:
    """The axis of the batch in a tensor of data."""
    node = node_of(tensor)
    axes = None if node is None else axes_of(node.operation, len(tensor._shape))
    return 0 if axes is None or node.arguments.args[0]._shape[0] is not None else axes.index(0)


def in_front(tensor: Any) -> Any:
    """A tensor with its batch moved to the front, the other axes in their order."""
    place = place_of(tensor)
    if not place:
        return tensor
    node = node_of(tensor)
    axes = axes_of(node.operation, len(tensor._shape)) or []
    return _transposed(node.arguments.args[0], [0, *(axis for axis in axes if axis)])


def _transposed(tensor: Any, axes: list[int]) -> Any:
    return tensor if axes == sorted(axes) else keras.ops.transpose(tensor, axes)


def moved_back(made: Any, place: int) -> Any:
    """Results with the batch moved from the front to its place."""
    if isinstance(made, (list, tuple)):
        return [moved_back(one, place) for one in made]
    axes = list(range(1, len(made._shape)))
    return _transposed(made, [*axes[:place], 0, *axes[place:]])


def _same_place(tensors: Sequence[Any]) -> int:
    """The place that all have, of as many axes; 0 where they differ."""
    places = {(place_of(one), len(one._shape)) for one in tensors}
    return places.pop()[0] if len(places) == 1 else 0


# ---- rows of the batch


def axes_as_rows(tracer: Running, x: Any, wanted: Sequence[Any]) -> Any:
    """(nodes, batch, …) to (nodes · batch, …): rows of their own in another order, until they are taken apart again."""
    steps = tracer.sizes.shape(x)[: place_of(x)]
    front = [prod(map(trial.number, steps)) for trial in rows.trials(tracer)]
    x = in_front(x)
    own = tracer.sizes.shape(x)
    before, after = rows.counts(tracer, x, own, wanted)
    if [many * steps for many, steps in zip(before, front)] != after:
        raise Untraceable(*rows.MIXES)
    return rows.as_rows(tracer, x, front[0] if len(set(front)) == 1 else -1, wanted[1:], moved=True)


def rows_as_axes(tracer: Running, x: Any, wanted: Sequence[Any]) -> Any:
    """The way back; None where the wanted sizes are not those in front, the batch and others."""
    source = tracer.sizes.rows_from(x)
    batch, steps = tracer.sizes.of(source, 0), [trial.of(source, 1) for trial in rows.trials(tracer)]
    for place, size in enumerate(wanted):
        front = wanted[:place]
        if same_size(size, batch) and [prod(map(trial.number, front)) for trial in rows.trials(tracer)] == steps:
            made = tracer.put_in(RowsAsSteps(), x, source)
            return moved_back(rows.of_each_row(tracer, made, (*front, *wanted[place + 1 :])), place)
    return None


# ---- operations


def _elementwise(tracer: Running, operation: Any, *given: Any) -> Any:
    data = [one for one in tensors_in(given) if not tracer.sizes.made_of_sizes(one)]
    rank, place = max((len(one._shape), place_of(one)) for one in data)
    behind = rank - 1 - place
    moved = []
    for one in given:
        if not any(one is other for other in data):
            one = _constant_in_front(one, place, rank)
            if one is None:
                return NotImplemented
            moved.append(one)
        elif (place_of(one), len(one._shape)) == (place, rank):
            moved.append(in_front(one))
        elif place_of(one) == 0 and len(one._shape) == behind + 1:
            for _ in range(place):
                one = keras.ops.expand_dims(one, 1)
            moved.append(one)
        else:
            return NotImplemented
    return moved_back(operation(*moved), place)


def _constant_in_front(one: Any, place: int, rank: int) -> Any:
    """A number, a weight or an array as it spreads over tensors whose batch is in front; None where it has one."""
    shape = tuple(getattr(one, "shape", ()))
    if len(shape) < rank - place:
        return one
    if shape[-(rank - place)] != 1 or len(shape) > rank:
        return None
    for _ in range(rank - len(shape)):
        one = keras.ops.expand_dims(one, 0)
    return keras.ops.transpose(one, [place, *(axis for axis in range(rank) if axis != place)])


def _with_axes(tracer: Running, operation: Any, given: Any) -> Any:
    """An operation along axes, of a tensor or of a list of them."""
    name, listed = type(operation).__name__, isinstance(given, (list, tuple))
    tensors = list(given) if listed else [given]
    if operation.axis is None or any(not is_symbolic(one) or tracer.sizes.made_of_sizes(one) for one in tensors):
        return NotImplemented
    if len({(place_of(one), len(one._shape)) for one in tensors}) > 1:
        return NotImplemented
    rank, place = len(tensors[0]._shape), place_of(tensors[0])
    axes = list(operation.axis) if isinstance(operation.axis, (list, tuple)) else [operation.axis]
    if name in ADDING:
        axes = [axis % (rank + len(axes)) for axis in axes]
        for axis in sorted(axes):
            place += axis <= place
    else:
        axes = [axis % rank for axis in axes]
    if place in axes or not place:
        return NotImplemented
    mapped = [axis + 1 if axis < place else axis for axis in axes]
    if name in REDUCING and not getattr(operation, "keepdims", False):
        place -= sum(axis < place for axis in axes)
    settings = {**operation.get_config(), "axis": mapped if isinstance(operation.axis, (list, tuple)) else mapped[0]}
    settings.pop("name", None)
    moved = [in_front(one) for one in tensors]
    return moved_back(type(operation)(**settings)(moved if listed else moved[0]), place)


def _matmul(tracer: Running, operation: Any, x: Any, y: Any) -> Any:
    """Products of the last two axes, the batch before them; or with a matrix that the rows share."""
    is_data = [is_symbolic(one) and not tracer.sizes.made_of_sizes(one) for one in (x, y)]
    if not is_data[0]:
        return NotImplemented
    if is_data[1]:
        place = _same_place((x, y))
        if not 0 < place < len(x._shape) - 2:
            return NotImplemented
        return moved_back(operation(in_front(x), in_front(y)), place)
    place = place_of(x)
    if len(y.shape) != 2 or place == len(x._shape) - 1:
        return NotImplemented
    return moved_back(operation(in_front(x), y), place)


def _transpose(tracer: Running, operation: Any, x: Any) -> Any:
    node, rank = node_of(x), len(x._shape)
    first, second = axes_of(node.operation, rank), axes_of(operation, rank)
    if first is None or second is None:
        return NotImplemented
    return _transposed(node.arguments.args[0], [first[axis] for axis in second])


def _get_item(tracer: Running, operation: Any, x: Any, key: Any) -> Any:
    """``qkv.transpose(2, 0, 3, 1, 4)[0]`` is how queries, keys and values are often told apart."""
    place, parts = place_of(x), list(key) if isinstance(key, tuple) else [key]
    parts += [slice(None)] * (len(x._shape) - len(parts))
    if any(not isinstance(part, (int, slice)) for part in parts) or parts[place] != slice(None):
        return NotImplemented
    left = sum(isinstance(part, slice) for part in parts[:place])
    moved = parts[place], *parts[:place], *parts[place + 1 :]
    return moved_back(in_front(x)[moved], left)


def _unstack(tracer: Running, operation: Any, x: Any) -> Any:
    axis = operation.axis % len(x._shape)
    if axis == place_of(x) or x._shape[axis] is None:
        return NotImplemented
    keys = [(*[slice(None)] * axis, at) for at in range(x._shape[axis])]
    return [x[key] for key in keys]


def _reshape(tracer: Running, operation: Any, x: Any) -> Any:
    """What stands before the batch is shaped by itself, and what stands behind it."""
    own, place = tracer.sizes.shape(x), place_of(x)
    wanted = list(operation.newshape) if isinstance(operation.newshape, (list, tuple)) else [operation.newshape]
    for at, size in enumerate(wanted):
        is_batch = same_size(size, own[place]) or size in (None, -1)
        if is_batch and _alike(own[:place], wanted[:at]) and _alike(own[place + 1 :], wanted[at + 1 :]):
            shaped = keras.ops.reshape(in_front(x), (own[place], *wanted[:at], *wanted[at + 1 :]))
            return moved_back(shaped, at)
    return NotImplemented


def _alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether sizes hold as many entries: the same open ones, and numbers of one product."""
    opened = [[size for size in part if isinstance(size, KerasTensor)] for part in (one, other)]
    numbers = [prod(size for size in part if not isinstance(size, KerasTensor)) for part in (one, other)]
    return numbers[0] == numbers[1] and len(opened[0]) == len(opened[1]) and all(map(same_size, *opened))


def _einsum(tracer: Running, operation: Any, *given: Any) -> Any:
    """Subscripts with the letter of the batch in front."""
    left, arrow, output = _written_out(operation.subscripts, given).partition("->")
    terms, operands = left.split(","), list(given)
    data = [at for at, one in enumerate(given) if is_symbolic(one) and not tracer.sizes.made_of_sizes(one)]
    letters = {terms[at][place_of(given[at])] for at in data} if arrow and "." not in left + output else set()
    if len(letters) != 1:
        return NotImplemented
    batch = letters.pop()
    moved = any(place_of(given[at]) for at in data)
    if batch not in output or not (moved or output[0] != batch):
        return NotImplemented
    for at in data:
        terms[at], operands[at] = batch + terms[at].replace(batch, ""), in_front(given[at])
    made = keras.ops.einsum(f"{','.join(terms)}->{batch}{output.replace(batch, '')}", *operands)
    return moved_back(made, output.index(batch))


def _written_out(subscripts: str, given: Sequence[Any]) -> str:
    """Subscripts with letters for the axes that an ellipsis stands for."""
    used = subscripts.replace(" ", "")
    free = [letter for letter in ascii_lowercase if letter not in used]
    terms = used.partition("->")[0].split(",")
    counts = [len(one.shape) - len(term) + 3 for term, one in zip(terms, given) if "..." in term]
    most = max(counts, default=0)
    letters = "".join(free[:most])
    for term, count in zip([term for term in terms if "..." in term], counts):
        used = used.replace(term, term.replace("...", letters[most - count :]), 1)
    return used.replace("...", letters)


def _take(tracer: Running, operation: Any, x: Any, indices: Any) -> Any:
    """Entries of another axis, such as the neighbours of each node of a graph."""
    place, rank = place_of(x), len(x._shape)
    axis = None if operation.axis is None else operation.axis % rank
    if not place or axis in (None, place) or is_symbolic(indices):
        return NotImplemented
    made = keras.ops.take(in_front(x), indices, axis=axis + (axis < place))
    return moved_back(made, place + (np.ndim(indices) - 1 if axis < place else 0))


def _segment_sum(tracer: Running, operation: Any, x: Any, ids: Any) -> Any:
    """Sums over entries in front of the batch, which numbers say: a product with a matrix of 0 and 1."""
    place = place_of(x)
    if not place or is_symbolic(ids) or operation.num_segments is None:
        return NotImplemented
    belongs = np.arange(operation.num_segments)[:, None] == np.asarray(ids)[None]
    axes = ascii_lowercase[2 : len(x._shape)]
    made = keras.ops.einsum(f"ab,zb{axes}->za{axes}", belongs.astype(backend.standardize_dtype(x.dtype)), in_front(x))
    return moved_back(made, place)


BY_NAME: dict[str, Callable[..., Any]] = {
    **dict.fromkeys((*KEEPING_AXES, *REDUCING, *ADDING, "Concatenate"), _with_axes),
    **dict.fromkeys(("Transpose", "Swapaxes", "Moveaxis"), _transpose),
    "Einsum": _einsum,
    "GetItem": _get_item,
    "Matmul": _matmul,
    "Reshape": _reshape,
    "SegmentSum": _segment_sum,
    "Take": _take,
    "Unstack": _unstack,
}
