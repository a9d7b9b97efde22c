"""Names of weights, ties, constants, and putting weights back."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras_side_helpers import ref, reload

from porting import Mismatch, Unsupported, load
from porting.keras_side.restore import restore
from porting.keras_side.save import describe


def names(layer, shape=(5, 4), **call):
    """The weight names of a layer called on one input."""
    given = keras.Input(shape)
    outputs = layer(given, **call)
    network = describe(keras.Model(given, outputs))
    return list(network.layers[layer.name].weights)


RECURRENT = ["kernel", "recurrent_kernel", "bias"]
NAMES = [
    (layers.Dense(2), ["kernel", "bias"]),
    (layers.LSTM(2), RECURRENT),
    (layers.GRU(2), RECURRENT),
    (layers.SimpleRNN(2), RECURRENT),
    (layers.Bidirectional(layers.LSTM(2)), [f"{way}_layer/{w}" for way in ("forward", "backward") for w in RECURRENT]),
    (layers.TimeDistributed(layers.Dense(2)), ["layer/kernel", "layer/bias"]),
    (layers.RNN(layers.LSTMCell(2)), [f"cell/{name}" for name in RECURRENT]),
    (
        layers.RNN([layers.GRUCell(2), layers.SimpleRNNCell(3)]),
        [f"cell/cells/{place}/{name}" for place in (0, 1) for name in RECURRENT],
    ),
    (
        layers.Bidirectional(layers.RNN(layers.GRUCell(2))),
        [f"{way}_layer/cell/{name}" for way in ("forward", "backward") for name in RECURRENT],
    ),
    (layers.BatchNormalization(), ["gamma", "beta", "moving_mean", "moving_variance"]),
    (layers.SeparableConv1D(3, 2), ["depthwise_kernel", "pointwise_kernel", "bias"]),
    (layers.SpectralNormalization(layers.Dense(3)), ["layer/kernel", "layer/bias", "vector_u"]),
    (layers.Dropout(0.3), []),
]


@pytest.mark.parametrize(("layer", "expected"), NAMES, ids=lambda value: getattr(value, "name", None))
def test_names(layer, expected):
    assert sorted(names(layer)) == sorted(expected)


def test_names_within_attention():
    layer = layers.MultiHeadAttention(2, 3)
    given = keras.Input((4, 6))
    network = describe(keras.Model(given, layer(given, given)))
    parts = ("query_dense", "key_dense", "value_dense", "output_dense")
    assert list(network.layers[layer.name].weights) == [
        f"{part}/{name}" for part in parts for name in ("kernel", "bias")
    ]


def test_time_distributed_model_keeps_its_layers_names():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="one"), layers.Dense(2, name="two")])
    found = names(layers.TimeDistributed(inner, name="each"))
    assert len(found) == len(set(found)) == 4
    assert all(name.startswith("layer/") for name in found)


def test_weights_keep_keras_orientation():
    given = keras.Input((5, 4))
    layer = layers.LSTM(2)
    network = describe(keras.Model(given, layer(given)))
    for saved, kept in zip(network.layers["lstm"].weights.values(), layer.get_weights()):
        np.testing.assert_array_equal(saved, kept)


@keras.saving.register_keras_serializable(package="tests")
class Unnamed(layers.Layer):
    """Weights without names, and one layer within a list within a dict."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")
        self._shift = self.add_weight(shape=(shape[-1],))
        self.parts = {"one": [layers.Dense(2)]}
        self.parts["one"][0].build(shape)

    def call(self, x):
        return self.parts["one"][0](x * self.scale + self._shift)


def test_a_layer_of_ones_own():
    given = keras.Input((3,))
    layer = Unnamed(name="mine")
    names = ["scale", "shift", "parts/one/0/kernel", "parts/one/0/bias"]
    network = describe(keras.Model(given, layer(given)), whole=["Unnamed"])
    assert list(network.layers["mine"].weights) == names
    assert network.layers["mine"].class_name == "tests>Unnamed"
    unfolded = describe(keras.Model(given, layer(given)))
    assert {*unfolded.weights()} == {f"mine/{name}" for name in names}
    assert [call.name for call in unfolded.calls] == ["mine/multiply", "mine/add", "mine/parts/one/0"]


