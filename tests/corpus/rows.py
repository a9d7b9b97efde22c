"""Networks and texts that the tests of corpora share; all from saved_weights/."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SAVED = Path(__file__).parent.parent.parent / "saved_weights"
WORDS = ("a", "library", "for", "parsing", "text", "games", "with", "sound", "kernel", "unseenword", "Ünïcode")


def texts(count: int, seed: int = 0, longest: int = 60) -> list[str]:
    """Ragged texts, some of them empty."""
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, random.integers(0, longest))) for _ in range(count)]
