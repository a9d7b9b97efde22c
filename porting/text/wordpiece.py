"""WordPiece, as keras-hub's tokenizers of BERT do it: words, and the longest pieces of a vocabulary in each.

What is a mark, a blank or an accent is not asked of this Python's Unicode: the saved layer says what TensorFlow's
regular expressions took for one, and what its case folding makes of each letter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..network import Array
from .rows import RowsOfTokens
from .settings import Setting, at_least, is_flag, is_whole, one_of, read_settings, weight_of

# What keras-hub sets blanks around.
CJK = (
    "\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b820-\U0002ceaf"
    "\uf900-\ufaff\U0002f800-\U0002fa1f"
)
# Syllables, which are decomposed by arithmetic.
HANGUL = (0xAC00, 0xD7A4)
# TensorFlow Text looks no longer word up; the limit counts bytes.
LONGEST_WORD = 100
MOST_WORDS = 1 << 16


def in_class(ranges: Array) -> str:
    """Characters, by the first and the last code point of each range, as they stand in ``[…]``."""
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges.tolist())


def in_canonical_order(text: str) -> str:
    """The text with its combining marks in Unicode's order, those between two other characters by their classes."""
    classes = list(map(unicodedata.combining, text))
    if sum(map(bool, classes)) < 2:
        return text
    places = list(range(len(text)))
    start = 0
    for at, kind in enumerate([*classes, 0]):
        if not kind:
            places[start:at] = sorted(places[start:at], key=classes.__getitem__)
            start = at + 1
    return "".join(map(text.__getitem__, places))


class WordPieces:
    """From a text to its pieces.

    Args:
        places: ids by piece.
        unknown: what stands for a word that cannot be made of pieces.
        suffix: what pieces begin with that stand within a word.
        special: words that are never split or folded, in the order in which they are looked for.
        splits_cjk: whether each Chinese character is a word.
        blanks, marks: what separates words, and what is a word by itself, as they stand in ``[…]``.
        accents: what is left out of a text in NFD; empty to leave it as it is.
        decomposed: what each character becomes in NFD, after it.
        folds: what each character becomes in the folded case of NFKC, after it; empty to leave words as they are.
    """

    def __init__(
        self,
        places: Mapping[str, int],
        unknown: str,
        suffix: str,
        special: Sequence[str],
        splits_cjk: bool,
        blanks: str,
        marks: str,
        accents: str,
        decomposed: Sequence[str],
        folds: Sequence[str],
    ) -> None:
        self.places, self.unknown, self.suffix = places, unknown, suffix
        self.longest = max(map(len, places))
        whole = "|".join(map(re.escape, special))
        self.special = re.compile(whole) if whole else None
        kept = f"[{marks}{CJK if splits_cjk else ''}]"
        self.separators = re.compile(f"({f'{whole}|' if whole else ''}{kept})|[{blanks}]")
        self.cjk = re.compile(f"[{CJK}]") if splits_cjk else None
        self.accents = re.compile(f"[{accents}]") if accents else None
        self.decomposed = {ord(one[0]): one[1:] for one in decomposed}
        self.decomposed.update((place, unicodedata.normalize("NFD", chr(place))) for place in range(*HANGUL))
        self.folds = {ord(one[0]): one[1:] for one in folds}
        self.known: dict[str, list[str]] = {}

    def words(self, text: str) -> list[str]:
        if self.cjk is not None:
            text = self.cjk.sub(r" \g<0> ", text)
        if self.accents is not None:
            text = in_canonical_order(self.accents.sub("", text.translate(self.decomposed)))
        # TensorFlow Text splits a text as far as its first NUL.
        return [word for word in self.separators.split(text.partition("\0")[0]) if word]

    def folded(self, word: str) -> str:
        """The word in the folded case of NFKC, save a special one."""
        if not self.folds or (self.special is not None and self.special.sub("६", word) == "६"):
            return word
        return unicodedata.normalize("NFC", word.translate(self.folds))

    def tokens(self, text: str) -> list[str]:
        """A text's pieces."""
        found = []
        for word in self.words(text):
            pieces = self.known.get(word)
            if pieces is None:
                if len(self.known) >= MOST_WORDS:
                    self.known.clear()
                pieces = self.known[word] = self.pieces(self.folded(word))
            found += pieces
        return found

    def pieces(self, word: str) -> list[str]:
        """The longest piece that a word begins with, the longest that what is left begins with, and so on."""
        if len(word.encode()) > LONGEST_WORD:
            return [self.unknown]
        found, start = [], 0
        while start < len(word):
            prefix = self.suffix if start else ""
            for end in range(min(len(word), start + self.longest), start, -1):
                if prefix + word[start:end] in self.places:
                    break
            else:
                return [self.unknown]
            found.append(prefix + word[start:end])
            start = end
        return found

    def id_of(self, token: str) -> int:
        return self.places[token]


SETTINGS = {
    "sequence_length": Setting(None, at_least(1), "give the tokenizer a sequence_length, or its preprocessor"),
    "pad_value": Setting(0, is_whole),
    "lowercase": Setting(False, is_flag),
    "strip_accents": Setting(False, is_flag),
    "split": Setting(True, one_of(True), "words that are split already are no texts: feed ids"),
    "split_on_cjk": Setting(True, is_flag),
    "suffix_indicator": Setting("##", lambda value: isinstance(value, str) and bool(value)),
    "oov_token": Setting("[UNK]", lambda value: isinstance(value, str)),
    "special_tokens": Setting((), lambda value: isinstance(value, (list, tuple)) and all(map(_is_word, value))),
}


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


@dataclass(frozen=True, eq=False)
class WordPieceTokenizer(RowsOfTokens):
    """keras-hub's ``WordPieceTokenizer`` and those of BERT, DistilBERT and ELECTRA, with rows of one length."""

    pieces: WordPieces
    settings: Mapping[str, Any]
    tables: Mapping[str, Array]

    @classmethod
    def from_layer(cls, config: Mapping[str, Any], weights: Mapping[str, Array]) -> WordPieceTokenizer:
        """From its settings and the weights ``vocabulary``, ``blanks``, ``marks``, ``accents``,
        ``decomposed`` and ``folds``.

        Raises:
            Unsupported: for settings that are not done exactly, all at once, and without a table.
        """
        values = read_settings("WordPieceTokenizer", config, SETTINGS)
        vocabulary = weight_of("WordPieceTokenizer", config, weights, "vocabulary")
        classes = {
            name: in_class(np.asarray(weight_of("WordPieceTokenizer", config, weights, name)))
            for name in ("blanks", "marks", "accents")
        }
        pieces = WordPieces(
            {word: place for place, word in enumerate(vocabulary)},
            values["oov_token"],
            values["suffix_indicator"],
            values["special_tokens"],
            values["split_on_cjk"],
            classes["blanks"],
            classes["marks"],
            classes["accents"] if values["strip_accents"] else "",
            weight_of("WordPieceTokenizer", config, weights, "decomposed") if values["strip_accents"] else (),
            weight_of("WordPieceTokenizer", config, weights, "folds") if values["lowercase"] else (),
        )
        return cls(values["sequence_length"], values["pad_value"], pieces, values, weights)

    def is_known(self, token: str) -> bool:
        """Whether a token is a piece of the vocabulary and not what stands for all others."""
        return token != self.settings["oov_token"]
