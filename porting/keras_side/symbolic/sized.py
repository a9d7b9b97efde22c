"""Keras' functions of sizes: what they mean where a size is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from operator import getitem
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Optional

import keras
from keras.src import backend, tree
from keras.src.backend.common.keras_tensor import KerasTensor

from ..branches import Branches
from ..open_sizes import rows
from ..open_sizes.formulas import FIX_IT
from ..open_sizes.sizes import same_size
from ..open_sizes.subscripts import taken_by_sizes
from ..tracing import Untraceable
from . import moved
from .nodes import record, tensors_in
from .running import Running

Sizes = Sequence[Any]


def _open(sizes: Any) -> tuple[Optional[int], ...]:
    """A shape that holds sizes, as Keras writes it."""
    listed = sizes if isinstance(sizes, (list, tuple)) else (sizes,)
    return tuple(None if isinstance(one, KerasTensor) or one in (None, -1) else int(one) for one in listed)


def _dtype(x: Any) -> str:
    return str(backend.standardize_dtype(getattr(x, "dtype", type(x))))


# ---- functions that make arrays; each gives the shape and dtype of what it makes


def _of_shape(shape: Any, dtype: Any = None) -> tuple[Any, str]:
    return _open(shape), dtype or backend.floatx()


def _full(shape: Any, fill_value: Any, dtype: Any = None) -> tuple[Any, str]:
    return _open(shape), dtype or _dtype(fill_value)


def _square(rows: Any = None, columns: Any = None, dtype: Any = None, **more: Any) -> tuple[Any, str]:
    """Keras calls the sizes N and M."""
    rows, columns = more.get("N", rows), more.get("M", columns)
    return _open((rows, rows if columns is None else columns)), dtype or backend.floatx()


def _identity(n: Any, dtype: Any = None) -> tuple[Any, str]:
    return _open((n, n)), dtype or backend.floatx()


def _arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> tuple[Any, str]:
    kinds = [_dtype(one) for one in (start, stop, step) if one is not None]
    return (None,), dtype or ("float32" if any(kind.startswith("float") for kind in kinds) else "int32")


def _linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> tuple[Any, str]:
    if retstep or axis != 0 or any(tuple(getattr(one, "shape", ())) for one in (start, stop)):
        raise Untraceable("calls linspace of an open size with retstep, an axis or tensors")
    return _open(num), dtype or backend.floatx()


def _broadcast(x: Any, shape: Any) -> tuple[Any, str]:
    return _open(shape), _dtype(x)


def _reshaped(x: Any, newshape: Any) -> tuple[Any, str]:
    return _open(newshape), _dtype(x)


def _tiled(x: Any, repeats: Any) -> tuple[Any, str]:
    times = repeats if isinstance(repeats, (list, tuple)) else (repeats,)
    own = getattr(x, "_shape", None) or tuple(x.shape)
    rank = max(len(times), len(own))
    times, own = (1,) * (rank - len(times)) + tuple(times), (1,) * (rank - len(own)) + tuple(own)
    known = [None if isinstance(n, KerasTensor) or size is None else n * size for n, size in zip(times, own)]
    return tuple(known), _dtype(x)


def _repeated(x: Any, repeats: Any, axis: Any = None) -> tuple[Any, str]:
    if axis is None:
        return (None,), _dtype(x)
    own = list(getattr(x, "_shape", None) or x.shape)
    own[axis] = None
    return tuple(own), _dtype(x)


def _sliced(x: Any, start_indices: Any, shape: Any) -> tuple[Any, str]:
    return _open(shape), _dtype(x)


MAKERS: dict[str, Callable[..., tuple[Any, str]]] = {
    "empty": _of_shape,
    "zeros": _of_shape,
    "ones": _of_shape,
    "full": _full,
    "eye": _square,
    "tri": _square,
    "identity": _identity,
    "arange": _arange,
    "linspace": _linspace,
    "broadcast_to": _broadcast,
    "reshape": _reshaped,
    "tile": _tiled,
    "repeat": _repeated,
    "slice": _sliced,
}


def made(tracer: Running, function: Any, shape_of: Any, args: Any, kwargs: Any) -> Any:
    """A function of sizes noted in the graph."""
    if not all(tracer.sizes.made_of_sizes(one) for one in tensors_in((args, kwargs))):
        raise Untraceable(f"calls {function.__name__} with values of the data", FIX_IT)
    shape, dtype = shape_of(*args, **kwargs)
    return tracer.noted(function, shape, dtype, args, kwargs)


# Functions that move a weight's numbers; as they are noted, the weight can be found again in what they make.
ARRANGING = ("transpose", "expand_dims", "squeeze", "reshape", "broadcast_to", "flip")


def arranged_weight(tracer: Running, function: Any, weight: Any, args: Any, kwargs: Any) -> Any:
    """A rearranged weight noted in the graph."""
    if tensors_in((args, kwargs)):
        return function(weight, *args, **kwargs)
    with tracer.resting():
        shape = function(weight, *args, **kwargs).shape
    return tracer.noted(function, shape, weight.dtype, (weight, *args), kwargs)


# ---- Keras' operations that keep sizes as settings


def _made_if_of_sizes(name: str) -> Callable[..., Any]:
    """Of an operation whose settings may hold sizes: the function of its tensor and them, or the refusal."""
    settings = {"Tile": ("repeats",), "Repeat": ("repeats", "axis")}.get(name, ("shape",))
    function = "broadcast_to" if name == "BroadcastTo" else name.lower()

    def apply(tracer: Running, operation: Any, x: Any) -> Any:
        given = [getattr(operation, one) for one in settings]
        if not tensors_in(given):
            return NotImplemented
        if name == "Full":
            return made(tracer, backend.numpy.full, _full, (given[0], x), {"dtype": operation.dtype})
        if tracer.sizes.made_of_sizes(x):
            return made(tracer, getattr(keras.ops, function), MAKERS[function], (x, *given), {})
        return _of_data(tracer, name, x, given)

    return apply


def _of_data(tracer: Running, name: str, x: Any, given: list[Any]) -> Any:
    """Data spread along axes of 1: a product with ones of the sizes."""
    own = list(tracer.sizes.shape(x))
    wanted = list(given[0]) if name != "Repeat" else list(own)
    if name == "Repeat":
        if given[1] is None or own[given[1]] != 1:
            raise Untraceable("repeats data by an open size", FIX_IT)
        wanted[given[1]] = given[0]
    if name == "Tile":
        wanted = [
            size if same_size(times, 1) else times if same_size(size, 1) else None for size, times in zip(own, wanted)
        ]
    if wanted and own and same_size(own[0], 1) and isinstance(wanted[0], KerasTensor):
        way_out = "multiply it with ones_like of a tensor of the batch"
        raise Untraceable(f"spreads one row over the batch ({name})", way_out)
    if len(wanted) != len(own) or any(not same_size(a, b) and not same_size(a, 1) for a, b in zip(own, wanted)):
        raise Untraceable(f"spreads data to an open size ({name})", FIX_IT)
    if all(same_size(a, b) for a, b in zip(own, wanted)):
        return x
    ones = tuple(1 if same_size(a, b) else b for a, b in zip(own, wanted))
    spread = made(tracer, backend.numpy.ones, _of_shape, (ones,), {"dtype": "float32"})
    return keras.ops.cast(keras.ops.multiply(x, spread), x.dtype)


def _reshape(tracer: Running, operation: Any, x: Any) -> Any:
    wanted = operation.newshape
    if not isinstance(wanted, (list, tuple)):
        wanted = (wanted,)
    if tracer.sizes.made_of_sizes(x):
        if tensors_in(wanted):
            return made(tracer, keras.ops.reshape, _reshaped, (x, tuple(wanted)), {})
        return NotImplemented
    own = tracer.sizes.shape(x)
    wanted = tuple(own[at] if size is None and at < len(own) else size for at, size in enumerate(wanted))
    of_numbers = not tensors_in((wanted, own[1:]))
    if of_numbers and (not own or not isinstance(own[0], KerasTensor) or rows.fills_batch(own, wanted)):
        return NotImplemented
    if moved.place_of(x):
        return moved.axes_as_rows(tracer, x, wanted)
    back = moved.rows_as_axes(tracer, x, wanted) if tracer.sizes.are_moved_rows(x) else None
    return rows.reshaped(tracer, x, own, wanted) if back is None else back


def _repeat(tracer: Running, operation: Any, x: Any) -> Any:
    """Where no axis is named: of all numbers of each row, of which each is a row of its own then."""
    by_sizes = _made_if_of_sizes("Repeat")(tracer, operation, x)
    is_of_rows = operation.axis is None and x._shape[:1] == (None,) and None not in x._shape[1:]
    if by_sizes is not NotImplemented or not is_of_rows or tracer.sizes.made_of_sizes(x):
        return by_sizes
    repeats = operation.repeats if isinstance(operation.repeats, (list, tuple)) else [operation.repeats]
    if len(repeats) > 1:
        return NotImplemented
    flat = keras.ops.reshape(x, (tracer.sizes.of(x, 0), prod(x._shape[1:])))
    return keras.ops.reshape(keras.ops.repeat(flat, int(repeats[0]), axis=1), (-1,))


def _arange_of(tracer: Running, operation: Any, start: Any, stop: Any = None, step: Any = None) -> Any:
    step = 1 if step is None else step
    return made(tracer, keras.ops.arange, _arange, (start, stop, step), {"dtype": operation.dtype})


def _slice(tracer: Running, operation: Any, x: Any, start_indices: Any) -> Any:
    """`keras.ops.slice` with open sizes: rows of what is made of sizes, or a subscript of the data."""
    if not tensors_in((operation.shape, start_indices)):
        return NotImplemented
    if tracer.sizes.made_of_sizes(x):
        return made(tracer, keras.ops.slice, _sliced, (x, start_indices, tuple(operation.shape)), {})
    key = []
    for own, start, size in zip(tracer.sizes.shape(x), start_indices, operation.shape):
        to_end = same_size(size, -1) or (same_size(start, 0) and same_size(size, own))
        key.append(slice(None if same_size(start, 0) else start, None if to_end else start + size))
    return x[tuple(key)]


def _cast(tracer: Running, operation: Any, x: Any) -> Any:
    """A cast to the dtype that it has is the tensor itself, with its mask."""
    return x if x.dtype == backend.standardize_dtype(operation.dtype) else NotImplemented


def _einsum(tracer: Running, operation: Any, *tensors: Any) -> Any:
    """In small letters, of which alone Keras tells the shape of what it makes."""
    used = operation.subscripts.replace(" ", "")
    free = [letter for letter in ascii_lowercase if letter not in used]
    capitals = dict(zip(sorted({letter for letter in used if letter in ascii_uppercase}), free))
    if not capitals:
        return NotImplemented
    return keras.ops.einsum("".join(capitals.get(letter, letter) for letter in used), *tensors)


def _tensordot(tracer: Running, operation: Any, x: Any, y: Any) -> Any:
    """By lists of places from the front, as Keras wants them in a graph; by subscripts where one is made of sizes."""
    ranks, axes = (len(x.shape), len(y.shape)), operation.axes
    if isinstance(axes, int):
        axes = range(ranks[0] - axes, ranks[0]), range(axes)
    lists = [[one % rank for one in ([part] if isinstance(part, int) else part)] for part, rank in zip(axes, ranks)]
    if not any(tracer.sizes.made_of_sizes(one) for one in tensors_in((x, y))):
        fits = isinstance(operation.axes, int) or operation.axes == lists
        return NotImplemented if fits else keras.ops.tensordot(x, y, lists)
    left, right = list(ascii_lowercase[: ranks[0]]), list(ascii_lowercase[ranks[0] : sum(ranks)])
    for one, other in zip(*lists):
        right[other] = left[one]
    kept = [one for at, one in enumerate(left) if at not in lists[0]]
    kept += [one for at, one in enumerate(right) if at not in lists[1]]
    return keras.ops.einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", x, y)


def _fourier(tracer: Running, operation: Any, x: Any) -> Any:
    """A transform of known sizes is Keras' own; of open ones Keras cannot say the shape."""
    if None not in x[0]._shape[-2:]:
        return NotImplemented
    return record(operation, (x,), {}, tuple(KerasTensor(part._shape, part.dtype) for part in x))


