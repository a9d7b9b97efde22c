"""Save random networks with what Keras answers at shapes without references. Runs in the Keras environment.

What was recorded by the same code before is left alone.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import hashlib
import warnings
from functools import partial
from pathlib import Path

import keras

import porting
from tests.arguments import folders_and_names
from tests.parallel import in_processes
from tests.record import code_hash

from .asking import asked, moved
from .judging import ALLOWED
from .networks import built, drawn
from .recorded import SEEDS, write

__all__ = ["record"]


def record_one(folder: Path, name: str) -> str:
    """Record a seed's network; tells why not, if Keras cannot run it at enough sizes."""
    seed = int(name)
    warnings.simplefilter("ignore")
    keras.backend.clear_session()
    model = built(drawn(seed), seed)
    pairs = [pair for pair in asked(model, seed) if 10 * moved(model, *pair) <= ALLOWED]
    if not pairs:
        return ""
    try:
        porting.save(model, folder / name, overwrite=True)
    except porting.Unsupported as refusal:
        return f"seed {seed}: {refusal}\n"
    write(folder / f"{seed}.npz", pairs)
    return ""


def record(folder: Path) -> None:
    """Record every seed's network, but those that Keras leaves undetermined or cannot run."""
    code = "".join(path.read_text() for path in sorted(Path(__file__).parent.glob("*.py")))
    stamp, by = folder / "recorded-by", hashlib.sha256((code + code_hash()).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == by:
        return
    for line in in_processes(partial(record_one, folder), map(str, SEEDS)):
        print(line, end="", flush=True)
    stamp.write_text(by)


if __name__ == "__main__":
    (target,), _ = folders_and_names(__spec__, __doc__, ["folder"])
    target.mkdir(parents=True, exist_ok=True)
    record(target)
    print(f"{len(list(target.glob('*.npz')))} of {len(SEEDS)} random networks recorded")
