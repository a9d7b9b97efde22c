"""Functions that a standalone file may hold: they know numpy and each other, and are copied into it as they stand.

Nearly all are the numpy engine's own, those of its functions that are written on arrays alone.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import network
from ..checking import noise, tolerance
from ..layers import windows
from ..layers.rule import Refusal
from ..network import Array
from ..numpy_side import activations, convolutions, images, operations, positions, recurrence, scaling, transforms
from ..text import byte_pairs, categories, hashes, lookup, packing, rows, strings, wordpiece


def one_hot(ids: Array, depth: int) -> Array:
    """Ones where the indices point; a last axis of 1 gives way to the new one."""
    rows = ids[..., 0] if ids.ndim > 1 and ids.shape[-1] == 1 else ids
    return np.asarray(rows[..., None] == np.arange(depth))


def count(ids: Array, depth: int) -> Array:
    """How often each index stands in each row."""
    if ids.ndim == 2 and (ids < 0).any():
        raise ValueError(f"{ids.min()} is negative and cannot be counted")
    return (ids[..., None] == np.arange(depth)).sum(axis=1)


def count_weighed(ids: Array, depth: int, weights: Array) -> Array:
    """The sum of the weights of each index in each row."""
    if (ids < 0).any():
        raise ValueError(f"{ids.min()} is negative and cannot be counted")
    rows = np.zeros((len(ids), depth), weights.dtype)
    for row, found, amounts in zip(rows, ids, weights):
        np.add.at(row, found[found < depth], amounts[found < depth])
    return rows


def source_parts(module: Any) -> dict[str, tuple[str, set[str]]]:
    """What a module defines at its top, by name: the source, and the names from outside that it reads."""
    source, parts = inspect.getsource(module), {}
    for part in ast.parse(source).body:
        names = [one for one in ast.walk(part) if isinstance(one, ast.Name)]
        own = {one.id for one in names if isinstance(one.ctx, ast.Store)}
        own |= {one.arg for one in ast.walk(part) if isinstance(one, ast.arg)}
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            defined = [part.name]
        else:
            defined = [one.id for one in getattr(part, "targets", []) if isinstance(one, ast.Name)]
        for name in defined:
            parts[name] = (ast.get_source_segment(source, part) or "", {one.id for one in names} - own - {name})
    return parts


ENGINE = (activations, convolutions, images, operations, positions, recurrence, scaling, transforms)
HELPERS: dict[str, tuple[str, set[str]]] = {}
for defining in (*ENGINE, windows, hashes, sys.modules[__name__]):
    HELPERS.update(source_parts(defining))
for defining, names in (
    (categories, ["as_compared"]),
    (lookup, ["hash_bins"]),
    (sys.modules[Refusal.__module__], ["Refusal"]),
    (strings, ["to_text"]),
    (rows, ["rows_of"]),
    (packing, ["NO_TOKEN", "kept_sizes", "pack_between", "pack_segments", "place_row"]),
    (wordpiece, ["CJK", "HANGUL", "LONGEST_WORD", "MOST_WORDS", "WordPieces", "in_canonical_order", "in_class"]),
    (
        byte_pairs,
        [
            *("BLANKS", "FURTHER_BLANKS", "MARK", "MOST_PARTS"),
            *("BytePairs", "RegexWords", "WholeText", "byte_letters", "merged"),
        ],
    ),
    (noise, ["size_of", "unit_of"]),
    (network, ["places"]),
    (
        tolerance,
        [
            *("MARGIN", "TINIEST", "TOLERANCE"),
            *("allowed_by_noise", "last_bit_of", "needed_tolerance", "same_dtype", "share_of_allowed"),
        ],
    ),
):
    HELPERS.update((name, source_parts(defining)[name]) for name in names)
for not_copied in ("__all__", "joined", "source_parts", "sources_of"):
    HELPERS.pop(not_copied, None)


def sources_of(names: Iterable[str]) -> dict[str, str]:
    """The source of helpers and of those that they call, each after what it calls."""
    found: dict[str, str] = {}

    def visit(name: str) -> None:
        if name not in found:
            source, read = HELPERS[name]
            for other in sorted(read & set(HELPERS)):
                visit(other)
            found[name] = source

    for name in names:
        visit(name)
    return found


def joined(sources: Sequence[str]) -> str:
    """Sources below each other: constants first, then functions."""
    functions = [one for one in sources if one.startswith(("def ", "class "))]
    constants = [one for one in sources if one not in functions]
    return "\n\n\n".join([*(["\n".join(constants)] if constants else []), *functions])
