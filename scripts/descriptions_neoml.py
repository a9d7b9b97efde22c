"""Package descriptions by section, NeoML's side: rebuild the classifier, prove it, score the held-out texts.

python scripts/descriptions_neoml.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from descriptions_data import KERAS, labelled, read_vocabulary, to_ids

import porting

FOLDER = Path(__file__).parent.parent / "saved_weights" / "descriptions"


def main(folder: Path) -> int:
    net = porting.load(folder, engine="neoml")
    report = net.check()
    print(report)
    texts, truth, _ = labelled("test")
    made = net.predict(to_ids(texts, read_vocabulary()))
    wanted = np.load(KERAS)["probabilities"]
    differ = int(np.sum(made.argmax(axis=1) != wanted.argmax(axis=1)))
    print(f"\n{len(texts)} held-out texts")
    for side, probabilities in (("Keras", wanted), ("NeoML", made)):
        print(f"{side}: {np.mean(probabilities.argmax(axis=1) == truth):.2%} right")
    print(f"texts with another predicted class: {differ}")
    print(f"largest difference in a probability: {np.abs(made - wanted).max():.1e}")
    return 0 if report.ok and differ == 0 else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
