"""Layers and Lambdas of a user's own in Keras 2, unfolded into the operations that their code calls."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from keras import layers

import porting
from porting import Unsupported
from porting.keras_side.restore import restore
from porting.keras_side.save import describe
from porting.numpy_side.engine import NumpyEngine


def assert_exact(model, *shapes):
    """Exact at the references, and at a batch and sizes that they need not hold; returns the network."""
    network = describe(model, noise=False)
    net = porting.PortedNetwork(network, NumpyEngine(network))
    report = net.check()
    assert report.ok, str(report)
    rng = np.random.default_rng(5)
    given = [
        rng.integers(0, 6, shape).astype("int32")
        if "int" in one.dtype.name
        else rng.normal(size=shape).astype("float32")
        for one, shape in zip(model.inputs, shapes)
    ]
    for found, wanted in zip(tf.nest.flatten(net.predict(given)), tf.nest.flatten(model(given, training=False))):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    return network


class Heads(layers.Layer):
    """Attention by hand, over any length."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.projections = [layers.Dense(8) for _ in range(3)]
        self.dropout, self.ffn = layers.Dropout(0.1), keras.Sequential([layers.Dense(6, "relu"), layers.Dense(8)])

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(8,))

    def call(self, x, training=None):
        batch = tf.shape(x)[0]
        split = (tf.reshape(dense(x), (batch, -1, 2, 4)) for dense in self.projections)
        q, k, v = (tf.transpose(one, perm=[0, 2, 1, 3]) for one in split)
        weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / tf.math.sqrt(4.0))
        y = tf.reshape(tf.transpose(tf.matmul(weights, v), perm=[0, 2, 1, 3]), (batch, -1, 8))
        return self.ffn(self.dropout(x + y, training=training)) * self.scale


def test_layers_of_ones_own_are_unfolded_under_their_names():
    given = keras.Input((None, 8))
    model = keras.Model(given, Heads(name="heads")(given))
    network = assert_exact(model, (4, 7, 8))
    assert set(network.weights()) == {
        "heads/scale",
        *(f"heads/projections/{at}/{name}" for at in range(3) for name in ("kernel", "bias")),
        *(f"heads/ffn/{at}/{name}" for at in range(2) for name in ("kernel", "bias")),
    }
    assert {network.layers[name].class_name for name in network.layers} >= {"Heads", "ops.Softmax", "porting>Shaped"}
    before = model.get_weights()
    for weight in model.weights:
        weight.assign(weight + 0.5)
    restore(network, model)
    for array, kept in zip(model.get_weights(), before):
        np.testing.assert_array_equal(array, kept)


def test_lambdas_are_unfolded():
    given, table = keras.Input((4, 3)), K.constant(np.ones((3, 2)))
    x = layers.Lambda(lambda x, times: K.repeat_elements(x, times, axis=1), arguments={"times": 2})(given)
    distance = layers.Lambda(lambda pair: K.sqrt(K.sum(K.square(pair[0] - pair[1]), axis=-1, keepdims=True)))
    moments = layers.Lambda(lambda x: tf.stack(tf.nn.moments(x, axes=[1]), axis=1))
    entropy = layers.Lambda(lambda x: K.binary_crossentropy(K.sigmoid(x), x, from_logits=True))
    outputs = [distance([x, layers.Dense(3)(x)]), moments(x), entropy(given)]
    outputs += [layers.Lambda(lambda x: K.dot(x, table))(given), layers.Lambda(K.batch_flatten)(given)]
    assert_exact(keras.Model(given, outputs), (3, 4, 3))


