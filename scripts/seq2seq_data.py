"""The sequence-to-sequence examples' data: words of the descriptions, stars for their vowels, to be restored."""

from __future__ import annotations

import numpy as np
from sequences_data import DATA, SAVED, common_words

__all__ = [
    "DATA",
    "LETTERS",
    "NAMES",
    "SAVED",
    "START",
    "STOP",
    "read_word",
    "split_words",
    "to_letters",
    "with_stars",
]

NAMES = ("seq2seq", "seq2seq_attention")
# 0 is padding; then the marks around a word, then letters.
START, STOP = 1, 2
LETTERS = " <>*abcdefghijklmnopqrstuvwxyz"
WORDS, LONGEST = 9000, 12


def split_words() -> tuple[list[str], list[str]]:
    """Words of 4 to 12 letters with a vowel: nine of ten to learn from, the tenth held out."""
    words = [word for word in common_words(WORDS) if word.isalpha() and word.isascii() and 4 <= len(word) <= LONGEST]
    words = [word for word in words if "*" in with_stars(word)]
    return [word for at, word in enumerate(words) if at % 10], words[::10]


def with_stars(word: str) -> str:
    return "".join("*" if letter in "aeiou" else letter for letter in word)


def to_letters(words: list[str], before: str = "", after: str = "") -> np.ndarray:
    """(words, longest word) of letter ids, padded on the right."""
    marked = [before + word + after for word in words]
    ids = np.zeros((len(words), max(map(len, marked))), np.int32)
    for row, word in zip(ids, marked):
        row[: len(word)] = [LETTERS.index(letter) for letter in word]
    return ids


def read_word(ids: np.ndarray) -> str:
    """The letters up to the mark of the end."""
    text = "".join(LETTERS[number] for number in ids)
    return text.partition(LETTERS[STOP])[0].strip()
