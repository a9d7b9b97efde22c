"""What leaving padding out gains: prediction and training steps with it and without, behind texts and in front of them.

    nox -s bench -- padding          writes the table of benchmarks/padding.md

The masked networks of benchmarks/networks.py, on texts of 200 steps of which a fifth are words. Keras makes and saves
them, and is timed too: a compiled graph on batches of 32 in the order in which they come, and `train_on_batch`. The
engines run through `PortedNetwork.predict` and `train_on_batch`, once as they are and once told that nothing is known
of padding. A step of training is fed 32 texts as they come, or 32 of like length. The sides take turns; the figure is
the smallest, of processor time with one thread, of wall time with two. Both runs' answers are compared.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import turns
from networks import NETWORKS, RAGGED, texts

ROWS, BATCH, BATCHES = 512, 32, 4
THREADS = (1, 2)
TEXTS = ("padded behind", "padded in front", "full")
ORDERS = ("as they come", "of like length")
RUNS = 2
# What batches of other rows may round otherwise.
AGREE = 1e-6
PAGE = Path(__file__).with_suffix(".md")


def given(kind: str) -> np.ndarray:
    ids = texts(ROWS, kind != "full")
    return np.ascontiguousarray(ids[:, ::-1]) if kind == "padded in front" else ids


def batches(order: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches of padded texts, and labels."""
    ids = given("padded behind")
    if order == "of like length":
        ids = ids[np.argsort((ids > 0).sum(axis=1), kind="stable")]
    starts = range(0, ROWS, ROWS // BATCHES)
    return [(ids[at : at + BATCH], np.arange(BATCH)[:, None] % 2) for at in starts]


def key(what: str, name: str, kind: str, column: str) -> str:
    return json.dumps([what, name, kind, column])


def clock_of(threads: int) -> Callable[[], float]:
    return time.process_time if threads == 1 else time.perf_counter


def a_row(run: Callable[[], Any], threads: int) -> float:
    """Microseconds."""
    return 1e3 * turns.smallest(run, RUNS, clock_of(threads)) / ROWS


def a_step(learn: Callable[[Any, Any], Any], order: str, threads: int) -> float:
    """Milliseconds."""
    fed = batches(order)
    return turns.smallest(lambda: [learn(*one) for one in fed], RUNS, clock_of(threads)) / len(fed)


# ---- in the Keras environment


def keras_side(scratch: Path, threads: int) -> turns.Numbers:
    import keras
    import tensorflow as tf

    import porting

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    found = {}
    for name in RAGGED:
        keras.utils.set_random_seed(0)
        model = NETWORKS[name][0](keras)
        model(texts(2, False))
        if not (scratch / name).exists():
            porting.save(model, scratch / name, samples=texts(2, False), noise=False)
        call = tf.function(model, jit_compile=False)
        for kind in TEXTS:
            parts = [tf.constant(part) for part in np.split(given(kind), ROWS // BATCH)]
            run = partial(lambda call, parts: [call(one) for one in parts], call, parts)
            found[key("predict", name, kind, "Keras")] = a_row(run, threads)
        model.compile("adam", "binary_crossentropy")
        for order in ORDERS:
            found[key("train", name, order, "Keras")] = a_step(model.train_on_batch, order, threads)
    return found


# ---- in the NeoML environment


def told_nothing(net: Any) -> Any:
    """A network of whose padding nothing is known."""
    from porting.padded import Padding

    net.engine.prove, net.engine.proved = None, Padding()
    return net


def porting_side(engine: str, scratch: Path, threads: int) -> turns.Numbers:
    import porting

    found = {}
    for name in RAGGED:
        nets = {f"{engine}, all padding": told_nothing(porting.load(scratch / name, engine=engine))}
        nets[engine] = porting.load(scratch / name, engine=engine)
        for kind in TEXTS:
            answers = [net.predict(given(kind), threads=threads) for net in nets.values()]
            np.testing.assert_allclose(*answers, atol=AGREE, err_msg=f"{name}, {kind}")
            for column, net in nets.items():
                run = partial(net.predict, given(kind), threads=threads)
                found[key("predict", name, kind, column)] = a_row(run, threads)
        for column, net in nets.items() if engine == "neoml" else ():
            net.compile(porting.optimizers.Adam(), "binary_crossentropy")
            for order in ORDERS:
                found[key("train", name, order, column)] = a_step(net.train_on_batch, order, threads)
    return found


# ---- the tables


def table(best: turns.Best, what: str, kinds: tuple[str, ...], columns: tuple[str, ...], digits: int) -> str:
    lines = [f"| network | texts | threads | {' | '.join(columns)} |", "|---|---|---:|" + "---:|" * len(columns)]
    for name in RAGGED:
        for kind in kinds:
            for threads in THREADS:
                numbers: turns.Numbers = {}
                for (_, count), found in best.items():
                    numbers.update(found if count == threads else {})
                values = (numbers.get(key(what, name, kind, column)) for column in columns)
                cells = ("–" if value is None else f"{value:.{digits}f}" for value in values)
                lines.append(f"| {name} | {kind} | {threads} | {' | '.join(cells)} |")
    return "\n".join(lines)


def report(best: turns.Best) -> None:
    columns = ("Keras", "neoml, all padding", "neoml", "numpy, all padding", "numpy")
    figures = [
        f"Prediction, microseconds a text. {turns.machine()}.",
        table(best, "predict", TEXTS, columns, 0),
        f"Training, milliseconds a step of {BATCH} texts.",
        table(best, "train", ORDERS, columns[:3], 1),
    ]
    turns.write_figures(PAGE, "\n\n".join(figures))
    print("\n\n".join(figures))


if __name__ == "__main__":
    turns.main(
        __file__,
        {"keras": keras_side, "neoml": partial(porting_side, "neoml"), "numpy": partial(porting_side, "numpy")},
        report,
        {"keras": "keras", "neoml": "neoml", "numpy": "neoml"},
        1,
        THREADS,
    )
