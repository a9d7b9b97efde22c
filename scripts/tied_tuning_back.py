"""Tied embeddings, Keras' side again: NeoML's table in the Keras model, once, and the same next words right.

python scripts/tied_tuning_back.py [OUT]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from tied_keras import build
from tied_tuning_data import OUT, held_out_games, scored

import porting


def main(out: Path) -> int:
    model = build()
    count = porting.restore(out / "tied_tuning", model)
    held_out = held_out_games()
    keras = model.predict(held_out[:, :-1], verbose=0)
    with np.load(out / "tied_tuning.npz") as file:
        neoml = file["probabilities"]
    right, same = scored(keras, held_out), scored(neoml, held_out)
    tables = [weight.path for weight in model.weights if model.get_layer("words").input_dim in weight.shape]
    print(f"{count} weights back in Keras; tables: {', '.join(tables)}")
    print(f"next words right: {right[0]:.1%} in Keras, {same[0]:.1%} in NeoML")
    print(f"perplexity: {right[1]:.1f} in Keras, {same[1]:.1f} in NeoML")
    print(f"largest difference in a probability: {np.abs(keras - neoml).max():.1e}")
    return 0 if right[0] == same[0] and len(tables) == 1 else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT))
