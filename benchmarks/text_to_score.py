"""2000 texts of about 190 words, raw text to score: one-hot products, Keras, and this project's three ways.

    nox -s bench -- text_to_score          writes the table of benchmarks/text_to_score.md

The network is the published filter: TextVectorization (1000 words, 100 a text) → Embedding(40) →
GlobalAveragePooling1D → Dense(6, relu) → Dense(1, sigmoid), adapted to the texts, its weights drawn. The texts are
real: descriptions of Debian packages in the order in which they come, as many to a text as make 190 words.

- one-hot, lists: the published way without Keras. Every word is compared with the whole vocabulary and becomes a list
  of ones and zeros, and the rows of a text are multiplied by the embedding.
- one-hot, arrays: the same with numpy's comparison of a word with the whole vocabulary.
- Keras: `model.predict` on a tensor of strings, in batches of 32 (its default) and of 256.
- ours: `porting.load(…).predict(texts)` on a list of str, on numpy and on NeoML, as they come; and the standalone
  file's `predict`.

The sides take turns; the smallest of all runs counts, since the others met other work on the machine (the one-hot ways
run once). Every side's scores are compared with Keras'.
"""

from __future__ import annotations

import gzip
import os
import re
import runpy
import string
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import turns

ROOT = Path(__file__).parent.parent
TEXTS, TEXT_WORDS, WORDS, LENGTH = 2000, 190, 1000, 100
RUNS = 5
# What scores in float32 may be apart.
AGREE = 1e-6
OneHot = Callable[[np.ndarray, list[str]], np.ndarray]
PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")
COLUMNS = (
    "one-hot, lists",
    "one-hot, arrays",
    "Keras predict",
    "Keras predict, batches of 256",
    "porting, numpy",
    "porting, NeoML",
    "standalone file",
)


def texts() -> list[str]:
    """Descriptions in their order, joined to texts of `TEXT_WORDS` words or a few more."""
    with gzip.open(ROOT / "scripts" / "data" / "unlabelled.txt.gz", "rt", encoding="utf-8") as lines:
        return list(_joined(line.strip() for line in lines))[:TEXTS]


def _joined(lines: Iterator[str]) -> Iterator[str]:
    parts: list[str] = []
    for line in lines:
        parts.append(line)
        if sum(len(part.split()) for part in parts) >= TEXT_WORDS:
            yield ". ".join(parts)
            parts = []


def listed(known: np.ndarray, words: list[str]) -> np.ndarray:
    """The rows of a text, made of lists."""
    vocabulary = known.tolist()
    rows = []
    for word in words:
        found = word if word in vocabulary else "[UNK]"
        rows.append([1.0 if one == found else 0.0 for one in vocabulary])
    return np.array(rows, np.float32)


def compared(known: np.ndarray, words: list[str]) -> np.ndarray:
    """The rows of a text, each a comparison of arrays."""
    rows = np.zeros((LENGTH, WORDS), np.float32)
    for row, word in zip(rows, words):
        matches = known == word
        row[:] = matches if matches.any() else known == "[UNK]"
    return rows


def one_hot_scores(one_hot: OneHot, arrays: dict[str, np.ndarray], given: list[str]) -> np.ndarray:
    """The published way: text by text, with products of one-hot rows."""
    scores = []
    for text in given:
        words = PUNCTUATION.sub("", text.lower()).split()[:LENGTH]
        rows = one_hot(arrays["vocabulary"], words + [""] * (LENGTH - len(words)))
        mean = (rows @ arrays["embedding"]).mean(axis=0)
        hidden = np.maximum(mean @ arrays["kernel"] + arrays["bias"], 0)
        scores.append(1 / (1 + np.exp(-(hidden @ arrays["kernel_1"] + arrays["bias_1"]))))
    return np.array(scores)


def measure(run: Callable[[], np.ndarray], runs: int) -> tuple[np.ndarray, float, float]:
    """The scores, and the least milliseconds of wall and of processor time."""
    walls, processor = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        scores = run()
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
    return scores, 1e3 * min(walls), 1e3 * min(processor)


