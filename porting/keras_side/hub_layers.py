"""keras-hub's tokenizers and packers as layers that the exporter can call and describe."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np

from ..network import Array, Input
from ..text.packing import NO_TOKEN
from ..text.rows import rows_of
from .hub_texts import HubTexts
from .text import Described

LINE = "\n"
HANGUL = frozenset(map(chr, range(0xAC00, 0xD7A4)))


class HubLayer(keras.layers.Layer, Described):  # type: ignore[misc]
    """Called on tensors of values; Keras' own ``__call__`` would take texts for arrays."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)


class Tokenizer(HubLayer):
    """A tokenizer whose rows have one length."""

    def __init__(self, texts: HubTexts, name: str) -> None:
        super().__init__(name=name, trainable=False)
        self.tokenizer, self.in_graph = texts.tokenizer, texts.in_graph
        own = texts.tokenizer.sequence_length
        # Packers use no more tokens of a text than a row has.
        self.length = own or texts.preprocessing.sequence_length
        self.fill = NO_TOKEN if not own else self.own_fill()
        self._traced = _in_graph(self.tokenizer, 1)

    def own_fill(self) -> int:
        return 0

    def call(self, texts: Any) -> Any:
        found = self._traced(texts) if self.in_graph else self.tokenizer(_strings(texts))
        rows = found if isinstance(found, list) else found.to_list() if hasattr(found, "to_list") else found.numpy()
        return keras.ops.convert_to_tensor(rows_of([list(row) for row in rows], self.length, self.fill))

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        return {"name": self.name, "sequence_length": self.length, "pad_value": self.fill}

    def preparation(self, texts: HubTexts, wanted: Sequence[Input]) -> Callable[[list[Any]], list[Any]]:
        """What makes the model's inputs of texts, as keras-hub itself does."""
        run = _in_graph(texts.preprocessing, texts.segments) if texts.in_graph else texts.preprocessing

        def prepare(given: list[Any]) -> list[Any]:
            if not texts.in_graph:
                given = [_strings(one) for one in given]
            made = run(*given) if texts.in_graph or texts.segments == 1 else run(tuple(given))
            if not texts.packs:
                return [keras.ops.cast(made, wanted[0].dtype)]
            inputs, _, _ = keras.utils.unpack_x_y_sample_weight(made)
            return [keras.ops.cast(keras.ops.convert_to_tensor(inputs[one.name]), one.dtype) for one in wanted]

        return prepare


def _in_graph(preprocessing: Any, segments: int) -> Any:
    import tensorflow as tf

    def run(*texts: Any) -> Any:
        return preprocessing(texts if segments > 1 else texts[0])

    return tf.function(run, input_signature=[tf.TensorSpec([None], tf.string)] * segments)


def _strings(texts: Any) -> list[str]:
    return [one.decode() for one in texts.numpy().tolist()]


class WordPieceTokenizer(Tokenizer):
    def settings(self) -> dict[str, Any]:
        own = self.tokenizer
        named = ("lowercase", "strip_accents", "split", "split_on_cjk", "suffix_indicator", "oov_token")
        special = [*own.special_tokens, *(own._init_special_tokens or ())] if own.special_tokens_in_strings else []
        return {**super().settings(), **{name: getattr(own, name) for name in named}, "special_tokens": special}

    def tables(self) -> dict[str, Array]:
        """The vocabulary, and what TensorFlow takes for blanks, marks and accents, and folds letters to."""
        from keras_hub.src.tokenizers import word_piece_tokenizer as own

        return {
            "vocabulary": _objects(self.tokenizer.vocabulary),
            "blanks": _characters(own.WHITESPACE_REGEX),
            "marks": _characters(own.PUNCTUATION_REGEX),
            "accents": _characters(r"\p{Mn}"),
            "decomposed": _changed("normalize_utf8", "NFD"),
            "folds": _changed("case_fold_utf8"),
        }


class BytePairTokenizer(Tokenizer):
    @property
    def by_library(self) -> bool:
        """Older versions of keras-hub know TensorFlow's way alone."""
        return not self.in_graph and getattr(self.tokenizer, "_allow_python_workflow", False)

    def own_fill(self) -> int:
        return int(getattr(self.tokenizer, "pad_token_id", 0)) if self.by_library else 0

    def settings(self) -> dict[str, Any]:
        return {
            **super().settings(),
            "add_prefix_space": self.tokenizer.add_prefix_space,
            "unsplittable_tokens": list(self.tokenizer.unsplittable_tokens or ()),
            "splits": "tokenizers" if self.by_library else "tensorflow",
        }

    def tables(self) -> dict[str, Array]:
        """The vocabulary with its ids, the rules, and what TensorFlow takes for letters and numbers."""
        return {
            "vocabulary": _objects(self.tokenizer.vocabulary),
            "ids": np.array([*self.tokenizer.vocabulary.values()], np.int32),
            "merges": _objects(self.tokenizer.merges),
            "letters": _characters(r"\p{L}"),
            "numbers": _characters(r"\p{N}"),
        }