@keras.saving.register_keras_serializable(package="tests")
class TiedLogits(layers.Layer):
    """The transposed table of an embedding as output layer."""

    def __init__(self, embedding, **options):
        super().__init__(**options)
        self.embedding = embedding

    def build(self, shape):
        self.bias = self.add_weight(shape=(self.embedding.input_dim,), name="bias")

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.embedding.embeddings)) + self.bias

    def get_config(self):
        return {**super().get_config(), "embedding": keras.saving.serialize_keras_object(self.embedding)}

    @classmethod
    def from_config(cls, config):
        config["embedding"] = keras.saving.deserialize_keras_object(config["embedding"])
        return cls(**config)


def tied_model(tied=True):
    given = keras.Input((None,), dtype="int32", name="ids")
    table = layers.Embedding(7, 4, name="table")
    logits = TiedLogits(table if tied else layers.Embedding(7, 4, name="another"), name="logits")
    logits.embedding.build(None)
    return keras.Model(given, logits(layers.LSTM(4, return_sequences=True, name="lstm")(table(given))))


def test_ties_are_recorded():
    network = describe(tied_model(), whole=["TiedLogits"])
    assert list(network.layers["logits"].weights) == ["bias"]
    assert dict(network.layers["logits"].tied) == {"embedding/embeddings": "table/embeddings"}
    assert network.layers["table"].weights["embeddings"].shape == (7, 4)
    assert max(case.inputs["ids"].max() for case in network.cases) == 6


def test_a_variable_in_the_graph_is_tied():
    given = keras.Input((4,), name="x")
    dense = layers.Dense(4, name="dense")
    network = describe(keras.Model(given, ops.matmul(dense(given), dense.kernel)))
    (matmul,) = [layer for layer in network.layers.values() if layer.class_name == "ops.Matmul"]
    assert (dict(matmul.tied), matmul.weights) == ({"constant": "dense/kernel"}, {})


def small():
    given = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(7, 4, mask_zero=True, name="table")(given)
    x = layers.Bidirectional(layers.LSTM(3), name="both")(x)
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(2, name="d")], name="inner")
    return keras.Model(given, inner(layers.BatchNormalization(name="norm")(x)))


def moved(network, only=None):
    """The network with other weights."""
    shifted = {
        name: replace(layer, weights={key: array + np.float32(0.1) for key, array in layer.weights.items()})
        for name, layer in network.layers.items()
        if only is None or name in only
    }
    return replace(network, layers={**network.layers, **shifted})


def test_weights_go_back_bit_by_bit():
    network = moved(describe(small()))
    model = small()
    assert restore(network, model) == len(network.weights()) == 13
    again = describe(model)
    for name, array in network.weights().items():
        assert array.tobytes() == again.weights()[name].tobytes()


def test_weights_go_back_into_a_model_from_a_file(tmp_path):
    model = small()
    network = moved(describe(model))
    loaded = reload(model, tmp_path)
    restore(network, loaded)
    inputs = network.cases[0].inputs["ids"]
    restore(network, model)
    np.testing.assert_array_equal(loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0))


def test_a_normalization_computes_with_the_weights_that_went_back():
    given = keras.Input((3,))
    model = keras.Model(given, layers.Normalization(name="norm")(given))
    network = describe(model)
    norm = network.layers["norm"]
    other = {**norm.weights, "mean": np.full((3,), 2, np.float32), "variance": np.full((3,), 4, np.float32)}
    restore(replace(network, layers={"norm": replace(norm, weights=other)}), model)
    np.testing.assert_array_equal(model.predict(np.full((1, 3), 4.0), verbose=0), np.ones((1, 3)))


def test_ties_of_unfolded_layers_are_recorded():
    network = describe(tied_model())
    assert list(network.layers["logits"].weights) == ["bias"]
    assert dict(network.layers["logits/einsum"].tied) == {"constant": "table/embeddings"}
    assert dict(network.layers["logits/add"].tied) == {"constant": "logits/bias"}


