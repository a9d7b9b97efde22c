"""Random networks in both engines against Keras, at shapes that the references do not hold.

    python -m tests.generated.compare 0:1000 [--engine neoml] [--refusals]    seeds from 0 to 999
    python -m tests.generated.compare 77 --show                               one seed

Needs Keras and NeoML in one process (`nox -s generated -- 0:1000`), and runs one on each core. A network that fails is
shown as small as it fails.
Wrong is a number that Keras' own rounding does not explain: where a change of inputs and weights by their last bits
moves Keras' outputs as far, or the same model compiled by XLA is as far off, they are undetermined.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # over oneDNN, TensorFlow 2.19 gets products of einsum wrong

import argparse
import logging
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras

import porting
from tests.parallel import in_processes

from .asking import asked, moved, moved_by_compiling
from .judging import ENGINES, Finding, judged, one_line, told
from .networks import Sketch, built, drawn, smaller

__all__ = ["compared"]


def compared(sketch: Sketch, seed: int, folder: Path, engines: Sequence[str] = ENGINES) -> dict[str, Finding]:
    """Save the network and ask both engines what Keras answered; by engine, or under ``save`` where it is not saved."""
    keras.backend.clear_session()
    model = built(sketch, seed)
    try:
        porting.save(model, folder / "net", overwrite=True, noise=False)  # no allowance is asked for
    except (porting.Unsupported, porting.Mismatch) as refusal:
        return {"save": Finding("not saved", one_line(refusal))}
    except Exception as error:  # whatever it is, it is what is looked for
        return {"save": Finding("not saved by an error", told(error))}
    pairs = list(asked(model, seed))

    def undetermined(number: int, difference: float) -> bool:
        return any(difference <= 10 * far(model, *pairs[number]) for far in (moved, moved_by_compiling))

    return {engine: judged(folder / "net", engine, pairs, undetermined) for engine in engines}


def shrunk(sketch: Sketch, seed: int, folder: Path, engine: str, verdict: str) -> Sketch:
    """The smallest network found, by taking lines out, that fails in the same way."""
    again = True
    while again:
        again = False
        for less in smaller(sketch):
            try:
                now = compared(less, seed, folder, (engine,)).get(engine)
            except Exception:  # Keras does not take what is left
                continue
            if now is not None and now.verdict == verdict:
                sketch, again = less, True
                break
    return sketch


@dataclass(frozen=True)
class Seen:
    """What came of one seed: the finding of each engine, and the network that failed there, as small as it fails."""

    seed: int
    findings: Mapping[str, Finding]
    sketches: Mapping[str, Sketch]


def see(engines: Sequence[str], word: str) -> Seen:
    """One seed, in a process that does many."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    seed = int(word)
    sketch = drawn(seed)
    with tempfile.TemporaryDirectory() as name:
        findings = compared(sketch, seed, Path(name), engines)
        sketches = {
            engine: shrunk(sketch, seed, Path(name), engine, finding.verdict)
            if finding.fault and engine in ENGINES
            else sketch
            for engine, finding in findings.items()
        }
    return Seen(seed, findings, sketches)


def seeds(word: str) -> range:
    first, colon, end = word.partition(":")
    return range(int(first), int(end) if colon else int(first) + 1)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m tests.generated.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", type=seeds, help="FIRST:END, or one seed")
    parser.add_argument("--engine", choices=ENGINES, help="only one")
    parser.add_argument("--show", action="store_true", help="show every network")
    parser.add_argument("--refusals", action="store_true", help="show what is refused, too")
    given = parser.parse_args(words)
    engines = (given.engine,) if given.engine else ENGINES
    quiet = () if given.show else ("exact", "undetermined") if given.refusals else None
    counts: dict[str, Counter[str]] = {}
    for done, seen in enumerate(in_processes(partial(see, engines), map(str, given.seeds)), 1):
        for engine, finding in seen.findings.items():
            counts.setdefault(engine, Counter())[finding.verdict] += 1
            if finding.fault or (quiet is not None and finding.verdict not in quiet):
                report(seen.seed, engine, finding, seen.sketches[engine])
        if done % 50 == 0:
            print(f"{done} of {len(given.seeds)}: {summary(counts)}", flush=True)
    print(summary(counts))
    return int(any(Finding(verdict).fault for count in counts.values() for verdict in count))


def report(seed: int, engine: str, finding: Finding, sketch: Sketch) -> None:
    print(f"--- seed {seed}, {engine}: {finding.verdict}: {finding.what}")
    print("".join(f"    {line}\n" for line in sketch), end="", flush=True)


def summary(counts: Mapping[str, Counter[str]]) -> str:
    return "; ".join(f"{engine}: {dict(count.most_common())}" for engine, count in counts.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
