"""Activations by what they are, not by their names; what is proved in both engines is in tests/cases/own_functions."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from porting import Unsupported
from porting.archive import write_network
from porting.keras_side.save import describe
from porting.keras_side.tracing import Untraceable, trace
from porting.keras_side.which_keras import keras_api_of


def dense(activation, **settings):
    given = keras.Input((3,))
    return keras.Model(given, layers.Dense(2, activation=activation, name="dense", **settings)(given))


def saved(activation):
    return describe(dense(activation)).layers["dense"].config["activation"]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (keras.activations.gelu, "gelu"),
        (None, "linear"),
        ("silu", "silu"),
        (ops.relu, "relu"),
        (ops.hard_sigmoid, "hard_sigmoid"),
        (tf.nn.relu, "relu"),
        (tf.nn.gelu, "gelu"),
        (tf.nn.swish, "silu"),
        (tf.identity, "linear"),
        (tf.nn.leaky_relu, "leaky_relu"),
        (tf.tanh, "tanh"),
        (lambda x: tf.nn.softmax(x), "softmax"),
        (lambda x: keras.ops.softmax(x, axis=-1), "softmax"),
        (lambda x: x, "linear"),
    ],
)
def test_functions_that_are_activations_by_other_names(function, name):
    assert saved(function) == name


def test_the_function_counts_and_not_its_name():
    """Keras writes ``gelu`` into its file for both."""
    described = saved(ops.gelu)
    assert described["class_name"] == "Functional"
    assert described["config"]["layers"][1]["config"] == {"name": "gelu_1", "approximate": True}


def test_a_layer_has_its_own_function_again():
    model = dense(lambda x: x * 2)
    function = model.layers[1].activation
    describe(model)
    assert model.layers[1].activation is function
    np.testing.assert_allclose(model(np.ones((1, 3))), 2 * np.ones((1, 3)) @ model.layers[1].kernel.numpy(), rtol=1e-6)


def test_no_bytecode_is_saved(tmp_path):
    write_network(describe(dense(lambda x: x * 2)), tmp_path / "net")
    text = (tmp_path / "net" / "network.json").read_text()
    assert "__lambda__" not in text
    assert json.loads(text)


def branching(x):
    return x if x[0, 0] > 0 else -x


def beyond_keras(x):
    return tf.math.zeta(x, x)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (branching, "a function of your own, branching "),
        (beyond_keras, "it calls tf.math.zeta, which has no operation of Keras here"),
        (lambda x: 0 * x[0, 0].numpy() + x, "a lambda "),
        (lambda x: x * np.ones(2, "float32"), "it computes with an array or a weight"),
        (lambda x: layers.Dense(2)(x), "it makes a layer with weights, Dense"),
        (lambda x: 3.0, "it returns a float"),
    ],
)
def test_functions_that_cannot_be_traced_are_refused_when_saved(function, said):
    with pytest.raises(Unsupported) as refusal:
        describe(dense(function))
    (problem,) = refusal.value.problems
    assert problem.where == "Dense 'dense'"
    assert said in problem.what
    assert f"{__file__}, line " in problem.what
    assert "@keras.saving.register_keras_serializable" in problem.way_out


def test_what_hangs_on_an_unknown_shape_is_refused():
    """The Dense of a TimeDistributed is in no graph: what ranks it sees, it does not tell."""
    given = keras.Input((5, 3))
    by_rank = layers.Dense(2, activation=lambda x: x if len(x.shape) == 2 else -x)
    with pytest.raises(Unsupported, match="does not do the same for all shapes"):
        describe(keras.Model(given, layers.TimeDistributed(by_rank)(given)))


def test_trace_hands_on_what_the_code_says():
    given = keras.Input((3,))
    api = keras_api_of(keras.Model(given, given))
    with pytest.raises(Untraceable, match="ValueError: no"):
        trace(raising, api, given)
    assert keras.backend.is_keras_tensor(trace(tf.math.multiply, api, given, y=given))
    with pytest.raises(ValueError, match="KerasTensor"):
        tf.math.multiply(given, given)  # only as long as trace runs


def raising(x):
    raise ValueError("no")