def _conv_transpose(tracer: Running, operation: Any, *tensors: Any) -> Any:
    what = "calls keras.ops.conv_transpose, which Keras itself cannot run in a graph"
    raise Untraceable(what, "use a layer such as Conv2DTranspose")


BRANCHES = Branches(keras.ops, tree)
SPECIAL: dict[str, Callable[..., Any]] = {
    "Cond": lambda tracer, operation, *given: BRANCHES.chosen(*given),
    "ForiLoop": lambda tracer, loop, state: BRANCHES.repeated(loop.lower, loop.upper, loop.body_fun, state),
    "Map": lambda tracer, operation, *given: BRANCHES.for_every_row(*given),
    "Scan": lambda tracer, loop, f, init, xs=None, **settings: BRANCHES.scanned(f, init, xs, loop.length, loop.reverse),
    "Switch": lambda tracer, operation, *given: BRANCHES.switched(*given),
    "VectorizedMap": lambda tracer, operation, elements: BRANCHES.for_every_row(operation.function, elements),
    "WhileLoop": lambda tracer, loop, state: BRANCHES.looped(loop.cond, loop.body, state, loop.maximum_iterations),
    "Arange": _arange_of,
    "BroadcastTo": _made_if_of_sizes("BroadcastTo"),
    "Cast": _cast,
    "ConvTranspose": _conv_transpose,
    "Einsum": _einsum,
    "FFT": _fourier,
    "FFT2": _fourier,
    "Full": _made_if_of_sizes("Full"),
    "Repeat": _repeat,
    "Reshape": _reshape,
    "Slice": _slice,
    "Tensordot": _tensordot,
    "Tile": _made_if_of_sizes("Tile"),
}


