"""What text may come in as, and what is refused, with its place."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from porting.errors import Mismatch, Unsupported
from porting.inputs import check_inputs
from porting.network import Array, Input
from porting.text import (
    LAYERS,
    CategoryEncoding,
    Discretization,
    HashedCrossing,
    Hashing,
    IntegerLookup,
    StringLookup,
    TextVectorization,
)
from porting.text.strings import read_texts, to_bytes, to_text

WORDS = TextVectorization(["a", "b"], output_sequence_length=3)


class Column:
    """A column of a data frame, as far as it is an array."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return np.array(self.values, object)

    def __repr__(self) -> str:
        return repr(self.values)


@pytest.mark.parametrize(
    "texts",
    [
        ["a b", "b c"],
        ("a b", "b c"),
        [b"a b", "b c"],
        [["a b"], ["b c"]],
        [("a b",), ["b c"]],
        np.array(["a b", "b c"]),
        np.array([b"a b", b"b c"]),
        np.array(["a b", b"b c"], object),
        np.array([["a b"], ["b c"]]),
        [np.array(["a b"]), np.array(["b c"])],
        [np.str_("a b"), np.str_("b c")],
        Column(["a b", "b c"]),
    ],
    ids=lambda texts: f"{type(texts).__name__} {texts!r}"[:60],
)
def test_many_kinds_of_texts(texts: Any) -> None:
    assert WORDS(texts).tolist() == [[2, 3, 0], [3, 1, 0]]


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 2 has string arrays")
def test_string_arrays_of_numpy_2() -> None:
    assert WORDS(np.array(["a b", "b c"], np.dtypes.StringDType())).tolist() == [[2, 3, 0], [3, 1, 0]]


def test_one_text_has_no_batch_axis() -> None:
    for text in ("a b", b"a b", np.array("a b"), np.str_("a b")):
        assert WORDS(text).tolist() == [2, 3, 0]
    assert WORDS("").tolist() == [0, 0, 0]


def test_no_texts() -> None:
    assert WORDS([]).shape == (0, 3)
    assert WORDS(np.zeros((0, 1), object)).shape == (0, 3)
    assert TextVectorization(["a"])([]).shape == (0, 0)
    assert TextVectorization(["a"], output_mode="count")([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["a", None], r"texts\[1\]: None is a NoneType"),
        (["a", 3], r"texts\[1\]: 3 is a int"),
        (np.array(["a", float("nan")], object), r"texts\[1\]: nan is a float"),
        (["a", "x\ud800"], r"texts\[1\]: '\\ud800' at 1 is a lone surrogate"),
        ([["a"], ["b", None]], r"texts\[1\]\[1\]"),
        ([["a"], ["b", "c"]], r"rows of shapes \[\(1,\), \(2,\)\]"),
        (np.array([1, 2]), "array of int64 is not text"),
        (7, "a int is not text"),
        ((text for text in "ab"), "a generator is not text"),
        ([["a", "b"]], r"shape \(1, 2\)"),
    ],
)
def test_what_is_no_text(texts: Any, said: str) -> None:
    with pytest.raises(Mismatch, match=said):
        WORDS(texts)


def test_every_wrong_text_is_named() -> None:
    with pytest.raises(Mismatch) as caught:
        WORDS(["a", None, "b", 4])
    assert [problem.where for problem in caught.value.problems] == ["texts[1]", "texts[3]"]


def test_bytes_that_are_no_text_survive_a_vocabulary() -> None:
    token = to_text(b"\xff\x00a")
    assert to_bytes(token) == b"\xff\x00a"
    assert StringLookup([token])([b"\xff\x00a", "a"]).tolist() == [1, 0]
    assert read_texts([b"\xff"]).items == [b"\xff"]


def test_a_text_is_not_split_in_deep_counts() -> None:
    with pytest.raises(Mismatch, match="one axis of texts"):
        TextVectorization(["a"], output_mode="count")([[["a"], ["b"]]])


def test_functions_stand_for_callables() -> None:
    config = {
        "standardize": {"class_name": "function", "config": "mine>clean"},
        "split": {"class_name": "function", "config": "mine>by_comma"},
        "output_sequence_length": 3,
    }
    weights = {"vocabulary": np.array(["ж", "б"], object)}
    with pytest.raises(Unsupported) as caught:
        TextVectorization.from_layer(config, weights)
    assert len(caught.value.problems) == 2
    assert "standardize=…" in str(caught.value)
    layer = TextVectorization.from_layer(config, weights, standardize=str.lower, split=lambda text: text.split(","))
    assert layer(["Ж,Б,,х", b"\xff"]).tolist() == [[2, 3, 0], [1, 0, 0]]
    assert layer.tokens(["Ж,Б"]) == [["ж", "б"]]


