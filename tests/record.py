"""Save every case of tests/cases as a network with references. Runs in the Keras environment.

A case that was recorded by the same code before is left alone.
"""

from __future__ import annotations

import hashlib
import os
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np

import porting
from porting.layers.rule_files import rules_in
from tests.arguments import folders_and_names
from tests.cases import Case, Spec, all_cases
from tests.parallel import in_processes

ROOT = Path(__file__).parent.parent
# Whole networks have their noise measured, as users' have. Of so many others one has: it takes several times as long as
# the rest.
NOISY = 6


def construct(value: Any) -> Any:
    """A Keras object from a spec; other values as they are."""
    if isinstance(value, Spec):
        kind = getattr(keras.layers, value.name)
        return kind(*map(construct, value.args), **{key: construct(part) for key, part in value.kwargs.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(map(construct, value))
    return value


def build(case: Case) -> Any:
    """The case's Keras model, its weights not yet set."""
    if callable(case.build):
        return case.build(keras)
    specs = case.build if isinstance(case.build, tuple) else (case.build,)
    inputs = [keras.Input(shape, dtype=case.dtype, name=f"input_{at}") for at, shape in enumerate(case.inputs)]
    tensors = [front(case, specs[0], tensor) for tensor in inputs]
    outputs: Any = tensors if case.together else tensors[0]
    for number, spec in enumerate(specs):
        made = construct(spec)
        extra = dict(case.call) if number == len(specs) - 1 else {}
        rest = tensors[1:] if number == 0 and not case.together else []
        outputs = made(outputs, *rest, **extra)
    return keras.Model(inputs, outputs)


def fresh_model(key: str, case: Case) -> Any:
    """The same at every call: constants of the graph may be drawn at random too."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(zlib.crc32(key.encode()))
    return build(case)


def front(case: Case, first: Spec, tensor: Any) -> Any:
    """What stands before the layer: a mask, an embedding of ids."""
    if case.dtype == "int32" and first.name not in ("Embedding", "CategoryEncoding", "IntegerLookup"):
        return keras.layers.Embedding(7, 4, mask_zero=case.masked)(tensor)
    return keras.layers.Masking(0.5)(tensor) if case.masked else tensor


def randomise(model: Any, seed: int, scale: float) -> None:
    """Weights under which outputs depend on inputs: no zero biases, variances away from 0."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" in weight.path or not weight.dtype.startswith("float"):
            continue
        values = rng.normal(size=weight.shape) * scale
        if "variance" in weight.path:
            values = 0.5 + np.abs(values)
        weight.assign(values.astype("float32"))
    for one in model.layers:
        if hasattr(one, "finalize_state"):  # Normalization computes with a copy of its weights
            one.finalize_state()


def long_samples(case: Case, model: Any) -> Any:
    """Inputs of many steps: rows with no padding, on the right, on the left, in holes, and nothing but padding."""
    if case.long is None:
        return None
    rng = np.random.default_rng(7)
    rows, steps = case.long
    samples = {}
    for place, given in enumerate(model.inputs):
        kept = np.ones((rows, steps), bool)
        patterns = (slice(0, 0), slice(steps // 3, None), slice(0, steps // 2), rng.random(steps) < 0.4, slice(None))
        for row in range(rows):
            kept[row, patterns[(row + place) % len(patterns)]] = False
        if given.dtype.startswith("int"):
            samples[given.name] = np.where(kept, rng.integers(1, 30, kept.shape), 0).astype("int32")
        else:
            values = rng.normal(size=(rows, steps, given.shape[-1]))
            samples[given.name] = np.where(kept[..., None], values, 0.5).astype("float32")
    return samples


def code_hash() -> str:
    """Of everything that decides what a recording holds."""
    sources = [*ROOT.glob("porting/keras_side/**/*.py"), *ROOT.glob("porting/*.py"), *ROOT.glob("porting/archive/*.py")]
    text = b"".join(path.read_bytes() for path in sorted([*sources, *ROOT.glob("tests/cases/*.py"), Path(__file__)]))
    return hashlib.sha256(text + keras.__version__.encode()).hexdigest()


def kept_whole(case: Case) -> list[str]:
    """The classes that the case's own rules are for."""
    return [] if case.rules is None else list(rules_in(ROOT / case.rules))


def has_noise(key: str) -> bool:
    """Whether a case's noise is measured."""
    return key.startswith("networks/") or zlib.crc32(key.encode()) % NOISY == 0


def record_one(folder: Path, key: str) -> str:
    """Record a case; returns what went wrong, or nothing."""
    case = all_cases()[key]
    target = folder / key.replace("/", "--")
    try:
        model = fresh_model(key, case)
        randomise(model, zlib.crc32(key.encode()), case.scale)
        samples = case.samples or long_samples(case, model)
        whole = kept_whole(case)
        name = key.replace("/", "-")
        porting.save(model, target, samples=samples, overwrite=True, name=name, whole=whole, noise=has_noise(key))
    except Exception as error:
        return f"{key}: {type(error).__name__}: {error}"
    return ""


def record(folder: Path, families: list[str]) -> int:
    """Record all cases, on every core; returns how many could not be."""
    stamp, code = folder / "recorded-by", code_hash()
    fresh = stamp.exists() and stamp.read_text() == code
    keys = [
        key
        for key in all_cases()
        if (not families or key.split("/")[0] in families)
        and not (fresh and (folder / key.replace("/", "--")).exists())
    ]
    failed = 0
    for problem in in_processes(partial(record_one, folder), keys):
        if problem:
            failed += 1
            print(problem)
    if not families and not failed:
        stamp.write_text(code)
    print(f"{len(keys)} cases recorded, {failed} of them failed; {len(all_cases())} in all")
    return failed


if __name__ == "__main__":
    families = {key.split("/")[0] for key in all_cases()}
    (target_folder,), chosen = folders_and_names(__spec__, __doc__, ["folder"], "family", families)
    target_folder.mkdir(parents=True, exist_ok=True)
    sys.exit(1 if record(target_folder, chosen) else 0)
