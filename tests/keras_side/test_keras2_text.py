"""Keras 2's layers of text and categories: saved, and run again without TensorFlow. Collected where Keras 2 is."""

import runpy

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import porting
from porting.keras_side.text import preprocessing_config, preprocessing_weights
from porting.text import LAYERS

TEXTS = ["The cat sat on the mat", "a dog barked; the cat sat.", "Größe ÜBER alles", "Все счастливые семьи"]
NONCHARACTERS = ["\ufffe\uffff", "a\ufdd0b \U0010ffff", "\ufdcf\ufdf0"]
HOSTILE = [
    *NONCHARACTERS,
    "",
    "THE\u00a0cat!",
    "Größe größe",
    " \t\n",
    "\x00",
    "Все все",
    "the " * 50,
    "!?",
    "e\u0301 🎲",
    "a-b_c's",
]


def vectorizer(**settings):
    made = layers.TextVectorization(**settings)
    made.adapt(tf.constant(TEXTS))
    return made


def text_model(layer, embedded=False):
    text = keras.Input((1,), dtype="string", name="text")
    x = layer(text)
    if embedded:
        x = layers.GlobalAveragePooling1D()(layers.Embedding(60, 4)(x))
    return keras.Model(text, layers.Dense(2)(x))


def lookup(**settings):
    return layers.StringLookup(vocabulary=["red", "green", "Größe"], **settings)


MODELS = {
    "ids": lambda: text_model(vectorizer(output_sequence_length=5), True),
    "ids to the longest": lambda: text_model(vectorizer(split="character"), True),
    "multi_hot": lambda: text_model(vectorizer(output_mode="multi_hot")),
    "count": lambda: text_model(vectorizer(output_mode="count", ngrams=2)),
    "tf_idf": lambda: text_model(vectorizer(output_mode="tf_idf")),
    "lookup": lambda: text_model(lookup(num_oov_indices=2), True),
    "lookup one_hot": lambda: text_model(lookup(output_mode="one_hot")),
    "hashing": lambda: text_model(layers.Hashing(8, output_mode="one_hot", mask_value="")),
}


@pytest.mark.parametrize("name", MODELS)
def test_texts_become_the_same_numbers(name, tmp_path):
    model = MODELS[name]()
    porting.save(model, tmp_path / "saved")
    net = porting.load(tmp_path / "saved", engine="numpy")
    report = net.check()
    assert report.ok, str(report)
    wanted = model.predict(tf.constant(HOSTILE)[:, None], verbose=0)
    np.testing.assert_allclose(net.predict(HOSTILE), wanted, atol=1e-6)


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_counts_are_floats(mode):
    layer = lookup(output_mode=mode)
    values = np.array([["red"], ["blue"], ["Größe"]], object)
    wanted = np.asarray(layer(tf.constant(values)))
    found = LAYERS["StringLookup"](preprocessing_config(layer), preprocessing_weights(layer))(values)
    assert found.dtype == wanted.dtype == (np.int64 if mode == "int" else np.float32)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("mode", ["int", "count"])
def test_characters_are_those_of_this_tensorflow(mode, tmp_path):
    layer = layers.TextVectorization(
        split="character", output_mode=mode, vocabulary=["a", "\ufffd", "\uffff", "\ufdd0"]
    )
    wanted = np.asarray(layer(tf.constant(HOSTILE)[:, None]))
    config, weights = preprocessing_config(layer), preprocessing_weights(layer)
    np.testing.assert_array_equal(LAYERS["TextVectorization"](config, weights)(HOSTILE), wanted)
    network = porting.save(text_model(layer, embedded=mode == "int"), tmp_path / "saved")
    assert network.layers["text_vectorization"].config == config
    file = porting.standalone(tmp_path / "saved", tmp_path)
    found = runpy.run_path(str(file))["layers"](np.array(HOSTILE, object)[:, None])["text_vectorization:0"]
    np.testing.assert_array_equal(found, wanted)
    if tf.__version__.startswith("2.15"):
        assert not config["keeps_noncharacters"]


def test_tables_are_no_variables():
    """A vocabulary is among a layer's weights there, but it is not an array."""
    network = porting.save(text_model(vectorizer(), True), None)
    assert set(network.layers["text_vectorization"].weights) == {"vocabulary"}
