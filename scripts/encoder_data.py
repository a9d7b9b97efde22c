"""The encoder example's data: descriptions of two times three sections as ids. Needs numpy only."""

from __future__ import annotations

import numpy as np
from sequences_data import SAVED, by_section, common_words, pad_to, to_ids

__all__ = ["FIRST_TASK", "FOLDER", "LENGTH", "OUT", "SECOND_TASK", "WORDS", "inputs_of"]

FOLDER = SAVED / "encoder"
OUT = SAVED.parent / "out" / "examples"
FIRST_TASK = ("net", "science", "text")
SECOND_TASK = ("games", "graphics", "sound")
WORDS, LENGTH = 2000, 16


def inputs_of(split: str, sections: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(texts, LENGTH) of word ids, padded on the right, and each text's section."""
    texts, classes = by_section(split, *sections)
    return pad_to(to_ids(texts, common_words(WORDS)), LENGTH), classes
