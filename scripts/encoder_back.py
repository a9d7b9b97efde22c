"""A pretrained encoder under a text CNN, Keras' side again: NeoML's weights in the Keras model, the same texts right.

python scripts/encoder_back.py [OUT]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from encoder_data import OUT, SECOND_TASK, inputs_of
from encoder_keras import build, build_encoder

import porting


def main(out: Path) -> int:
    model = build(build_encoder())
    count = porting.restore(out / "encoder", model)
    held_out, truth = inputs_of("test", SECOND_TASK)
    keras = model.predict(held_out, verbose=0)
    with np.load(out / "encoder.npz") as file:
        neoml = file["section"]
    right = [np.mean(made.argmax(axis=-1) == truth) for made in (keras, neoml)]
    print(f"{count} weights back in Keras")
    print(f"held-out texts right: {right[0]:.1%} in Keras, {right[1]:.1%} in NeoML")
    print(f"largest difference in a probability: {np.abs(keras - neoml).max():.1e}")
    return 0 if right[0] == right[1] else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT))