def all_measured(sides: dict[str, tuple[Callable[[], np.ndarray], int]], scratch: Path) -> turns.Numbers:
    """Wall and processor time of every side, once its scores agree with Keras'."""
    found = {}
    for column, (run, runs) in sides.items():
        scores, wall, processor = measure(run, runs)
        if not (scratch / "scores.npy").exists():
            np.save(scratch / "scores.npy", scores)
        np.testing.assert_allclose(np.ravel(scores), np.ravel(np.load(scratch / "scores.npy")), atol=AGREE)
        found.update({f"{column}, wall": wall, f"{column}, processor": processor})
    return found


# ---- in the Keras environment


def keras_side(scratch: Path, threads: int) -> turns.Numbers:
    import keras
    import tensorflow as tf

    import porting

    keras.utils.set_random_seed(0)
    layers, given = keras.layers, texts()
    vectorize = layers.TextVectorization(max_tokens=WORDS, output_sequence_length=LENGTH)
    vectorize.adapt(given)
    text = keras.Input((1,), dtype="string", name="text")
    embedding, dense, last = layers.Embedding(WORDS, 40), layers.Dense(6, "relu"), layers.Dense(1, "sigmoid")
    model = keras.Model(text, last(dense(layers.GlobalAveragePooling1D()(embedding(vectorize(text))))), name="filter")
    embedding.set_weights([np.random.default_rng(0).normal(size=(WORDS, 40))])
    if not (scratch / "filter").exists():
        porting.save(model, scratch / "filter", samples=given[:8])
        names = ("embedding", "kernel", "bias", "kernel_1", "bias_1")
        weights = dict(zip(names, [*embedding.get_weights(), *dense.get_weights(), *last.get_weights()]))
        np.savez(scratch / "weights.npz", vocabulary=np.array(vectorize.get_vocabulary()), **weights)
    column = tf.constant(given)[:, None]
    sides: dict[str, tuple[Callable[[], np.ndarray], int]] = {
        "Keras predict": (lambda: model.predict(column, verbose=0), RUNS),
        "Keras predict, batches of 256": (lambda: model.predict(column, batch_size=256, verbose=0), RUNS),
    }
    return all_measured(sides, scratch)


# ---- in the NeoML environment


def neoml_side(scratch: Path, threads: int) -> turns.Numbers:
    import porting

    given = texts()
    sides: dict[str, tuple[Callable[[], np.ndarray], int]] = {}
    for engine, column in (("numpy", "porting, numpy"), ("neoml", "porting, NeoML")):
        net = porting.load(scratch / "filter", engine=engine)
        net.predict(given[:32])
        sides[column] = (lambda net=net: net.predict(given), RUNS)  # type: ignore[misc]
    if not (scratch / "one_hot").exists():
        (scratch / "one_hot").touch()
        arrays = dict(np.load(scratch / "weights.npz"))
        sides["one-hot, lists"] = (lambda: one_hot_scores(listed, arrays, given), 1)
        sides["one-hot, arrays"] = (lambda: one_hot_scores(compared, arrays, given), 1)
        porting.standalone(scratch / "filter", scratch)
    predict = runpy.run_path(str(scratch / "filter.py"))["predict"]
    sides["standalone file"] = (lambda: predict(given), RUNS)
    return all_measured(sides, scratch)


# ---- the table


def report(best: turns.Best) -> None:
    times = {name: value for numbers in best.values() for name, value in numbers.items()}
    given = texts()
    average = sum(len(text.split()) for text in given) / len(given)
    lines = [f"Milliseconds for {len(given)} texts of {average:.0f} words. {turns.machine()}.\n"]
    lines += ["| | wall | processor | times as fast as one-hot lists |", "|---|---:|---:|---:|"]
    for column in COLUMNS:
        wall, processor = times[f"{column}, wall"], times[f"{column}, processor"]
        lines.append(f"| {column} | {wall:.1f} | {processor:.1f} | {times['one-hot, lists, wall'] / wall:.0f} |")
    turns.write_figures(Path(__file__).with_suffix(".md"), "\n".join(lines))


if __name__ == "__main__":
    turns.main(__file__, {"keras": keras_side, "neoml": neoml_side}, report, threads=[os.cpu_count() or 1])
