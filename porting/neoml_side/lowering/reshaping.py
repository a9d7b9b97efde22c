"""Shapes in NeoML: reshape, new and dropped axes, copies, reversal, cuts.

A blob keeps its seven dimensions, so most of Keras' shape layers only rename which dimension holds which axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Optional

from ...layers.rule import Refusal
from ..graph import Graph, Port
from ..slots import AXES
from ..values import EXACT, Wire, canonical, free_letter, holds_exactly, is_ascending

# The layers that join along each blob dimension.
CONCAT = {
    "L": "ConcatBatchLength",
    "B": "ConcatBatchWidth",
    "S": "ConcatListSize",
    "H": "ConcatHeight",
    "W": "ConcatWidth",
    "D": "ConcatDepth",
    "C": "ConcatChannels",
}
# So many blobs one layer joins.
MOST_JOINED = 32
# Whole numbers that float32 does not hold go through layers of floats in halves of 16 bits.
HALF = 2**16


def joined_along(letter: str, ports: Sequence[Port], graph: Graph) -> Port:
    """Blobs joined along a dimension, by as many layers as it takes."""
    while len(ports) > MOST_JOINED:
        groups = [ports[at : at + MOST_JOINED] for at in range(0, len(ports), MOST_JOINED)]
        ports = [group[0] if len(group) == 1 else graph.add(CONCAT[letter], *group) for group in groups]
    return graph.add(CONCAT[letter], *ports)


def as_float(x: Wire) -> Wire:
    if not x.is_whole:
        return x
    return x.made(x.graph.add("Cast", x.port, output_type="float"), dtype="float32")


def as_whole(x: Wire) -> Wire:
    return x.made(x.graph.add("Cast", x.port, output_type="int"), dtype="int32")


def moved(x: Wire, before: Wire) -> Wire:
    """What holds the values of another tensor, moved: of its dtype, and from the same inputs."""
    return replace(x, dtype=before.dtype, ids_from=before.ids_from, bounds=before.bounds)


def through_floats(x: Wire, move: Callable[..., Wire], *values: int) -> Wire:
    """What a layer of floats makes that moves values, and adds `values`; whole numbers stay whole and exact."""
    if not x.is_whole:
        return moved(move(x, *values), x)
    found = min((x.range[0], *values)), max((x.range[1], *values))
    if holds_exactly(found):
        made = as_whole(move(as_float(x), *values))
    else:
        x.graph.unproved = True
        high, low = halves(x)
        upper = as_whole(move(as_float(high), *(value // HALF for value in values)))
        made = joined(x, upper, as_whole(move(as_float(low), *(value % HALF for value in values))))
    return replace(moved(made, x), bounds=found)


def times_plus(g: Graph, x: Port, multiplier: int, free_term: int) -> Port:
    """multiplier · x + free_term of whole numbers; NeoML's layer has its own two in float32."""
    if abs(free_term) <= EXACT and abs(multiplier) <= EXACT:
        return g.add("Linear", x, multiplier=float(multiplier), free_term=float(free_term))
    high, low = divmod(free_term, HALF)
    term = g.add("Linear", g.add("Linear", x, multiplier=0.0, free_term=float(high)), multiplier=HALF, free_term=low)
    return g.add("EltwiseSum", g.add("Linear", x, multiplier=float(multiplier), free_term=0.0), term)


def filled_whole(x: Wire, value: int) -> Wire:
    """A whole number at every place of a tensor of them."""
    return replace(x.made(times_plus(x.graph, x.port, 0, value)), bounds=(value, value))


