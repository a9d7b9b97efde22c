"""Tied embeddings, NeoML's side: one table in the net, one in the stored archive, one read back.

python scripts/tied_neoml.py [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from sequences_data import DATA, FIRST_WORD, PADDING, SAVED, common_words, labelled, to_ids

import porting

FOLDER = SAVED / "tied"
KERAS = DATA / "tied_keras.npz"


def stored_bytes(net: porting.PortedNetwork) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return net.store(Path(folder) / "tied.net").stat().st_size


def main(folder: Path) -> int:
    net = porting.load(folder, engine="neoml")
    report = net.check()
    print(report)
    words = net.network.layers["words"].config["input_dim"]
    tables = [name for name, array in net.weights().items() if words in array.shape]
    weights = sum(array.nbytes for array in net.weights().values())
    print(f"\ntables read back: {', '.join(tables)}")
    print(f"weights {weights:,} bytes, stored net {stored_bytes(net):,} bytes")
    vocabulary = common_words(words - FIRST_WORD)
    ids = to_ids(labelled("test")[0], vocabulary)
    made, wanted = net.predict(ids[:, :-1]), np.load(KERAS)
    counts = ids[:, 1:] != PADDING
    true = np.take_along_axis(made, ids[:, 1:, None], -1)[..., 0]
    print(f"held-out perplexity {np.exp(-np.log(true[counts]).mean()):.0f}")
    differ = int(np.sum((made.argmax(-1) != wanted["best"])[counts]))
    print(f"words with another prediction than Keras': {differ} of {counts.sum()}")
    print(f"largest difference in a probability: {np.abs(true - wanted['true']).max():.1e}")
    start = to_ids(["a simple tool for"], vocabulary)
    for _ in range(5):
        start = np.concatenate([start, 2 + net.predict(start)[:, -1, 2:].argmax(-1)[:, None]], 1).astype(np.int32)
    print("“a simple tool for” goes on: " + " ".join(vocabulary[number - FIRST_WORD] for number in start[0, 4:]))
    return 0 if report.ok and differ == 0 and len(tables) == 1 else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
