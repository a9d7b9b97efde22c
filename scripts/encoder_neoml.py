"""A pretrained encoder under a text CNN, NeoML's side: both learn the second task, each at its own rate.

    python scripts/encoder_neoml.py [FOLDER [OUT]]

First the CNN alone, the encoder frozen; then both, the encoder slower. The report says which weights moved: that the
encoder never changes, unnoticed, is a known mistake of such set-ups. Writes the tuned network to OUT, for
scripts/encoder_back.py to take to Keras.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from encoder_data import FOLDER, OUT, SECOND_TASK, inputs_of

import porting
from porting import optimizers

RATE, ENCODERS_RATE = 3e-3, 5e-4


def tuned(folder: Path, **parts: Any) -> tuple[porting.PortedNetwork, float, float]:
    """The network after training, and the share of held-out texts right before and after."""
    net = porting.load(folder, engine="neoml")
    held_out = inputs_of("test", SECOND_TASK)
    settings: dict[str, Any] = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **parts}
    net.compile(optimizers.Adam(RATE), **settings)
    before = net.evaluate(*held_out, return_dict=True)["accuracy"]
    net.fit(*inputs_of("train", SECOND_TASK), batch_size=32, epochs=5, verbose=0)
    return net, before, net.evaluate(*held_out, return_dict=True)["accuracy"]


def main(folder: Path, out: Path) -> int:
    print(porting.check(folder, engine="neoml").headline())
    print(f"second task: {', '.join(SECOND_TASK)}")
    frozen, before, alone = tuned(folder, frozen=["encoder"])
    print(f"held-out texts right: {before:.1%} before")
    print(f"  {alone:.1%} with the encoder frozen")
    net, _, after = tuned(folder, learning_rates={"encoder": ENCODERS_RATE})
    print(f"  {after:.1%} with the CNN at the rate {RATE:g} and the encoder at {ENCODERS_RATE:g}")
    still, moved = frozen.moved(), net.moved()
    print(f"{'weight':45} {'frozen encoder':>15} {'own rates':>10}")
    for name in moved:
        print(f"{name:45} {still[name]:15.2g} {moved[name]:10.2g}")
    held_out, _ = inputs_of("test", SECOND_TASK)
    out.mkdir(parents=True, exist_ok=True)
    net.save(out / "encoder", overwrite=True)
    np.savez(out / "encoder.npz", section=net.predict(held_out))
    print(f"tuned network in {out / 'encoder'}; python scripts/encoder_back.py takes it to Keras")
    parts = [far for name, far in moved.items() if name.startswith("encoder")]
    return 0 if after > before and min(parts) > 0 else 1


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [FOLDER, OUT][len(given) :])))
