"""The digits example's data: real images, a few of them labelled. Needs numpy only, so both environments read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
DIGITS = HERE / "data" / "digits.npz"
FOLDER = HERE.parent / "saved_weights" / "digits"
OUT = HERE.parent / "out" / "examples"
CODE = 32
HELD_OUT, LABELLED = 500, 120


def images() -> tuple[np.ndarray, np.ndarray]:
    """(1797, 8, 8, 1) in 0 … 1, and the digits that they show."""
    with np.load(DIGITS) as file:
        return (file["images"].astype(np.float32) / 16)[..., None], file["digits"].astype(np.int32)


def split() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """To train on, and held out."""
    x, y = images()
    return (x[:-HELD_OUT], y[:-HELD_OUT]), (x[-HELD_OUT:], y[-HELD_OUT:])


def eigenvalues(codes: np.ndarray) -> np.ndarray:
    """Of the codes' covariance, the largest first: how the code's variance spreads over its directions."""
    return np.linalg.eigvalsh(np.cov(codes.astype(np.float64), rowvar=False))[::-1]


def directions_for(values: np.ndarray, share: float) -> int:
    """How many of the directions hold this share of the variance."""
    return int(np.searchsorted(np.cumsum(values) / values.sum(), share) + 1)