def halves(x: Wire) -> tuple[Wire, Wire]:
    """high and low with high · 2¹⁶ + low = x, 0 ≤ low < 2¹⁶."""
    g = x.graph
    cut = g.add("EltwiseDiv", x.port, filled_whole(x, HALF).port)
    rest = g.add("EltwiseSub", x.port, times_plus(g, cut, HALF, 0))
    below = g.add("Less", rest, times_plus(g, rest, 0, 0))
    high = x.made(g.add("EltwiseSub", cut, below), dtype="int32")
    low = x.made(g.add("EltwiseSum", rest, times_plus(g, below, HALF, 0)), dtype="int32")
    return replace(high, bounds=(x.range[0] // HALF, x.range[1] // HALF)), replace(low, bounds=(0, HALF - 1))


def joined(x: Wire, high: Wire, low: Wire) -> Wire:
    """What `halves` took apart, as x had it."""
    low = low.to(high.layout)
    port = x.graph.add("EltwiseSum", times_plus(x.graph, high.port, HALF, 0), low.port)
    return replace(high.made(port, dtype=x.dtype), bounds=x.bounds)


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
    return moved(flat.made(port, target, layout=layout), x)


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
        known = prod(size for size in shape if size not in (-1, None))
        total = prod(size or 1 for size in sizes)
        if known == 0 or total % known:
            raise Refusal(f"shape {x.shape} does not fill {shape}")
        rest = total // known
    return (x.shape[0], *(rest if size == -1 else size for size in shape))


def _transform_rules(x: Wire, target: tuple[Optional[int], ...], layout: str, kept: int) -> list[tuple[str, int]]:
    """NeoML's rule for each blob dimension: the batch stays, and at most one open axis takes what is left."""
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
    rules["B"] = ("multiply", 1)  # rows never mix: where the sizes do not fit NeoML refuses
    if open_axes:
        rules[open_axes[0]] = ("remainder", 1)
    return [rules[letter] for letter in AXES]


def expand_dims(x: Wire, axis: int) -> Wire:
    """A new axis of 1: a dimension that no axis uses."""
    at = axis % (x.rank + 1)
    if at == 0:
        raise Refusal("a new axis in front of the batch")
    last = at == x.rank
    letter = free_letter(x.layout, "CHWDSL" if last and not x.is_whole else "HWDSCL")
    return x.with_axes((*x.shape[:at], 1, *x.shape[at:]), x.layout[:at] + letter + x.layout[at:])


def squeeze(x: Wire, axis: int) -> Wire:
    at = x.axis(axis)
    if x.shape[at] not in (1, None):
        raise Refusal(f"axis {axis} of shape {x.shape} is not 1")
    return x.with_axes((*x.shape[:at], *x.shape[at + 1 :]), x.layout[:at] + x.layout[at + 1 :])


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
    return moved(x.made(port, shape), x)


def flip(x: Wire, axis: int) -> Wire:
    """Reversed along an axis; a reversal undone costs nothing."""
    at = x.axis(axis)
    original = _reversed_from(x, at)
    if original is not None:
        return replace(original, mask=None)
    if at == 0:
        raise Refusal("a reversal of the batch")
    if x.shape[at] == 1:
        return replace(x, mask=None)

    def reversed_in_time(part: Wire) -> Wire:
        time_first = part.require({at: "L"})
        return time_first.made(x.graph.add("ReverseSequence", time_first.port))

    return replace(through_floats(x, reversed_in_time), flipped=(x, at))


def _reversed_from(x: Wire, axis: int) -> Optional[Wire]:
    """What the tensor is the reverse of along an axis; None where it is none, or a cast stands between."""
    if x.flipped is None or x.flipped[1] != axis or x.flipped[0].dtype != x.dtype:
        return None
    return x.flipped[0]


def cut(x: Wire, axis: int, start: Optional[int], stop: Optional[int], step: int = 1) -> Wire:
    """numpy's slice along one axis; of an open one it is as long as numpy's at every length, or open."""
    at = x.axis(axis)
    if at == 0:
        raise Refusal("a slice of the batch")
    if step < 0:  # the same places, counted from the other end
        turned = [None if place is None else -1 - place for place in (start, stop)]
        return cut(flip(x, at), at, turned[0], turned[1], -step)
    size = x.shape[at]
    first, end = slice(start, stop).indices(size)[:2] if size is not None else (start or 0, stop)
    if end is not None and first >= end and (first < 0) == (end < 0):
        raise Refusal(f"an empty slice {start}:{stop} of axis {axis} of size {size or 'open'}")
    if (first, end) in ((0, size), (0, None)):
        return _every(replace(x, mask=None), at, step)
    original = _reversed_from(x, at)
    if original is not None:
        turned = [None if end is None else -end, -first or None]
        return _every(flip(cut(original, at, turned[0], turned[1]), at), at, step)
    return _every(_span(x, at, first, end), at, step)


def _span(x: Wire, axis: int, first: int, end: Optional[int]) -> Wire:
    """The steps from one place to another: what numpy gives where the axis is long enough for a first one."""
    size = x.shape[axis]
    if size is not None and end is not None:
        return _crop(x, axis, first, size - end, end - first)
    if end is None:
        return _subsequence(x, axis, first, -first) if first < 0 else _crop(x, axis, first, 0, None)
    if end < 0:
        rest = _crop(x, axis, max(first, 0), -end, None)
        return rest if first >= 0 else _subsequence(rest, axis, first - end, end - first)
    if first < 0:
        raise Refusal(f"a slice {first}:{end} of an open axis", "fix the axis in the Input")
    return _subsequence(x, axis, first, end - first)


def _every(x: Wire, axis: int, step: int) -> Wire:
    """The first of every so many steps: a pool over windows of one step."""
    if step == 1:
        return x
    size = x.shape[axis]
    shape = (*x.shape[:axis], None if size is None else -(-size // step), *x.shape[axis + 1 :])

    def picked(part: Wire) -> Wire:
        image = part.require({axis: "HW"})
        strides = (step, 1) if image.layout[axis] == "H" else (1, step)
        return image.made(x.graph.add("MaxPooling", image.port, filter_size=(1, 1), stride_size=strides), shape)

    return through_floats(x, picked)


def _subsequence(x: Wire, axis: int, start: int, length: int) -> Wire:
    """So many steps, fewer where there are fewer; counted from the end where `start` is below 0."""
    shape = (*x.shape[:axis], 1 if length == 1 else None, *x.shape[axis + 1 :])

    def cut_out(part: Wire) -> Wire:
        time_first = part.require({axis: "L"})
        return time_first.made(x.graph.add("SubSequence", time_first.port, start_pos=start, length=length), shape)

    return through_floats(x, cut_out)


def _crop(x: Wire, axis: int, before: int, after: int, size: Optional[int]) -> Wire:
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])

    def cropped(part: Wire) -> Wire:
        image = part.require({axis: "H"})
        return image.made(resize(image, before=-before, after=-after), shape)

    return through_floats(x, cropped)


def resize(image: Wire, before: int, after: int, value: float = 0.0) -> Port:
    """Grow (or, below 0, cut) the height of a blob. NeoML's deltas are left, right, top, bottom."""
    return image.graph.add("ImageResize", image.port, deltas=[0, 0, before, after], default_value=value)
