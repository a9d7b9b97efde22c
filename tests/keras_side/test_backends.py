"""The same networks over every backend of Keras 3: what is saved gives its numbers. See `nox -s backends`."""

import keras
import numpy as np
import pytest
from keras import layers

import porting
from porting import Unsupported
from porting.keras_side.save import describe
from porting.numpy_side.engine import NumpyEngine

BACKEND = keras.backend.backend()


def ported(model):
    network = describe(model)
    assert network.origin["backend"] == BACKEND
    net = porting.PortedNetwork(network, NumpyEngine(network))
    report = net.check()
    assert report.ok, str(report)
    return network


def masked_text():
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(ids)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(4, activation="gelu"))(x)
    return keras.Model(ids, layers.MultiHeadAttention(2, 3)(x, x))


def channels_first():
    x = keras.Input((3, 8, 9))
    y = layers.Conv2D(4, 3, padding="same", groups=1, data_format="channels_first")(x)
    y = layers.BatchNormalization(axis=1)(y)
    return keras.Model(x, layers.GlobalAveragePooling2D(data_format="channels_first")(y))


def nested():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="tanh"), layers.Dropout(0.5)])
    inputs = {"left": keras.Input((4,), name="left"), "right": keras.Input((4,), name="right")}
    return keras.Model(inputs, {"sum": inner(inputs["left"]) + inner(inputs["right"]) * 2.0})


@pytest.mark.parametrize("build", [masked_text, channels_first, nested])
def test_networks_are_saved(build):
    ported(build())


def test_half_precision_is_refused_by_name():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2, dtype="mixed_float16")(x))
    with pytest.raises(Unsupported, match="computes in float16"):
        describe(model)


def test_layers_that_a_torch_module_keeps_apart_are_found():
    layer = layers.LSTM(3)
    layer(np.zeros((1, 2, 4), "float32"))
    held = vars(layer).get("_modules") or {"cell": vars(layer)["cell"]}
    assert "cell" in held
    from porting.keras_side.keras3 import Keras3
    from porting.keras_side.weights import name_weights

    assert list(name_weights(layer, Keras3())) == ["kernel", "recurrent_kernel", "bias"]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow's backend takes one sum for another")
@pytest.mark.parametrize(
    "add",
    [
        lambda x: layers.Conv1D(4, 2, data_format="channels_first")(x),  # 4 filters, and 4 steps are left
        lambda x: x + np.ones((5, 1), "float32"),
    ],
)
def test_sums_that_tensorflow_takes_for_a_bias_are_refused(add):
    x = keras.Input((5, 5))
    model = keras.Model(x, add(x))
    with pytest.raises(Unsupported, match="along another axis"):
        describe(model)


@pytest.mark.parametrize("add", [lambda x: x + np.ones((1, 5), "float32"), lambda x: x + np.ones(5, "float32")])
def test_sums_with_a_true_bias_are_saved(add):
    x = keras.Input((5, 5))
    ported(keras.Model(x, add(x)))
