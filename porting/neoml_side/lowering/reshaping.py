"""Shapes in NeoML: reshape, new and dropped axes, copies, reversal, cuts.

A blob keeps its seven dimensions, so most of Keras' shape layers only rename which dimension holds which axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

from ...layers.rule import Refusal
from ..graph import AXES, Port
from ..values import Wire, canonical, free_letter, is_ascending

__all__ = ["cut", "expand_dims", "flip", "repeat", "reshape", "squeeze"]

# The layers that join along each blob dimension, and the pieces at most that are cut out to be joined.
CONCAT = {
    "L": "ConcatBatchLength",
    "B": "ConcatBatchWidth",
    "S": "ConcatListSize",
    "H": "ConcatHeight",
    "W": "ConcatWidth",
    "D": "ConcatDepth",
    "C": "ConcatChannels",
}
MOST_PIECES = 64


def as_float(x: Wire) -> Wire:
    if x.dtype != "int32":
        return x
    return x.made(x.graph.add("Cast", x.port, output_type="float"), dtype="float32")


def as_before(x: Wire, before: Wire) -> Wire:
    """Back to the dtype it had; values that were only moved still come from the same inputs."""
    if before.dtype == "int32" and x.dtype != "int32":
        x = x.made(x.graph.add("Cast", x.port, output_type="int"), dtype="int32")
    return replace(x, dtype=before.dtype, ids_from=before.ids_from)


def reshape(x: Wire, shape: Sequence[Optional[int]]) -> Wire:
    """Reshape all but the batch; one -1 stands for the rest, None in front for axes that stay as they are."""
    kept = 1 + max((at for at, size in enumerate(shape) if size is None), default=-1)
    if any(size not in (None, x.shape[at + 1]) for at, size in enumerate(shape[:kept])):
        raise Refusal(f"a reshape of {x.shape} to {tuple(shape)}: only axes in front can stay as they are")
    known = tuple(x.shape[1 : kept + 1]) + tuple(shape[kept:])
    target = _filled_target(x, known)
    if None not in known:
        kept = 0
    if x.rank == 1:
        x = expand_dims(x, 1)
    have, layout = _layouts(x, len(target), kept)
    flat = x.to(have)
    rules = _transform_rules(flat, target, layout, kept)
    port = flat.graph.add("Transform", flat.port, transforms=rules)
    return replace(flat.made(port, target, layout=layout), ids_from=x.ids_from)


def _layouts(x: Wire, rank: int, kept: int) -> tuple[str, str]:
    """The layouts before and after a reshape: axes that stay keep their letters, the others are in Keras' order."""
    if not kept:
        return x.layout if is_ascending(x.layout) else canonical(x.rank, x.dtype), canonical(rank, x.dtype)
    wide = canonical(max(x.rank, rank))
    before, after = (wide[: kept + 1] + wide[kept + 1 :][kept + 1 - size :] for size in (x.rank, rank))
    return before[: x.rank], after[:rank]


def _filled_target(x: Wire, shape: tuple[Optional[int], ...]) -> tuple[Optional[int], ...]:
    """The new shape with the batch, its -1 computed where the sizes allow."""
    sizes = x.shape[1:]
    if -1 not in shape:
        return (x.shape[0], *shape)
    rest: Optional[int] = None
    if None not in sizes:
        known = 1
        for size in shape:
            known *= size if size not in (-1, None) else 1
        total = 1
        for whole in sizes:
            total *= whole or 1
        if known == 0 or total % known:
            raise Refusal(f"shape {x.shape} does not fill {shape}")
        rest = total // known
    return (x.shape[0], *(rest if size == -1 else size for size in shape))


def _transform_rules(x: Wire, target: tuple[Optional[int], ...], layout: str, kept: int) -> list[tuple[str, int]]:
    """NeoML's rule for each blob dimension. The batch and at most one open axis take what is left."""
    rules = dict.fromkeys(AXES, ("set", 1))
    rules.update(dict.fromkeys(layout[1 : kept + 1], ("multiply", 1)))
    layout, target = layout[0] + layout[kept + 1 :], target[:1] + target[kept + 1 :]
    sizes = dict(zip(layout, target))
    open_axes = [letter for letter in layout[1:] if sizes[letter] is None]
    if len(open_axes) > 1:
        raise Refusal(f"a reshape to {target} with several open axes", "fix all but one of them in the Input")
    for letter in layout[1:]:
        size = sizes[letter]
        if size is not None:
            rules[letter] = ("set", size)
    rules["B"] = ("multiply", 1) if open_axes or x.layout[0] == "B" else ("remainder", 1)
    if x.layout[0] != "B":
        raise Refusal("a reshape of a tensor whose batch was moved")
    if open_axes:
        rules[open_axes[0]] = ("remainder", 1)
    else:
        rules["B"] = ("remainder", 1)
    return [rules[letter] for letter in AXES]


def expand_dims(x: Wire, axis: int) -> Wire:
    """A new axis of 1: a dimension that no axis uses."""
    at = axis % (x.rank + 1)
    if at == 0:
        raise Refusal("a new axis in front of the batch")
    last = at == x.rank
    letter = free_letter(x.layout, "CHWDSL" if last and x.dtype != "int32" else "HWDSCL")
    return replace(
        x,
        shape=(*x.shape[:at], 1, *x.shape[at:]),
        layout=x.layout[:at] + letter + x.layout[at:],
        forms={},
        flipped=None,
        mask=None,
    )