@pytest.mark.parametrize("whole", [(), ("TiedLogits",)])
def test_ties_go_back(whole):
    network = moved(describe(tied_model(), whole=whole))
    model = tied_model()
    restore(network, model)
    table = model.get_layer("table").embeddings.numpy()
    np.testing.assert_array_equal(table, network.layers["table"].weights["embeddings"])


def test_ties_survive_a_file(tmp_path):
    assert describe(reload(tied_model(), tmp_path), whole=["TiedLogits"]).layers["logits"].tied


def test_a_lost_tie_is_named():
    network = describe(tied_model(), whole=["TiedLogits"])
    with pytest.raises(Mismatch, match="is one with table/embeddings when saved, not in the model"):
        restore(network, tied_model(tied=False))
    with pytest.raises(Mismatch, match="but a weight of its own when saved"):
        restore(describe(tied_model(tied=False), whole=["TiedLogits"]), tied_model())


def unnamed(units=2):
    given = keras.Input((None,), dtype="int32")
    x = layers.GRU(3)(layers.Embedding(7, 4)(given))
    return keras.Model(given, layers.Dense(units)(layers.Dense(3)(x)))


def test_layers_that_keras_numbered_otherwise_are_matched_in_order(caplog):
    network = moved(describe(unnamed()))
    model = unnamed()
    assert restore(network, model) == 8
    assert "in running order" in caplog.text
    for array, kept in zip(network.weights().values(), model.get_weights()):
        np.testing.assert_array_equal(array, kept)
    with pytest.raises(Mismatch):
        restore(network, unnamed(units=4))


