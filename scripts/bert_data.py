"""The BERT example's data: descriptions of packages as texts, and their sections. Needs numpy only."""

from __future__ import annotations

import numpy as np
from sequences_data import SAVED, by_section, unlabelled

__all__ = ["FOLDER", "LENGTH", "OUT", "SECTIONS", "texts_of", "unlabelled_texts"]

FOLDER = SAVED / "bert"
OUT = SAVED.parent / "out" / "examples"
SECTIONS = ("games", "graphics", "sound")
LENGTH = 16
TEXTS = 8_000


def texts_of(split: str) -> tuple[list[str], np.ndarray]:
    """Texts, and the section of each as its place in `SECTIONS`."""
    return by_section(split, *SECTIONS)


def unlabelled_texts() -> list[str]:
    """Texts to learn words from; none of the held-out ones is among them."""
    held_out = set(by_section("test", *SECTIONS)[0])
    texts = [text for text in unlabelled() if text not in held_out]
    return list(np.random.default_rng(0).choice(texts, TEXTS, replace=False))