def tokenizer_for(texts: HubTexts, name: str) -> Tokenizer:
    """The tokenizer of a preprocessor as a layer of that name."""
    word_piece = any(kind.__name__ == "WordPieceTokenizer" for kind in type(texts.tokenizer).__mro__)
    return WordPieceTokenizer(texts, name) if word_piece else BytePairTokenizer(texts, name)


class Packer(HubLayer):
    """A preprocessor's packer, called once for each of its outputs."""

    makes: tuple[str, ...] = ()

    def __init__(self, texts: HubTexts, name: str) -> None:
        super().__init__(name=name, trainable=False)
        if texts.preprocessing.packer is None:
            texts.preprocessing.build(None)
        self.preprocessor, self.packer, self.segments = texts.preprocessing, texts.preprocessing.packer, texts.segments

    def call(self, tokens: Any, returns: str, dtype: str = "int32") -> Any:
        rows = tuple([[one for one in row if one != NO_TOKEN] for row in part.numpy().tolist()] for part in tokens)
        return keras.ops.cast(keras.ops.convert_to_tensor(self.packed(rows)[returns]), dtype)

    @abstractmethod
    def packed(self, rows: tuple[list[list[int]], ...]) -> dict[str, Any]:
        """What the preprocessor makes of rows of tokens, by name."""

    def settings(self) -> dict[str, Any]:
        packer = self.packer
        return {
            "name": self.name,
            "sequence_length": packer.sequence_length,
            "start_value": _whole(packer.start_value),
            "end_value": _whole(packer.end_value),
            "pad_value": int(packer.pad_value or 0),
            "padding_side": packer.padding_side,
        }

    def tables(self) -> dict[str, Array]:
        return {}


class MultiSegmentPacker(Packer):
    makes = ("token_ids", "padding_mask", "segment_ids")

    def packed(self, rows: tuple[list[list[int]], ...]) -> dict[str, Any]:
        ids, segments = (np.asarray(one) for one in self.packer(rows))
        return {"token_ids": ids, "padding_mask": ids != self.packer.pad_value, "segment_ids": segments}

    def settings(self) -> dict[str, Any]:
        more = {"sep_value": _whole(self.packer.sep_value), "truncate": self.packer.truncate}
        return {**super().settings(), **more, "segments": self.segments}


class StartEndPacker(Packer):
    makes = ("token_ids", "padding_mask")

    def packed(self, rows: tuple[list[list[int]], ...]) -> dict[str, Any]:
        own = self.preprocessor
        ids, mask = self.packer(
            rows[0],
            sequence_length=own.sequence_length + 1,
            add_start_value=own.add_start_token,
            add_end_value=own.add_end_token,
        )
        return {"token_ids": np.asarray(ids)[:, :-1], "padding_mask": np.asarray(mask)[:, :-1]}

    def settings(self) -> dict[str, Any]:
        settings, own = super().settings(), self.preprocessor
        if not own.add_start_token:
            settings["start_value"] = []
        if not own.add_end_token:
            settings["end_value"] = []
        # A language model's labels are a step further on, and its last token is theirs alone.
        return {**settings, "sequence_length": own.sequence_length + 1, "drops_last": True}


def packer_for(texts: HubTexts, name: str) -> Packer:
    """The packer of a preprocessor as a layer of that name."""
    classifies = any(kind.__name__ == "TextClassifierPreprocessor" for kind in type(texts.preprocessing).__mro__)
    return MultiSegmentPacker(texts, name) if classifies else StartEndPacker(texts, name)


def _whole(values: Any) -> list[int]:
    return [int(value) for value in values or ()]


def _objects(words: Any) -> Array:
    listed = list(words)
    found = np.empty(len(listed), object)
    found[:] = [str(word) for word in listed]
    return found


@cache
def _all_characters() -> str:
    return "".join(chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000)


@cache
def _characters(pattern: str) -> Array:
    """int32 (ranges, 2): the first and the last code point of each range of characters that a pattern of RE2 finds."""
    import tensorflow as tf

    every = _all_characters()
    left = tf.strings.regex_replace(every, pattern, "").numpy().decode()
    points = np.array(sorted(set(map(ord, every)) - set(map(ord, left))), np.int32)
    ends = np.flatnonzero(np.diff(points) > 1)
    return np.stack([points[[0, *(ends + 1)]], points[[*ends, -1]]], axis=1)


@cache
def _changed(function: str, *arguments: str) -> Array:
    """Each character that a function of TensorFlow Text changes, and what it becomes, as one string."""
    import tensorflow_text as tf_text

    every = "".join(one for one in _all_characters() if one != LINE and one not in HANGUL)
    made = getattr(tf_text, function)(LINE.join(every), *arguments).numpy().decode().split(LINE)
    return _objects(one + other for one, other in zip(every, made) if one != other)