def test_a_function_where_keras_has_none_is_refused() -> None:
    with pytest.raises(Unsupported, match="Keras' own"):
        TextVectorization.from_layer({"standardize": "lower"}, {"vocabulary": np.array(["a"])}, standardize=str.lower)


REFUSED = [
    ("TextVectorization", {"ragged": True}, "ragged=True"),
    ("TextVectorization", {"sparse": True, "output_mode": "count"}, "sparse=True"),
    ("TextVectorization", {"output_mode": "one_hot"}, "output_mode='one_hot'"),
    ("TextVectorization", {"standardize": "upper"}, "standardize='upper'"),
    ("TextVectorization", {"split": "sentence"}, "split='sentence'"),
    ("TextVectorization", {"ngrams": 0}, "ngrams=0"),
    ("TextVectorization", {"ngrams": [1, 0]}, r"ngrams=\[1, 0\]"),
    ("TextVectorization", {"output_sequence_length": 2.5}, "output_sequence_length=2.5"),
    ("TextVectorization", {"stemmer": "porter"}, "stemmer='porter'"),
    ("StringLookup", {"sparse": True}, "sparse=True"),
    ("StringLookup", {"num_oov_indices": -1}, "num_oov_indices=-1"),
    ("StringLookup", {"oov_method": "md5"}, "oov_method='md5'"),
    ("StringLookup", {"salt": [1, 2, 3]}, "salt="),
    ("IntegerLookup", {"vocabulary_dtype": "float32"}, "vocabulary_dtype='float32'"),
    ("IntegerLookup", {"mask_token": "m"}, "mask_token='m'"),
    ("CategoryEncoding", {}, "num_tokens=None"),
    ("CategoryEncoding", {"num_tokens": 3, "output_mode": "int"}, "output_mode='int'"),
    ("CategoryEncoding", {"num_tokens": 3, "dtype": "mixed_bfloat16"}, "dtype='mixed_bfloat16'"),
    ("Discretization", {}, "bin_boundaries"),
    ("Discretization", {"bin_boundaries": [1.0, 0.0]}, "do not rise"),
    ("Hashing", {"num_bins": 0}, "num_bins=0"),
    ("Hashing", {"num_bins": 3, "sparse": True}, "sparse=True"),
    ("HashedCrossing", {"num_bins": 3, "output_mode": "multi_hot"}, "output_mode='multi_hot'"),
]


@pytest.mark.parametrize(("layer", "config", "said"), REFUSED, ids=lambda value: str(value).replace(" ", ""))
def test_refused_settings(layer: str, config: dict[str, Any], said: str) -> None:
    vocabulary = np.array([1]) if layer == "IntegerLookup" else np.array(["a"], object)
    weights = {} if layer == "Discretization" else {"vocabulary": vocabulary}
    with pytest.raises(Unsupported, match=said) as caught:
        LAYERS[layer]({"name": "mine", **config}, weights)
    assert all(re.match("mine|Discretization", problem.where) for problem in caught.value.problems)


def test_all_refusals_at_once() -> None:
    with pytest.raises(Unsupported) as caught:
        LAYERS["TextVectorization"]({"ragged": True, "split": "x", "color": 1}, {})
    assert len(caught.value.problems) == 3


def test_missing_and_wrong_weights_are_refused() -> None:
    with pytest.raises(Unsupported, match="vocabulary"):
        LAYERS["TextVectorization"]({}, {})
    with pytest.raises(Unsupported, match="idf_weights"):
        LAYERS["StringLookup"]({"output_mode": "tf_idf"}, {"vocabulary": np.array(["a"])})
    with pytest.raises(Unsupported, match=r"shape \(2,\) where \(3,\)"):
        StringLookup(["a", "b"], output_mode="tf_idf", idf_weights=np.ones(2, np.float32))
    with pytest.raises(Unsupported, match="twice"):
        StringLookup(["a", "a"])


