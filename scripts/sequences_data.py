"""What the sequence examples share: the words of the package descriptions as ids. Needs numpy only."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from descriptions_data import DATA, FIRST_WORD, PADDING, labelled, to_ids, unlabelled, words_of

__all__ = [
    "DATA",
    "FIRST_WORD",
    "PADDING",
    "SAVED",
    "by_section",
    "common_words",
    "compare",
    "labelled",
    "pad_to",
    "to_ids",
]

SAVED = Path(__file__).parent.parent / "saved_weights"


def common_words(count: int) -> list[str]:
    """The commonest words of all descriptions but the held-out ones, the commonest first."""
    texts = [*labelled("train")[0], *unlabelled()]
    counts = Counter(word for text in texts for word in words_of(text))
    return [word for word, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:count]]


def by_section(split: str, *names: str) -> tuple[list[str], np.ndarray]:
    """The texts of some sections, and each one's place among `names`."""
    texts, classes, sections = labelled(split)
    chosen = [at for at, number in enumerate(classes) if sections[number] in names]
    return [texts[at] for at in chosen], np.array([names.index(sections[classes[at]]) for at in chosen], np.int32)


def pad_to(ids: np.ndarray, length: int) -> np.ndarray:
    """The ids of each text in exactly `length` steps."""
    padded = np.full((len(ids), length), PADDING, np.int32)
    padded[:, : ids.shape[1]] = ids[:, :length]
    return padded


def compare(made: np.ndarray, wanted: np.ndarray) -> int:
    """Print how NeoML's probabilities depart from Keras'; the number of texts with another prediction."""
    differ = int(np.sum(predicted(made) != predicted(wanted)))
    print(f"texts with another prediction than Keras': {differ} of {len(made)}")
    print(f"largest difference in a probability: {np.abs(made - wanted).max():.1e}")
    return differ


def predicted(probabilities: np.ndarray) -> np.ndarray:
    """The class of each row; of one probability, whether it is above one half."""
    return probabilities.argmax(axis=-1) if probabilities.shape[-1] > 1 else probabilities[..., 0] > 0.5
