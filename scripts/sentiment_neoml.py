"""A binary classifier over ragged texts, NeoML's side: rebuild both networks, prove them, score the held-out texts.

python scripts/sentiment_neoml.py
"""

from __future__ import annotations

import sys

import numpy as np
from sequences_data import DATA, FIRST_WORD, SAVED, by_section, common_words, compare, predicted, to_ids

import porting

KERAS = DATA / "sentiment_keras.npz"
SECTIONS = ("net", "science")


def main() -> int:
    texts, truth = by_section("test", *SECTIONS)
    bad = 0
    for name, wanted in np.load(KERAS).items():
        net = porting.load(SAVED / name, engine="neoml")
        report = net.check()
        print(report)
        vocabulary = common_words(net.network.layers["embedding"].config["input_dim"] - FIRST_WORD)
        made = net.predict(to_ids(texts, vocabulary))
        print(f"\n{np.mean(predicted(made) == truth):.1%} of {len(texts)} held-out texts right")
        bad += compare(made, wanted) + (not report.ok)
        # A text alone, unpadded, scores what it scores in the batch: the padding is not walked.
        alone = np.concatenate([net.predict(to_ids([text], vocabulary)) for text in texts])
        print(f"largest difference between a text alone and in the batch: {np.abs(alone - made).max():.1e}\n")
    return 0 if bad == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