# ---- subscripts


def _parts(key: Any, rank: int) -> list[Any]:
    """A subscript as a list with a part for each axis, `...` written out."""
    parts = list(key) if isinstance(key, (tuple, list)) else [key]
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    at = next((index for index, part in enumerate(parts) if part is Ellipsis), len(parts))
    parts[at : at + 1] = [slice(None)] * (rank - taken)
    return parts


def item_of_weight(tracer: Running, variable: Any, key: Any) -> Any:
    """A subscript of a weight or of a constant, noted in the graph."""
    parts = _parts(key, len(variable.shape))
    shape: list[Optional[int]] = []
    sizes = iter(variable.shape)
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        size = next(sizes)
        if isinstance(part, slice):
            opened = tensors_in([part])
            shape.append(None if opened else len(range(*part.indices(size))))
        elif not isinstance(part, int):
            raise Untraceable("picks places of a weight by a tensor", "use keras.ops.take")

    def picked(weight: Any, key: Any) -> Any:
        return backend.convert_to_tensor(weight)[key]

    return tracer.noted(picked, shape, variable.dtype, (variable, tuple(parts)))


def get_item(tracer: Running, x: Any, key: Any, plain: Any) -> Any:
    """A subscript of a tensor: new axes apart, since Keras' own cannot say their shape, and slices by sizes."""
    parts = _parts(key, len(x._shape))
    if tracer.sizes.made_of_sizes(x) and tensors_in(parts):
        shape = [None if isinstance(part, slice) else 1 for part in parts if not isinstance(part, int)]
        return tracer.noted(getitem, shape, x.dtype, (x, tuple(parts)))
    axis, fixed = 0, []
    for part in parts:
        if tensors_in([part]):
            x, part = taken_by_sizes(tracer, x, axis, part)
        fixed.append(part)
        axis += part is not None
    taken = tuple(part for part in fixed if part is not None)
    made_of = x if all(part == slice(None) for part in taken) else plain(x, taken)
    axis = 0
    for part in fixed:
        if part is None:
            made_of = keras.ops.expand_dims(made_of, axis)
        axis += not isinstance(part, int)
    return made_of
