"""The points of the example of plain dense networks. Needs numpy only."""

from __future__ import annotations

import numpy as np

FEATURES, CLASSES = 32, 10


def points(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points around ten centres, (count, 32), and each one's centre; the centres are the same for every seed."""
    centres = np.random.default_rng(0).normal(size=(CLASSES, FEATURES))
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, CLASSES, count).astype(np.int32)
    return (centres[classes] + 1.5 * rng.normal(size=(count, FEATURES))).astype(np.float32), classes
