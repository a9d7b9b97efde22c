"""Record what keras-hub's tokenizers make of hard texts, for tests without Keras: tests/text/tokenizers.json.gz.

Run in the environment of keras-hub: ``python -m tests.hub.record_tokenizers``.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import keras_hub
import numpy as np
import tensorflow as tf

from porting.keras_side.hub import HubTexts
from porting.keras_side.hub_layers import Tokenizer, tokenizer_for
from tests.hub.tokenizers import BYTE_PAIRS, HARD, PIECES, Made

__all__ = ["GOLDEN", "LENGTH", "Rows", "layer_of"]

GOLDEN = Path(__file__).parents[1] / "text" / "tokenizers.json.gz"
LENGTH = 120
# What only some characters have an entry in, and those that all tokenizers of a kind share.
BY_CHARACTER, SHARED = ("decomposed", "folds"), ("accents", "blanks", "letters", "marks", "numbers")
# The others would be traced for minutes, and are compared in this environment.
IN_A_GRAPH = ("special bytes", "many special", "prefix", "disordered")


class Rows:
    """Stands for a preprocessor whose rows have one length."""

    sequence_length = LENGTH


def layer_of(made: Made, in_graph: bool) -> Tokenizer:
    """A tokenizer as the exporter calls and describes it."""
    return tokenizer_for(HubTexts(Rows, made.build(keras_hub), in_graph, 1), "tokenizer")


def texts() -> list[str]:
    """Every hard thing by itself, and each beside the next."""
    beside = [f"a{one}b {other}{one}" for one, other in zip(HARD, HARD[1:])]
    return ["", *HARD, *beside, " ".join(HARD[20:40]), "".join(HARD[-30:])]


def record() -> dict[str, Any]:
    given, tokenizers, shared = texts(), {}, {}
    letters = set("".join(given))
    for name, made in {**BYTE_PAIRS, **PIECES}.items():
        for in_graph in (True, False) if name in IN_A_GRAPH else (False,):
            layer = layer_of(made, in_graph)
            tables = layer.tables()
            shared.update((key, tables.pop(key).tolist()) for key in SHARED if key in tables)
            for key in BY_CHARACTER:
                if key in tables:
                    shared[key] = [one for one in tables.pop(key).tolist() if one[0] in letters]
            rows = np.asarray(layer.call(tf.constant(given)))
            tokenizers[f"{name}, {'in a graph' if in_graph else 'called'}"] = {
                "class": type(layer).__name__,
                "config": layer.settings(),
                "tables": {key: array.tolist() for key, array in tables.items()},
                "ids": [[one for one in row if one != layer.fill] for row in rows.tolist()],
            }
    return {"keras_hub": keras_hub.__version__, "texts": given, "shared": shared, "tokenizers": tokenizers}


if __name__ == "__main__":
    GOLDEN.write_bytes(gzip.compress(json.dumps(record(), separators=(",", ":")).encode(), mtime=0))
