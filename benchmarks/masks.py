"""Time per batch of recurrent layers with and without masks: Keras, NeoML's fused layers, archive cells, numpy.

Fused layers know no masks: a masked layer is a cell in every net that predicts.

    nox -s bench -- masks          writes the table of benchmarks/masks.md

Every side runs the same saved networks on the same batches of 32 rows, on one thread, warmed up. The sides take turns,
so that what else the machine does meets all of them; the figure is the smallest of all turns, in milliseconds of
processor time (one thread's wall time on a machine that does nothing else). Keras runs as a compiled graph
(tf.function with jit off) that is called with a tensor, without predict's own costs; NeoML and numpy run through
PortedNetwork.predict, copies in and out included. Masked batches are padded on the right to 60 % on average and run
as they are: Keras and NeoML compute nearly all padded steps, numpy's layers none.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import turns

BATCH, FEATURES, UNITS = 32, 64, 64
LENGTHS = (50, 200)
RUNS = 8
# name: class, settings, both ways
LAYERS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "LSTM": ("LSTM", {}, False),
    "Bidirectional(LSTM)": ("LSTM", {}, True),
    "GRU, reset_after=False": ("GRU", {"reset_after": False}, False),
    "GRU": ("GRU", {}, False),
}
COLUMNS = ("Keras", "NeoML, fused layer", "NeoML, archive cell", "numpy")


def batch(length: int) -> np.ndarray:
    """Rows of numbers; where a mask is made, steps of zeros are padding."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(BATCH, length, FEATURES)).astype("float32")
    for row, kept in enumerate(rng.integers(length // 5, length + 1, BATCH)):
        values[row, kept:] = 0.0
    return values


def cases() -> list[tuple[str, int, bool]]:
    return [(name, length, masked) for name in LAYERS for length in LENGTHS for masked in (False, True)]


def folder_of(scratch: Path, name: str, masked: bool) -> Path:
    return scratch / f"{name}{' masked' if masked else ''}".replace(" ", "_")


# ---- in the Keras environment


def keras_side(scratch: Path, threads: int) -> turns.Numbers:
    """Make the networks, save those that are not saved yet, and time Keras."""
    import keras
    import tensorflow as tf

    import porting

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    found = {}
    for name, length, masked in cases():
        class_name, settings, both_ways = LAYERS[name]
        keras.utils.set_random_seed(0)
        given = keras.Input((None, FEATURES))
        x = keras.layers.Masking()(given) if masked else given
        layer = getattr(keras.layers, class_name)(UNITS, **settings)
        model = keras.Model(given, (keras.layers.Bidirectional(layer) if both_ways else layer)(x))
        if not folder_of(scratch, name, masked).exists():
            porting.save(model, folder_of(scratch, name, masked))
        compiled = tf.function(model, jit_compile=False)
        found[key("Keras", name, length, masked)] = turns.smallest(partial(compiled, tf.constant(batch(length))), RUNS)
    return found


# ---- in the NeoML environment


def neoml_side(scratch: Path, threads: int) -> turns.Numbers:
    import porting
    from porting.neoml_side.lowering import recurrence

    fused = recurrence.is_native
    found = {}
    for name, length, masked in cases():
        columns = {"numpy": "numpy", "NeoML, fused layer": "neoml", "NeoML, archive cell": "neoml"}
        for column, engine in columns.items():
            if column == "NeoML, fused layer" and (name == "GRU" or masked):
                continue  # NeoML has no such layer
            # The same layer, written as a cell into the archive.
            recurrence.is_native = fused if column == "NeoML, fused layer" else _never
            net = porting.load(folder_of(scratch, name, masked), engine=engine)
            predict = partial(net.predict, batch(length), batch_size=BATCH, threads=threads)
            found[key(column, name, length, masked)] = turns.smallest(predict, RUNS)
    return found


def _never(*ignored: Any) -> bool:
    return False


# ---- the table


def key(column: str, name: str, length: int, masked: bool) -> str:
    return json.dumps([column, name, length, masked])


def report(best: turns.Best) -> None:
    times = {name: value for numbers in best.values() for name, value in numbers.items()}
    lines = [
        f"Milliseconds a batch of {BATCH} rows, {FEATURES} features, {UNITS} units, one thread. {turns.machine()}.\n"
    ]
    lines += ["| layer | steps | mask | " + " | ".join(COLUMNS) + " |", "|---|---|---|" + "---:|" * len(COLUMNS)]
    for name, length, masked in cases():
        values = (times.get(key(column, name, length, masked)) for column in COLUMNS)
        cells = " | ".join("–" if value is None else f"{value:.1f}" for value in values)
        lines.append(f"| {name} | {length} | {'yes' if masked else 'no'} | {cells} |")
    turns.write_figures(Path(__file__).with_suffix(".md"), "\n".join(lines))


if __name__ == "__main__":
    turns.main(__file__, {"keras": keras_side, "neoml": neoml_side}, report, turns=5)
