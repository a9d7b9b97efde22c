"""Sequence to sequence, NeoML's side: prove both networks, compare with Keras, and write words letter by letter.

python scripts/seq2seq_neoml.py
"""

from __future__ import annotations

import sys

import numpy as np
from seq2seq_data import DATA, LETTERS, NAMES, SAVED, START, STOP, read_word, split_words, to_letters, with_stars

import porting

KERAS = DATA / "seq2seq_keras.npz"
LONGEST = 14


def write(net: porting.PortedNetwork, sources: np.ndarray) -> list[str]:
    """The likeliest letter after the likeliest letters so far, for all words at once."""
    target = np.full((len(sources), 1), START, np.int32)
    for _ in range(LONGEST):
        letters = net.predict({"source": sources, "target": target})[:, -1].argmax(-1)
        target = np.concatenate([target, letters[:, None].astype(np.int32)], axis=1)
    return [read_word(row[1:]) for row in target]


def main() -> int:
    words = split_words()[1]
    sources = to_letters([with_stars(word) for word in words])
    inputs = {"source": sources, "target": to_letters(words, before=LETTERS[START])}
    letters = to_letters(words, after=LETTERS[STOP])
    bad = 0
    for name in NAMES:
        net = porting.load(SAVED / name, engine="neoml")
        report = net.check()
        print(report)
        made, wanted = net.predict(inputs), np.load(KERAS)[name]
        word = letters != 0
        differ = int(np.sum((made.argmax(-1) != wanted.argmax(-1))[word]))
        print(f"\n{np.mean((made.argmax(-1) == letters)[word]):.1%} of the letters right")
        print(f"letters with another prediction than Keras': {differ} of {word.sum()}")
        print(f"largest difference in a probability: {np.abs(made - wanted)[word].max():.1e}")
        written = write(net, sources)
        print(
            f"{np.mean([one == other for one, other in zip(written, words)]):.1%} of {len(words)} words restored alone"
        )
        print(", ".join(f"{with_stars(one)} → {other}" for one, other in list(zip(words, written))[:12]) + "\n")
        bad += differ + (not report.ok)
    return 0 if bad == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
