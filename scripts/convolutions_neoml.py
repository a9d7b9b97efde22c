"""Text convolutions, NeoML's side: every layer proved, and the same section for every held-out text.

    python scripts/convolutions_neoml.py [FOLDER]

The convolution that skips places of its window is ported by the rule in convolutions_rules.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sequences_data import DATA, FIRST_WORD, SAVED, common_words, compare, labelled, pad_to, to_ids

import porting

FOLDER = SAVED
RULES = Path(__file__).parent / "convolutions_rules.py"
KERAS = DATA / "convolutions_keras.npz"
NAMES = ("convolutions_pooled", "convolutions_parallel")


def main(folder: Path) -> int:
    wanted = np.load(KERAS)
    bad = 0
    for name in NAMES:
        net = porting.load(folder / name, engine="neoml", rules=RULES)
        report = net.check()
        print(report)
        vocabulary = common_words(net.network.layers["words"].config["input_dim"] - FIRST_WORD)
        texts, classes, _ = labelled("test")
        made = net.predict(pad_to(to_ids(texts, vocabulary), net.network.inputs[0].shape[1]))
        bad += compare(made, wanted[name]) + (not report.ok)
        print(f"{name}: {(made.argmax(-1) == np.array(classes)).mean():.0%} of held-out texts right\n")
    print("both networks answer as Keras does" if not bad else "a network answers otherwise")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
