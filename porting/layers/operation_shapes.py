"""Keras' operations that move values, pick them, or make them of a given shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ..dtypes import sum_type
from ..network import Call, Constant, Input, Layer
from ..operations import Operations, Tensor, Weight
from .merging import same_rank
from .operation_kinds import as_float, as_list, axes_of, in_dtype, known, operation, squeezed, swapped
from .rule import LayerView, Refusal

KEEP_ROWS = "use keras.layers.Reshape, which takes the sizes of one row"
# More places than this are picked by a matrix of zeros and ones.
MOST_PIECES = 64


@operation("ExpandDims")
def expand_dims(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axes = as_list(layer.config["axis"])
    for one in sorted(one % (len(x.shape) + len(axes)) for one in axes):
        x = ops.expand_dims(x, one)
    return x


@operation("Squeeze")
def squeeze(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axis = layer.config["axis"]
    if axis is None:
        return squeezed(x, [one for one, size in enumerate(x.shape) if one and size == 1], ops)
    return squeezed(x, axes_of(layer, x), ops)


@operation("Reshape")
def reshape(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    target = layer.config["newshape"]
    first, *rest = target if isinstance(target, (list, tuple)) else [target]
    if first not in (-1, None) and first != x.shape[0]:
        raise layer.refuse(f"a reshape to {target} that fixes the batch is not handled", "put -1 first")
    if first == -1 and (None in x.shape[1:] or prod(rest) != prod(size or 1 for size in x.shape[1:])):
        raise layer.refuse(f"a reshape to {target} that mixes the rows of a batch is not handled", KEEP_ROWS)
    return ops.reshape(x, [-1 if size is None else size for size in rest])


@operation("Transpose")
def transpose(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    axes = layer.config["axes"]
    rank = len(x.shape)
    return ops.transpose(x, [axis % rank for axis in axes] if axes is not None else list(reversed(range(rank))))


@operation("Swapaxes")
def swapaxes(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    rank = len(x.shape)
    return swapped(x, layer.config["axis1"] % rank, layer.config["axis2"] % rank, ops)


@operation("Moveaxis")
def moveaxis(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    rank = len(x.shape)
    source, target = ([one % rank for one in as_list(layer.config[key])] for key in ("source", "destination"))
    order = [axis for axis in range(rank) if axis not in source]
    for to, axis in sorted(zip(target, source)):
        order.insert(to, axis)
    return ops.transpose(x, order)


@operation("Concatenate", "Hstack")
def concatenate(layer: LayerView, xs: Sequence[Any], ops: Operations) -> Tensor:
    axis = 1 if layer.class_name == "ops.Hstack" else layer.config["axis"]
    if axis is None or axis % len(xs[0].shape) == 0:
        raise layer.refuse(f"a concatenation over axis {axis} mixes the rows of a batch", "name another axis")
    if not all(isinstance(x, Tensor) for x in xs):
        raise layer.refuse("a concatenation with a constant is not handled", "make it an input")
    return ops.concatenate(xs, axis)


@operation("Append")
def append(layer: LayerView, x1: Any, x2: Any, ops: Operations) -> Tensor:
    joined: Tensor = concatenate(layer, [x1, x2], ops)
    return joined


@operation("Stack")
def stack(layer: LayerView, xs: Sequence[Tensor], ops: Operations) -> Tensor:
    axis = layer.config["axis"] % (len(xs[0].shape) + 1)
    return ops.concatenate([ops.expand_dims(x, axis) for x in xs], axis)


@operation("Unstack")
def unstack(layer: LayerView, x: Tensor, ops: Operations) -> list[Tensor]:
    layer.irrelevant("num")
    axis = layer.config["axis"] % len(x.shape)
    return [picked(x, axis, at, ops) for at in range(known(x, axis))]


@operation("Split")
def split(layer: LayerView, x: Tensor, ops: Operations) -> list[Tensor]:
    axis, where = layer.config["axis"] % len(x.shape), layer.config["indices_or_sections"]
    size = known(x, axis)
    ends = list(where) if isinstance(where, (list, tuple)) else [size // where * (one + 1) for one in range(where - 1)]
    return [ops.slice(x, axis, start, end) for start, end in zip([0, *ends], [*ends, size])]


@operation("Repeat")
def repeat(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.config["axis"] is None:
        way_out = "flatten each row first: keras.ops.repeat(keras.layers.Flatten()(x), repeats, axis=1)"
        raise layer.refuse("a repeat over all axes puts the rows of a batch behind each other", way_out)
    axis, repeats = layer.config["axis"] % len(x.shape), as_list(layer.config["repeats"])
    if len(repeats) == 1:
        return ops.repeat(x, repeats[0], axis)
    return at_places(x, axis, np.repeat(np.arange(known(x, axis)), repeats).tolist(), ops)


@operation("Tile")
def tile(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    repeats = layer.config["repeats"]
    listed = list(repeats) if isinstance(repeats, (list, tuple)) else [repeats]
    listed = [1] * (len(x.shape) - len(listed)) + listed
    if len(listed) > len(x.shape):
        raise layer.refuse(f"tile by {repeats} adds axes in front of the batch", "expand_dims first")
    for axis, times in enumerate(listed):
        if times != 1:
            x = ops.concatenate([x] * times, axis)
    return x


@operation("BroadcastTo")
def broadcast_to(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    raise layer.refuse(f"broadcast_to {layer.config['shape']} fixes the batch", "use repeat")


@operation("Flip")
def flip(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    for axis in axes_of(layer, x):
        x = ops.flip(x, axis)
    return x


@operation("Fliplr")
def fliplr(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return ops.flip(x, 1)


@operation("Tril", "Triu")
def triangle(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return triangular(x, layer.config["k"], layer.class_name == "ops.Tril", ops)


def triangular(x: Tensor, k: int, lower: bool, ops: Operations) -> Tensor:
    """Matrices with zeros above their k-th diagonal, or below it."""
    rank = len(x.shape)
    if rank < 3:
        raise Refusal("a triangle over the batch axis is not handled", "put the batch in front of the matrices")
    rows, columns = ops.positions(x, rank - 2), ops.positions(x, rank - 1)
    kept = ops.compare(ops.add(rows, float(k)), columns, "greater_equal" if lower else "less_equal")
    return ops.where(kept, x, False if x.dtype == "bool" else 0)


@operation("Diagonal")
def diagonal(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """The diagonal over two axes as the last axis: every (columns + 1)th value of the matrix in one row."""
    rank, offset = len(x.shape), layer.config["offset"]
    first, second = (layer.config[key] % rank for key in ("axis1", "axis2"))
    if 0 in (first, second):
        raise layer.refuse("a diagonal over the batch axis mixes the rows of a batch", "name other axes")
    others = [axis for axis in range(rank) if axis not in (first, second)]
    rows, columns = known(x, first), known(x, second)
    x = ops.transpose(x, [*others, first, second])
    x = ops.reshape(x, [*(-1 if size is None else size for size in x.shape[1:-2]), rows * columns])
    start = offset if offset >= 0 else -offset * columns
    count = min(rows + min(offset, 0), columns - max(offset, 0))
    return ops.slice(x, rank - 2, start, start + (count - 1) * (columns + 1) + 1, columns + 1)


@operation("Trace")
def trace(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    found = diagonal(layer, x, ops)
    return ops.reduce(ops.cast(found, sum_type(x.dtype)), "sum", (len(found.shape) - 1,))


@operation("SliceUpdate")
def slice_update(layer: LayerView, inputs: Tensor, start_indices: Any, updates: Tensor, ops: Operations) -> Tensor:
    """The tensor with a box of it replaced: one axis after the other goes on in what stood there."""
    starts = start_indices.value.tolist() if isinstance(start_indices, Weight) else start_indices
    rows_of_its_own = any(isinstance(one, Weight) for one in (inputs, updates)) or inputs.shape[0] != updates.shape[0]
    if any(isinstance(start, Tensor) for start in starts) or starts[0] != 0 or rows_of_its_own:
        raise layer.refuse("an update at places that the data decide, or of some rows of a batch", "use where")
    updates = in_dtype(updates, inputs.dtype, ops)
    for axis in reversed(range(1, len(inputs.shape))):
        start, end = starts[axis], starts[axis] + known(updates, axis)
        around = inputs
        for before in range(1, axis):
            around = ops.slice(around, before, starts[before], starts[before] + known(updates, before))
        parts = [updates]
        if start:
            parts = [ops.slice(around, axis, 0, start), *parts]
        if end < known(inputs, axis):
            parts.append(ops.slice(around, axis, end, None))
        updates = ops.concatenate(parts, axis) if len(parts) > 1 else updates
    return updates


@operation("Diff", mask="own")
def diff(layer: LayerView, a: Tensor, ops: Operations) -> Tensor:
    axis = layer.config["axis"] % len(a.shape)
    for _ in range(layer.config["n"]):
        later, earlier = ops.slice(a, axis, 1, None), ops.slice(a, axis, 0, -1)
        a = ops.compare(later, earlier, "not_equal") if a.dtype == "bool" else ops.subtract(later, earlier)
    return a


@operation("Roll")
def roll(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.config["axis"] is None:
        raise layer.refuse("a roll over all axes mixes the rows of a batch", "name the axes")
    axes, shifts = as_list(layer.config["axis"]), as_list(layer.config["shift"])
    for axis, shift in zip(axes, shifts * len(axes) if len(shifts) == 1 else shifts):
        by = shift % known(x, axis % len(x.shape))
        if by:
            x = ops.concatenate([ops.slice(x, axis, -by, None), ops.slice(x, axis, 0, -by)], axis)
    return x


@operation("Pad")
def pad(layer: LayerView, x: Tensor, ops: Operations, constant_values: float = 0.0) -> Tensor:
    amounts = [tuple(one) if isinstance(one, (list, tuple)) else (one, one) for one in layer.config["pad_width"]]
    mode = layer.config["mode"]
    if len(amounts) == 1:
        amounts = amounts * len(x.shape)
    if amounts[0] != (0, 0):
        raise layer.refuse("padding of the batch axis is not handled")
    if mode in ("reflect", "symmetric"):
        for axis, (before, behind) in enumerate(amounts):
            x = mirrored(x, axis, before, behind, 1 if mode == "reflect" else 0, ops)
        return x
    if mode != "constant":
        raise layer.refuse(f"pad mode {mode!r} is not handled", "use mode 'constant', 'reflect' or 'symmetric'")
    return ops.pad(x, amounts[1:], constant_values or 0)


def mirrored(x: Tensor, axis: int, before: int, behind: int, beyond: int, ops: Operations) -> Tensor:
    """An axis grown by what lies behind its ends in a mirror, the `beyond` outermost steps left out of it."""
    if before == behind == 0:
        return x
    size = known(x, axis)
    parts = [x]
    if before:
        parts = [ops.flip(ops.slice(x, axis, beyond, beyond + before), axis), *parts]
    if behind:
        parts.append(ops.flip(ops.slice(x, axis, size - beyond - behind, size - beyond), axis))
    return ops.concatenate(parts, axis)


def picked(x: Tensor, axis: int, at: int, ops: Operations) -> Tensor:
    """One step of an axis, which is dropped."""
    return ops.squeeze(ops.slice(x, axis, at, at + 1 if at != -1 else None), axis)


@operation("GetItem")
def get_item(layer: LayerView, x: Tensor, key: Any, ops: Operations) -> Tensor:
    axis = 0
    for part in key if isinstance(key, (list, tuple)) else [key]:
        if part is None:
            x = ops.expand_dims(x, axis)
            axis += 1
        elif isinstance(part, int) and not isinstance(part, bool):
            x = picked(x, axis, part, ops)
        elif isinstance(part, slice):
            x = sliced(x, axis, part, ops)
            axis += 1
        else:
            raise layer.refuse("a subscript that is not a number, slice, None or … is not handled", "use ops.take")
    return x


def sliced(x: Tensor, axis: int, part: slice, ops: Operations) -> Tensor:
    limits = (part.start, part.stop, part.step)
    if any(isinstance(limit, Tensor) for limit in limits):
        raise Refusal("a slice that the data decide is not handled", "slice by numbers")
    start, stop, step = limits
    if (start, stop, step) in ((None, None, None), (None, None, 1)):
        return x
    return ops.slice(x, axis, start, stop, 1 if step is None else step)


def rows_of_table(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
    table = call.inputs[0] if call.inputs else None
    return {"ids": len(layer.weights[table.weight])} if isinstance(table, Constant) else {}


@operation("Take", expects=rows_of_table)
def take(layer: LayerView, x: Any, indices: Any, ops: Operations) -> Tensor:
    if isinstance(x, Weight) and isinstance(indices, Tensor) and layer.config["axis"] in (0, None):
        return ops.embedding(indices, x)
    if isinstance(indices, Tensor) or layer.config["axis"] is None:
        raise layer.refuse("take at places that the data decide is not handled", "use Embedding, or fixed places")
    axis = layer.config["axis"] % len(x.shape)
    if isinstance(indices, int):
        return picked(x, axis, indices, ops)
    places = [int(at) % known(x, axis) for at in (indices.value if isinstance(indices, Weight) else indices)]
    return at_places(x, axis, places, ops)


def at_places(x: Tensor, axis: int, places: Sequence[int], ops: Operations) -> Tensor:
    """The steps of an axis of known size at these places, in their order."""
    if len(places) > MOST_PIECES:
        return ops.cast(ops.resample(x, axis, np.eye(known(x, axis), dtype=np.float32)[places]), x.dtype)
    return ops.concatenate([ops.slice(x, axis, at, at + 1) for at in places], axis)


# ---- values of a given shape


def filled(layer: LayerView, x: Tensor, value: float, ops: Operations) -> Tensor:
    return ops.cast(ops.full_like(x, float(value)), layer.config.get("dtype") or x.dtype)


@operation("EmptyLike", of_sizes=True)  # zeros: what TensorFlow makes of it
@operation("OnesLike", "ZerosLike", sizes="kept", hands_on=False, of_sizes=True)
def constant_like(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return filled(layer, x, layer.class_name == "ops.OnesLike", ops)


@operation("FullLike", hands_on=False, of_sizes=True)
def full_like(layer: LayerView, x: Tensor, fill_value: Any, ops: Operations) -> Tensor:
    if not isinstance(fill_value, (int, float)):
        raise layer.refuse("full_like with a tensor is not handled", "add it to zeros_like")
    return filled(layer, x, fill_value, ops)


def every_class(layer: Layer, call: Call, given: Input) -> Mapping[str, Any]:
    count = layer.config.get("num_classes")
    return {"choices": tuple(range(count))} if isinstance(count, int) else {}


@operation("OneHot", learns="not of ids that are computed from what learns", expects=every_class)
def one_hot(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    if layer.config.get("sparse"):
        raise layer.refuse("a sparse one_hot is not handled", "leave sparse=True out")
    spread = ops.repeat(ops.expand_dims(as_float(x, ops), len(x.shape)), layer.config["num_classes"], len(x.shape))
    classes = ops.positions(spread, len(x.shape))
    made = ops.cast(ops.compare(*same_rank(spread, classes, ops), "equal"), layer.config["dtype"] or "float32")
    axis, last = layer.config["axis"] % len(made.shape), len(made.shape) - 1
    return made if axis == last else ops.transpose(made, [*range(axis), last, *range(axis, last)])
