"""Byte-level BPE, as keras-hub's tokenizers of GPT-2, RoBERTa and their kin do it.

keras-hub has two of them, which split a text otherwise. In a graph, as `predict` and `fit` of its models run it, it is
TensorFlow's regular expressions (`RegexWords`). Called as it is, it is the library ``tokenizers``, which it gives the
pattern as a plain string: so a text is split at special tokens and nowhere else (`WholeText`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from ..errors import Unsupported
from ..network import Array
from .rows import RowsOfTokens
from .settings import Setting, at_least, is_flag, is_whole, one_of, read_settings, weight_of
from .wordpiece import in_class

# The blanks of RE2, and those that keras-hub adds to them.
BLANKS = "\t\n\f\r "
FURTHER_BLANKS = "\xa0\u2009\u202f\u3000"
# keras-hub marks where GPT-2's pattern looks ahead, and has this for a mark.
MARK = "६"
MOST_PARTS = 1 << 16


def byte_letters() -> dict[int, str]:
    """GPT-2's letter for each byte: itself where it can be seen, otherwise one of those from U+0100 on."""
    seen = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) if byte in seen else chr(256 + hidden.index(byte)) for byte in range(256)}


def merged(letters: str, ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """The parts of a word: again and again the leftmost pair of the lowest rank becomes one."""
    parts, end = list(letters), len(letters)
    after, before = list(range(1, end + 1)), list(range(-1, end - 1))
    pairs = [(ranks[pair], at) for at, pair in enumerate(zip(parts, parts[1:])) if pair in ranks]
    heapify(pairs)
    while pairs:
        rank, at = heappop(pairs)
        follows = after[at]
        # A part that another has taken up is empty, and in no rule.
        if follows == end or ranks.get((parts[at], parts[follows])) != rank:
            continue
        parts[at] += parts[follows]
        parts[follows] = ""
        after[at] = after[follows]
        if after[at] < end:
            before[after[at]] = at
        for one, other in ((before[at], at), (at, after[at])):
            if one >= 0 and other < end and (parts[one], parts[other]) in ranks:
                heappush(pairs, (ranks[parts[one], parts[other]], one))
    return [part for part in parts if part]


class RegexWords:
    """The words of a text as keras-hub's regular expressions find them in TensorFlow.

    Args:
        special: tokens that are never split, in the order in which they are looked for.
        prefix: what comes before every text.
        letters, numbers: as they stand in ``[…]``.
    """

    def __init__(self, special: Sequence[str], prefix: str, letters: str, numbers: str) -> None:
        self.prefix = prefix
        blanks = BLANKS + FURTHER_BLANKS
        self.before_words = re.compile(f"( )([^{blanks}])")
        self.at_the_end = re.compile(f"([{BLANKS}]{FURTHER_BLANKS})\\Z")
        self.words = re.compile(
            f"('s|'t|'re|'ve|'m|'ll|'d|[{blanks}]+[\n\r\t\f{MARK}{FURTHER_BLANKS}]"
            f"| ?[{letters}]+| ?[{numbers}]+| ?[^{blanks}{letters}{numbers}]+)"
        )
        self.last = re.compile(f"([ \t\r\f\v{MARK}{FURTHER_BLANKS}]\\Z)")
        # A special token is one word of letters while the text is split.
        names = ["Ĵ" + "".join(chr(ord("A") + int(digit)) for digit in str(place)) for place in range(len(special))]
        self.names = dict(zip(special, names))

    def __call__(self, text: str) -> list[str]:
        text = self.before_words.sub(f"{MARK}\\1\\2", self.prefix + text)
        # TensorFlow Text splits a text as far as its first NUL.
        pieces = [self.at_the_end.sub(f"\\1{MARK}", text).partition("\0")[0]]
        for token, name in self.names.items():
            if any(token in piece for piece in pieces):
                pieces = [part for piece in pieces for part in re.split(f"({re.escape(token)})", piece) if part]
                pieces = [piece.replace(token, name) for piece in pieces]
        words = [word for piece in pieces for word in self.words.split(piece) if word]
        words = [part for word in words for part in self.last.split(word) if part]
        if any("Ĵ" in word for word in words):
            for token, name in self.names.items():
                words = [word.replace(name, token) for word in words]
        return [word for word in words if word != MARK]


class WholeText:
    """A text between its special tokens, as keras-hub gives it to the library ``tokenizers``.

    Args:
        special: tokens that are never split; of two that begin in one place, the longer is found.
        prefix: what comes before every piece of text that does not begin with it.
    """

    def __init__(self, special: Sequence[str], prefix: str) -> None:
        self.prefix = prefix
        longest_first = sorted(special, key=len, reverse=True)
        self.special = re.compile(f"({'|'.join(map(re.escape, longest_first))})") if special else None
        self.names = dict.fromkeys(special)

    def __call__(self, text: str) -> list[str]:
        pieces = self.special.split(text) if self.special is not None else [text]
        found = []
        for place, piece in enumerate(pieces):
            is_text = place % 2 == 0
            if piece:
                found.append(self.prefix + piece if is_text and not piece.startswith(self.prefix) else piece)
        return found


class BytePairs:
    """From a text to its tokens.

    Args:
        words: splits a text; its `names` are the tokens that are kept as they are.
        places: ids by token.
        merges: the rules, two parts with a blank between, the first of the lowest rank.
        keeps_unknown: a byte that is no token stays, with the id -1; otherwise it is left out.
    """

    def __init__(self, words: Any, places: Mapping[str, int], merges: Sequence[str], keeps_unknown: bool) -> None:
        self.words, self.places = words, places
        pairs = [tuple(rule.split(" ")) for rule in merges if "#version:" not in rule]
        self.ranks: dict[Any, int] = {pair: rank for rank, pair in enumerate(pairs)}
        # No rule joins what ends with one of these and what begins with the other.
        self.joints = {(left[-1], right[0]) for left, right in self.ranks}
        letters = byte_letters()
        self.letters = {byte: one if keeps_unknown or one in places else "" for byte, one in letters.items()}
        self.known: dict[str, list[str]] = {}

    def tokens(self, text: str) -> list[str]:
        """A text's tokens, in GPT-2's letters for bytes."""
        found = []
        for word in self.words(text):
            if word in self.words.names:
                found += [part for part in word.split(" ") if part]
                continue
            letters = word.encode().decode("latin-1").translate(self.letters)
            for part in self.parts(letters):
                tokens = self.known.get(part)
                if tokens is None:
                    if len(self.known) >= MOST_PARTS:
                        self.known.clear()
                    tokens = self.known[part] = merged(part, self.ranks)
                found += tokens
        return found

    def parts(self, letters: str) -> list[str]:
        """A word where no rule can join it: each part is merged by itself."""
        joints = self.joints
        cuts = [at for at, pair in enumerate(zip(letters, letters[1:]), 1) if pair not in joints]
        return [letters[start:end] for start, end in zip([0, *cuts], [*cuts, len(letters)]) if end > start]

    def id_of(self, token: str) -> int:
        return self.places.get(token, -1)


SETTINGS = {
    "sequence_length": Setting(None, at_least(1), "give the tokenizer a sequence_length, or its preprocessor"),
    "pad_value": Setting(0, is_whole),
    "add_prefix_space": Setting(False, is_flag),
    "unsplittable_tokens": Setting((), lambda value: isinstance(value, (list, tuple)) and all(map(_is_token, value))),
    "splits": Setting("tensorflow", one_of("tensorflow", "tokenizers")),
}


def _is_token(value: Any) -> bool:
    """RE2 reads a backslash as something else, where it puts a special token back."""
    return isinstance(value, str) and bool(value) and "\\" not in value


@dataclass(frozen=True, eq=False)
class BytePairTokenizer(RowsOfTokens):
    """keras-hub's ``BytePairTokenizer`` and those of GPT-2, RoBERTa, BART, OPT and Whisper, with rows of one length."""

    pieces: BytePairs
    settings: Mapping[str, Any]
    tables: Mapping[str, Array]

    @classmethod
    def from_layer(cls, config: Mapping[str, Any], weights: Mapping[str, Array]) -> BytePairTokenizer:
        """From its settings and the weights ``vocabulary``, ``ids``, ``merges``, ``letters`` and ``numbers``.

        Raises:
            Unsupported: for settings that are not done exactly, all at once, without a table, and for special tokens
                that the vocabulary does not have.
        """
        values = read_settings("BytePairTokenizer", config, SETTINGS)
        tables = {
            name: weight_of("BytePairTokenizer", config, weights, name)
            for name in ("vocabulary", "ids", "merges", "letters", "numbers")
        }
        places = dict(zip(tables["vocabulary"], tables["ids"]))
        special = list(values["unsplittable_tokens"])
        absent = [token for token in special if token not in places]
        if absent:
            where, what = str(config.get("name", "BytePairTokenizer")), f"has no ids for the special tokens {absent}"
            raise Unsupported(where, what, "put them into the vocabulary")
        prefix = " " if values["add_prefix_space"] else ""
        in_graph = values["splits"] == "tensorflow"
        classes = [in_class(np.asarray(tables[name])) for name in ("letters", "numbers")]
        words = RegexWords(special, prefix, *classes) if in_graph else WholeText(special, prefix)
        pieces = BytePairs(words, places, tables["merges"], keeps_unknown=in_graph)
        return cls(values["sequence_length"], values["pad_value"], pieces, values, weights)

    def is_known(self, token: str) -> bool:
        """Whether the vocabulary has a token."""
        return token in self.pieces.places
