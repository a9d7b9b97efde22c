"""What the examples on raw text share: their data, F1, and the comparison of both sides. Needs numpy only."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np

import porting

DATA = Path(__file__).parent / "data"
SAVED = Path(__file__).parent.parent / "saved_weights"


def read(file: str, split: str) -> list[dict[str, str]]:
    with gzip.open(DATA / file, "rt", encoding="utf-8", newline="") as lines:
        return [row for row in csv.DictReader(lines) if row["split"] == split]


def english(split: str) -> tuple[list[str], np.ndarray]:
    """Descriptions of packages, and whether each is a game."""
    rows = read("descriptions.csv.gz", split)
    return [row["description"] for row in rows], np.array([row["section"] == "games" for row in rows], np.float32)


def russian(split: str) -> tuple[list[str], np.ndarray]:
    """Russian descriptions of packages, and whether each is a library."""
    rows = read("russian.csv.gz", split)
    return [row["description"] for row in rows], np.array([row["library"] == "1" for row in rows], np.float32)


def f1(scores: np.ndarray, truth: np.ndarray) -> float:
    """The harmonic mean of precision and recall at 0.5."""
    said = scores.ravel() > 0.5
    right = float(np.sum(said & (truth > 0.5)))
    return 2 * right / max(float(np.sum(said) + np.sum(truth > 0.5)), 1.0)


def kept(name: str) -> Path:
    """Where Keras' scores of the held-out texts are kept."""
    return DATA / f"{name}_keras.npz"


def compare(name: str, texts: list[str], truth: np.ndarray, folder: Path) -> int:
    """Raw text to score on every engine that is here, beside Keras' own scores; 0 when all is well."""
    wanted = np.load(kept(name))["scores"]
    print(f"Keras: F1 {f1(wanted, truth):.4f} on {len(texts)} held-out texts")
    bad = 0
    for engine in ("numpy", "neoml"):
        net = porting.load(folder, engine=engine)
        report = net.check()
        # Keras' own batches, since rows are padded to the longest of their batch.
        scores = net.predict(texts, batch_size=32)
        differ = int(np.sum((scores > 0.5) != (wanted > 0.5)))
        print(report.headline())
        print(f"{engine}: F1 {f1(scores, truth):.4f}, {differ} texts on the other side of 0.5, ", end="")
        print(f"largest difference in a score {np.abs(scores - wanted).max():.1e}")
        bad += (not report.ok) + differ
    return 1 if bad else 0
