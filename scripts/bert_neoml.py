"""A BERT under a text CNN, NeoML's side: both learn the sections of descriptions, each at its own rate.

    python scripts/bert_neoml.py [FOLDER [OUT]]

The network takes texts: its WordPiece tokenizer came with it, and needs neither Keras nor keras-hub. First the CNN
alone is trained, the BERT frozen; then both, the BERT slower. Which weights moved is printed: all of the BERT's do,
that of the segments too, which are 0 in every text. Writes the tuned network to OUT, for scripts/bert_back.py to take
to Keras.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from bert_data import FOLDER, OUT, SECTIONS, texts_of

import porting
from porting import optimizers

RATE, BERTS_RATE = 3e-3, 5e-4


def tuned(folder: Path, **parts: Any) -> tuple[porting.PortedNetwork, float, float]:
    """The network after training, and the share of held-out texts right before and after."""
    net = porting.load(folder, engine="neoml")
    held_out = texts_of("test")
    settings: dict[str, Any] = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **parts}
    net.compile(optimizers.Adam(RATE), **settings)
    before = net.evaluate(*held_out, return_dict=True)["accuracy"]
    net.fit(*texts_of("train"), batch_size=32, epochs=6, verbose=0)
    return net, before, net.evaluate(*held_out, return_dict=True)["accuracy"]


def main(folder: Path, out: Path) -> int:
    print(porting.check(folder, engine="neoml").headline())
    print(f"sections: {', '.join(SECTIONS)}")
    frozen, before, alone = tuned(folder, frozen=["bert/*"])
    print(f"held-out texts right: {before:.1%} before")
    print(f"  {alone:.1%} with the BERT frozen")
    net, _, after = tuned(folder, learning_rates={"bert/*": BERTS_RATE})
    print(f"  {after:.1%} with the CNN at the rate {RATE:g} and the BERT at {BERTS_RATE:g}")
    still, moved = frozen.moved(), net.moved()
    print(f"{'weight':64} {'frozen BERT':>12} {'own rates':>10}")
    for name in moved:
        print(f"{name:64} {still[name]:12.2g} {moved[name]:10.2g}")
    held_out, _ = texts_of("test")
    out.mkdir(parents=True, exist_ok=True)
    net.save(out / "bert", overwrite=True)
    np.savez(out / "bert.npz", section=net.predict(held_out))
    print(f"tuned network in {out / 'bert'}; python scripts/bert_back.py takes it to Keras")
    is_still = all(far == 0 for name, far in still.items() if name.startswith("bert/"))
    return 0 if after > before and min(moved.values()) > 0 and is_still else 1


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [FOLDER, OUT][len(given) :])))
