"""A BERT under a text CNN, Keras' side: the BERT learns masked words, the CNN on it is still fresh.

    python scripts/bert_keras.py [FOLDER]

A BERT of keras-hub (two layers, 64 wide; Devlin et al., 2018), its WordPiece vocabulary made from descriptions of
packages, learns the words that are left out of them. Then its vectors feed a text CNN (Kim, 2014) which nothing has
trained yet. That network is saved with its tokenizer, so it takes texts. Needs the environment of keras-hub:
`nox -s hub`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub
import tensorflow as tf
from bert_data import FOLDER, LENGTH, SECTIONS, texts_of, unlabelled_texts

import porting

WORDS, WIDTH, LAYERS, EPOCHS = 2000, 64, 2, 4
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def build_tokenizer(texts: list[str]) -> keras_hub.models.BertTokenizer:
    vocabulary = keras_hub.tokenizers.compute_word_piece_vocabulary(
        tf.data.Dataset.from_tensor_slices(texts), vocabulary_size=WORDS, reserved_tokens=SPECIAL, lowercase=True
    )
    return keras_hub.models.BertTokenizer(vocabulary, lowercase=True)


def build_bert(words: int) -> keras_hub.models.BertBackbone:
    return keras_hub.models.BertBackbone(
        vocabulary_size=words,
        num_layers=LAYERS,
        num_heads=4,
        hidden_dim=WIDTH,
        intermediate_dim=2 * WIDTH,
        max_sequence_length=LENGTH,
        name="bert",
    )


def build(bert: keras_hub.models.BertBackbone) -> keras.Model:
    layers = keras.layers
    # Fed, all three: a table of ids that the network itself computes, such as zeros, would have to be frozen in NeoML.
    names = ("token_ids", "padding_mask", "segment_ids")
    given = {name: keras.Input((LENGTH,), dtype="int32", name=name) for name in names}
    vectors = bert(given)["sequence_output"]
    parts = [
        layers.GlobalMaxPooling1D(name=f"pool_{width}")(
            layers.Conv1D(24, width, activation="relu", name=f"width_{width}")(vectors)
        )
        for width in (2, 3, 4)
    ]
    x = layers.Dropout(0.3, name="dropout")(layers.Concatenate(name="joined")(parts))
    return keras.Model(given, layers.Dense(len(SECTIONS), activation="softmax", name="section")(x), name="bert_cnn")


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    texts = unlabelled_texts()
    tokenizer = build_tokenizer(texts)
    bert = build_bert(tokenizer.vocabulary_size())
    masked = keras_hub.models.BertMaskedLMPreprocessor(tokenizer, sequence_length=LENGTH, mask_selection_length=4)
    learner = keras_hub.models.BertMaskedLM(bert, preprocessor=masked)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner.compile(keras.optimizers.Adam(2e-3), loss, weighted_metrics=["accuracy"])
    learner.fit(texts, batch_size=32, epochs=EPOCHS, verbose=2)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=LENGTH)
    held_out, _ = texts_of("test")
    network = porting.save(
        build(bert), folder, samples=held_out[:8], preprocessing=preprocessor, references="outputs", overwrite=True
    )
    print(f"saved {len(network.calls)} layers and {len(network.cases)} reference cases to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