class Pooled(layers.Layer):
    """A masked mean, whose own mask ends here, or is handed on."""

    def __init__(self, hands_on, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking, self.hands_on = True, hands_on

    def compute_mask(self, x, mask=None):
        return mask if self.hands_on else None

    def call(self, x, mask=None):
        kept = K.cast(K.expand_dims(mask), K.floatx())
        mean = K.sum(x * kept, axis=1, keepdims=True) / (K.sum(kept, axis=1, keepdims=True) + K.epsilon())
        return x + mean if self.hands_on else mean[:, 0]


@pytest.mark.parametrize("hands_on", [True, False])
def test_masks_are_followed(hands_on):
    ids = keras.Input((None,), dtype="int32")
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(layers.Embedding(6, 4, mask_zero=True)(ids))
    x = Pooled(hands_on)(x)
    assert_exact(keras.Model(ids, layers.LSTM(2)(x) if hands_on else layers.Dense(2)(x)), (5, 7))


class Louder(layers.Layer):
    def call(self, x, training=None):
        return x * 2.0 if training else x


class Computes(layers.Layer):
    def build(self, shape):
        self.scale, self.shift = (self.add_weight(name=name, shape=(3,)) for name in ("scale", "shift"))

    def call(self, x):
        return tf.multiply(self.shift, x) * tf.exp(self.scale)


class Pays(layers.Layer):
    def call(self, x):
        self.add_loss(tf.reduce_mean(x))
        return x * 2.0


class Follows(layers.Layer):
    def build(self, shape):
        self.steps, self.seen = (self.add_weight(name=name, shape=(3,), trainable=False) for name in ("steps", "seen"))

    def call(self, x, training=None):
        if training:
            self.steps.assign_add([1.0, 1.0, 1.0])
            self.seen.assign(K.mean(x, axis=0))
        return x * 2.0


@pytest.mark.parametrize("kind", [Louder, Pays, Follows])
def test_what_training_would_do_otherwise_is_told(kind):
    given = keras.Input((3,))
    model = keras.Model(given, Computes(name="computes")(kind(name="other")(given)))
    before = model.get_weights()
    network = assert_exact(model, (4, 3))
    assert all((one == other).all() for one, other in zip(before, model.get_weights()))
    assert "in_training" in network.layers["other"].config
    assert network.layers["computes"].config["computed_with"] == ["computes/scale"]


class Decides(layers.Layer):
    def call(self, x):
        return x * 2 if tf.reduce_sum(x) > 0 else x


class Makes(layers.Layer):
    def call(self, x):
        return layers.Dense(3)(x)


@pytest.mark.parametrize("kind", [Decides, Makes])
def test_code_that_no_graph_holds_is_refused_with_its_line(kind):
    given = keras.Input((3,))
    layer = kind(name="mine")
    with pytest.raises(Unsupported, match=rf"{kind.__name__} 'mine': cannot be unfolded: ") as refusal:
        describe(keras.Model(given, layer(given)))
    (problem,) = refusal.value.problems
    assert "test_keras2_unfolding.py:" in problem.what
    assert f"whole=['{kind.__name__}']" in problem.way_out


class Draws(layers.Layer):
    def call(self, x):
        return x + tf.random.normal((3,))


def test_what_is_drawn_is_refused():
    given = keras.Input((3,))
    with pytest.raises(Unsupported, match="answers the same inputs otherwise each time"):
        describe(keras.Model(given, Draws()(given)))


def test_nothing_of_the_tracing_is_left_in_keras():
    call, shape, dot = layers.Layer.__call__, tf.shape, K.dot
    given = keras.Input((None, 8))
    describe(keras.Model(given, Heads()(given)), noise=False)
    assert (layers.Layer.__call__, tf.shape, K.dot) == (call, shape, dot)
    assert tf.shape(tf.ones((2, 3))).numpy().tolist() == [2, 3]


class Inside(layers.Layer):
    """Functions between layers end masks there, wherever these came from."""

    def __init__(self):
        super().__init__()
        self.embedding, self.lstm = layers.Embedding(6, 4, mask_zero=True), layers.LSTM(3, return_sequences=True)

    def call(self, ids):
        x = self.embedding(ids)
        return self.lstm(x) + self.lstm(x * 2.0)


def test_functions_between_layers_end_masks():
    ids = keras.Input((None,), dtype="int32")
    assert_exact(keras.Model(ids, layers.LSTM(2)(Inside()(ids))), (5, 7))


class Steps(layers.Layer):
    """Functions that are handed functions, over the steps of a known time and a number of turns."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(4)

    def call(self, x):
        steps = tf.transpose(x, [1, 0, 2])
        _, turned = tf.while_loop(lambda turn, y: turn < 3, lambda turn, y: (turn + 1, tf.tanh(self.dense(y))), (0, x))
        kept = tf.scan(lambda state, y: tf.tanh(self.dense(state) + y), steps, initializer=tf.zeros_like(x[:, 0]))
        outputs = [tf.map_fn(self.dense, steps), kept, tf.scan(lambda a, y: a + y, steps, reverse=True)]
        return turned, tf.foldl(lambda a, y: 0.5 * a + y, steps), *(tf.transpose(one, [1, 0, 2]) for one in outputs)


def test_functions_of_steps_are_run_one_by_one():
    given = keras.Input((3, 4))
    assert_exact(keras.Model(given, Steps()(given)), (5, 3, 4))


def test_a_function_of_every_row_is_refused():
    given = keras.Input((3, 4))
    layer = layers.Lambda(lambda x: tf.map_fn(lambda row: tf.reduce_sum(row, 0), x))
    with pytest.raises(Unsupported, match="for every row of the batch"):
        describe(keras.Model(given, layer(given)))


class Causal(layers.Conv1D):
    """A convolution whose code cuts its kernel each time that it runs."""

    def call(self, x):
        self.kernel.assign(self.kernel * np.asarray([1.0, 1.0, 0.0], "float32")[:, None, None])
        return super().call(x)


def test_a_kernel_that_code_cuts_at_inference_is_cut():
    given = keras.Input((None, 2))
    model = keras.Model(given, Causal(3, 3, padding="same", name="cut")(given))
    network = assert_exact(model, (5, 7, 2))
    assert not network.weights()["cut/kernel"][2].any()
    assert "assign" in network.layers["cut"].config["in_training"]


class Convolves(layers.Layer):
    def build(self, shape):
        self.kernels = [
            self.add_weight(name=name, shape=shape) for name, shape in (("a", (3, 3, 2, 4)), ("b", (3, 4, 4)))
        ]

    def call(self, x):
        y = tf.nn.conv2d(x, self.kernels[0], strides=[1, 2, 2, 1], padding="SAME")
        return tf.nn.bias_add(y, self.kernels[1][0, 0]), tf.nn.conv1d(y[:, 0], self.kernels[1], 1, "VALID")


def test_functions_that_convolve_are_understood():
    given = keras.Input((8, 8, 2))
    assert_exact(keras.Model(given, Convolves()(given)), (3, 8, 8, 2))


class Tokens(layers.Layer):
    """Words and positions of any length."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.words, self.positions = layers.Embedding(6, 4, mask_zero=True), layers.Embedding(50, 4)

    def call(self, ids):
        return self.words(ids) + self.positions(tf.range(start=0, limit=tf.shape(ids)[-1], delta=1))

    def compute_mask(self, ids, mask=None):
        return self.words.compute_mask(ids)


class CausalBlock(layers.Layer):
    """A causal mask, spread over the batch, sinusoids, and biases by distance, all of any length."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention, self.biases = layers.MultiHeadAttention(2, 2), layers.Embedding(7, 4)
        self.sinusoids = tf.constant(np.sin(np.outer(np.arange(60), [1.0, 0.1, 0.01, 0.001])), tf.float32)

    def call(self, x):
        batch, length = tf.shape(x)[0], tf.shape(x)[1]
        steps = tf.range(length)
        mask = tf.reshape(tf.cast(steps[:, None] >= steps, tf.bool), [1, length, length])
        mask = tf.tile(mask, tf.concat([tf.expand_dims(batch, -1), tf.constant([1, 1])], 0))
        x = self.attention(x, x, attention_mask=mask) + self.sinusoids[tf.newaxis, :length, :]
        apart = self.biases(tf.clip_by_value(steps[None, :] - steps[:, None], -3, 3) + 3)
        return tf.einsum("bjd,ijd->bid", x, apart) + tf.matmul(x, x[:, : length // 2 + 1], transpose_b=True)[..., :1]


def test_what_sizes_make_is_a_table():
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, layers.LSTM(2)(CausalBlock(name="block")(Tokens(name="tokens")(ids))))
    network = assert_exact(model, (3, 8))
    assert {"tokens/words/embeddings", "tokens/positions/embeddings"} <= set(network.weights())
    assert "porting>Table" in {layer.class_name for layer in network.layers.values()}


class Places(layers.Layer):
    """Places of a picture of any size as steps, windows of it as rows, and every place as a row of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention, self.dense = layers.MultiHeadAttention(1, 2), layers.Dense(3)

    def call(self, x):
        batch, height, width = (tf.shape(x)[at] for at in range(3))
        places = tf.reshape(x, (batch, height * width, 4))
        x = tf.reshape(places + self.attention(places, places), (batch, height, width, 4))
        windows = tf.transpose(tf.reshape(x, (batch, height // 2, 2, width // 2, 2, 4)), (0, 1, 3, 2, 4, 5))
        windows = self.attention(*2 * [tf.reshape(windows, (-1, 4, 4))])
        windows = tf.transpose(tf.reshape(windows, (batch, height // 2, width // 2, 2, 2, 4)), (0, 1, 3, 2, 4, 5))
        rows = tf.reshape(tf.reshape(windows, (batch, height, width, 4)), (-1, 4))
        return tf.reshape(tf.nn.softmax(self.dense(rows)), (batch, height, width, 3))


def test_reshapes_by_open_sizes_and_to_rows_are_followed():
    given = keras.Input((None, None, 2))
    larger = layers.Conv2DTranspose(4, 2, strides=2)(given)
    assert_exact(keras.Model(given, Places()(larger)), (3, 3, 2, 2))


class Mixes(layers.Layer):
    def call(self, x):
        return tf.reshape(tf.transpose(x, (1, 0, 2)), (tf.shape(x)[0], -1))


def test_a_reshape_that_mixes_rows_is_refused():
    given = keras.Input((3, 4))
    with pytest.raises(Unsupported, match="reshapes the batch together with other axes"):
        describe(keras.Model(given, Mixes()(given)))


class Cell(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.state_size, self.dense = [3, 3], layers.Dense(3)

    def call(self, x, states):
        new = tf.tanh(self.dense(tf.concat([x, states[0]], axis=-1)))
        return states[1] + new, [new, 0.5 * states[1] + new]


class Twice(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(3)

    def call(self, x):
        return tf.nn.relu(self.dense(x)) * 2.0


def test_keras_loops_around_code_of_ones_own_are_followed():
    ids = keras.Input((5,), dtype="int32")
    x = layers.Embedding(6, 4, mask_zero=True)(ids)
    x = layers.Bidirectional(layers.RNN(Cell(), return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Lambda(lambda x: K.tanh(x) * 2.0))(x)
    given = keras.Input((None, 4))
    assert_exact(
        keras.Model([ids, given], [layers.LSTM(2)(x), layers.TimeDistributed(Twice())(given)]), (4, 5), (4, 7, 4)
    )
