"""Package descriptions by section, Keras' side: train a classifier on real text and save it.

    python scripts/descriptions_keras.py [FOLDER]

Word ids (0 is padding, and masked) → Embedding → Dense → two bidirectional LSTM layers → Dense(softmax). The embedding
starts from word vectors learned from unlabelled descriptions: the truncated SVD of the words' positive pointwise mutual
information (Levy and Goldberg, 2014).
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from descriptions_data import FIRST_WORD, KERAS, UNKNOWN, WORDS, labelled, to_ids, unlabelled, words_of
from scipy.sparse import coo_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

import porting

FOLDER = Path(__file__).parent.parent / "saved_weights" / "descriptions"
VOCABULARY, WIDTH, LEAST_COUNT = 8000, 96, 3
EPOCHS, BATCH_SIZE, LEARNING_RATE = 16, 32, 3e-3


def baselines() -> dict[str, float]:
    """Accuracy of two bags of words on the held-out texts."""
    texts, classes, _ = labelled("train")
    held_out, truth, _ = labelled("test")
    counter = CountVectorizer(token_pattern=r"[a-z0-9]+")
    counts, held_counts = counter.fit_transform(texts), counter.transform(held_out)
    models = {"naive Bayes": MultinomialNB(), "logistic regression": LogisticRegression(max_iter=2000)}
    return {name: float(model.fit(counts, classes).score(held_counts, truth)) for name, model in models.items()}


def learn_vectors(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """The commonest words, and a vector for each."""
    documents = [words_of(text) for text in texts]
    counts = Counter(word for document in documents for word in set(document))
    vocabulary = [word for word, count in counts.most_common(VOCABULARY) if count >= LEAST_COUNT]
    number = {word: at for at, word in enumerate(vocabulary)}
    pairs: Counter[tuple[int, int]] = Counter()
    for document in documents:
        ids = [number[word] for word in document if word in number]
        for at, one in enumerate(ids):
            for before, other in enumerate(ids[:at]):
                weight = 1 / (1 + 0.2 * (at - before))
                pairs[one, other] += weight
                pairs[other, one] += weight
    rows, columns = np.array(list(pairs)).T
    together = np.array(list(pairs.values()))
    alone = np.bincount(rows, together, len(vocabulary))
    context = alone**0.75
    information = np.log(together * context.sum() / (alone[rows] * context[columns]))
    kept = information > 0
    shape = (len(vocabulary), len(vocabulary))
    matrix = coo_matrix((information[kept], (rows[kept], columns[kept])), shape).tocsr()
    svd = TruncatedSVD(WIDTH, random_state=0, n_iter=5)
    vectors = svd.fit_transform(matrix) / np.sqrt(svd.singular_values_)
    return vocabulary, (vectors / vectors.std()).astype("float32")


def build(vectors: np.ndarray, classes: int) -> keras.Model:
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedding = layers.Embedding(len(vectors) + FIRST_WORD, WIDTH, mask_zero=True, name="embedding")
    x = layers.Dropout(0.5, name="dropout")(embedding(ids))
    x = layers.Dense(64, activation="tanh", name="dense")(x)
    for number in (1, 2):
        x = layers.Dropout(0.3, name=f"dropout_{number}")(x)
        lstm = layers.LSTM(32, return_sequences=number == 1)
        x = layers.Bidirectional(lstm, name=f"bidirectional_{number}")(x)
    x = layers.Dropout(0.3, name="dropout_3")(x)
    outputs = layers.Dense(classes, activation="softmax", name="sections")(x)
    table = np.zeros((len(vectors) + FIRST_WORD, WIDTH), "float32")
    table[FIRST_WORD:] = vectors
    table[UNKNOWN] = vectors.mean(axis=0)
    embedding.set_weights([table])
    return keras.Model(ids, outputs, name="descriptions")


def main(folder: Path) -> None:
    for name, accuracy in baselines().items():
        print(f"bag of words, {name}: {accuracy:.1%} of the held-out texts right")
    vocabulary, vectors = learn_vectors(unlabelled())
    texts, classes, sections = labelled("train")
    held_out, truth, _ = labelled("test")
    keras.utils.set_random_seed(0)
    model = build(vectors, len(sections))
    steps = EPOCHS * len(texts) // BATCH_SIZE
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(to_ids(texts, vocabulary), classes, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=2)
    ids = to_ids(held_out, vocabulary)
    probabilities = model.predict(ids, verbose=0)
    print(f"this network: {np.mean(probabilities.argmax(axis=1) == truth):.1%} of the held-out texts right")
    WORDS.write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    np.savez_compressed(KERAS, probabilities=probabilities)
    network = porting.save(model, folder, samples=ids[:8], overwrite=True)
    print(f"saved {len(network.calls)} layers and {len(network.cases)} reference cases to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
