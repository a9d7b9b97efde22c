"""Activations that are no functions of `keras.activations`, though some have the names of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cases import Case

RULES = "tests/custom_rules.py"
Function = Callable[[Any], Any]


def relu(keras: Any) -> Function:
    """Called as Keras' own, but capped."""

    def relu(x: Any) -> Any:
        return keras.ops.minimum(keras.ops.maximum(x, 0.0), 0.5)

    return relu


def tanh(keras: Any) -> Function:
    """Called as Keras' own, written in TensorFlow."""
    import tensorflow as tf

    def tanh(x: Any) -> Any:
        return 2.0 * tf.tanh(x) + tf.nn.leaky_relu(x, 0.3)

    return tanh


def softmax(keras: Any) -> Function:
    """Over the axis behind the batch, whichever that is where the layer runs."""
    return lambda x: keras.ops.softmax(x, axis=1)


def of_a_layer(keras: Any) -> Function:
    return lambda x: keras.layers.LeakyReLU(0.1)(x)


def registered(keras: Any, traced: bool) -> Function:
    """With a rule of the user's own; where it asks for a number, that is the only way."""

    @keras.saving.register_keras_serializable(package="tests")
    def leaky_and_capped(x: Any) -> Any:
        if not traced and not hasattr(x, "numpy") and keras.backend.is_keras_tensor(x):
            raise TypeError("runs on numbers only")
        return keras.ops.minimum(keras.ops.maximum(x, 0.1 * x), 0.5)

    return leaky_and_capped


def tensorflow_elu(keras: Any) -> Function:
    import tensorflow as tf

    elu: Function = tf.nn.elu
    return elu


def dense(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        given = keras.Input((4,))
        return keras.Model(given, keras.layers.Dense(3)(keras.layers.Dense(4, activation=function(keras))(given)))

    return build


def picture(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        given = keras.Input((5, 4, 2))
        return keras.Model(given, keras.layers.Conv2D(3, 2, activation=function(keras))(given))

    return build


def sequence(function: Callable[[Any], Any], *names: str) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        given = keras.Input((5, 4))
        own = {name: function(keras) for name in names}
        steps = keras.layers.LSTM(3, return_sequences=True, **own)(given)
        return keras.Model(
            given, keras.layers.TimeDistributed(keras.layers.Dense(3, activation=function(keras)))(steps)
        )

    return build


def pictures_in_time(keras: Any) -> Any:
    given = keras.Input((3, 4, 4, 4))
    return keras.Model(given, keras.layers.ConvLSTM2D(2, 2, activation=softmax(keras))(given))


CASES = [
    *(
        Case(f"{function.__name__}_of_{made.__name__}", made(function))
        for made in (dense, picture, sequence)
        for function in (relu, tanh, softmax, of_a_layer)
    ),
    Case("operation_gelu", dense(lambda keras: keras.ops.gelu)),
    Case("operation_gelu_on_pictures", picture(lambda keras: keras.ops.gelu)),
    Case("tensorflow_elu_in_a_cell", sequence(tensorflow_elu, "activation")),
    Case(
        "operation_sigmoid_in_a_cell", sequence(lambda keras: keras.ops.sigmoid, "activation", "recurrent_activation")
    ),
    Case("layer_with_a_weight", picture(lambda keras: keras.layers.PReLU(shared_axes=[1, 2]))),
    Case("registered_with_a_rule", dense(lambda keras: registered(keras, traced=False)), rules=RULES),
    Case("registered_without_a_rule", dense(lambda keras: registered(keras, traced=True))),
    Case(
        "registered_of_numbers_without_a_rule",
        dense(lambda keras: registered(keras, traced=False)),
        refused=dict.fromkeys(("numpy", "neoml"), "no rule.*|@porting.rule"),
    ),
    Case("softmax_of_pictures_in_time", pictures_in_time),
    Case("own_in_a_cell", sequence(relu, "activation")),
]
