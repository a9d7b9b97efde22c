"""Time of prediction: Keras, ONNX Runtime, NeoML and numpy on the same files, one thread and two, ragged and full.

    nox -s bench                     all networks; writes the table and the plot of benchmarks/inference.md
    nox -s bench -- inference 64 'small CNN' 'text CNN'     one turn, 64 rows, of some networks

Keras makes each network, its weights drawn, and writes it three times: as a Keras file, as ONNX by its own exporter,
and as a folder by `porting.save`. Every side reads its file and is given the same rows at once. Keras (a compiled
graph, without what `predict` adds) and ONNX Runtime take them in batches of 32, in the order in which they come;
NeoML and numpy through `PortedNetwork.predict` with its defaults, which are free to group rows. The sides take turns;
the figure is the smallest, of processor time with one thread, of wall time with two. Every side's answers are
compared with Keras'. Of NeoML's time on one thread the table also says what passes in its own run, the bare net.

Full texts have 200 words. In ragged ones a fifth of the steps are words, the rest is padding behind.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import turns
from networks import NETWORKS, RAGGED

SIDES = ("Keras", "ONNX Runtime", "NeoML", "numpy")
ENVIRONMENTS = {"Keras": "bench", "ONNX Runtime": "bench", "NeoML": "neoml", "numpy": "neoml"}
BATCH, TURNS, RUNS = 32, 3, 2
# Behind the name of a case, for the bare net.
BARE = " bare"
THREADS = (1, 2)
# What a port in float32 may be away from another float32.
AGREE = 1e-4
PAGE = Path(__file__).with_name("inference.md")


def chosen() -> list[str]:
    return os.environ["BENCH_NAMES"].split("|") if "BENCH_NAMES" in os.environ else list(NETWORKS)


def cases() -> list[tuple[str, bool]]:
    return [(name, ragged) for name in chosen() for ragged in ([True, False] if name in RAGGED else [False])]


def label(name: str, ragged: bool) -> str:
    return f"{name}, {'ragged' if ragged else 'full'}" if name in RAGGED else name


def rows_of(name: str) -> int:
    return min(NETWORKS[name][2], int(os.environ.get("BENCH_ROWS", "1000000")))


def path_of(scratch: Path, name: str) -> Path:
    return scratch / name.replace(" ", "_").replace(",", "")


def timed(
    scratch: Path,
    threads: int,
    opened: Callable[[Path], Callable[[Any], Any]],
    suffix: str = ".keras",
    measure: Callable[..., float] | None = None,
) -> turns.Numbers:
    """Microseconds a row of every case that has its file, once its answers agree with Keras'."""
    clock = time.process_time if threads == 1 else time.perf_counter
    measure = measure or partial(turns.smallest, clock=clock)
    found = {}
    for name, ragged in cases():
        if not path_of(scratch, name).with_suffix(suffix).exists():
            continue
        run, x = opened(path_of(scratch, name)), NETWORKS[name][1](rows_of(name), ragged)
        answers = path_of(scratch, label(name, ragged)).with_suffix(".npy")
        if not answers.exists():
            np.save(answers, run(x))
        np.testing.assert_allclose(run(x), np.load(answers), atol=AGREE, err_msg=label(name, ragged))
        found[label(name, ragged)] = 1e3 * measure(partial(run, x), runs=RUNS) / len(x)
    return found


def batches(run: Callable[[Any], Any], x: Any) -> Any:
    return np.concatenate([np.asarray(run(x[at : at + BATCH])) for at in range(0, len(x), BATCH)])


# ---- in the environment that has Keras' exporter and ONNX Runtime


