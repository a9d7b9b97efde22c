"""What users hand to `predict`, checked and brought into form before any engine sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Optional

import numpy as np

from .dtypes import is_whole, limits
from .errors import Mismatch, Problem, Unsupported
from .network import Array, Input


def by_name(given: Any, inputs: Sequence[Input]) -> dict[str, Any]:
    """Inputs by name, from an array (one input), a list or tuple in model order, or a dict.

    Raises:
        Mismatch: names or counts that do not fit.
    """
    names = [one.name for one in inputs]
    if isinstance(given, Mapping):
        missing = "give it by this name, as an array beside the others"
        problems = [Problem(f"input {name!r}", "is missing", missing) for name in names if name not in given]
        problems += [
            Problem(f"input {name!r}", "the network has no such input", f"it has {', '.join(names)}")
            for name in given
            if name not in names
        ]
        Mismatch.raise_for(problems)
        return {name: given[name] for name in names}
    if len(names) == 1:
        if isinstance(given, (list, tuple)) and len(given) == 1 and np.ndim(given[0]) == len(inputs[0].shape):
            given = given[0]
        return {names[0]: given}
    if not isinstance(given, (list, tuple)) or len(given) != len(names):
        count = len(given) if isinstance(given, (list, tuple)) else 1
        what = f"{count} given, the network takes {len(names)}: {', '.join(names)}"
        raise Mismatch("inputs", what, "give a list in this order, or a dict by name")
    return dict(zip(names, given))


def check_inputs(
    given: Any,
    inputs: Sequence[Input],
    id_limits: Optional[Mapping[str, int]] = None,
) -> dict[str, Array]:
    """Inputs as arrays by name, of the network's dtypes and shapes, C-contiguous.

    Args:
        given: an array, a list in model order, or a dict by name.
        inputs: the network's inputs.
        id_limits: for inputs whose values pick rows of a table, the number of rows.

    Raises:
        Mismatch: every input that is empty, of another shape or kind, or out of range, with value and limit.
    """
    below = id_limits or {}
    arrays: dict[str, Array] = {}
    problems: list[Problem] = []
    for one in inputs:
        try:
            arrays[one.name] = _checked(one, by_name(given, inputs)[one.name], below.get(one.name))
        except _BadInput as bad:
            problems.append(Problem(f"input {one.name!r}", bad.what, bad.way_out))
        except _BadTexts as bad:
            problems += bad.problems
    sizes = {name: array.shape[0] for name, array in arrays.items()}
    if not problems and len(set(sizes.values())) > 1:
        problems.append(Problem("inputs", f"batches differ: {sizes}", "give as many rows of each"))
    Mismatch.raise_for(problems)
    return arrays


def is_batches(given: Any) -> bool:
    """Whether these are batches rather than inputs: a generator, a ``tf.data.Dataset``, a ``keras.utils.PyDataset``.

    What numpy or a plain list, tuple or dict of Python's holds is inputs.
    """
    if isinstance(given, (Sequence, Mapping, np.ndarray)) or hasattr(given, "__array__"):
        return False
    return isinstance(given, Iterable) or is_numbered(given)


def is_numbered(given: Any) -> bool:
    """Whether batches come by number, as from a ``keras.utils.PyDataset``."""
    return hasattr(given, "__getitem__") and hasattr(given, "__len__") and not isinstance(given, Iterable)


def inputs_in(given: Any, steps: Optional[int]) -> Iterator[Any]:
    """The inputs of each batch; labels and sample weights behind them are left out, as Keras' ``predict`` does.

    Args:
        given: batches, each of them inputs, or a tuple or list ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)``.
        steps: how many to take.

    Raises:
        Mismatch: fewer than `steps`, none at all, or a tuple of another length.
    """
    source = (given[at] for at in range(len(given))) if is_numbered(given) else iter(given)
    count = 0
    for count, batch in enumerate(islice(source, steps), 1):
        if isinstance(batch, (tuple, list)) and not 1 <= len(batch) <= 3:
            what = f"is a {type(batch).__name__} of {len(batch)}"
            raise Mismatch(f"batch {count}", what, "give (x,), (x, y) or (x, y, sample_weight), or x alone")
        yield batch[0] if isinstance(batch, (tuple, list)) else batch
    if count == 0:
        raise Mismatch("inputs", f"{type(given).__name__} gives no batch", "is it used up? make it anew")
    if steps is not None and count < steps:
        raise Mismatch("inputs", f"ended after {count} of {steps} batches", "ask for fewer steps")


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """A setting that is a whole number. Raises Unsupported for anything else, naming the setting and the limit."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise Unsupported(name, f"is {value!r:.80}", f"give a whole number of at least {least}")
    return int(value)


def batch_size_of(arrays: Mapping[str, Array]) -> int:
    """How many rows there are; 0 without arrays, where preprocessing leaves nothing to compute."""
    return next((array.shape[0] for array in arrays.values()), 0)


