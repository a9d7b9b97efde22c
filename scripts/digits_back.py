"""Digits, Keras' side again: NeoML's weights in the Keras model, and a picture of the code's eigenvalues.

python scripts/digits_back.py [OUT]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib

matplotlib.use("Agg")

import numpy as np
from digits_data import CODE, OUT, split
from digits_keras import build
from matplotlib import pyplot

import porting


def draw(before: np.ndarray, after: np.ndarray, picture: Path) -> None:
    """The eigenvalues as shares of the whole variance."""
    figure, axes = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    for values, words in ((before, "drawing only"), (after, "drawing and naming")):
        axes.semilogy(np.arange(1, CODE + 1), values / values.sum(), marker="o", markersize=3, label=words)
    axes.set(
        xlabel="direction of the code", ylabel="share of its variance", title="Eigenvalues of the code's covariance"
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=120)


def main(out: Path) -> int:
    model = build()
    count = porting.restore(out / "digits", model)
    _, (held_out, truth) = split()
    with np.load(out / "digits.npz") as file:
        neoml = dict(file)
    keras = model.predict(held_out, verbose=0)
    right = {
        side: np.mean(made["digit"].argmax(axis=-1) == truth) for side, made in (("Keras", keras), ("NeoML", neoml))
    }
    apart = max(float(np.abs(keras[name] - neoml[name]).max()) for name in keras)
    print(f"{count} weights back in Keras")
    print(f"digits named right: {right['Keras']:.1%} in Keras, {right['NeoML']:.1%} in NeoML")
    print(f"largest difference in an output: {apart:.1e}")
    draw(neoml["before"], neoml["after"], out / "digits_eigenvalues.png")
    print(f"eigenvalues drawn in {out / 'digits_eigenvalues.png'}")
    return 0 if right["Keras"] == right["NeoML"] else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT))
