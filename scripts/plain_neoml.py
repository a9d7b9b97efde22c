"""Plain dense networks, NeoML's side: the same class for every held-out point.

python scripts/plain_neoml.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from plain_data import points

import porting

FOLDER = Path(__file__).parent.parent / "saved_weights"
KERAS = Path(__file__).parent / "data" / "plain_keras.npz"


def main(folder: Path) -> int:
    wanted = np.load(KERAS)
    held_out, classes = points(500, seed=2)
    bad = 0
    for name in ("plain", "plain_deep"):
        net = porting.load(folder / name, engine="neoml")
        report = net.check()
        print(report)
        made = net.predict(held_out)
        differ = int((made.argmax(-1) != wanted[name].argmax(-1)).sum())
        print(f"{name}: {(made.argmax(-1) == classes).mean():.0%} right")
        print(f"points with another class than Keras': {differ} of {len(made)}")
        print(f"largest difference in a probability: {np.abs(made - wanted[name]).max():.1e}\n")
        bad += differ + (not report.ok)
    print("both networks answer as Keras does" if not bad else "a network answers otherwise")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
