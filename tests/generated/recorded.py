"""What `record.py` keeps of random networks, and which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from porting.network import Array

__all__ = ["SEEDS", "read", "write"]

# Those that found faults, and the first ones.
FOUND = (54, 826, 1465, 1474)
SEEDS = (*range(20), *FOUND)


def write(path: Path, pairs: Sequence[tuple[list[Array], list[Array]]]) -> None:
    """Keep inputs and answers beside a saved network."""
    arrays = {
        f"{number}/{side}/{at}": array
        for number, pair in enumerate(pairs)
        for side, both in zip("xy", pair)
        for at, array in enumerate(both)
    }
    np.savez(path, **arrays)


def read(path: Path) -> list[tuple[list[Array], list[Array]]]:
    """The inputs and answers beside a saved network."""
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays.files}

    def side(number: int, letter: str) -> list[Array]:
        return [kept[f"{number}/{letter}/{at}"] for at in range(sum(n.startswith(f"{number}/{letter}/") for n in kept))]

    return [(side(number, "x"), side(number, "y")) for number in range(len({name.split("/")[0] for name in kept}))]
