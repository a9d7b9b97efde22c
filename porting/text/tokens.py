"""From text to tokens as TensorFlow's string kernels do it. They work on bytes and know ASCII only.

Measured with TensorFlow 2.21:
- ``tf.strings.lower`` with its default encoding lowers A–Z; "É", "Ж" and "İ" stay as they are.
- Keras' pattern of punctuation is the 32 ASCII marks; «», – and 。 stay.
- ``tf.strings.split`` splits at tab, newline, vertical tab, form feed, carriage return and space; U+00A0, U+0085,
  U+2028, U+3000, U+200B and the separators 0x1C–0x1F stay within words, and so does NUL.
- ``tf.strings.unicode_split`` gives code points: combining marks and joiners are tokens of their own. What is no
  UTF-8 becomes U+FFFD, one for each maximal part of a character, as in Python's ``errors="replace"``. TensorFlow
  2.15 makes U+FFFD of the 66 noncharacters (U+FFFE …) as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Optional, Union

import numpy as np

from ..errors import Mismatch
from ..network import Array
from .strings import to_bytes, to_text
from .words import PADDING, Words

PUNCTUATION = b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
WHITESPACE = b"\t\n\v\f\r "
CAPITALS = bytes(range(ord("A"), ord("Z") + 1))
SPACE, NEWLINE = b" \n"
NONCHARACTERS = dict.fromkeys(
    [*range(0xFDD0, 0xFDF0), *(plane + last for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))],
    0xFFFD,
)

Standardize = Union[None, str, Callable[[str], str]]
Split = Union[None, str, Callable[[str], Sequence[str]]]


@dataclass(frozen=True)
class Tokenizer:
    """Keras' ``standardize``, ``split`` and ``ngrams``.

    Attributes:
        standardize: None, ``lower``, ``strip_punctuation``, ``lower_and_strip_punctuation``, or a function of a str.
        split: None, ``whitespace``, ``character``, or a function from a str to its tokens.
        ngrams: the lengths of the n-grams, in this order; None for the tokens themselves.
        keeps_noncharacters: when split into characters; not so before TensorFlow made it so.
    """

    standardize: Standardize
    split: Split
    ngrams: Optional[Sequence[int]] = None
    keeps_noncharacters: bool = True

    @property
    def is_located(self) -> bool:
        """Whether tokens are parts of the text as it stands, so that `located` finds them."""
        return self.ngrams is None and self.split in ("whitespace", "character")

    @property
    def _lowers(self) -> bool:
        return self.standardize in ("lower", "lower_and_strip_punctuation")

    @cached_property
    def _stripped(self) -> bytes:
        return PUNCTUATION if self.standardize in ("strip_punctuation", "lower_and_strip_punctuation") else b""

    @cached_property
    def _table(self) -> bytes:
        """Byte by byte: lower case where asked for; any whitespace becomes a space where words are split."""
        capitals = CAPITALS if self._lowers else b""
        blanks = WHITESPACE if self.split == "whitespace" else b""
        return bytes.maketrans(capitals + blanks, capitals.lower() + b" " * len(blanks))

    def standardized(self, text: bytes) -> bytes:
        """The text before it is split, blanks made spaces where words are split."""
        if callable(self.standardize):
            text = _given_back("standardize", self.standardize, [self.standardize(to_text(text))])[0]
        text = text.translate(self._table, self._stripped)
        if self.split != "character":
            return text
        characters = text.decode("utf-8", "replace")
        return (characters if self.keeps_noncharacters else characters.translate(NONCHARACTERS)).encode()

    def tokens(self, text: bytes) -> list[bytes]:
        """A text's tokens in order; the n-grams of the first length come first."""
        text = self.standardized(text)
        if callable(self.split):
            return self.join_ngrams(_given_back("split", self.split, self.split(to_text(text))))
        if self.split == "whitespace":
            return self.join_ngrams(text.split())
        if self.split == "character":
            return self.join_ngrams([character.encode() for character in text.decode()])
        return [text]

    def join_ngrams(self, tokens: list[bytes]) -> list[bytes]:
        """All n-grams of a row of tokens, joined by spaces."""
        if self.ngrams is None:
            return tokens
        return [b" ".join(ngram) for width in self.ngrams for ngram in zip(*(tokens[at:] for at in range(width)))]


def _given_back(key: str, function: Callable[..., Any], values: Any) -> list[bytes]:
    """What a user's function made, as bytes. Raises Mismatch where it is not text."""
    if isinstance(values, (str, bytes)):
        values = [None]
    try:
        return [to_bytes(value) for value in values]
    except (AttributeError, TypeError) as error:
        wanted = "a list of str" if key == "split" else "a str"
        name = getattr(function, "__name__", repr(function))
        what = f"the function {name!r}, given as {key}, returned something else than {wanted}"
        raise Mismatch("TextVectorization", what, f"return {wanted} for every str") from error


def located(texts: Sequence[bytes], split: str, limit: Optional[int]) -> tuple[Words, Array]:
    """The tokens of standardized texts as places in one buffer, at most `limit` of each text.

    Returns:
        the tokens of all texts in order, and int64 (texts,), how many each text has, `limit` or no limit.
    """
    if split == "whitespace":
        buffer = b"\n".join([b"", *texts, PADDING])
        starts, ends = _edges_of_words(buffer)
        ends_of_texts = accumulate(len(text) + 1 for text in texts)
    else:
        buffer = b"".join([*texts, PADDING])
        starts, ends = _edges_of_characters(buffer)
        ends_of_texts = accumulate(map(len, texts))
    firsts = np.searchsorted(starts, [0, *ends_of_texts])
    counts = np.diff(firsts)
    if limit is None:
        kept = slice(0, firsts[-1])
        return Words(buffer, starts[kept], ends[kept] - starts[kept]), counts
    asked = np.minimum(counts, limit)
    places = np.arange(asked.sum()) + np.repeat(firsts[:-1] - (np.cumsum(asked) - asked), asked)
    starts = starts[places]
    return Words(buffer, starts, ends[places] - starts), counts


def _edges_of_words(buffer: bytes) -> tuple[Array, Array]:
    """First bytes of words and the bytes behind them; texts begin and end with newlines and have none within."""
    data = np.frombuffer(buffer, np.uint8)
    blank = (data == SPACE) | (data == NEWLINE)
    edges = np.flatnonzero(blank[1:] ^ blank[:-1]) + 1
    return edges[:-1:2], edges[1::2]


def _edges_of_characters(buffer: bytes) -> tuple[Array, Array]:
    """First bytes of UTF-8 characters and the bytes behind them."""
    starts = np.flatnonzero((np.frombuffer(buffer, np.uint8) & 0xC0) != 0x80)
    return starts, np.append(starts[1:], len(buffer))