def test_every_difference_is_named_and_nothing_changes():
    network = describe(small())
    given = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(8, 4, name="table")(given)
    x = layers.LSTM(3, name="both")(x)
    other = keras.Model(given, layers.Dense(2, use_bias=False, name="other")(x))
    before = other.get_weights()
    with pytest.raises(Mismatch) as found:
        restore(network, other)
    text = str(found.value)
    for part in (
        "table/embeddings",
        "(8, 4)",
        "(7, 4)",
        "both/kernel",
        "both/forward_layer/kernel",
        "'other'",
        "'norm'",
    ):
        assert part in text
    for old, new in zip(before, other.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_constants_are_compared_when_restoring():
    def model(table):
        given = keras.Input((2,), name="x")
        return keras.Model(given, layers.Dense(2, name="d")(given + np.array(table, "float32")))

    network = describe(model([1, 2]))
    assert restore(network, model([1, 2])) == 2
    with pytest.raises(Mismatch, match="constant"):
        restore(network, model([1, 3]))
    assert network.calls[0].inputs[0] == ref("x:0")


def scorer(words):
    given = keras.Input((), dtype="string", name="text")
    ids = layers.TextVectorization(vocabulary=words, output_sequence_length=4, name="words")(given)
    x = layers.GlobalAveragePooling1D()(layers.Embedding(5, 3, name="table")(ids))
    return keras.Model(given, layers.Dense(1, name="score")(x))


def test_vocabularies_are_compared_when_restoring():
    network = moved(describe(scorer(["a", "b", "c"])), only=("table", "score"))
    model = scorer(["a", "b", "c"])
    assert restore(network, model) == 3
    np.testing.assert_array_equal(model.get_weights()[0], network.layers["table"].weights["embeddings"])
    with pytest.raises(Mismatch, match="vocabulary"):
        restore(network, scorer(["a", "c", "b"]))


def row(*parts, shape=(6, 4), dtype=None):
    given = keras.Input(shape, dtype=dtype)
    outputs = given
    for part in parts:
        outputs = part(outputs)
    return keras.Model(given, outputs)


def ids_to_classes():
    cells = layers.RNN([layers.GRUCell(2), layers.LSTMCell(3)], return_sequences=True)
    parts = (layers.Embedding(9, 4), layers.Bidirectional(layers.LSTM(3, return_sequences=True)), cells)
    return row(*parts, layers.GlobalAveragePooling1D(), layers.Dense(2), shape=(6,), dtype="int32")


CHAINS = {
    "ids": ids_to_classes,
    "pictures": lambda: row(
        layers.SeparableConv2D(3, 2), layers.BatchNormalization(), layers.PReLU(), layers.Flatten(), layers.Dense(2),
        shape=(5, 5, 2),
    ),
    "frozen": lambda: row(layers.Dense(3, trainable=False), layers.BatchNormalization(trainable=False)),
    "noise": lambda: row(layers.Dropout(0.5), layers.GRU(3, dropout=0.1), layers.LayerNormalization()),
    "nested": lambda: row(
        layers.Dense(3), row(layers.Conv1D(3, 2), layers.BatchNormalization(), shape=(6, 3)), layers.Dense(2)
    ),
    "within": lambda: row(layers.TimeDistributed(layers.PReLU()), layers.ConvLSTM1D(2, 2), shape=(5, 4, 3)),
}  # fmt: skip


def shared_and_nested():
    """Layers in an order that is not that in which they run, one within a model that is called twice."""
    given, other = keras.Input((4,)), keras.Input((4,))
    shared = layers.Dense(4)
    inner_given = keras.Input((4,))
    both = layers.Add()([layers.Dense(4)(inner_given), layers.BatchNormalization()(inner_given)])
    inner = keras.Model(inner_given, both)
    late = layers.Dense(4)(other)
    x = inner(shared(inner(shared(given))))
    return keras.Model([other, given], [layers.Concatenate()([late, x]), layers.Dense(2)(late)])


@keras.saving.register_keras_serializable(package="tests")
class Block(layers.Layer):
    """Weights of its own, made after the layers that it holds; half of them do not learn."""

    def build(self, shape):
        self.last, self.norm, self.inner = layers.Dense(shape[-1]), layers.BatchNormalization(), layers.Dense(3)
        self.norm.build((None, 3)), self.inner.build(shape), self.last.build((None, 3))
        self.shift = self.add_weight(shape=(3,), trainable=False)
        self.scale = self.add_weight(shape=(3,), initializer="ones")

    def call(self, x):
        return self.last(self.norm(self.inner(x)) * self.scale + self.shift)


def blocks():
    given = keras.Input((4,))
    x = layers.Dense(4)(given)
    return keras.Model(given, layers.Add()([Block()(Block()(x)), x]))


def constant():
    given = keras.Input((4,))
    return keras.Model(given, layers.Dense(2)(given + np.ones(4, "float32")))


ORDERED = {
    **CHAINS, "shared": shared_and_nested, "unfolded": blocks, "tied": tied_model, "constant": constant, "texts":
    lambda: scorer(["a", "b", "c"])
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERED)
def test_get_weights_is_keras_list(name):
    model = ORDERED[name]()
    model.set_weights([np.random.normal(size=one.shape).astype("float32") ** 2 for one in model.get_weights()])
    ours = load(describe(model, noise=False), engine="numpy").get_weights()
    assert [one.shape for one in ours] == [one.shape for one in model.get_weights()]
    for one, other in zip(ours, model.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_get_weights_of_a_folder_without_the_order():
    network = describe(shared_and_nested(), noise=False)
    with pytest.raises(Unsupported, match="does not say in which order"):
        load(replace(network, order=()), engine="numpy").get_weights()
    row_of_layers = describe(CHAINS["ids"](), noise=False)
    told, untold = (
        load(net, engine="numpy").get_weights() for net in (row_of_layers, replace(row_of_layers, order=()))
    )
    for one, other in zip(told, untold):
        assert one.tobytes() == other.tobytes()


@keras.saving.register_keras_serializable(package="tests")
class Idle(layers.Layer):
    """A weight that nothing is made of."""

    def build(self, shape):
        self.idle = self.add_weight(shape=(2,))

    def call(self, x):
        return x * 2.0


def test_get_weights_with_one_that_is_not_saved():
    network = describe(row(layers.Dense(3), Idle()), noise=False)
    assert network.order.count(None) == 1
    with pytest.raises(Unsupported, match="1 of the 3 weights that Keras lists"):
        load(network, engine="numpy").get_weights()
