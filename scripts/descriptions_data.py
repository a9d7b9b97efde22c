"""The descriptions example's data: texts, words, ids. Needs numpy only, so both environments read it."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
WORDS = DATA / "descriptions_words.txt"
KERAS = DATA / "descriptions_keras.npz"
PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2
LONGEST = 20


def labelled(split: str) -> tuple[list[str], np.ndarray, list[str]]:
    """Texts, their classes as numbers, and the classes' names."""
    with gzip.open(DATA / "descriptions.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sections = sorted({row["section"] for row in rows})
    chosen = [row for row in rows if row["split"] == split]
    return (
        [row["description"] for row in chosen],
        np.array([sections.index(row["section"]) for row in chosen], np.int32),
        sections,
    )


def unlabelled() -> list[str]:
    with gzip.open(DATA / "unlabelled.txt.gz", "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def read_vocabulary() -> list[str]:
    return WORDS.read_text(encoding="utf-8").split()


def to_ids(texts: list[str], vocabulary: list[str]) -> np.ndarray:
    """(texts, longest text) of word ids, padded on the right."""
    numbers = {word: number + FIRST_WORD for number, word in enumerate(vocabulary)}
    rows = [[numbers.get(word, UNKNOWN) for word in words_of(text)][:LONGEST] or [UNKNOWN] for text in texts]
    ids = np.full((len(rows), max(map(len, rows))), PADDING, np.int32)
    for row, found in zip(ids, rows):
        row[: len(found)] = found
    return ids