def test_encoding_changes_no_id() -> None:
    weights = {"vocabulary": np.array(["é"], object)}
    for encoding in ("utf-8", "latin-1", "utf-16"):
        assert LAYERS["TextVectorization"]({"encoding": encoding}, weights)(["é É"]).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: StringLookup(["a"], num_oov_indices=0)(["a", "x", "y"]),
            "2 values are not in the vocabulary: b'x', b'y'",
        ),
        (lambda: IntegerLookup([4], num_oov_indices=0)([4, 9]), "not in the vocabulary: 9"),
        (lambda: IntegerLookup([4])(["4"]), "no whole numbers"),
        (lambda: IntegerLookup([4])(np.array([np.nan])), "nan is not an int64"),
        (lambda: StringLookup(["a"], invert=True)(["a"]), "no whole numbers"),
        (lambda: CategoryEncoding(3)([[0, -1]]), "-1 is negative"),
        (lambda: CategoryEncoding(3)([[0, 1]], [[0.5, 1.0]]), "count_weights have no meaning"),
        (lambda: Discretization([0.0])(["a"]), "no numbers"),
        (lambda: Hashing(3)(np.array([np.inf])), "inf is not an int64"),
        (lambda: Hashing(3, mask_value=1)(["a"]), "mask_value=1 cannot be compared"),
        (lambda: Hashing(3, mask_value="")([1, 2]), "mask_value='' cannot be compared"),
        (lambda: HashedCrossing(3)([["a"]]), "cannot be crossed"),
        (lambda: HashedCrossing(3)([]), "cannot be crossed"),
        (lambda: HashedCrossing(3)([["a"], ["a", "b"]]), "cannot be crossed"),
        (lambda: HashedCrossing(3)([[["a", "b"]], [["a", "b"]]]), "cannot be crossed"),
        (lambda: HashedCrossing(3)([np.array([1.5]), np.array([1])]), "a feature of float64"),
    ],
)
def test_values_that_do_not_fit(call: Any, said: str) -> None:
    with pytest.raises(Mismatch, match=said):
        call()


def test_numbers_to_be_looked_up_keep_64_bits() -> None:
    number = Input("number", (None, 1), "int64")
    for value in (2**40, 2**63 - 1, -(2**63)):
        assert check_inputs([[value]], [number])["number"].tolist() == [[value]]
    for beyond in (np.array([[2**63]], np.uint64), [[2.0**63]], [[1e300]]):
        with pytest.raises(Mismatch, match=r"outside -9223372036854775808 …"):
            check_inputs(beyond, [number])
    with pytest.raises(Mismatch, match=r"outside -2147483648 …"):
        check_inputs([[2**40]], [Input("number", (None, 1), "int32")])


def test_noncharacters_of_an_older_tensorflow() -> None:
    """As TensorFlow 2.15 gives them; `tests/keras_side/test_keras2_text.py` proves it there."""
    layer = TextVectorization(["\ufffd", "\uffff", "a"], split="character", standardize=None)
    older = dataclasses.replace(layer, keeps_noncharacters=False)
    assert layer(["a\uffff\ufdd0"]).tolist() == [[4, 3, 1]]
    assert older(["a\uffff\ufdd0", "\ufdcf\ufdf0\U0010ffff"]).tolist() == [[4, 2, 2], [1, 1, 2]]
    assert older(
        ["\ufffe"],
    ).tolist() == [[2]]


def test_rows_of_no_ngrams_count_nothing() -> None:
    layer = TextVectorization(["a"], split=None, ngrams=(2,), output_mode="count")
    assert layer([["a"], ["b"]]).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ({"standardize": lambda text: None}, "given as standardize, returned something else than a str"),
        ({"split": lambda text: text}, "given as split, returned something else than a list of str"),
        ({"split": lambda text: [text, 1]}, "given as split, returned something else than a list of str"),
        ({"split": lambda text: None}, "given as split, returned something else than a list of str"),
    ],
)
def test_functions_that_give_no_text_are_named(functions: Any, said: str) -> None:
    with pytest.raises(Mismatch, match=said):
        TextVectorization(["a"], **functions)(["a b"])


def test_functions_may_give_empty_tokens_and_bytes() -> None:
    layer = TextVectorization(["a", "b"], standardize=None, split=lambda text: text.split("-"))
    assert layer(["a--b", "c"]).tolist() == [[2, 0, 3], [1, 0, 0]]
    assert TextVectorization(["a"], standardize=lambda text: text.encode())(["a x"]).tolist() == [[2, 1]]
