"""What both sides of the tied embeddings' fine-tuning share. Needs numpy only."""

from __future__ import annotations

import numpy as np
from sequences_data import FIRST_WORD, PADDING, SAVED, by_section, common_words, to_ids

FOLDER = SAVED / "tied"
OUT = SAVED.parent / "out" / "examples"
WORDS = 2000


def games(split: str) -> np.ndarray:
    return to_ids(by_section(split, "games")[0], common_words(WORDS))


def training_games() -> np.ndarray:
    return games("train")


def held_out_games() -> np.ndarray:
    return games("test")


def next_words(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, the word after each, and whether it counts: padding does not."""
    return ids[:, :-1], ids[:, 1:], (ids[:, 1:] != PADDING).astype(np.float32)


def scored(probabilities: np.ndarray, ids: np.ndarray) -> tuple[float, float]:
    """Share of the next words that are the likeliest, of those in the vocabulary, and the perplexity of all."""
    wanted = ids[:, 1:]
    true = np.take_along_axis(probabilities, wanted[..., None], -1)[..., 0]
    known = wanted >= FIRST_WORD
    right = probabilities.argmax(axis=-1)[known] == wanted[known]
    return float(right.mean()), float(np.exp(-np.log(true[wanted != PADDING]).mean()))
