"""StringLookup and IntegerLookup: tokens to indices, or back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any, Optional, Union

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..network import Array
from .encoding import DROPPED, encode
from .hashes import fingerprint64, siphash64
from .settings import NO_SPARSE, SALT, Setting, at_least, is_flag, is_whole, one_of, optional, read_settings, weight_of
from .strings import Text, Texts, read_integers, read_texts, to_bytes, to_text

LOOKUP_SETTINGS = {
    "max_tokens": Setting(None, optional(at_least(2))),
    "num_oov_indices": Setting(1, at_least(0)),
    "invert": Setting(False, is_flag),
    "output_mode": Setting("int", one_of("int", "one_hot", "multi_hot", "count", "tf_idf")),
    "pad_to_max_tokens": Setting(False, is_flag),
    "oov_method": Setting("floormod", one_of("floormod", "farmhash")),
    "salt": SALT,
    "sparse": NO_SPARSE,
    # Not a setting of Keras: what its generation makes of indices and counts.
    "output_dtype": Setting("int64", one_of("int32", "int64", "float16", "float32", "float64")),
}


def hash_bins(strings: Sequence[bytes], bins: int, salt: Union[int, Sequence[int], None]) -> Array:
    """The bin of each string, int64: FarmHash without a salt, SipHash with one."""
    if salt is None:
        hashes = fingerprint64(strings)
    else:
        first, second = (salt, salt) if isinstance(salt, int) else salt
        hashes = siphash64(strings, (first, second))
    return np.asarray((hashes % np.uint64(bins)).astype(np.int64))


@dataclass(frozen=True, eq=False)
class _Lookup:
    """What both lookups share; the fields are Keras' arguments.

    Attributes:
        vocabulary: the tokens in order, without mask and out-of-vocabulary tokens.
        idf_weights: for ``tf_idf``: (depth,), with the weights of the out-of-vocabulary indices in front and zeros
            behind when padded, as the Keras layer holds them.
        output_dtype: of indices and counts; Keras 3 gives int64, Keras 2 floats where it counts.
    """

    vocabulary: Sequence[Any]
    max_tokens: Optional[int] = None
    num_oov_indices: int = 1
    invert: bool = False
    output_mode: str = "int"
    pad_to_max_tokens: bool = False
    oov_method: str = "floormod"
    salt: Union[int, Sequence[int], None] = None
    sparse: bool = False
    idf_weights: Optional[Array] = None
    output_dtype: str = "int64"

    mask_token: Any = None
    oov_token: Any = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        problems = []
        if len(set(self.vocabulary)) != len(self.vocabulary):
            problems.append(Problem(name, "a token stands twice in the vocabulary", "save the layer again"))
        if self.output_mode == "tf_idf":
            shape = None if self.idf_weights is None else self.idf_weights.shape
            if shape != (self.depth,):
                what = f"idf_weights of shape {shape} where ({self.depth},) is needed"
                problems.append(Problem(name, what, "save them with the indices of unknown tokens in front"))
        Unsupported.raise_for(problems)

    @property
    def oov_start(self) -> int:
        """The first index of unknown tokens."""
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    @property
    def token_start(self) -> int:
        """The index of the vocabulary's first token."""
        return self.oov_start + self.num_oov_indices

    @property
    def mask_id(self) -> int:
        return 0 if self.output_mode == "int" else DROPPED

    @property
    def depth(self) -> int:
        """How many indices there are; the width of every output but ``int``."""
        if self.pad_to_max_tokens and self.max_tokens is not None:
            return self.max_tokens
        return self.token_start + len(self.vocabulary)

    def encode(self, ids: Array) -> Array:
        """Indices as the output mode says, in `output_dtype`; for ``tf_idf`` in the weights' dtype."""
        if self.output_mode != "tf_idf":
            return encode(ids, self.output_mode, self.depth, self.output_dtype)
        assert self.idf_weights is not None
        return self.weigh(encode(ids, "count", self.depth, "int64"))

    def weigh(self, counts: Array) -> Array:
        """Counts (…, depth) times the idf weights."""
        assert self.idf_weights is not None
        weighed: Array = counts.astype(self.idf_weights.dtype) * self.idf_weights
        return weighed

    def refuse_unknown(self, unknown: Sequence[Any]) -> None:
        shown = ", ".join(map(repr, unknown[:10]))
        what = f"{len(unknown)} values are not in the vocabulary: {shown}"
        raise Mismatch(type(self).__name__, what, "num_oov_indices=0 takes known values only, in Keras too")


def _lookup_arguments(
    class_name: str, config: Mapping[str, Any], weights: Mapping[str, Array], settings: Mapping[str, Setting]
) -> dict[str, Any]:
    values = read_settings(class_name, config, {**LOOKUP_SETTINGS, **settings})
    values["vocabulary"] = weight_of(class_name, config, weights, "vocabulary")
    if values["output_mode"] == "tf_idf":
        weight_of(class_name, config, weights, "idf_weights")
        values["idf_weights"] = np.asarray(weights["idf_weights"])
    return values


