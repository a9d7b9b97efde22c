"""What layers say about themselves, where that is little, or fails; and what of a graph is left out."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import porting
from porting import Unsupported
from porting.archive import read_network, write_network
from porting.keras_side.save import describe
from porting.numpy_side.engine import NumpyEngine


def assert_as_keras(model):
    """Saved and exact on inputs that no reference holds."""
    network = describe(model)
    x = np.random.default_rng(0).normal(size=(4, *model.input_shape[1:])).astype("float32")
    np.testing.assert_allclose(
        porting.PortedNetwork(network, NumpyEngine(network)).predict(x),
        model.predict(x, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )
    return network


@pytest.mark.parametrize("kind", [layers.Identity, layers.Flatten, layers.ELU, layers.GlobalMaxPooling1D])
def test_a_dtype_policy_may_be_an_object(kind):
    given = keras.Input((4, 3))
    network = assert_as_keras(keras.Model(given, kind(dtype=keras.DTypePolicy("float32"), name="it")(given)))
    assert network.layers["it"].config["dtype"] == "float32"


@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`:UserWarning")
@pytest.mark.parametrize("kind", [layers.Identity, layers.ELU, layers.Activation])
def test_the_first_layer_may_declare_the_input(kind):
    settings = {"activation": "tanh"} if kind is layers.Activation else {}
    assert_as_keras(keras.Sequential([kind(input_shape=(4,), **settings), layers.Dense(2)]))


class Window(layers.Layer):
    """As blocks of convolutions are written; the attribute makes it no convolution."""

    def __init__(self, kernel_size=3, **settings):
        super().__init__(**settings)
        self.kernel_size = kernel_size
        self.inner = layers.Conv2D(2, kernel_size)

    def call(self, x):
        return self.inner(x)


def test_a_layer_of_ones_own_may_have_a_kernel_size():
    given = keras.Input((6, 6, 1))
    network = describe(keras.Model(given, Window(name="window")(given)), whole=["Window"])
    assert set(network.layers["window"].weights) == {"inner/kernel", "inner/bias"}


class Silent(keras.regularizers.Regularizer):
    def __call__(self, x):
        return ops.sum(x)

    def get_config(self):
        raise KeyError("nobody asks")


def test_a_regularizer_need_not_describe_itself():
    given = keras.Input((5, 4))
    silent = Silent()
    dense = layers.TimeDistributed(layers.Dense(3, kernel_regularizer=silent))
    cell = layers.LSTM(2, recurrent_regularizer=silent)
    assert_as_keras(keras.Model(given, cell(dense(given))))
    assert dense.layer.kernel_regularizer is silent
    assert cell.cell.recurrent_regularizer is silent


class Scale(layers.Layer):
    def call(self, x):
        return x * 2

    def get_config(self):
        return {**super().get_config(), "factor": self.missing}


def test_a_config_that_fails_is_refused_by_the_layers_name():
    given = keras.Input((4,))
    model = keras.Model(given, Scale(name="scale")(given))
    assert_as_keras(model)  # unfolded, it needs none
    with pytest.raises(Unsupported) as refusal:
        describe(model, whole=["Scale"])
    (problem,) = refusal.value.problems
    assert problem.where == "Scale 'scale'"
    assert "AttributeError" in problem.what
    assert "'missing'" in problem.what
    assert "get_config" in problem.way_out


def test_an_output_of_a_nested_model_may_be_left_unused():
    given = keras.Input((4,))
    wide = layers.Dense(3, name="wide")(given)
    nested = keras.Model(
        given, [layers.Dense(2, name="used")(wide), layers.Dense(3, name="unused")(wide)], name="inner"
    )
    network = assert_as_keras(keras.Model(given, nested(given)[0]))
    assert set(network.layers) == {"inner/wide", "inner/used"}


def test_outputs_in_a_dict_keep_their_order(tmp_path):
    given = keras.Input((3,))
    heads = {"risk": layers.Dense(1)(given), "logits": {"b": layers.Dense(2)(given), "a": layers.Dense(3)(given)}}
    model = keras.Model(given, heads)
    write_network(describe(model), tmp_path / "net")
    network = read_network(tmp_path / "net")
    x = np.ones((2, 3), "float32")
    wanted, found = model.predict(x, verbose=0), porting.PortedNetwork(network, NumpyEngine(network)).predict(x)
    assert list(found) == list(wanted) == ["risk", "logits"]
    assert list(found["logits"]) == list(wanted["logits"]) == ["b", "a"]
    for key in ("b", "a"):
        np.testing.assert_allclose(found["logits"][key], wanted["logits"][key], rtol=1e-5)
