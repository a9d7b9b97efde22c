"""How large a saved network may be before it is refused, and how many problems a refusal lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import BadArchive, Problem


@dataclass(frozen=True)
class Limits:
    """Caps on what is read and written. A network beyond one is refused with the cap's name; raise it to take it.

    Attributes:
        file_bytes: bytes of weights.npz, and of references.npz.
        array_bytes: bytes of one array.
        description_bytes: bytes of network.json.
        values: JSON values in network.json.
        depth: how deep lists and objects nest in network.json.
        inputs: inputs of the network.
        layers: layers of the network.
        calls: calls of layers.
        call_outputs: tensors that one call returns.
        cases: references.
        arrays: arrays in weights.npz and references.npz together.
        rank: dimensions of an array or a shape.
        dimension: size of one dimension.
        name_length: characters of a name.
        string_length: characters of a string in a configuration or an array of strings.
        strings: strings in one array of strings.
    """

    file_bytes: int = 16 << 30
    array_bytes: int = 16 << 30
    description_bytes: int = 64 << 20
    values: int = 2_000_000
    depth: int = 64
    inputs: int = 1_000
    layers: int = 20_000
    calls: int = 50_000
    call_outputs: int = 1_000
    cases: int = 1_000
    arrays: int = 500_000
    rank: int = 16
    dimension: int = 1 << 40
    name_length: int = 250
    string_length: int = 1 << 20
    strings: int = 20_000_000


LIMITS = Limits()
MOST_PROBLEMS = 100


def bad_archive(problems: Sequence[Problem]) -> BadArchive:
    """The error that lists these problems; of a great many, the first, and how many more there are."""
    more = len(problems) - MOST_PROBLEMS
    if more <= 0:
        return BadArchive(problems)
    return BadArchive([*problems[:MOST_PROBLEMS], Problem("", f"… and {more} more problems")])
