"""2000 texts of about 190 words to word ids: `porting.text`, a dictionary in a loop, one-hot rows, and Keras.

    python -m benchmarks.text [--texts 2000] [--repeats 7]

The vocabulary has 1000 words and the ids 100 places, 0 for padding and 1 for unknown words. The texts are made up,
with a vocabulary as skewed as a language's. `porting.text` runs in one thread. The best of the repeats counts, since
the others met other work on the machine; processor time stands beside it. Keras is measured where it is installed.
The one-hot way is the published one without Keras: every word compared with the whole vocabulary, and a matrix of
ones and zeros times the embedding. It is timed on a part of the texts and counted up.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import string
import time
from collections.abc import Callable

import numpy as np

from porting.network import Array
from porting.text import TextVectorization

WORDS, LENGTH, ONE_HOT_TEXTS = 1000, 100, 50
PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")


def make_texts(count: int) -> tuple[list[str], list[str]]:
    """Texts of 100 to 280 words, some capitalized and some with marks; and the most frequent words of them all."""
    rng = random.Random(0)
    letters = string.ascii_lowercase
    words = list(dict.fromkeys("".join(rng.choices(letters, k=rng.randint(2, 10))) for _ in range(30_000)))
    skewed = [1 / (rank + 1) for rank in range(len(words))]

    def text() -> str:
        drawn = rng.choices(words, skewed, k=rng.randint(100, 280))
        cased = [word.capitalize() if rng.random() < 0.1 else word for word in drawn]
        return " ".join(word + rng.choice(".,!?") if rng.random() < 0.12 else word for word in cased)

    return [text() for _ in range(count)], words[: WORDS - 2]


def loop_of_dictionary(texts: list[str], vocabulary: list[str]) -> Array:
    """The plain way: standardize, split, look up, text by text."""
    ids = {word: place + 2 for place, word in enumerate(vocabulary)}
    table = str.maketrans(string.ascii_uppercase, string.ascii_lowercase, string.punctuation)
    rows = np.zeros((len(texts), LENGTH), np.int64)
    for row, text in zip(rows, texts):
        found = [ids.get(word, 1) for word in text.translate(table).split()[:LENGTH]]
        row[: len(found)] = found
    return rows


def one_hot_rows(texts: list[str], vocabulary: list[str]) -> Array:
    """Every word against the whole vocabulary; rows of ones and zeros times an embedding of 40; the rows' ids."""
    known = np.array(["", "[UNK]", *vocabulary])
    embedding = np.random.default_rng(0).normal(size=(WORDS, 40)).astype(np.float32)
    rows = np.zeros((len(texts), LENGTH), np.int64)
    for row, text in zip(rows, texts):
        words = PUNCTUATION.sub("", text.lower()).split()[:LENGTH]
        one_hot = np.zeros((LENGTH, WORDS), np.float32)
        for place in range(LENGTH):
            matches = known == (words[place] if place < len(words) else "")
            one_hot[place] = matches if matches.any() else known == "[UNK]"
        one_hot @ embedding
        row[:] = one_hot.argmax(axis=1)
    return rows


def keras_layer(vocabulary: list[str]) -> Callable[[list[str]], Array] | None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    try:
        import keras
        import tensorflow as tf
    except ImportError:
        return None
    layer = keras.layers.TextVectorization(output_sequence_length=LENGTH, vocabulary=vocabulary)
    return lambda texts: layer(tf.constant(texts)).numpy()


def measure(run: Callable[[], Array], repeats: int) -> tuple[Array, float, float]:
    """The result, and the least milliseconds of wall and of processor time."""
    walls, processor = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        result = run()
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
    return result, 1e3 * min(walls), 1e3 * min(processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    texts, vocabulary = make_texts(options.texts)
    layer = TextVectorization(vocabulary, output_sequence_length=LENGTH)
    part = texts[:ONE_HOT_TEXTS]
    runs: list[tuple[str, Callable[[], Array], int]] = [
        ("porting.text", lambda: layer(texts), len(texts)),
        ("a dictionary in a loop", lambda: loop_of_dictionary(texts, vocabulary), len(texts)),
        (f"one-hot rows (of {len(part)} texts)", lambda: one_hot_rows(part, vocabulary), len(part)),
    ]
    keras_run = keras_layer(vocabulary)
    if keras_run is not None:
        runs.append(("Keras, several threads", lambda: keras_run(texts), len(texts)))
    average = sum(len(text.split()) for text in texts) / len(texts)
    print(f"{len(texts)} texts of {average:.0f} words, numpy {np.__version__}: milliseconds, wall and processor")
    wanted = layer(texts)
    for name, run, count in runs:
        result, wall, processor = measure(run, options.repeats if count == len(texts) else 1)
        same = "same ids" if np.array_equal(result, wanted[:count]) else "OTHER IDS"
        scale = len(texts) / count
        print(f"  {name:32} {wall * scale:10.1f} {processor * scale:10.1f}   {same}")


if __name__ == "__main__":
    main()