def keras_side(scratch: Path, threads: int) -> turns.Numbers:
    """Make the networks that are not there yet, and time Keras."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for name in chosen():
        make(keras, path_of(scratch, name), name)

    def opened(path: Path) -> Callable[[Any], Any]:
        model = keras.models.load_model(path.with_suffix(".keras"))
        compiled = tf.function(model, jit_compile=False)
        return lambda x: batches(lambda part: compiled(tf.constant(part)), x)

    return timed(scratch, threads, opened)


def make(keras: Any, path: Path, name: str) -> None:
    import porting

    if path.exists():
        return
    keras.utils.set_random_seed(0)
    build, feed, _ = NETWORKS[name]
    model = build(keras)
    model.save(path.with_suffix(".keras"))
    model(feed(2, False))
    export(model, path.with_suffix(".onnx"))
    porting.save(model, path, samples=feed(2, False), noise=False)


def export(model: Any, path: Path) -> None:
    """As ONNX; operations that the exporter has no words for (gelu's erfc, of 1.17) leave no file."""
    import onnx

    model.export(str(path), format="onnx", verbose=False)
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        path.unlink()


def onnxruntime_side(scratch: Path, threads: int) -> turns.Numbers:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3

    def opened(path: Path) -> Callable[[Any], Any]:
        session = onnxruntime.InferenceSession(str(path.with_suffix(".onnx")), options, ["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        return lambda x: batches(lambda part: session.run(None, {given.name: part})[0], x)

    return timed(scratch, threads, opened, ".onnx")


# ---- in the NeoML environment


def porting_side(engine: str, scratch: Path, threads: int) -> turns.Numbers:
    import porting

    def opened(path: Path) -> Callable[[Any], Any]:
        net = porting.load(path, engine=engine)
        return lambda x: net.predict(x, threads=threads)

    found = timed(scratch, threads, opened)
    if engine == "neoml" and threads == 1:
        import neoml

        within = partial(turns.smallest_within, [(neoml.Dnn.Dnn, "run", 1)])
        found.update((name + BARE, value) for name, value in timed(scratch, 1, opened, measure=within).items())
    return found


# ---- the table and the plot


def table(best: turns.Best) -> str:
    head = " | ".join(SIDES)
    ratios = "NeoML / ONNX | bare / ONNX | NeoML / Keras | numpy / ONNX | numpy / Keras"
    lines = [f"| network | threads | {head} | bare NeoML | {ratios} |"]
    lines.append("|---|---:|" + "---:|" * (len(SIDES) + 6))
    for case in (label(*one) for one in cases()):
        for threads in THREADS:
            keras, onnx, neoml, numpy_ = (best[side, threads].get(case, math.nan) for side in SIDES)
            bare = best["NeoML", threads].get(case + BARE, math.nan)
            cells = [f"{value:.0f}" for value in (keras, onnx, neoml, numpy_, bare)]
            shares = (neoml / onnx, bare / onnx, neoml / keras, numpy_ / onnx, numpy_ / keras)
            cells += [f"{value:.2f}" for value in shares]
            lines.append(f"| {case} | {threads} | {' | '.join(cells)} |".replace("nan", "–"))
    return "\n".join(lines)


def plot(best: turns.Best, path: Path) -> None:
    """Time on one thread in relation to Keras', a group of bars a network. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [label(*one) for one in cases()]
    figure, axes = plt.subplots(figsize=(9, 0.55 * len(names) + 1.2))
    for at, side in enumerate(SIDES[1:]):
        ratios = [best[side, 1].get(name, math.nan) / best["Keras", 1][name] for name in names]
        places = [place + 0.27 * (1 - at) for place in range(len(names), 0, -1)]
        axes.barh(places, ratios, 0.25, label=side)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(names), 0, -1), names)
    axes.set_xscale("log")
    axes.set_xlabel("time on one thread, Keras = 1 (shorter is quicker)")
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def report(best: turns.Best) -> None:
    rows = f", at most {os.environ['BENCH_ROWS']} rows a network" if "BENCH_ROWS" in os.environ else ""
    figures = f"Microseconds a row. {turns.machine()}{rows}.\n\n{table(best)}\n\n![times on one thread](inference.svg)"
    turns.write_figures(PAGE, figures)
    plot(best, PAGE.with_suffix(".svg"))
    print(table(best))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].isdecimal():
        os.environ["BENCH_ROWS"] = sys.argv[1]
        os.environ.update({"BENCH_NAMES": "|".join(sys.argv[2:])} if sys.argv[2:] else {})
    turns.main(
        __file__,
        {
            "Keras": keras_side,
            "ONNX Runtime": onnxruntime_side,
            "NeoML": partial(porting_side, "neoml"),
            "numpy": partial(porting_side, "numpy"),
        },
        report,
        ENVIRONMENTS,
        1 if "BENCH_ROWS" in os.environ else TURNS,
        THREADS,
    )
