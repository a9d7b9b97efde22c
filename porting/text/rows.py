"""Texts as rows of token ids: what the tokenizers of keras-hub have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import Mismatch
from ..network import Array
from .strings import read_texts


def rows_of(found: list[list[int]], length: int, fill: int) -> Array:
    """int32 (rows, length): ids, cut or filled up."""
    rows = np.full((len(found), length), fill, np.int32)
    for row, ids in zip(rows, found):
        row[: len(ids)] = ids[:length]
    return rows


@dataclass(frozen=True, eq=False)
class RowsOfTokens(ABC):
    """A tokenizer whose rows have one length.

    Attributes:
        sequence_length: of every row.
        pad_value: what fills it up.
        pieces: finds the tokens.
    """

    sequence_length: int
    pad_value: int
    pieces: Any

    def tokens(self, texts: Any) -> list[list[str]]:
        """Every text's tokens, those beyond the length too."""
        return [self.pieces.tokens(text) for text in _decoded(texts)]

    @abstractmethod
    def is_known(self, token: str) -> bool:
        """Whether a token is the vocabulary's own."""

    def ids(self, tokens: list[str]) -> list[int]:
        return [self.pieces.id_of(token) for token in tokens]

    def __call__(self, texts: Any) -> Array:
        """(batch,) or (batch, 1) strings to int32 (batch, `sequence_length`).

        Raises:
            Mismatch: for inputs that are no strings, for bytes that are no UTF-8, and for other shapes.
        """
        found = [self.ids(self.pieces.tokens(text)) for text in _decoded(texts)]
        return rows_of(found, self.sequence_length, self.pad_value)


def _decoded(texts: Any) -> list[str]:
    read = read_texts(texts)
    if len(read.shape) not in (1, 2) or read.shape[1:] not in ((), (1,)):
        what = f"the input has shape {read.shape}; texts are (batch,) or (batch, 1)"
        raise Mismatch("texts", what, "give one string for each sample")
    try:
        return [text.decode() for text in read.items]
    except UnicodeDecodeError as error:
        raise Mismatch("texts", f"{error.object[:20]!r} is no UTF-8", "read the text with errors='replace'") from None
