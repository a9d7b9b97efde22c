"""The table of words against a dictionary, and the quick way of TextVectorization against its plain one."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from porting.text import TextVectorization
from porting.text.words import Words, WordTable

from .samples import BYTES, TEXTS

few_bytes = st.lists(st.sampled_from([0, 1, 97, 98, 255]), max_size=20).map(bytes)


@settings(max_examples=200, deadline=None)
@given(st.lists(few_bytes, unique=True, max_size=30), st.lists(few_bytes, max_size=30))
@example([], [b"", b"a"])
@example([b""], [b"", b"\x00"])
@example([b"a", b"a\x00"], [b"a", b"a\x00", b"a\x00\x00"])
@example([b"12345678", b"12345678\x00"], [b"12345678", b"12345678\x00", b"123456789"])
def test_table_is_a_dictionary(vocabulary: list[bytes], words: list[bytes]) -> None:
    asked = words + vocabulary
    wanted = [vocabulary.index(word) if word in vocabulary else -1 for word in asked]
    assert WordTable(vocabulary).find(Words.join(asked)).tolist() == wanted


def test_table_of_many_words_finds_each() -> None:
    words = [b"%d" % number for number in range(20_000)]
    table = WordTable(words)
    assert np.array_equal(table.find(Words.join(words)), np.arange(len(words)))
    assert (table.find(Words.join([word + b"x" for word in words])) == -1).all()


def test_table_with_all_hashes_alike_finds_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Words, "hashes", lambda self: np.full(len(self), 2**64 - 1, np.uint64))
    words = [b"w%d" % number for number in range(40)]
    assert np.array_equal(WordTable(words).find(Words.join([*words, b"none"])), [*range(40), -1])


def test_table_refuses_a_word_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        WordTable([b"a", b"b", b"a"])


@pytest.mark.parametrize("length", [None, 0, 1, 7, 100])
@pytest.mark.parametrize("split", ["whitespace", "character"])
def test_quick_way_is_the_plain_way(split: str, length: int | None) -> None:
    texts = [*TEXTS, *BYTES]
    words = TextVectorization([], split=split, standardize="lower").tokens(texts)
    vocabulary = list(dict.fromkeys(word for text in words for word in text))[::2]
    layer = TextVectorization(vocabulary, split=split, standardize="lower", output_sequence_length=length)
    items = [text if isinstance(text, bytes) else text.encode() for text in texts]
    plain = layer._token_rows(items, length)
    quick = layer._located_rows(items, length)
    assert np.array_equal(plain.ids, quick.ids)
    assert np.array_equal(plain.counts, quick.counts)
    assert np.array_equal(layer(texts), plain.padded(plain.counts.max() if length is None else length))


@pytest.mark.parametrize("blank", [0, 1, 50, 5000])
def test_long_texts_are_read_as_far_as_needed(blank: int) -> None:
    layer = TextVectorization(["a", "b"], output_sequence_length=3)
    text = " " * blank + "a" + "!" * blank + "b " + " " * blank + "c" * blank + " a b"
    wanted = [1, 1, 2] if blank else [1, 2, 3]  # "ab", "c…" if there are any, "a", "b"
    assert layer([text, "a " * 5000]).tolist() == [wanted, [2, 2, 2]]


def test_more_texts_than_a_block_keep_their_places() -> None:
    rng = random.Random(3)
    texts = [" ".join(rng.choices(["a", "b", "c", ""], k=rng.randrange(9))) for _ in range(1500)]
    layer = TextVectorization(["a", "b"], output_sequence_length=5)
    assert np.array_equal(layer(texts), np.concatenate([layer([text]) for text in texts]))