def squeeze(x: Wire, axis: int) -> Wire:
    at = x.axis(axis)
    if x.shape[at] not in (1, None):
        raise Refusal(f"axis {axis} of shape {x.shape} is not 1")
    return replace(
        x,
        shape=(*x.shape[:at], *x.shape[at + 1 :]),
        layout=x.layout[:at] + x.layout[at + 1 :],
        forms={},
        flipped=None,
        mask=None,
    )


def repeat(x: Wire, times: int, axis: int) -> Wire:
    """Every step of an axis repeated."""
    at = x.axis(axis)
    if at == 0:
        raise Refusal("copies along the batch axis")
    if times == 1:
        return replace(x, mask=None)
    x = x.require({at: "HW"})
    counts = (times, 1) if x.layout[at] == "H" else (1, times)
    port = x.graph.add("Upsampling2D", x.port, height_copy_count=counts[0], width_copy_count=counts[1])
    size = x.shape[at]
    shape = (*x.shape[:at], None if size is None else size * times, *x.shape[at + 1 :])
    return replace(x.made(port, shape), ids_from=x.ids_from)


def flip(x: Wire, axis: int) -> Wire:
    """Reversed along an axis; a reversal undone costs nothing."""
    at = x.axis(axis)
    if x.flipped is not None and x.flipped[1] == at:
        return replace(x.flipped[0], mask=None)
    if at == 0:
        raise Refusal("a reversal of the batch")
    time_first = as_float(x.require({at: "L"}))
    port = x.graph.add("ReverseSequence", time_first.port)
    return replace(as_before(time_first.made(port), x), flipped=(x, at))


def cut(x: Wire, axis: int, start: Optional[int], stop: Optional[int], step: int = 1) -> Wire:
    """numpy's slice along one axis."""
    at = x.axis(axis)
    if at == 0:
        raise Refusal("a slice of the batch")
    if step == -1 and start is None and stop is None:
        return flip(x, at)
    size = x.shape[at]
    if step != 1:
        return _steps(x, at, range(x.size(at))[slice(start, stop, step)])
    if size is not None:
        first, end, _ = slice(start, stop).indices(size)
        if end <= first:
            raise Refusal(f"an empty slice {start}:{stop} of axis {axis} of size {size}")
        if (first, end) == (0, size):
            return replace(x, mask=None)
        if x.flipped is not None and x.flipped[1] == at:
            return flip(cut(x.flipped[0], at, size - end, size - first), at)
        return _crop(x, at, first, size - end, end - first)
    if stop is None and start is not None and start < 0:
        return _last(x, at, -start)
    if (start or 0) >= 0 and (stop is None or stop < 0):
        return _crop(x, at, start or 0, -(stop or 0), None)
    first = start or 0
    if stop is not None and 0 <= first < stop:
        return _subsequence(x, at, first, stop - first)
    if stop is not None and first < stop < 0:
        return cut(_last(x, at, -first), at, 0, stop - first)
    raise Refusal(f"a slice {start}:{stop} of an open axis", "fix the axis in the Input")


def _steps(x: Wire, axis: int, places: range) -> Wire:
    """The steps at these places."""
    if not places:
        raise Refusal(f"an empty slice of axis {axis} of shape {x.shape}")
    low, high = min(places), max(places) + 1
    part = cut(x, axis, low, high)
    if len(places) == high - low:
        return flip(part, axis)
    if len(places) > MOST_PIECES:
        raise Refusal(
            f"a slice of {len(places)} steps {places.step} apart", "the numpy engine runs this network as it is"
        )
    pieces = [as_float(cut(x, axis, place, place + 1)) for place in places]
    letter = pieces[0].layout
    port = x.graph.add(CONCAT[letter[axis]], *(piece.to(letter).port for piece in pieces))
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    return as_before(pieces[0].made(port, shape), x)


def _last(x: Wire, axis: int, count: int) -> Wire:
    """The last steps of an open axis; of a reversed one, the first ones of the original."""
    if count == 1 and x.flipped is not None and x.flipped[1] == axis:
        return _subsequence(x.flipped[0], axis, 0, 1)
    return _subsequence(x, axis, -count, count)


def _subsequence(x: Wire, axis: int, start: int, length: int) -> Wire:
    time_first = as_float(x.require({axis: "L"}))
    port = x.graph.add("SubSequence", time_first.port, start_pos=start, length=length)
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    return as_before(time_first.made(port, shape), x)


def _crop(x: Wire, axis: int, before: int, after: int, size: Optional[int]) -> Wire:
    image = as_float(x.require({axis: "H"}))
    port = resize(image, before=-before, after=-after)
    return as_before(image.made(port, (*x.shape[:axis], size, *x.shape[axis + 1 :])), x)


def resize(image: Wire, before: int, after: int, value: float = 0.0) -> Port:
    """Grow (or, below 0, cut) the height of a blob. NeoML's deltas are left, right, top, bottom."""
    return image.graph.add("ImageResize", image.port, deltas=[0, 0, before, after], default_value=value)
