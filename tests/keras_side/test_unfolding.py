"""Layers of a user's own whose code cannot be unfolded are refused by name, with file and line."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import porting
from porting import Unsupported
from porting.keras_side.save import describe


class Compares(layers.Layer):
    def call(self, x):
        return x * 2 if ops.shape(x)[1] == 3 else x


class Counts(layers.Layer):
    def call(self, x):
        return sum(x[:, at] for at in range(x.shape[1]))


class Orders(layers.Layer):
    def call(self, x):
        return x * 2 if ops.shape(x)[1] < 100 else x


class Decides(layers.Layer):
    def call(self, x):
        return x * 2 if ops.sum(x) > 0 else x


class Draws(layers.Layer):
    def call(self, x):
        return x + keras.random.normal((3,))


class Merges(layers.Layer):
    def call(self, x):
        return ops.reshape(x, (-1, 3))


class Flattens(layers.Layer):
    def call(self, x):
        return ops.reshape(x, (-1,))


class Keeps(layers.Layer):
    def build(self, shape):
        self.seen = self.add_weight(shape=(), trainable=False, name="seen")

    def call(self, x):
        self.seen.assign(ops.sum(x))
        return x * self.seen


class Makes(layers.Layer):
    def call(self, x):
        return layers.Dense(3)(x)


class Maps(layers.Layer):
    def call(self, x):
        return ops.map(lambda row: row * 2.0, x)


class Repeats(layers.Layer):
    def call(self, x):
        return ops.while_loop(lambda turn, y: ops.sum(y) < 9.0, lambda turn, y: (turn + 1, y * 2.0), (0, x))[1]


class Sums(layers.Layer):
    def call(self, x):
        return ops.segment_sum(x, ops.cast(x[:, 0, 0], "int32"), num_segments=ops.shape(x)[0])


class Groups(layers.Layer):
    def call(self, x):
        return ops.mean(ops.reshape(x, (2, -1, 3, 3)), axis=0)


class Spreads(layers.Layer):
    def call(self, x):
        return ops.tile(ops.mean(x, axis=0, keepdims=True), (ops.shape(x)[0], 1, 1))


BEYOND_GRAPHS = [
    *(Compares, Counts, Orders, Decides, Draws, Merges, Flattens, Keeps, Makes, Maps, Repeats),
    *(Sums, Groups, Spreads),
]


@pytest.mark.parametrize("kind", BEYOND_GRAPHS)
def test_code_that_no_graph_holds_is_refused_with_its_line(kind):
    given = keras.Input((None, 3))
    layer = kind(name="mine")
    made = keras.KerasTensor((None, None, 3))
    layer.compute_output_spec = lambda *args, **kwargs: keras.KerasTensor(made.shape)
    with pytest.raises(Unsupported, match=rf"{kind.__name__} 'mine': cannot be unfolded") as refusal:
        describe(keras.Model(given, layer(given)))
    (problem,) = refusal.value.problems
    assert "test_unfolding.py:" in problem.what
    assert f"whole=['{kind.__name__}']" in problem.way_out


class Shortens(layers.Layer):
    """Looks rows up that are shortened to a norm, of which Keras knows nothing."""

    def build(self, shape):
        self.table = self.add_weight(shape=(9, 4))

    def call(self, ids):
        return tf.nn.embedding_lookup(self.table, ids, max_norm=0.1)


def test_a_setting_that_a_function_of_tensorflow_has_and_keras_has_not_is_named():
    given = keras.Input((5,), dtype="int32")
    with pytest.raises(Unsupported, match=r"embedding_lookup with {'max_norm': 0.1} \(test_unfolding.py:"):
        describe(keras.Model(given, Shortens()(given)))


class Turns(layers.Layer):
    """Keeps a number of its own from call to call."""

    turn = 0

    def call(self, x):
        self.turn += 1
        return x * self.turn


def test_a_state_in_python_is_refused_with_the_line_of_the_code_that_keeps_it(tmp_path):
    given = keras.Input((3,))
    with pytest.raises(Unsupported) as refusal:
        porting.save(keras.Model(given, Turns()(given)), tmp_path / "net")
    line = Turns.call.__code__.co_firstlineno
    assert f"Turns (test_unfolding.py:{line})" in refusal.value.problems[0].way_out


class Around(layers.Layer):
    """Rows that came from steps, and the steps that they become again."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.merges = Merges()

    def call(self, x):
        rows = ops.tanh(self.merges(x))
        return rows, ops.reshape(rows, ops.shape(x))


@pytest.mark.parametrize("length", [None, 4])
def test_rows_that_came_from_steps_are_no_outputs_wherever_they_are_returned(length):
    given = keras.Input((length, 3))
    rows, steps = Around(name="around")(given)
    model = keras.Model(given, [steps, layers.Dense(2)(rows)])
    outer = keras.Input((length, 3))
    for one in (model, keras.Model(outer, model(outer))):
        with pytest.raises(Unsupported, match=r"around/merges': cannot be unfolded: .* reach the outputs") as refusal:
            describe(one)
        (problem,) = refusal.value.problems
        assert "(test_unfolding.py:" in problem.what
        assert problem.way_out.startswith("reshape them back")


