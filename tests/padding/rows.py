"""Rows of padded ids."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from porting import PortedNetwork
from porting.network import Array


def padded_rows(net: PortedNetwork, lengths: list[int], steps: int, left: int, seed: int) -> dict[str, Array]:
    """Ids of these lengths, with holes, and so many padded steps in front of every other row."""
    generator = np.random.default_rng(seed)
    inputs = {}
    for number, one in enumerate(net.network.inputs):
        ids = generator.integers(1, 12, (len(lengths), one.shape[1] or steps))
        ids[generator.random(ids.shape) < 0.1] = 0
        for row, length in enumerate(lengths[number:] + lengths[:number]):
            ids[row, length:] = 0
            ids[row, : left * (row % 2)] = 0
        inputs[one.name] = ids.astype(np.int32)
    return inputs


def turned(inputs: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.ascontiguousarray(array[:, ::-1]) for name, array in inputs.items()}