@dataclass(frozen=True, eq=False)
class StringLookup(_Lookup):
    """Keras' ``StringLookup``; the vocabulary is of str or bytes. Exact in every setting but ``sparse=True``."""

    mask_token: Optional[Text] = None
    oov_token: Text = "[UNK]"

    @classmethod
    def from_layer(cls, config: Mapping[str, Any], weights: Mapping[str, Array]) -> StringLookup:
        """From Keras' config and the weights ``vocabulary`` and, for ``tf_idf``, ``idf_weights``.

        Raises:
            Unsupported: for settings that are not done exactly, and without a vocabulary.
        """
        is_text = optional(lambda value: isinstance(value, str))
        settings = {"mask_token": Setting(None, is_text), "oov_token": Setting("[UNK]", is_text)}
        return cls(**_lookup_arguments("StringLookup", config, weights, settings))

    @cached_property
    def tokens(self) -> list[bytes]:
        """The vocabulary as bytes."""
        return [to_bytes(token) for token in self.vocabulary]

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        ids = {token: self.token_start + place for place, token in enumerate(self.tokens)}
        if self.mask_token is not None:
            ids[to_bytes(self.mask_token)] = self.mask_id
        return ids

    def ids(self, tokens: Sequence[bytes]) -> Array:
        """The index of every token: int64 (len(tokens),); masks are `mask_id`.

        Raises:
            Mismatch: for unknown tokens where the layer has no index for them.
        """
        if self.num_oov_indices == 1:
            return np.fromiter(map(self._ids.get, tokens, repeat(self.oov_start)), np.int64, len(tokens))
        ids = np.fromiter(map(self._ids.get, tokens, repeat(-1)), np.int64, len(tokens))
        places = np.flatnonzero(ids == -1)
        unknown = [tokens[place] for place in places.tolist()]
        if unknown and not self.num_oov_indices:
            self.refuse_unknown(unknown)
        if unknown:
            ids[places] = self.oov_start + hash_bins(unknown, self.num_oov_indices, self.salt)
        return ids

    def __call__(self, values: Any) -> Array:
        """Strings of any shape to what the output mode says; with `invert`, indices to an object array of str.

        Raises:
            Mismatch: for values that are no strings (no integers, with `invert`), or unknown without an index.
        """
        if self.invert:
            return self._invert(read_integers(values))
        texts = read_texts(values) if not isinstance(values, Texts) else values
        return self.encode(self.ids(texts.items).reshape(texts.shape))

    def _invert(self, ids: Array) -> Array:
        unknown = to_text(to_bytes(self.oov_token))
        tokens = np.array([*([unknown] * self.token_start), *map(to_text, self.tokens), unknown], object)
        if self.mask_token is not None:
            tokens[0] = to_text(to_bytes(self.mask_token))
        places = np.where((ids < 0) | (ids >= len(tokens)), len(tokens) - 1, ids)
        found: Array = np.asarray(tokens[places], object)
        return found


@dataclass(frozen=True, eq=False)
class IntegerLookup(_Lookup):
    """Keras' ``IntegerLookup``; the vocabulary is of int64. Exact in every setting but ``sparse=True``."""

    mask_token: Optional[int] = None
    oov_token: int = -1

    @classmethod
    def from_layer(cls, config: Mapping[str, Any], weights: Mapping[str, Array]) -> IntegerLookup:
        """From Keras' config and the weights ``vocabulary`` and, for ``tf_idf``, ``idf_weights``.

        Raises:
            Unsupported: for settings that are not done exactly, and without a vocabulary.
        """
        settings = {
            "mask_token": Setting(None, optional(is_whole)),
            "oov_token": Setting(-1, is_whole),
            "vocabulary_dtype": Setting("int64", one_of("int64")),
        }
        arguments = _lookup_arguments("IntegerLookup", config, weights, settings)
        del arguments["vocabulary_dtype"]
        return cls(**arguments)

    @cached_property
    def _tokens(self) -> Array:
        return np.asarray(self.vocabulary, np.int64).reshape(-1)

    @cached_property
    def _order(self) -> Array:
        return np.argsort(self._tokens, kind="stable")

    def ids(self, values: Array) -> Array:
        """The index of every int64 value, in the values' shape; masks are `mask_id`.

        Raises:
            Mismatch: for unknown values where the layer has no index for them.
        """
        ids = np.full(values.shape, -1, np.int64)
        if len(self._tokens):
            places = self._order[
                np.searchsorted(self._tokens, values, sorter=self._order).clip(max=len(self._tokens) - 1)
            ]
            ids = np.where(self._tokens[places] == values, self.token_start + places, -1)
        if self.mask_token is not None:
            ids = np.where(values == self.mask_token, self.mask_id, ids)
        unknown = ids == -1
        if unknown.any():
            ids[unknown] = self._unknown_ids(values[unknown])
        return ids

    def _unknown_ids(self, values: Array) -> Union[int, Array]:
        if not self.num_oov_indices:
            self.refuse_unknown(values.tolist())
        if self.num_oov_indices == 1:
            return self.oov_start
        if self.oov_method == "floormod":
            return self.oov_start + values % self.num_oov_indices
        return self.oov_start + hash_bins([b"%d" % value for value in values], self.num_oov_indices, self.salt)

    def __call__(self, values: Any) -> Array:
        """Integers of any shape to what the output mode says; with `invert`, indices to values.

        Raises:
            Mismatch: for values that are no integers, or unknown without an index.
        """
        integers = read_integers(values)
        if not self.invert:
            return self.encode(self.ids(integers))
        tokens = np.concatenate([np.full(self.token_start, self.oov_token), self._tokens, [self.oov_token]])
        if self.mask_token is not None:
            tokens[0] = self.mask_token
        outside = (integers < 0) | (integers >= len(tokens))
        found: Array = np.asarray(tokens[np.where(outside, len(tokens) - 1, integers)])
        return found
