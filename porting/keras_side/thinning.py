"""Which numbers of a case a folder keeps: small tensors whole, of large ones some places of each row.

A call that reads a tensor which is not kept whole is checked on what the port itself makes of those that are. So the
smallest are kept first: in a network of pictures they are the late ones, and what is not kept lies near the inputs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import groupby

from ..network import Array, Case, Sampled, TensorRef

# What a folder may keep: what fits beside its weights, everything, the network's outputs alone, or no tensor.
REFERENCES = ("sampled", "all", "outputs", "none")
# So many places of each row; rows that are not much larger are kept whole.
PLACES = 1024
LARGE = 4 * PLACES


def to_sample(case: Case, kept: Collection[TensorRef], most: int) -> frozenset[TensorRef]:
    """The tensors of a case that are sampled, so that it holds about `most` numbers.

    Args:
        case: every tensor whole.
        kept: tensors that stay whole.
        most: numbers. Small tensors and samples are kept even where they are more.
    """
    large = {ref: array for ref, array in case.outputs.items() if _is_large(array) and ref not in kept}
    saved = {ref: array.size - PLACES * len(array) for ref, array in large.items()}
    left = most - numbers_of(case) + sum(saved.values())
    whole: set[TensorRef] = set()
    for size, refs in groupby(sorted(saved, key=lambda ref: saved[ref]), key=lambda ref: saved[ref]):
        group = list(refs)
        fitting = min(len(group), max(0, left // size))
        whole.update(_spread(group, fitting))
        left -= fitting * size
    return frozenset(large) - whole


def _is_large(array: Array) -> bool:
    return array.dtype.kind == "f" and array.ndim > 1 and array.size > LARGE * len(array)


def _spread(group: Sequence[TensorRef], count: int) -> list[TensorRef]:
    """So many of a group, evenly."""
    return [group[(2 * at + 1) * len(group) // (2 * count)] for at in range(count)]


def thinned(case: Case, sampled: Collection[TensorRef], places: int = PLACES) -> Case:
    """The case with so many places of each row of some tensors, the others whole."""
    whole = {ref: array for ref, array in case.outputs.items() if ref not in sampled}
    noise = {ref: one for ref, one in case.noise.items() if places or ref in whole}
    parts = {ref: Sampled.of(case.outputs[ref], places) for ref in case.outputs if ref in sampled}
    return replace(case, outputs=whole, noise=noise, sampled=parts)


def numbers_of(case: Case) -> int:
    """How many numbers a case holds, masks left out."""
    some = (*case.sampled.values(), *case.shifted.values())
    parts = (*case.inputs.values(), *case.outputs.values(), *(one.values for one in some))
    return sum(array.size for array in parts)
