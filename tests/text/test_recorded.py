"""Every recorded case again, without TensorFlow; and that the cases would notice what is easily got wrong."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest

from porting.text import LAYERS, PACKERS, TOKENIZERS, categories, hashes, lookup, tokens
from porting.text.tokens import PUNCTUATION, Tokenizer

from .recorded import CASES, Recorded, mismatches, read_cases, write_cases

RECORDED = read_cases()


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name.replace(" ", "")[:120])
def test_case(case: Recorded) -> None:
    assert mismatches(case, case.run()) == []


def test_every_layer_has_cases() -> None:
    # keras-hub's ids are compared in test_tokenizers, and in keras-hub's own environment.
    assert set(Counter(case.layer for case in RECORDED)) == LAYERS.keys() - TOKENIZERS.keys() - PACKERS.keys()


def test_file_is_small_and_reproducible(tmp_path: Any) -> None:
    assert CASES.stat().st_size < 300_000
    again = tmp_path / "cases.json.gz"
    write_cases(RECORDED, again)
    assert [case.name for case in read_cases(again)] == [case.name for case in RECORDED]
    assert all(mismatches(case, other.output) == [] for case, other in zip(RECORDED, read_cases(again)))


def failures(layer: str) -> int:
    """How many of a layer's cases differ, or fail."""
    found = 0
    for case in RECORDED:
        if case.layer == layer:
            try:
                found += bool(mismatches(case, case.run()))
            except Exception:
                found += 1
    return found


def lower_unicode(tokenizer: Tokenizer, text: bytes) -> bytes:
    return text.decode("utf-8", "surrogateescape").lower().encode("utf-8", "surrogateescape")


WRONG_TOKENS = {
    "a mark too few": ("PUNCTUATION", PUNCTUATION.replace(b"~", b"")),
    "a mark too many": ("PUNCTUATION", PUNCTUATION + b"\x7f"),
    "Python's str whitespace": ("WHITESPACE", b"\t\n\v\f\r \x1c\x1d\x1e\x1f"),
    "no vertical tab": ("WHITESPACE", b"\t\n\f\r "),
    "one capital left": ("CAPITALS", b"ABCDEFGHIJKLMNOPQRSTUVWXY"),
}


@pytest.mark.parametrize("name", WRONG_TOKENS)
def test_wrong_tokens_are_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, *WRONG_TOKENS[name])
    assert failures("TextVectorization")


def test_unicode_case_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    standardized = Tokenizer.standardized
    monkeypatch.setattr(
        Tokenizer,
        "standardized",
        lambda self, text: standardized(self, lower_unicode(self, text) if self._lowers else text),
    )
    assert failures("TextVectorization")


def test_unicode_spaces_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    standardized = Tokenizer.standardized
    monkeypatch.setattr(
        Tokenizer, "standardized", lambda self, text: standardized(self, text.replace("\u00a0".encode(), b" "))
    )
    assert failures("TextVectorization")


def test_ngrams_by_place_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    join = Tokenizer.join_ngrams
    monkeypatch.setattr(Tokenizer, "join_ngrams", lambda self, row: join(dataclasses.replace(self, ngrams=None), row))
    assert failures("TextVectorization")


def test_shifted_vocabulary_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup.StringLookup, "token_start", 1)
    assert failures("TextVectorization")
    assert failures("StringLookup")


WRONG_HASHES = {"k0": "K0", "k1": "K1", "k2": "K2"}


@pytest.mark.parametrize("constant", WRONG_HASHES.values())
def test_wrong_hash_is_noticed(constant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, constant, getattr(hashes, constant) ^ np.uint64(1))
    assert failures("Hashing")
    assert failures("StringLookup")
    assert failures("HashedCrossing")


def test_wrong_salted_hash_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "SIP", (*hashes.SIP[:3], hashes.SIP[3] ^ 1))
    assert failures("Hashing")
    assert failures("IntegerLookup")


def test_wrong_crossing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(categories, "CROSSING_KEY", 0)
    assert failures("HashedCrossing")


def test_comparison_notices_one_id_and_a_dtype() -> None:
    case = RECORDED[0]
    output = case.run()
    wrong = output.copy()
    wrong.flat[0] += 1
    assert mismatches(case, wrong)
    assert mismatches(case, output.astype(np.int32))
    assert mismatches(case, output[:-1])


def test_cases_meet_unknown_words_masks_and_many_ids() -> None:
    outputs = [case.output for case in RECORDED if case.layer == "TextVectorization" and case.output.dtype == np.int64]
    ids = np.unique(np.concatenate([output.ravel() for output in outputs]))
    assert {0, 1} <= set(ids.tolist())
    assert len(ids) > 300
