"""How long `check` takes beside its heart, every layer alone and once in the chain, which is all that it was at first.

    nox -s bench -- check          writes the table of benchmarks/check.md

What stands around the heart: what `predict` runs (in one batch, a second time, in several batches and row by row in
threads), every id of a table, weights that are read back, and layers with their weights shifted. Published networks
are checked in both engines, on one thread of the libraries; heart and whole take turns, and the smallest counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import turns

NETWORKS = ("tutorial", "sentiment_both_ways", "seq2seq_attention", "filter", "digits", "encoder")
ENGINES = ("numpy", "neoml")
RUNS = 3


@contextmanager
def heart_alone() -> Iterator[None]:
    """A check of layers alone and in the chain."""
    from porting.checking import check

    with ExitStack() as stack:
        stack.enter_context(patch.object(check, "check_runs", lambda *ignored: []))
        for name in ("check_lookups", "check_shifted", "check_weights"):
            stack.enter_context(patch.object(check._Check, name, lambda *ignored: None))
        yield


def neoml_side(scratch: Path, threads: int) -> turns.Numbers:
    """Milliseconds of processor time by network, engine and what is run."""
    import porting

    found: turns.Numbers = {}
    for name in NETWORKS:
        for engine in ENGINES:
            net = porting.load(turns.ROOT / "saved_weights" / name, engine=engine)
            with heart_alone():
                found[f"{name} {engine} heart"] = turns.smallest(net.check, RUNS, time.process_time)
            found[f"{name} {engine} whole"] = turns.smallest(net.check, RUNS, time.process_time)
    return found


def report(best: turns.Best) -> None:
    times = best["neoml", 1]
    lines = [f"Milliseconds of processor time. {turns.machine()}.\n"]
    lines += [
        "| network | engine | layers alone and in the chain | the whole check | ratio |",
        "|---|---|---:|---:|---:|",
    ]
    for name in NETWORKS:
        for engine in ENGINES:
            heart, whole = (times[f"{name} {engine} {what}"] for what in ("heart", "whole"))
            lines.append(f"| {name} | {engine} | {heart:.0f} | {whole:.0f} | {whole / heart:.2f} |")
    turns.write_figures(Path(__file__).with_suffix(".md"), "\n".join(lines))


if __name__ == "__main__":
    turns.main(__file__, {"neoml": neoml_side}, report, turns=3)
