"""A BERT under a text CNN, Keras' side again: NeoML's weights in the Keras model, the same texts right.

python scripts/bert_back.py [OUT]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_hub
import numpy as np
from bert_data import LENGTH, OUT, texts_of
from bert_keras import build, build_bert

import porting


def main(out: Path) -> int:
    layers = porting.load(out / "bert", engine="numpy").network.layers
    tokenizer = keras_hub.models.BertTokenizer(list(layers["tokenizer"].weights["vocabulary"]), lowercase=True)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=LENGTH)
    model = build(build_bert(tokenizer.vocabulary_size()))
    count = porting.restore(out / "bert", model)
    held_out, truth = texts_of("test")
    keras = model.predict(preprocessor(held_out), verbose=0)
    with np.load(out / "bert.npz") as file:
        neoml = file["section"]
    right = [np.mean(made.argmax(axis=-1) == truth) for made in (keras, neoml)]
    apart = np.abs(keras - neoml).max()
    print(f"{count} weights back in Keras")
    print(f"held-out texts right: {right[0]:.1%} in Keras, {right[1]:.1%} in NeoML")
    print(f"largest difference in a probability: {apart:.1e}")
    return 0 if right[0] == right[1] and apart < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT))
