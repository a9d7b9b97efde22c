"""A BERT of base size (110 million weights) with random weights: saving, loading, and 128 tokens, Keras and NeoML.

    nox -s bench -- bert          writes the table of benchmarks/bert.md

keras-hub makes it (the environment `nox -s hub` makes). Keras runs as a compiled graph (tf.function with jit off) that
is called with tensors, and by its own predict; NeoML runs through PortedNetwork.predict, copies in and out included.
The sides take turns on one thread; figures are the smallest of all turns, of processor time. Answers of both are
compared: NeoML's have to be Keras' to float32 noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import turns

WORDS, STEPS, LENGTHS, ROWS, RUNS = 30522, 512, (32, 128), (1, 8), 3
PAGE = Path(__file__).with_suffix(".md")
# What noise may move numbers about 1 after twelve layers.
AGREE = 2e-5
SAVE, LOAD = "save, in seconds", "load in NeoML, in seconds"


def inputs(rows: int, length: int) -> dict[str, np.ndarray]:
    """Texts without padding."""
    ids = np.random.default_rng(0).integers(1, WORDS, (rows, length)).astype("int32")
    return {"token_ids": ids, "padding_mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids)}


def cases() -> list[tuple[int, int]]:
    return [(rows, length) for rows in ROWS for length in LENGTHS]


def seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


# ---- in the environment of keras-hub


def keras_side(scratch: Path, threads: int) -> turns.Numbers:
    """Make the network, save it the first time, and time Keras."""
    import keras
    import keras_hub
    import tensorflow as tf

    import porting

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(0)
    model = keras_hub.models.BertBackbone(WORDS, 12, 12, 768, 3072, max_sequence_length=STEPS)
    found = {}
    if not (scratch / "bert").exists():
        found[SAVE] = seconds(lambda: porting.save(model, scratch / "bert", samples=inputs(2, 32), noise=False))
    call = tf.function(model, jit_compile=False)
    for rows, length in cases():
        given = {name: tf.constant(array) for name, array in inputs(rows, length).items()}
        found[f"{rows} × {length}"] = turns.smallest(partial(call, given), RUNS)
        predict = partial(model.predict, inputs(rows, length), batch_size=rows, verbose=0)
        found[f"predict {rows} × {length}"] = turns.smallest(predict, RUNS)
        np.savez(scratch / f"{rows}_{length}.npz", **{name: np.asarray(one) for name, one in call(given).items()})
    return found


def neoml_side(scratch: Path, threads: int) -> turns.Numbers:
    import porting

    nets = []
    found = {LOAD: seconds(lambda: nets.append(porting.load(scratch / "bert", engine="neoml")))}
    for rows, length in cases():
        run = partial(nets[0].predict, inputs(rows, length), threads=threads)
        found[f"{rows} × {length}"] = turns.smallest(run, RUNS)
        with np.load(scratch / f"{rows}_{length}.npz") as wanted:
            for name, array in run().items():
                np.testing.assert_allclose(array, wanted[name], atol=AGREE)
    return found


def report(best: turns.Best) -> None:
    keras, neoml = best["keras", 1], best["neoml", 1]
    lines = ["| texts × tokens | Keras, the graph | Keras, `predict` | NeoML, `predict` |", "|---|---:|---:|---:|"]
    lines += [
        f"| {name} | {keras[name]:.0f} | {keras[f'predict {name}']:.0f} | {neoml[name]:.0f} |"
        for rows, length in cases()
        for name in [f"{rows} × {length}"]
    ]
    figures = f"""Milliseconds. {turns.machine()}.

{chr(10).join(lines)}

Saving took {keras[SAVE]:.0f} s, loading in NeoML {neoml[LOAD]:.0f} s."""
    turns.write_figures(PAGE, figures)
    print(figures)


if __name__ == "__main__":
    turns.main(
        __file__, {"keras": keras_side, "neoml": neoml_side}, report, dict.fromkeys(("keras", "neoml"), "hub"), 2
    )
