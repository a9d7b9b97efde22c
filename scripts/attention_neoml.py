"""Attention weights beside the score, NeoML's side: one pass gives both.

    python scripts/attention_neoml.py [FOLDER]

The layer that is not Keras' own is ported by the rule in attention_rules.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from descriptions_data import words_of
from sequences_data import DATA, FIRST_WORD, SAVED, common_words, compare, labelled, pad_to, to_ids

import porting

FOLDER = SAVED / "attention"
RULES = Path(__file__).parent / "attention_rules.py"
KERAS = DATA / "attention_keras.npz"


class Reader:
    """Reads descriptions with the ported network.

    Attributes:
        net: the network; its outputs are the probabilities of the sections, and the weights of the words.
        known: the words that it knows.
        length: how many words it reads.
        sections: the names of the sections.
    """

    def __init__(self, folder: Path = FOLDER, engine: str | None = None) -> None:
        self.net = porting.load(folder, engine=engine, rules=RULES)
        (self.length,) = self.net.network.inputs[0].shape[1:]
        (embedding,) = (one for one in self.net.network.layers.values() if one.class_name == "Embedding")
        self.vocabulary = common_words(embedding.config["input_dim"] - FIRST_WORD)
        self.known = frozenset(self.vocabulary)
        self.sections = labelled("test")[2]

    def predict(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (texts, sections) and weights (texts, words), in one pass."""
        probabilities, weights = self.net.predict(pad_to(to_ids(texts, self.vocabulary), self.length))
        return probabilities, weights[..., 0]

    def explain(self, text: str) -> tuple[str, float, list[tuple[str, float]]]:
        """The section, its probability, and every word that was read with its weight."""
        probabilities, weights = self.predict([text])
        best = int(probabilities[0].argmax())
        return self.sections[best], float(probabilities[0, best]), list(zip(words_of(text), map(float, weights[0])))


def main(folder: Path) -> int:
    reader = Reader(folder, "neoml")
    report = reader.net.check()
    print(report)
    texts, truth, _ = labelled("test")
    probabilities, weights = reader.predict(texts)
    wanted = np.load(KERAS)
    print(f"\n{np.mean(probabilities.argmax(axis=1) == truth):.1%} of {len(texts)} held-out texts right")
    differ = compare(probabilities, wanted["probabilities"])
    print(f"largest difference in a word's weight: {np.abs(weights - wanted['weights']).max():.1e}\n")
    for text in texts[:: len(texts) // 5]:
        section, probability, words = reader.explain(text)
        print(f"{section} {probability:.2f}: " + " ".join(f"{word}({weight:.2f})" for word, weight in words))
    return 0 if report.ok and differ == 0 else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
