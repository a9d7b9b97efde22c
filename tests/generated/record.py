"""Save random networks with what Keras answers at shapes without references. Runs in the Keras environment.

    python -m tests.generated.record FOLDER

What was recorded by the same code before is left alone.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import hashlib
import sys
import warnings
from pathlib import Path

import keras

import porting
from tests.record import code_hash

from .asking import asked, moved
from .judging import ALLOWED
from .networks import built, drawn
from .recorded import SEEDS, write

__all__ = ["record"]


def record(folder: Path) -> None:
    """Record every seed's network, but those that Keras leaves undetermined or cannot run."""
    code = "".join(path.read_text() for path in sorted(Path(__file__).parent.glob("*.py")))
    stamp, by = folder / "recorded-by", hashlib.sha256((code + code_hash()).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == by:
        return
    warnings.simplefilter("ignore")
    for seed in SEEDS:
        keras.backend.clear_session()
        model = built(drawn(seed), seed)
        pairs = [pair for pair in asked(model, seed) if 10 * moved(model, *pair) <= ALLOWED]
        if not pairs:
            continue
        try:
            porting.save(model, folder / str(seed), overwrite=True)
        except porting.Unsupported as refusal:  # most often Keras runs it at few sizes only
            print(f"seed {seed}: {refusal}")
            continue
        write(folder / f"{seed}.npz", pairs)
    stamp.write_text(by)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    record(target)
    print(f"{len(list(target.glob('*.npz')))} of {len(SEEDS)} random networks recorded")
