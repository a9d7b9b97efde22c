"""`porting.text` against live Keras layers on arbitrary text: dtype, shape and every value are the same."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from porting.errors import Unsupported
from porting.keras_side.text import preprocessing_config, preprocessing_weights
from porting.text import LAYERS
from porting.text.hashes import fingerprint64, siphash64

quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

# Bits of text that the kernels might treat otherwise than Python does, among any characters at all.
TRAPS = (
    *"aAzZйЙßẞİIıiéÉςΣ'’-_.!?«»–。~`\x7f\x00\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f ",
    *"\x85\u00a0\u1680\u2003\u2028\u200b\u200d\u3000\ufeff",
    *("e\u0301", "👨‍👩‍👧", "🇩🇪", "[UNK]", "the", "The", "  ", "", "\r\n", "x" * 70, "ǅ", "ﬁ", "\ufffd", "\U0010ffff"),
)
pieces = st.one_of(st.sampled_from(TRAPS), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
texts = st.lists(pieces, max_size=12).map("".join)
# Bytes near UTF-8: whole characters, cut ones, and any others.
byte_pieces = st.one_of(
    pieces.map(str.encode),
    st.binary(max_size=5),
    st.sampled_from(["😀", "世", "é"]).flatmap(lambda text: st.integers(0, 3).map(lambda at: text.encode()[:at])),
    st.sampled_from([b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80", b"\xf0\x8f\xbf\xbf", b"\xff"]),
)
byte_texts = st.lists(byte_pieces, max_size=10).map(b"".join)
batches = st.lists(st.one_of(texts, byte_texts), min_size=1, max_size=40)

VOCABULARY = [
    *"aAzZйЙßéÉ世",
    "the",
    "The",
    "[UNK]",
    "x" * 70,
    "e\u0301",
    "\u200d",
    "\ufffd",
    "a a",
    "the the",
    "unk",
]


def objects(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def ported(layer: Any) -> Any:
    """The layer on the other side: its config through JSON, its weights as arrays."""
    config = json.loads(json.dumps(preprocessing_config(layer)))
    return LAYERS[type(layer).__name__](config, preprocessing_weights(layer))


def assert_same(wanted: Any, found: np.ndarray) -> None:
    wanted = np.asarray(wanted)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    assert np.array_equal(found, wanted)


VECTORIZATIONS = [
    *[
        {"standardize": standardize, "split": split}
        for standardize in (None, "lower", "strip_punctuation", "lower_and_strip_punctuation")
        for split in (None, "whitespace", "character")
    ],
    {"output_sequence_length": 3},
    {"split": "character", "output_sequence_length": 5, "encoding": "latin-1"},
    {"ngrams": 3, "output_sequence_length": 7},
    {"ngrams": (2, 1), "split": "character", "output_mode": "count"},
    {"output_mode": "multi_hot"},
    {"output_mode": "tf_idf", "max_tokens": 40, "pad_to_max_tokens": True, "split": "character"},
]


@pytest.fixture(scope="module")
def vectorizations() -> list[tuple[Any, Any]]:
    layers = []
    for arguments in VECTORIZATIONS:
        idf = {"idf_weights": np.linspace(0.1, 3, len(VOCABULARY))} if arguments.get("output_mode") == "tf_idf" else {}
        layer = keras.layers.TextVectorization(**arguments, vocabulary=VOCABULARY, **idf)
        layers.append((layer, ported(layer)))
    return layers


@quick
@given(batches)
@example(["", " ", "\x00", "a"])
@example([b"\xe2!\x80!\x9c", b"\xf0\x9f\x98"])
def test_text_vectorization(vectorizations: list[tuple[Any, Any]], batch: list[Any]) -> None:
    given_texts = tf.constant(objects(batch), tf.string)
    for layer, port in vectorizations:
        assert_same(layer(given_texts), port(batch))


@quick
@given(st.lists(st.one_of(texts, byte_texts), min_size=2, max_size=30))
def test_adapted_vectorization(batch: list[Any]) -> None:
    """The vocabulary and the weights that the layer learns itself, whatever bytes they hold."""
    layer = keras.layers.TextVectorization(output_mode="tf_idf", max_tokens=50)
    layer.adapt(tf.constant(objects([*batch[::2], "word"]), tf.string))
    assert_same(layer(tf.constant(objects(batch), tf.string)), ported(layer)(batch))


@pytest.fixture(scope="module")
def string_layers() -> list[tuple[Any, Any]]:
    lookups = [
        {"mask_token": ""},
        {"num_oov_indices": 9, "mask_token": "a"},
        {"num_oov_indices": 2**16, "salt": (2**62, -5)},
        {"output_mode": "count", "num_oov_indices": 5, "salt": 1},
    ]
    layers: list[Any] = [keras.layers.StringLookup(vocabulary=VOCABULARY[2:], **arguments) for arguments in lookups]
    layers.append(keras.layers.Hashing(2**50))
    layers.append(keras.layers.Hashing(2**50, salt=(-1, 2**63 - 1), mask_value="a"))
    layers.append(keras.layers.Hashing(7, mask_value="", output_mode="multi_hot"))
    return [(layer, ported(layer)) for layer in layers]


@quick
@given(batches)
def test_string_layers(string_layers: list[tuple[Any, Any]], batch: list[Any]) -> None:
    given_texts = tf.constant(objects(batch), tf.string)
    for layer, port in string_layers:
        assert_same(layer(given_texts), port(batch))


integers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 12))


@pytest.fixture(scope="module")
def integer_layers() -> list[tuple[Any, Any]]:
    lookups = [
        {"mask_token": 0},
        {"num_oov_indices": 5},
        {"num_oov_indices": 2**16, "oov_method": "farmhash"},
        {"num_oov_indices": 5, "oov_method": "farmhash", "salt": 7, "mask_token": 3},
        {"output_mode": "multi_hot", "mask_token": 3},
        {"output_mode": "one_hot", "num_oov_indices": 2},
    ]
    layers: list[Any] = [keras.layers.IntegerLookup(vocabulary=[5, 1, -2, 2**50, 7], **each) for each in lookups]
    layers += [keras.layers.Hashing(2**50), keras.layers.Hashing(9, salt=3, mask_value=0)]
    layers += [keras.layers.Discretization(bin_boundaries=[-1.5, 0.1, 3.0, 2.0**40])]
    return [(layer, ported(layer)) for layer in layers]


@quick
@given(st.lists(integers, min_size=1, max_size=40))
def test_integer_layers(integer_layers: list[tuple[Any, Any]], batch: list[int]) -> None:
    values = np.array(batch, np.int64)
    for layer, port in integer_layers:
        assert_same(layer(values), port(values))


@quick
@given(st.lists(st.floats(width=32), min_size=1, max_size=40))
@example([float(np.float32(value)) for value in (-1e-42, 1e-42, -1.2e-38)])
def test_discretization(batch: list[float]) -> None:
    for mode in ("int", "count"):
        layer = keras.layers.Discretization(
            bin_boundaries=[-1e30, -0.1, -1e-40, 0.0, 0.1, 0.30000001, 7.0], output_mode=mode
        )
        for dtype in (np.float32, np.float64):
            values = np.array(batch, dtype)
            assert_same(layer(values), ported(layer)(values))


@quick
@given(st.lists(st.tuples(texts, integers, byte_texts), min_size=1, max_size=40))
def test_hashed_crossing(rows: list[tuple[str, int, bytes]]) -> None:
    first, second, third = zip(*rows)
    for bins in (7, 2**55):
        layer = keras.layers.HashedCrossing(bins)
        features = [tf.constant(objects(list(first)), tf.string), tf.constant(second, tf.int64)]
        assert_same(layer(features), ported(layer)([list(first), np.array(second)]))
        features = [features[1], tf.constant(objects(list(third)), tf.string), features[0]]
        assert_same(layer(features), ported(layer)([np.array(second), list(third), list(first)]))


def test_hashes_of_every_length() -> None:
    random = np.random.default_rng(5)
    strings = [random.integers(0, 256, length, np.uint8).tobytes() for length in range(301) for _ in range(2)]
    bins = 2**63 - 25
    fast = tf.strings.to_hash_bucket_fast(strings, bins).numpy()
    assert np.array_equal((fingerprint64(strings) % np.uint64(bins)).astype(np.int64), fast)
    for key in ((0, 0), (1, -2), (2**63 - 1, -(2**63))):
        strong = tf.strings.to_hash_bucket_strong(strings, bins, list(key)).numpy()
        assert np.array_equal((siphash64(strings, key) % np.uint64(bins)).astype(np.int64), strong)


def test_weights_of_what_get_vocabulary_cannot_tell() -> None:
    layer = keras.layers.StringLookup(encoding="latin-1")
    layer.adapt(tf.constant([b"\xff", b"\xff", b"\xff", "é", "é", "nul\x00"]))
    assert preprocessing_weights(layer)["vocabulary"].tolist() == ["\udcff", "é", "nul\x00"]
    assert ported(layer)([b"\xff", "é", "nul\x00", "nul"]).tolist() == [1, 2, 3, 0]


def test_what_a_predicting_model_returns() -> None:
    """Within a model and its graph the ids are the same."""
    inputs = keras.Input((1,), dtype="string")
    layer = keras.layers.TextVectorization(vocabulary=["a", "é"], output_sequence_length=3)
    model = keras.Model(inputs, layer(inputs))
    batch = [["A, é"], ["É"], [""]]
    assert_same(model.predict(tf.constant(batch), verbose=0), ported(layer)(batch))


def test_normalization_and_others() -> None:
    layer = keras.layers.Normalization(axis=-1)
    with pytest.raises(Unsupported, match="adapt"):
        preprocessing_weights(layer)
    layer.adapt(np.arange(12, dtype=np.float32).reshape(4, 3))
    weights = preprocessing_weights(layer)
    assert weights["mean"].shape == weights["variance"].shape == (1, 3)
    assert np.allclose(weights["mean"], [[4.5, 5.5, 6.5]])
    assert preprocessing_config(layer)["axis"] == [-1]
    assert preprocessing_weights(keras.layers.Rescaling(2.0)) == {}
    with pytest.raises(Unsupported, match="bin_boundaries"):
        preprocessing_weights(keras.layers.Discretization(num_bins=3))
    with pytest.raises(Unsupported, match="vocabulary"):
        preprocessing_weights(keras.layers.TextVectorization())


def test_callables_are_named_in_the_config() -> None:
    layer = keras.layers.TextVectorization(standardize=tf.strings.upper, vocabulary=["A"])
    config = preprocessing_config(layer)
    assert config["standardize"]["class_name"] == "function"
    assert config["dtype"] == "float32"
    assert "vocabulary" not in config
    with pytest.raises(Unsupported, match="standardize"):
        ported(layer)


def test_another_layers_output_is_noticed(vectorizations: list[tuple[Any, Any]]) -> None:
    """The comparison can fail: no two settings give the same on the traps."""
    batch = [" ".join(TRAPS), "".join(TRAPS), "the The [UNK] a\x1fb", "a", "A", "a!", "A!", "!the!"]
    for layer, _ in vectorizations:
        wanted = layer(tf.constant(batch))
        same = []
        for _, port in vectorizations:
            try:
                assert_same(wanted, port(batch))
                same.append(port)
            except AssertionError:
                continue
        assert len(same) == 1
