"""TextVectorization: text to word ids, or to counts of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Optional, Union

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..network import Array
from .encoding import count_rows
from .lookup import LOOKUP_SETTINGS, StringLookup
from .settings import NO_SPARSE, Setting, at_least, is_flag, one_of, optional, read_settings, weight_of
from .strings import Text, Texts, read_texts, to_text
from .tokens import Split, Standardize, Tokenizer, located
from .words import Words, WordTable

# The whole text is read only when this many bytes a token, from its beginning, do not give the tokens asked for.
BYTES_PER_TOKEN = 16
# So many texts at a time: their words stay in the processor's cache, and memory stays bounded.
BLOCK = 512

NAMED_STANDARDIZE = one_of(None, "lower", "strip_punctuation", "lower_and_strip_punctuation")
NAMED_SPLIT = one_of(None, "whitespace", "character")
is_positive = at_least(1)


def _is_ngrams(value: Any) -> bool:
    return is_positive(value) or (isinstance(value, (list, tuple)) and bool(value) and all(map(is_positive, value)))


SETTINGS = {
    "max_tokens": Setting(None, optional(at_least(2))),
    "standardize": Setting(
        "lower_and_strip_punctuation",
        lambda value: callable(value) or NAMED_STANDARDIZE(value),
        "pass your own function, from a str to the standardized str, as standardize=…",
    ),
    "split": Setting(
        "whitespace",
        lambda value: callable(value) or NAMED_SPLIT(value),
        "pass your own function, from a str to the list of its tokens, as split=…",
    ),
    "ngrams": Setting(None, optional(_is_ngrams)),
    "output_mode": Setting(
        "int",
        one_of("int", "multi_hot", "count", "tf_idf"),
        "'one_hot' gives rows of unequal numbers of tokens; use 'int' and CategoryEncoding",
    ),
    "output_sequence_length": Setting(None, optional(at_least(0))),
    "pad_to_max_tokens": Setting(False, is_flag),
    "ragged": Setting(False, one_of(False), "build the layer with ragged=False: rows are padded with 0, the mask's id"),
    "sparse": NO_SPARSE,
    # Neither is a setting of Keras: what its generation and its TensorFlow do.
    "output_dtype": LOOKUP_SETTINGS["output_dtype"],
    "keeps_noncharacters": Setting(True, is_flag),
}


@dataclass(frozen=True)
class _Rows:
    """Ids of texts of unequal numbers of tokens.

    Attributes:
        ids: int64, the ids of all texts in order; of each text as many as were asked for.
        counts: int64 (texts,), how many tokens each text has, asked for or not.
    """

    ids: Array
    counts: Array

    @classmethod
    def join(cls, parts: Sequence[_Rows]) -> _Rows:
        none = np.zeros(0, np.int64)
        ids = [none, *(part.ids for part in parts)]
        return cls(np.concatenate(ids), np.concatenate([none, *(part.counts for part in parts)]))

    def padded(self, length: int) -> Array:
        """int64 (texts, length), filled up with 0; the ids must be those of `length` tokens."""
        padded = np.zeros((len(self.counts), length), np.int64)
        padded[np.arange(length) < self.counts[:, np.newaxis]] = self.ids
        return padded


@dataclass(frozen=True, eq=False)
class TextVectorization:
    """Keras' ``TextVectorization``; the fields are Keras' arguments. Exact in every setting that it takes.

    Attributes:
        vocabulary: str or bytes in order, without the padding '' and the unknown '[UNK]'.
        standardize: Keras' names, or a function from a str to a str.
        split: Keras' names, or a function from a str to its tokens.
        idf_weights: for ``tf_idf``: (depth,), as the Keras layer holds them, the unknown token's weight in front.
        output_dtype: of counts; Keras 3 gives int64, Keras 2 floats.
        keeps_noncharacters: when split into characters, U+FFFE and its like are not taken for U+FFFD.
    """

    vocabulary: Sequence[Text]
    max_tokens: Optional[int] = None
    standardize: Standardize = "lower_and_strip_punctuation"
    split: Split = "whitespace"
    ngrams: Union[int, Sequence[int], None] = None
    output_mode: str = "int"
    output_sequence_length: Optional[int] = None
    pad_to_max_tokens: bool = False
    ragged: bool = False
    sparse: bool = False
    idf_weights: Optional[Array] = None
    output_dtype: str = "int64"
    keeps_noncharacters: bool = True

    @classmethod
    def from_layer(
        cls,
        config: Mapping[str, Any],
        weights: Mapping[str, Array],
        *,
        standardize: Standardize = None,
        split: Split = None,
    ) -> TextVectorization:
        """From Keras' config and the weights ``vocabulary`` and, for ``tf_idf``, ``idf_weights``.

        Arguments:
            standardize, split: functions of yours in the place of the callables that the Keras layer has.

        Raises:
            Unsupported: for settings that are not done exactly, all at once, for a callable without a function of
                yours, for a function of yours where Keras has none, and without a vocabulary.
        """
        values = read_settings("TextVectorization", _with_functions(config, standardize, split), SETTINGS)
        values["vocabulary"] = weight_of("TextVectorization", config, weights, "vocabulary")
        if values["output_mode"] == "tf_idf":
            weight_of("TextVectorization", config, weights, "idf_weights")
            values["idf_weights"] = np.asarray(weights["idf_weights"])
        return cls(**values)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        ngrams = range(1, self.ngrams + 1) if isinstance(self.ngrams, int) else self.ngrams
        return Tokenizer(self.standardize, self.split, ngrams, self.keeps_noncharacters)

    @cached_property
    def lookup(self) -> StringLookup:
        """The lookup of tokens that the layer holds; its `depth` is the width of every output but ``int``."""
        return StringLookup(
            self.vocabulary,
            max_tokens=self.max_tokens,
            mask_token="",
            output_mode=self.output_mode,
            pad_to_max_tokens=self.pad_to_max_tokens,
            idf_weights=self.idf_weights,
            output_dtype=self.output_dtype,
        )

    @cached_property
    def _words(self) -> WordTable:
        return WordTable(self.lookup.tokens)

    def tokens(self, texts: Any) -> list[list[str]]:
        """Every text's tokens, as they are looked up, text by text."""
        return [[to_text(token) for token in self.tokenizer.tokens(text)] for text in read_texts(texts).items]

    def __call__(self, texts: Any) -> Array:
        """Strings to what the output mode says.

        Arguments:
            texts: one string, (batch,) or (batch, 1) of them, str or bytes. With ``split=None``, any shape: the last
                axis holds a text's tokens.

        Returns:
            ``int``: int64 (batch, tokens), as wide as the longest text or `output_sequence_length`; 0 fills up.
            The other modes: (batch, depth); ``tf_idf`` in the weights' dtype, the others in `output_dtype`.
            One string gives no batch axis.

        Raises:
            Mismatch: for inputs that are no strings, and for shapes that Keras does not take.
        """
        read = read_texts(texts)
        if self.split is None:
            return self._look_up_whole(read)
        shape = self._batch_shape(read.shape)
        if self.output_mode == "int":
            ids = self._padded(read.items)
            return ids.reshape(*shape, ids.shape[1])
        rows = self._rows(read.items, None)
        places = np.repeat(np.arange(len(read.items)), rows.counts)
        counts = count_rows(rows.ids, places, (len(read.items), self.lookup.depth))
        return self._from_counts(counts).reshape(*shape, self.lookup.depth)

    def _from_counts(self, counts: Array) -> Array:
        if self.output_mode == "tf_idf":
            return self.lookup.weigh(counts)
        return (counts > 0 if self.output_mode == "multi_hot" else counts).astype(self.output_dtype)

    def _batch_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) > 1 and shape[-1] != 1:
            what = f"the input has shape {shape}; to be split, texts are (batch,) or (batch, 1)"
            raise Mismatch("TextVectorization", what, "give one string for each sample")
        batch = shape[:-1] if len(shape) > 1 else shape
        if len(batch) > 1 and self.output_mode != "int":
            what = (
                f"the input has shape {shape}; with output_mode={self.output_mode!r}, texts are (batch,) or (batch, 1)"
            )
            raise Mismatch("TextVectorization", what, "give one axis of texts")
        return batch

    def _padded(self, texts: list[bytes]) -> Array:
        """int64 (texts, length)."""
        length = self.output_sequence_length
        if length is None:
            rows = self._rows(texts, None)
            return rows.padded(int(rows.counts.max(initial=0)))
        if not self.tokenizer.is_located or callable(self.standardize):
            return self._rows(texts, length).padded(length)
        reach = BYTES_PER_TOKEN * (length + 1)
        rows = self._rows([text[:reach] for text in texts], length)
        ids = rows.padded(length)
        # A beginning that has a token more than asked for has all of those asked for, whole.
        places = [place for place in np.flatnonzero(rows.counts <= length) if len(texts[place]) > reach]
        if places:
            ids[places] = self._rows([texts[place] for place in places], length).padded(length)
        return ids

    def _rows(self, texts: list[bytes], limit: Optional[int]) -> _Rows:
        """The ids of every text's tokens, the first `limit` of them."""
        rows = self._located_rows if self.tokenizer.is_located else self._token_rows
        return _Rows.join([rows(texts[at : at + BLOCK], limit) for at in range(0, len(texts), BLOCK)])

    def _located_rows(self, texts: list[bytes], limit: Optional[int]) -> _Rows:
        assert isinstance(self.split, str)
        words, counts = located([self.tokenizer.standardized(text) for text in texts], self.split, limit)
        return _Rows(self._find(words), counts)

    def _find(self, words: Words) -> Array:
        places = self._words.find(words)
        return np.where(places < 0, self.lookup.oov_start, places + self.lookup.token_start)

    def _token_rows(self, texts: list[bytes], limit: Optional[int]) -> _Rows:
        tokens = [self.tokenizer.tokens(text) for text in texts]
        counts = np.fromiter(map(len, tokens), np.int64, len(tokens))
        return _Rows(self.lookup.ids(list(chain.from_iterable(row[:limit] for row in tokens))), counts)

    def _look_up_whole(self, texts: Texts) -> Array:
        """Every string is a token; the last axis is a row of them."""
        tokens = [self.tokenizer.standardized(text) for text in texts.items]
        shape = texts.shape
        if self.tokenizer.ngrams is not None:
            tokens, shape = self._ngrams_of_axis(tokens, shape)
        ids = self.lookup.ids(tokens).reshape(shape)
        if self.output_mode != "int":
            return self.lookup.encode(ids)
        return ids if self.output_sequence_length is None else _fit_last_axis(ids, self.output_sequence_length)

    def _ngrams_of_axis(self, tokens: list[bytes], shape: tuple[int, ...]) -> tuple[list[bytes], tuple[int, ...]]:
        if not shape:
            raise Mismatch("TextVectorization", "one string has no n-grams without a split", "give a list")
        width = shape[-1]
        rows = [self.tokenizer.join_ngrams(tokens[at : at + width]) for at in range(0, len(tokens), width or 1)]
        joined = len(self.tokenizer.join_ngrams([b""] * width))
        return list(chain.from_iterable(rows)), (*shape[:-1], joined)


def _fit_last_axis(ids: Array, length: int) -> Array:
    if not ids.ndim:
        what = "one string has no axis to be cut to output_sequence_length without a split"
        raise Mismatch("TextVectorization", what, "give a list")
    fitted = np.zeros((*ids.shape[:-1], length), np.int64)
    kept = ids[..., :length]
    fitted[..., : kept.shape[-1]] = kept
    return fitted


def _with_functions(config: Mapping[str, Any], standardize: Standardize, split: Split) -> dict[str, Any]:
    """The config with the user's functions in the place of the layer's callables."""
    where = str(config.get("name", "TextVectorization"))
    changed, problems = dict(config), []
    for key, function, named in (("standardize", standardize, NAMED_STANDARDIZE), ("split", split, NAMED_SPLIT)):
        if function is None:
            continue
        if named(config.get(key, SETTINGS[key].default)):
            what = f"{key}={config.get(key)!r} is Keras' own, and a function was given in its place"
            problems.append(Problem(where, what, f"leave {key}=… out"))
        changed[key] = function
    Unsupported.raise_for(problems)
    return changed
