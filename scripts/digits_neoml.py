"""Digits, NeoML's side: drawing and naming trained together, while nine images of ten have no label.

    python scripts/digits_neoml.py [FOLDER [OUT]]

Two losses with weights of their own; an image without a label counts for the drawing only. Then the code is analysed:
the eigenvalues of its covariance say in how many directions it varies. Writes the tuned network to OUT, for
scripts/digits_back.py to take to Keras.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from digits_data import CODE, FOLDER, LABELLED, OUT, directions_for, eigenvalues, split

import porting
from porting import optimizers


def measured(net: porting.PortedNetwork, x: np.ndarray, digits: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Share of the digits named right, mean squared error of the drawings, eigenvalues of the code's covariance."""
    made = net.predict(x)
    right = float(np.mean(made["digit"].argmax(axis=-1) == digits))
    return right, float(np.mean(np.square(made["drawing"] - x))), eigenvalues(made["code"])


def main(folder: Path, out: Path) -> int:
    net = porting.load(folder, engine="neoml")
    print(net.check().headline())
    (x, digits), (held_out, truth) = split()
    before = measured(net, held_out, truth)
    has_label = np.arange(len(x)) < LABELLED
    history = net.fit(
        x,
        {"digit": np.where(has_label, digits, 0), "drawing": x},
        sample_weight={"digit": has_label.astype(np.float32), "drawing": np.ones(len(x), np.float32)},
        optimizer=optimizers.Adam(2e-3),
        loss={"digit": "sparse_categorical_crossentropy", "drawing": "mse"},
        loss_weights={"digit": 5.0, "drawing": 10.0},
        epochs=60,
        batch_size=64,
        verbose=0,
    )
    after = measured(net, held_out, truth)
    print(f"{LABELLED} of {len(x)} images have a label; {len(held_out)} are held out")
    print(f"digits named right: {before[0]:.1%} before, {after[0]:.1%} after")
    print(f"error of the drawings: {before[1]:.4f} before, {after[1]:.4f} after")
    for when, found in (("before", before), ("after", after)):
        counts = ", ".join(f"{share:.0%} in {directions_for(found[2], share)}" for share in (0.9, 0.99))
        print(f"the code's variance {when}, of {CODE} directions: {counts}")
    print("moved: " + ", ".join(f"{name} {far:.2g}" for name, far in history.moved.items() if name.endswith("kernel")))
    out.mkdir(parents=True, exist_ok=True)
    net.save(out / "digits", overwrite=True)
    np.savez(out / "digits.npz", **net.predict(held_out), before=before[2], after=after[2])
    print(f"tuned network in {out / 'digits'}; python scripts/digits_back.py takes it to Keras")
    return 0 if after[0] > before[0] + 0.5 else 1


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [FOLDER, OUT][len(given) :])))