class _BadInput(Exception):
    def __init__(self, what: str, way_out: str) -> None:
        super().__init__(what)
        self.what = what
        self.way_out = way_out


class _BadTexts(Exception):
    def __init__(self, error: Mismatch) -> None:
        self.problems = error.problems


def _checked(one: Input, value: Any, limit: Optional[int]) -> Array:
    if one.dtype == "string":
        return _texts(one, value)
    array = _array(value)
    if array.dtype.kind not in "fiub":
        raise _BadInput(f"holds {array.dtype} values, needs {one.dtype}", f"give it as {one.dtype}")
    _check_shape(one, array)
    if one.dtype == "bool":
        return np.ascontiguousarray(array, np.bool_)
    if is_whole(one.dtype):
        array = _whole(array)
        if limit is not None:
            _check_range(array, 0, limit - 1, "id")
        _check_range(array, *limits(one.dtype), "value")
        return np.ascontiguousarray(array, one.dtype)
    if limit is not None:
        _check_finite(array)
        _check_range(np.trunc(array), 0, limit - 1, "id")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, one.dtype)


def _texts(one: Input, value: Any) -> Array:
    """Strings as an object array; a plain list of them is a column where the network takes columns."""
    from .text.strings import read_texts

    if isinstance(value, (str, bytes)):
        raise _BadInput("is one string", "give a list of strings, one for each row")
    try:
        texts = read_texts(value, f"input {one.name!r}")
    except Mismatch as error:
        raise _BadTexts(error) from error
    array = np.empty(len(texts.items), object)
    array[:] = texts.items
    array = array.reshape(texts.shape)
    if array.ndim == 1 and one.shape == (None, 1):
        array = array[:, None]
    _check_shape(one, array)
    return array


def _array(value: Any) -> Array:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise _BadInput(f"is not an array: {error}", "give an array, or lists that numpy makes one of") from error
    if array.dtype.kind == "O":
        raise _BadInput("holds Python objects or rows of different lengths", "pad them to one length")
    return array


def _check_shape(one: Input, array: Array) -> None:
    wanted = "(" + ", ".join("any" if size is None else str(size) for size in one.shape) + ")"
    if array.ndim != len(one.shape):
        alone = array.ndim == len(one.shape) - 1
        way_out = "is it one row? put the batch in front: x[None]" if alone else "reshape it, the batch in front"
        raise _BadInput(f"has shape {array.shape}, needs {wanted}", way_out)
    if 0 in array.shape:
        what = f"is empty: its shape is {array.shape}, every size must be at least 1"
        raise _BadInput(what, "leave out empty batches; a row without steps is one step of padding")
    for size, fixed in zip(array.shape[1:], one.shape[1:]):
        if fixed is not None and size != fixed:
            way_out = "give it in that size, or build the model with None there and save it again"
            raise _BadInput(f"has shape {array.shape}, needs {wanted}", way_out)


def _check_finite(array: Array) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        what = f"holds {array[~np.isfinite(array)].flat[0]} where whole numbers are needed"
        raise _BadInput(what, "give a whole number in its place: padding is 0 in most networks")


def _whole(array: Array) -> Array:
    if array.dtype.kind != "f":
        return array
    _check_finite(array)
    if (array != np.trunc(array)).any():
        what = f"holds {array[array != np.trunc(array)].flat[0]} where whole numbers are needed"
        raise _BadInput(what, "round it as you mean it")
    return array


def _check_range(array: Array, low: int, high: int, word: str) -> None:
    if array.dtype.kind == "b":
        return
    smallest, largest = array.min(), array.max()
    if _exact(smallest) < low or _exact(largest) > high:
        worst = smallest if _exact(smallest) < low else largest
        way_out = way_to_an_id(worst, high + 1) if word == "id" else f"give numbers from {low} to {high}"
        raise _BadInput(f"holds {word} {worst}, outside {low} … {high}", way_out)


def way_to_an_id(given: Any, rows: int) -> str:
    """What to do about an id that a table of so many rows does not have."""
    if -rows <= given < 0:
        return f"give {int(given) + rows} in its place: Keras counts ids below 0 from the end of the table"
    return "give an id of the table; a word that it does not know has one there, or goes by padding"


def way_to_computed_ids(rows: int) -> str:
    """What to do about an id that the network computes and a table of so many rows does not have."""
    counted = (
        f"keras.ops.where(ids < 0, ids + {rows}, ids) takes those below 0 from the end of the table, as Keras does"
    )
    return f"give inputs that the table has rows for, or change the ids in front of it: {counted}; keras.ops.clip cuts"


def _exact(value: Any) -> Any:
    """A number as Python compares it; a float near 2⁶³ would otherwise pass for one below it."""
    return int(value) if np.isfinite(value) else float(value)