@pytest.mark.parametrize("length", [None, 4])
def test_rows_that_become_steps_again_are_exact_in_any_batches(length, tmp_path):
    given = keras.Input((length, 3))
    _, steps = Around()(given)
    model = keras.Model(given, layers.LSTM(2)(steps))
    porting.save(model, tmp_path / "net")
    net = porting.load(tmp_path / "net", engine="numpy")
    x = np.random.default_rng(0).normal(size=(7, 4, 3)).astype("float32")
    for batch_size in (1, 2, 7):
        np.testing.assert_allclose(net.predict(x, batch_size=batch_size), model(x), atol=1e-6)


class Cell(layers.Layer):
    state_size = 3

    def build(self, shape):
        self.kernel = self.add_weight(shape=(3, 3), name="kernel")

    def call(self, x, states):
        made = ops.tanh(x + ops.matmul(states[0], self.kernel))
        return made, [made]


def test_a_cell_of_ones_own_over_an_open_time_is_refused_and_over_a_fixed_one_is_not():
    given = keras.Input((None, 3))
    with pytest.raises(
        Unsupported, match="RNN 'mine': cannot be unfolded: runs a cell of its own over an open time"
    ) as no:
        describe(keras.Model(given, layers.RNN(Cell(), name="mine")(given)))
    assert "declare the length in keras.Input" in no.value.problems[0].way_out
    fixed = keras.Input((2, 3))
    network = describe(keras.Model(fixed, layers.RNN(Cell(), name="mine")(fixed)))
    assert [name for name in network.weights() if name.endswith("kernel")] == ["mine/cell/kernel"]


class OfConstants(layers.Layer):
    """Rows of what layers of Keras make of constants, as the features of a graph's nodes are."""

    def __init__(self):
        super().__init__(name="nodes")
        self.features = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")
        self.block = keras.Sequential([layers.BatchNormalization(), layers.Dense(4, activation="gelu")])

    def build(self, shape):
        self.block.build((7, 5))

    def call(self, ids):
        return ops.take(self.block(self.features), ids, axis=0)


def test_weights_that_constants_are_made_with_are_saved_and_restored(tmp_path):
    given = keras.Input((), dtype="int32")
    model = keras.Model(given, OfConstants()(given))
    before = np.asarray(model(np.arange(7)))
    porting.save(model, tmp_path / "net")
    for weight in model.weights:
        weight.assign(weight + 0.5)
    assert not np.allclose(np.asarray(model(np.arange(7))), before)
    porting.restore(tmp_path / "net", model)
    np.testing.assert_array_equal(np.asarray(model(np.arange(7))), before)


class Outer(layers.Layer):
    def __init__(self):
        super().__init__(name="outer")
        self.blocks = [Doubles(), Doubles()]

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class Doubles(layers.Layer):
    def call(self, x):
        return x * 2


def test_layers_within_unfolded_layers_are_named_with_their_classes():
    given = keras.Input((3,))
    network = describe(keras.Model(given, Outer()(given)))
    assert [call.name for call in network.calls] == ["outer/blocks/0/multiply", "outer/blocks/1/multiply"]
    shown = {name: network.layers[name].class_name for name in ("outer", "outer/blocks/0", "outer/blocks/1")}
    assert shown == {"outer": "Outer", "outer/blocks/0": "Doubles", "outer/blocks/1": "Doubles"}


class Louder(layers.Layer):
    """Does nothing but in training."""

    def call(self, x, training=None):
        return x * 2.0 if training else x


class Pays(layers.Layer):
    def call(self, x):
        self.add_loss(ops.mean(x))
        return x


class Steps(layers.Layer):
    def build(self, shape):
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.steps.assign_add(1.0)
        return x


@pytest.mark.parametrize("kind", [Louder, Pays, Steps])
def test_layers_that_work_in_training_alone_are_told(kind, tmp_path):
    given = keras.Input((3,))
    model = keras.Model(given, layers.Dense(2)(kind(name="mine")(given)))
    before = model.get_weights()
    porting.save(model, tmp_path / "net")
    assert all((one == other).all() for one, other in zip(before, model.get_weights()))
    net = porting.load(tmp_path / "net", engine="numpy")
    assert net.check().ok
    assert "in_training" in net.network.layers["mine"].config


class Positions(layers.Layer):
    def call(self, x):
        return x + ops.cast(ops.arange(ops.shape(x)[1]), "float32")[None, :, None]


def test_a_longer_input_than_the_tables_is_a_mismatch(tmp_path):
    given = keras.Input((None, 3))
    model = keras.Model(given, Positions()(given))
    porting.save(model, tmp_path / "net", longest=9)
    net = porting.load(tmp_path / "net", engine="numpy")
    x = np.ones((2, 9, 3), "float32")
    np.testing.assert_allclose(net.predict(x), model.predict(x, verbose=0), rtol=1e-6)
    with pytest.raises(porting.Mismatch, match="holds 9 steps, 10 are asked for"):
        net.predict(np.ones((2, 10, 3), "float32"))


def test_nothing_of_the_tracing_is_left_in_keras():
    given = keras.Input((None, 3))
    describe(keras.Model(given, Positions()(given)))
    assert given.shape == (None, None, 3)
    assert isinstance(given[:, 0], keras.KerasTensor)
    assert keras.ops.convert_to_numpy(ops.zeros((2,))).tolist() == [0, 0]
