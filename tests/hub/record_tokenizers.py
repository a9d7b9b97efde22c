"""Record byte-level BPE of hard texts for tests without Keras, tests/text/byte_pairs.json.gz, and a network of texts.

The ids are those of the library ``tokenizers`` as keras-hub makes and calls it. Runs in the environment of keras-hub;
with the word ``network`` it saves tests/golden/texts_bert instead.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from tests.arguments import folders_and_names
from tests.hub.tokenizers import BYTE_PAIRS, HARD, PIECES

__all__ = ["GOLDEN", "NETWORK"]

GOLDEN = Path(__file__).parents[1] / "text" / "byte_pairs.json.gz"
NETWORK = Path(__file__).parents[1] / "golden" / "texts_bert"
# Of those that give their special tokens themselves, the classes of models are left to `test_texts`.
NAMES = ("bytes", "prefix", "special bytes", "many special", "special, prefix", "disordered")


def texts() -> list[str]:
    """Every hard thing by itself, and each beside the next."""
    beside = [f"a{one}b {other}{one}" for one, other in zip(HARD, HARD[1:])]
    return ["", *HARD, *beside, " ".join(HARD[20:40]), "".join(HARD[-30:])]


def record() -> dict[str, Any]:
    from tokenizers import Tokenizer, models, pre_tokenizers

    given, found = texts(), {}
    for name in NAMES:
        settings = BYTE_PAIRS[name].settings
        rules = [tuple(rule.split(" ")) for rule in settings["merges"]]
        tokenizer = Tokenizer(models.BPE(vocab=settings["vocabulary"], merges=rules))
        special = list(settings.get("unsplittable_tokens", ()))
        tokenizer.add_special_tokens(special)
        prefix = settings.get("add_prefix_space", False)
        # keras-hub gives its pattern as a string, which no text holds: nothing is split.
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=False)
        found[name] = {
            "config": {"add_prefix_space": prefix, "unsplittable_tokens": special, "splits": "tokenizers"},
            "vocabulary": list(settings["vocabulary"]),
            "merges": settings["merges"],
            "ids": [tokenizer.encode(text).ids for text in given],
        }
    return {"texts": given, "tokenizers": found}


def save_network() -> None:
    """A small BERT over texts, with its preprocessor; of what Keras computed, the ids and the outputs."""
    import keras_hub

    import porting

    models, pieces = keras_hub.models, PIECES["bert"]
    backbone = models.BertBackbone(
        vocabulary_size=len(pieces.settings["vocabulary"]),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        max_sequence_length=16,
    )
    preprocessor = models.BertTextClassifierPreprocessor(pieces.build(keras_hub), sequence_length=16)
    task = models.BertTextClassifier(backbone=backbone, num_classes=3, preprocessor=preprocessor)
    porting.save(task, NETWORK, noise=False, references="outputs")


if __name__ == "__main__":
    if folders_and_names(__spec__, __doc__, [], "part", ["network"])[1]:
        save_network()
    else:
        GOLDEN.write_bytes(gzip.compress(json.dumps(record(), separators=(",", ":")).encode(), mtime=0))
