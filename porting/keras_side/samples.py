"""Inputs chosen to expose faults: what a port gets wrong must show in the references.

Where anything masks, a batch holds rows padded on the right, on the left, with holes, and all through. Ids include
0 and the largest. Rows of numbers are positive, negative, zero, large and tiny, where pixels are expected too. Texts
are enumerated (`hard_texts`). All are made from a fixed seed. A user's own samples are read here, and stretched to
other sizes.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..dtypes import counted
from ..errors import Mismatch
from ..inputs import check_inputs
from ..network import Array
from .hard_texts import STRANGE_WORDS, hard_texts
from .needs import Need

# A folder holds references, not a data set.
MOST_ROWS = 16
TEXT_WORDS = 9
PADDINGS = ("none", "right", "left", "holes", "full")
# How gentle inputs are made: as hard as can be; no row masked all through; small and positive besides.
GENTLENESS = ("hard", "no full padding", "small and positive")
# What is made of rows of numbers, one after the other: from numbers about 0, and what brings these to where a
# Normalization expects them. Zeros and tiny numbers come as they are, and so does a sign.
Scale = Callable[[Array], Array]
ROW_KINDS: tuple[Callable[[Array, Scale], Array], ...] = (
    lambda row, scale: scale(row),
    lambda row, scale: scale(3.0 * row),
    lambda row, scale: scale(0.3 * row),
    lambda row, scale: 0.1 + np.abs(scale(row)),
    lambda row, scale: -0.1 - np.abs(scale(row)),
    lambda row, scale: np.zeros_like(row),
    lambda row, scale: scale(20.0 * row),
    lambda row, scale: 1e-3 * row,
)
# The same for numbers of a span, such as pixels', from numbers between 0 and 1; some are outside of it.
SPAN_KINDS: tuple[Callable[[Array, Scale], Array], ...] = (
    lambda row, scale: scale(row),
    lambda row, scale: np.round(scale(row)),
    lambda row, scale: scale((row < 0.5).astype(row.dtype)),
    lambda row, scale: scale(np.zeros_like(row)),
    lambda row, scale: scale(0.4 + row / 10),
    lambda row, scale: -0.1 - np.abs(scale(row)),
    lambda row, scale: scale(3.0 * row),
    lambda row, scale: 1e-3 * row,
)


def make_inputs(
    needs: Sequence[Need],
    batch: int,
    length: int,
    spread: bool = False,
    gentleness: int = 0,
    seed: int = 0,
    paddings: Sequence[str] = PADDINGS,
    used: int = 0,
) -> dict[str, Array]:
    """One batch of inputs.

    Args:
        needs: what the inputs must be like.
        batch: rows.
        length: the size of open axes.
        spread: give every open axis a size of its own, from `length` upwards.
        gentleness: index into `GENTLENESS`.
        seed: for other values of the same kind; other rows of `ROW_KINDS` come first.
        paddings: of the rows, one after the other; every input begins with another.
        used: how many ids other batches hold; those of this one are the next.
    """
    generator = np.random.default_rng([2024, seed, batch, length])
    kinds = paddings if gentleness == 0 else [kind for kind in paddings if kind != "full"] or ["right"]
    open_axes = 0
    made = {}
    for place, need in enumerate(needs):
        shape = [batch]
        for size in need.input.shape[1:]:
            shape.append(length + (open_axes if spread else 0) if size is None else size)
            open_axes += size is None
        kept = _kept((*shape, 1)[:2], [kinds[(row + place) % len(kinds)] for row in range(batch)], generator)
        made[need.input.name] = _make(need, tuple(shape), kept, gentleness, seed, generator, (place, used))
    return made


def _make(
    need: Need,
    shape: tuple[int, ...],
    kept: Array,
    gentleness: int,
    seed: int,
    generator: np.random.Generator,
    ids: tuple[int, int],
) -> Array:
    if need.input.dtype == "string":
        return _texts(need, shape, gentleness, generator)
    dtype = np.dtype(need.input.dtype)
    inside = np.broadcast_to(_fit(kept, len(shape)), shape)
    if dtype == np.bool_ or (need.is_mask and need.ids is None):
        return inside.astype(dtype)
    if need.ids is not None:
        return _ids(need, inside, *ids).astype(dtype)
    values = _values(need, shape, dtype, gentleness, seed, generator)
    if need.pads:
        other = need.mask_value + 1 if dtype.kind in "iu" else 0.5
        values = np.where(inside, np.where(values == need.mask_value, other, values), need.mask_value)
    return values.astype(dtype)


def _values(
    need: Need, shape: tuple[int, ...], dtype: Any, gentleness: int, seed: int, generator: np.random.Generator
) -> Array:
    if need.choices:
        beyond = [] if need.closed or gentleness else [max(need.choices) + 1]
        return generator.choice(np.array([*need.choices, *beyond]), shape)
    if dtype.kind in "iu":
        low, high = need.span or (0, 256 if dtype == np.uint8 else 5)
        return generator.integers(int(max(low, np.iinfo(dtype).min)), int(high) + (need.span is not None), shape)
    if need.span is not None:
        low, high = need.span
        parts = generator.random(shape)
        return _rows(SPAN_KINDS, parts, lambda row: low + row * (high - low), gentleness, seed)
    numbers = _numbers(shape, gentleness, generator)
    return _rows(ROW_KINDS, numbers, lambda row: row * need.deviation + need.mean, gentleness, seed)


def _ids(need: Need, inside: Array, place: int, used: int) -> Array:
    """Ids, least and largest first, none a second time before each has come once; padding where it should be."""
    assert need.ids is not None
    end = min(need.ids, counted(need.input.dtype))
    known = np.arange(min(need.least, end - 1), end)
    others = known[known != need.mask_value] if need.pads and len(known) > 1 else known
    order = np.array([*others[[0, -1]], *np.random.default_rng([2024, place]).permutation(others[1:-1])])
    there = inside if need.pads else np.ones(inside.shape, bool)
    ids = np.full(inside.shape, int(need.mask_value))
    ids[there] = order[(used + np.arange(there.sum())) % len(others)]
    return ids


def _kept(shape: Sequence[int], patterns: Sequence[str], generator: np.random.Generator) -> Array:
    """Which steps are no padding, (batch, time), from a pattern for each row."""
    time = shape[1]
    kept = np.ones(tuple(shape), bool)
    padded = max(1, time // 3) if time > 1 else 0
    for row, pattern in enumerate(patterns):
        if pattern == "right":
            kept[row, time - padded :] = False
        elif pattern == "left":
            kept[row, :padded] = False
        elif pattern == "holes" and time > 2:
            kept[row, generator.choice(np.arange(1, time - 1), max(1, (time - 2) // 3), replace=False)] = False
        elif pattern == "full":
            kept[row] = False
    return kept


def _fit(kept: Array, rank: int) -> Array:
    """(batch, time) with axes of 1 behind, so that it broadcasts to tensors of that rank."""
    return kept[:, 0] if rank == 1 else kept.reshape(*kept.shape, *[1] * (rank - 2))


def _numbers(shape: tuple[int, ...], gentleness: int, generator: np.random.Generator) -> Array:
    """Numbers about 0, with zeros and a few large ones among them."""
    if gentleness >= 2:
        return generator.uniform(0.1, 1.0, shape)
    values = generator.standard_normal(shape)
    values[generator.random(shape) < 0.1] = 0.0
    return np.where(generator.random(shape) < 0.02, values * 5, values)


def _rows(
    kinds: Sequence[Callable[[Array, Scale], Array]], values: Array, scale: Scale, gentleness: int, seed: int
) -> Array:
    """Each row of the next kind; of the first alone where inputs are gentle."""
    count = len(kinds) if gentleness < 2 else 1
    made = [kinds[(row + seed) % count](one, scale) for row, one in enumerate(values)]
    return np.array(made).reshape(values.shape)


def _texts(need: Need, shape: tuple[int, ...], gentleness: int, generator: np.random.Generator) -> Array:
    """Words of the vocabulary in several cases, strange ones between them; the second text is empty."""
    words = [str(word) for word in need.choices] or ["text"]
    hard = not gentleness and not need.closed
    texts = np.empty(int(np.prod(shape)), object)
    for place in range(texts.size):
        count = int(generator.integers(1, TEXT_WORDS + 1)) if need.sentences else 1
        chosen = [str(word) for word in generator.choice(words, count)]
        if hard and (need.sentences or place % 3 == 2):
            chosen[int(generator.integers(count))] = str(generator.choice(STRANGE_WORDS))
        text = " ".join(chosen)
        texts[place] = text if not hard else "" if place == 1 else text.upper() if place % 4 == 3 else text
    return texts.reshape(shape)


def make_texts(needs: Sequence[Need], length: int) -> dict[str, Array] | None:
    """One batch that holds every hard text; None where no input takes any, or all are texts of a closed vocabulary.

    Args:
        needs: what the inputs must be like.
        length: the size of open axes.
    """
    texts = {
        need.input.name: hard_texts([str(word) for word in need.choices], need.sentences, need.words, need.further)
        for need in needs
        if need.input.dtype == "string" and not need.closed
    }
    if not texts:
        return None
    sizes = {need.input.name: [size or length for size in need.input.shape[1:]] for need in needs}
    rows = max(-(-len(one) // int(np.prod(sizes[name]))) for name, one in texts.items())
    made = make_inputs(needs, rows, length)
    for name, one in texts.items():
        made[name] = np.resize(np.array(one, object), (rows, *sizes[name]))
    return made


def name_samples(samples: Any, needs: Sequence[Need]) -> dict[str, Array]:
    """A user's samples by input name, at most `MOST_ROWS` rows.

    Args:
        samples: an array, a list in the order of the inputs, a dict by input name, or the path of an npz file.
        needs: the network's inputs and what they must be like.

    Raises:
        Mismatch: a file that cannot be read, or arrays that do not fit.
    """
    if isinstance(samples, (str, os.PathLike)):
        samples = _read_npz(samples, {need.input.name for need in needs})
    limits = {need.input.name: need.ids for need in needs if need.ids is not None}
    arrays = check_inputs(samples, [need.input for need in needs], limits)
    return {name: array[:MOST_ROWS] for name, array in arrays.items()}


def stretched(samples: Mapping[str, Array], needs: Sequence[Need], rows: int, further: int) -> dict[str, Array]:
    """The last rows of samples, with every open axis longer by so many steps: it begins anew where it ends."""
    made = {}
    for need in needs:
        array = samples[need.input.name][-rows:]
        for axis, size in enumerate(need.input.shape[1:], 1):
            if size is None:
                array = array.take(np.arange(array.shape[axis] + further) % array.shape[axis], axis)
        made[need.input.name] = np.ascontiguousarray(array)
    return made


def _read_npz(path: str | os.PathLike[str], names: set[str]) -> Any:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, EOFError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise Mismatch(str(path), f"is not an npz file of arrays: {error}", "write it with numpy.savez") from error
    if set(arrays) & names:
        return arrays
    return list(arrays.values())
