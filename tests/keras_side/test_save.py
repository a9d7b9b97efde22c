"""What is recorded, what is refused, and what a user may add."""

import logging
import os
import tracemalloc

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras_side_helpers import describe_both, ref

from porting import BadArchive, Mismatch, Unsupported
from porting.archive import read_network
from porting.keras_side.keras3 import Keras3
from porting.keras_side.save import describe, save


def ids(name="ids", length=None):
    return keras.Input((length,), dtype="int32", name=name)


def classifier(**embedding):
    given = ids()
    x = layers.LSTM(3)(layers.Embedding(6, 3, **embedding)(given))
    return keras.Model(given, layers.Dense(2)(x))


def test_cases_hold_several_batches_and_lengths_and_every_tensor():
    network = describe(classifier(mask_zero=True))
    shapes = {case.inputs["ids"].shape for case in network.cases}
    assert len({batch for batch, _ in shapes}) >= 3
    assert {1, 2} < {length for _, length in shapes}
    assert any(batch == 1 for batch, _ in shapes)
    for case in network.cases:
        assert set(case.outputs) == {tensor for call in network.calls for tensor in call.refs()}
        assert all(np.isfinite(array).all() for array in case.outputs.values())
        assert case.masks[ref("embedding:0")].dtype == bool


def test_padding_is_right_left_holed_and_full():
    (largest, *_) = describe(classifier(mask_zero=True)).cases
    kept = (largest.inputs["ids"] != 0).astype(int)
    steps = {"".join(map(str, row)) for row in kept}
    assert {"111111", "111100", "001111", "000000"} <= steps
    assert any("101" in row for row in steps)


def test_ids_reach_the_largest_and_zero():
    for options in ({}, {"mask_zero": True}):
        values = np.concatenate([case.inputs["ids"].ravel() for case in describe(classifier(**options)).cases])
        assert (values.min(), values.max()) == (0, 5)


def test_ids_that_reach_the_table_through_other_layers():
    given = keras.Input((4,), name="ids")
    x = layers.Embedding(3, 2)(layers.Reshape((2, 2))(given)[:, 0])
    network = describe(keras.Model(given, x))
    assert network.cases[0].inputs["ids"].max() == 2


def test_masked_numbers_are_padded_with_the_mask_value():
    given = keras.Input((None, 2), name="x")
    network = describe(keras.Model(given, layers.GRU(2)(layers.Masking(-7.0)(given))))
    mask = network.cases[0].masks[ref("masking:0")]
    assert (network.cases[0].inputs["x"][~mask] == -7.0).all()
    assert not mask.all(axis=1).all()
    assert (~mask).all(axis=1).any()


def test_numbers_are_negative_zero_and_large():
    given = keras.Input((8,), name="x")
    values = np.concatenate(
        [case.inputs["x"].ravel() for case in describe(keras.Model(given, layers.Dense(2)(given))).cases]
    )
    assert values.min() < -1
    assert values.max() > 3
    assert (values == 0).any()


def test_two_open_axes_get_sizes_of_their_own_where_they_may():
    image = keras.Input((None, None, 1), name="image")
    network = describe(keras.Model(image, layers.Conv2D(2, 3, padding="same")(image)))
    assert any(case.inputs["image"].shape[1] != case.inputs["image"].shape[2] for case in network.cases)
    one, two = keras.Input((None, 2), name="one"), keras.Input((None, 2), name="two")
    network = describe(keras.Model([one, two], layers.Add()([one, two])))
    assert all(case.inputs["one"].shape == case.inputs["two"].shape for case in network.cases)


def test_lengths_that_the_network_cannot_take_are_told(caplog):
    given = keras.Input((None, 2), name="x")
    x = layers.Conv1D(2, 4)(layers.Conv1D(2, 5)(given))
    with caplog.at_level(logging.WARNING):
        network = describe(keras.Model(given, x))
    assert len({case.inputs["x"].shape[1] for case in network.cases}) >= 2
    assert "does not run at length" in caplog.text


def test_sequences_outlast_what_is_cut_off():
    given = keras.Input((None, 2), name="x")
    x = layers.Conv1D(3, 200, dilation_rate=2)(given)
    network = describe(keras.Model(given, layers.Cropping1D((150, 60))(x)))
    assert sorted({case.inputs["x"].shape[1] for case in network.cases}) == [614, 617]


def test_what_is_cut_off_on_ways_side_by_side_counts_once():
    given = keras.Input((None, 2), name="x")
    cut = [layers.Cropping1D((4000, 4000 + i))(layers.Conv1D(2, 3)(given)) for i in range(3)]
    network = describe(keras.Model(given, [layers.GlobalAveragePooling1D()(x) for x in cut]))
    assert sorted({case.inputs["x"].shape[1] for case in network.cases}) == [8010, 8013]


def test_a_declared_batch_size_is_opened_where_it_may():
    given = keras.Input(batch_shape=(4, 3), name="x")
    network = describe(keras.Model(given, layers.Dense(2)(given)))
    assert network.inputs[0].shape == (None, 3)


def test_sizes_that_only_some_lengths_fit_are_found():
    given = keras.Input((None, 4), name="x")
    network = describe(keras.Model(given, layers.Dense(2)(layers.Flatten()(layers.Reshape((7, 4))(given)))))
    assert {case.inputs["x"].shape[1] for case in network.cases} == {7}


def test_lengths_at_which_tensorflow_answers_nonsense_are_left_out():
    given = keras.Input((None, 4), name="x")
    network = describe(keras.Model(given, layers.Conv1D(2, 3, strides=2)(layers.MaxPooling1D(8)(given))))
    assert all(case.inputs["x"].shape[1] >= 24 for case in network.cases)


def test_shapes_that_keras_announces_wrongly_are_no_obstacle():
    given = keras.Input((4,), name="x")
    network = describe(keras.Model(given, layers.Dense(6, activation="glu")(given)))
    assert network.cases[0].outputs[ref("dense:0")].shape == (5, 3)


def test_a_declared_batch_size_that_the_network_needs():
    given = keras.Input(batch_shape=(4, None, 3), name="x")
    network = describe(keras.Model(given, layers.Dense(2)(given) + np.ones((4, 1, 2), "float32")))
    assert {case.inputs["x"].shape[0] for case in network.cases} == {4}
    assert len({case.inputs["x"].shape[1] for case in network.cases}) > 1
    assert network.inputs[0].shape == (4, None, 3)


def test_outputs_that_hardly_vary_are_told(caplog):
    given = keras.Input((3,), name="x")
    with caplog.at_level(logging.WARNING):
        describe(keras.Model(given, layers.Dense(2, kernel_initializer="zeros", bias_initializer="ones")(given)))
    assert "hardly varies" in caplog.text


def test_full_padding_that_gives_nan_is_left_out():
    given = ids()
    x = layers.GlobalAveragePooling1D()(layers.Embedding(6, 3, mask_zero=True)(given))
    network = describe(keras.Model(given, x))
    assert all((case.inputs["ids"] != 0).any(axis=1).all() for case in network.cases)
    assert any("without 1 of 5 rows" in case.name for case in network.cases)
    assert {5, 1, 3, 33} <= {len(case.inputs["ids"]) for case in network.cases}


def test_recurrent_layers_run_40_steps_too_and_their_noise_is_measured_on_fewer() -> None:
    given = ids()
    network = describe(keras.Model(given, layers.LSTM(3)(layers.Embedding(6, 3, mask_zero=True)(given))))
    lengths = {case.inputs["ids"].shape[1]: bool(case.noise) for case in network.cases}
    assert lengths == {6: True, 9: True, 2: True, 1: True, 40: False}


def test_numbers_that_keras_cannot_take_are_made_gentle():
    given = keras.Input((3,), name="x")
    network = describe(keras.Model(given, ops.log(given)))
    assert all((case.inputs["x"] > 0).all() for case in network.cases)


def test_a_mean_by_hand_loses_the_rows_without_words_only():
    given = ids()
    kept = ops.cast(ops.not_equal(given, 0), "float32")
    summed = ops.sum(layers.Embedding(9, 4)(given) * ops.expand_dims(kept, -1), axis=1)
    network = describe(keras.Model(given, summed / ops.sum(kept, axis=1, keepdims=True)))
    first = network.cases[0].inputs["ids"]
    assert "without 1 of 5 rows" in network.cases[0].name
    assert first.max() == 8
    assert (first == 0).any()


def test_a_probe_without_finite_numbers_is_left_out(caplog):
    given = keras.Input((1,), name="x")
    model = keras.Model(given, ops.log(given + 0.05))
    with caplog.at_level(logging.WARNING):
        network = describe(model)
    assert all(np.isfinite(array).all() for case in network.cases for array in case.outputs.values())
    assert "left out of the references" in caplog.text


@pytest.mark.parametrize("build", [layers.AveragePooling1D(300), layers.MaxPooling1D(400)], ids=["mean", "max"])
def test_samples_alone_are_enough(build):
    given = keras.Input((None, 2), name="x")
    model = keras.Model(given, build(given))
    with pytest.raises(Unsupported, match=r"give samples=…"):
        describe(model)
    rows = np.random.default_rng(0).normal(size=(2, 450, 2)).astype("float32")
    cases = describe(model, rows).cases
    assert {case.inputs["x"].shape[1] for case in cases} == {450, 451}


def test_samples_of_a_fixed_size_make_two_cases():
    given = keras.Input((3,), name="x")
    model = keras.Model(given, ops.log(given - 100.0))
    cases = describe(model, np.random.default_rng(0).uniform(101, 102, (4, 3))).cases
    assert [len(case.inputs["x"]) for case in cases] == [1, 4]


def test_samples_on_which_the_model_does_not_run_are_refused():
    given = keras.Input((None, 2), name="x")
    with pytest.raises(Mismatch, match="the model does not run on them"):
        describe(keras.Model(given, layers.Conv1D(2, 30)(given)), np.zeros((2, 20, 2)))


def test_lengths_that_only_broadcasting_lets_run_are_not_made():
    given = [keras.Input((None, 2), name=name) for name in "abc"]
    pooled = [layers.MaxPooling1D(4)(one) for one in given]
    network = describe(keras.Model(given, layers.Add()(pooled)))
    for case in network.cases:
        assert len({case.outputs[ref(f"{call.name}:0")].shape for call in network.calls}) == 1


@pytest.mark.parametrize("inside", ["Embedding", "model"])
def test_ids_inside_time_distributed_are_ids(inside):
    chars = keras.Input((8,))
    word = keras.Model(chars, layers.Flatten()(layers.Embedding(50, 3)(chars)))
    given = keras.Input((None, 8), name="ids")
    layer = layers.TimeDistributed(word if inside == "model" else layers.Embedding(50, 3))
    values = np.concatenate([case.inputs["ids"].ravel() for case in describe(keras.Model(given, layer(given))).cases])
    assert (values.min(), values.max()) == (0, 49)
    np.testing.assert_array_equal(values, np.trunc(values))


def test_ids_that_also_make_a_mask_are_recorded_as_ids():
    given = ids()
    mask = ops.not_equal(given, 0)[:, None]
    x = layers.Embedding(40, 4)(given)
    network = describe(keras.Model(given, layers.MultiHeadAttention(1, 4)(x, x, attention_mask=mask)))
    assert network.cases[0].inputs["ids"].max() == 39


def test_lookups_without_unknown_words_are_recorded():
    given = keras.Input((2,), dtype="string", name="words")
    lookup = layers.StringLookup(vocabulary=["red", "green"], num_oov_indices=0)
    network = describe(keras.Model(given, lookup(given)))
    assert {word for case in network.cases for word in case.inputs["words"].ravel()} == {"red", "green"}


def test_hard_texts_are_a_case_of_their_own():
    given = keras.Input((1,), dtype="string", name="text")
    vectorize = layers.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=6)
    (texts,) = [case for case in describe(keras.Model(given, vectorize(given))).cases if case.name == "texts"]
    assert any("GOOD" in text for text in texts.inputs["text"].ravel())


def test_many_rows_and_many_steps_are_recorded_where_they_are_cheap():
    given = ids()
    network = describe(keras.Model(given, layers.Embedding(6, 3)(given)))
    shapes = {case.inputs["ids"].shape for case in network.cases}
    assert {(33, 1), (2, 40)} <= shapes
    wide = describe(keras.Model(given, layers.Embedding(6, 12000)(given)))
    assert {case.inputs["ids"].shape for case in wide.cases} == {(5, 6), (1, 9), (3, 2), (2, 1)}


def test_large_tensors_are_recorded_in_few_rows():
    given = keras.Input((128, 128, 3), name="image")
    x = layers.Conv2D(32, 1)(layers.Conv2D(32, 3, padding="same")(given))
    model = keras.Model(given, layers.GlobalAveragePooling2D()(x))
    samples = np.random.default_rng(0).normal(size=(9, 128, 128, 3))
    cases = describe(model, samples).cases
    # A row is 4 MB, and the weights are next to nothing: the least that proves anything is two rows, and other cases.
    assert [len(case.inputs["image"]) for case in cases] == [2, 1, 1]
    assert cases[-1].name == "samples"
    small = keras.Model(given, layers.GlobalAveragePooling2D()(given))
    assert [len(case.inputs["image"]) for case in describe(small, samples).cases] == [5, 1, 3, 9]


def test_nan_in_the_model_itself_is_refused():
    given = keras.Input((3,), name="x")
    model = keras.Model(given, layers.Dense(2)(given))
    model.layers[1].kernel.assign(np.full((3, 2), np.inf))
    with pytest.raises(Unsupported, match="NaN or infinity"):
        describe(model)


@pytest.mark.parametrize("form", ["array", "list", "dict", "npz"])
def test_samples_become_a_case(form, tmp_path):
    rows = np.array([[1, 2, 3], [4, 0, 0]])
    np.savez(tmp_path / "samples.npz", ids=rows)
    samples = {"array": rows, "list": [rows], "dict": {"ids": rows}, "npz": tmp_path / "samples.npz"}[form]
    *_, case, longer = describe(classifier(), samples).cases
    assert (case.name, longer.name) == ("samples", "samples, a step longer")
    np.testing.assert_array_equal(case.inputs["ids"], rows)
    np.testing.assert_array_equal(longer.inputs["ids"], np.concatenate([rows, rows[:, :1]], axis=1))


@pytest.mark.parametrize(
    "samples", [np.zeros((2, 3, 1)), {"other": np.zeros((2, 3))}, np.full((2, 3), 6), "nothing.npz", os.devnull]
)
def test_samples_that_do_not_fit_are_refused(samples):
    with pytest.raises(Mismatch):
        describe(classifier(), samples)


def test_progress_is_told():
    told = []
    describe(classifier(), progress=lambda *step: told.append(step))
    assert told
    assert all(done <= total and text for done, total, text in told)


def test_config_is_json_in_the_dialect_of_keras_3():
    given = keras.Input((5, 4), name="x")
    x = layers.TimeDistributed(layers.Dense(2, activation=layers.LeakyReLU(negative_slope=0.3)))(given)
    x = layers.Conv1D(2, 3, kernel_regularizer=keras.regularizers.L2(0.1))(x)
    network = describe(keras.Model(given, x))
    config = network.layers["conv1d"].config
    assert config["dtype"] == "float32"
    assert config["kernel_size"] == [3]
    assert config["kernel_regularizer"]["class_name"] == "L2"
    inner = network.layers["time_distributed"].config["layer"]
    assert set(inner) == {"class_name", "config"}
    assert inner["config"]["activation"]["class_name"] == "LeakyReLU"
    assert inner["config"]["activation"]["config"]["negative_slope"] == pytest.approx(0.3)


def test_how_weights_begin_may_be_anything():
    given = ids()
    table = np.arange(5000, dtype="float32").reshape(1000, 5)
    x = layers.Embedding(1000, 5, embeddings_initializer=keras.initializers.Constant(table))(given)
    x = layers.Dense(2, kernel_initializer=my_initializer, kernel_regularizer=my_activation)(x)
    network = describe(keras.Model(given, x))
    assert network.layers["embedding"].config["embeddings_initializer"] == {"class_name": "Constant", "config": {}}
    assert "kernel_initializer" in network.layers["dense"].config


def my_initializer(shape, dtype=None):
    return ops.ones(shape, dtype)


def test_trainable_is_recorded():
    given = keras.Input((3,))
    frozen = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="d")], name="frozen")
    frozen.trainable = False
    network = describe(keras.Model(given, layers.Dense(1, name="head")(frozen(given))))
    assert {name: layer.trainable for name, layer in network.layers.items()} == {"frozen/d": False, "head": True}


def test_lambdas_and_the_like_are_listed_all_at_once():
    given = keras.Input((3,))
    x = layers.Lambda(lambda x: x * 2, name="twice")(given)
    x = layers.Dense(2, activation=my_activation, name="dense")(x)
    x = layers.Dropout(0.5, name="always")(x, training=True)
    x = layers.Dense(2, dtype="mixed_float16", name="half")(x)
    x = Dense(name="impostor")(x)
    x = Undescribed(object(), name="undescribed")(x)
    with pytest.raises(Unsupported) as refusal:
        describe(keras.Model(given, x), whole=["Lambda", "Dense", "Undescribed"])
    text = str(refusal.value)
    for name in ("twice", "my_activation", "always", "half", "impostor", "undescribed"):
        assert name in text
    assert len(refusal.value.problems) == 6
    assert all(problem.way_out for problem in refusal.value.problems)


def my_activation(x):
    return x if x[0, 0] > 0 else -x


class Dense(layers.Layer):
    """A class of one's own under a Keras name."""

    def call(self, x):
        return x


class Undescribed(layers.Layer):
    """No get_config for what its constructor takes."""

    def __init__(self, thing, **options):
        super().__init__(**options)
        self.thing = thing

    def call(self, x):
        return x


def test_stateful_and_quantized_layers_are_refused():
    given = keras.Input(batch_shape=(2, 4, 3))
    with pytest.raises(Unsupported, match="stateful"):
        describe(keras.Model(given, layers.LSTM(2, stateful=True)(given)))
    given = keras.Input((3,))
    model = keras.Model(given, layers.Dense(2)(given))
    model.layers[1].quantize("int8")
    with pytest.raises(Unsupported, match="quantized"):
        describe(model)


def test_lora_is_refused():
    given = keras.Input((3,))
    model = keras.Model(given, layers.Dense(2)(given))
    model.layers[1].enable_lora(1)
    with pytest.raises(Unsupported, match="LoRA"):
        describe(model)


def test_inference_is_recorded():
    given = keras.Input((3,), name="x")
    x = layers.BatchNormalization()(layers.Dropout(0.9)(layers.GaussianNoise(0.9)(given)))
    network = describe(keras.Model(given, x))
    case = network.cases[0]
    np.testing.assert_array_equal(case.outputs[ref("dropout:0")], case.inputs["x"])


@keras.saving.register_keras_serializable(package="tests")
class Attend(layers.Layer):
    """Weights over time that heed a mask; returns the sum and the weights by name."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True

    def build(self, shape):
        self.W = self.add_weight(shape=(shape[-1],), name="W")

    def call(self, x, mask=None):
        weights = ops.exp(ops.tanh(ops.sum(x * self.W, axis=-1)))
        if mask is not None:
            weights = weights * ops.cast(mask, "float32")
        weights = weights / (ops.sum(weights, axis=1, keepdims=True) + 1e-7)
        return {"sum": ops.sum(x * weights[..., None], axis=1), "attention": weights}

    def compute_mask(self, inputs, mask=None):
        return None


def test_a_layer_of_ones_own_with_masks_and_named_outputs(tmp_path):
    given = ids()
    made = Attend(name="attend")(layers.LSTM(3, return_sequences=True)(layers.Embedding(6, 3, mask_zero=True)(given)))
    model = keras.Model(given, {"label": layers.Dense(2)(made["sum"]), "attention": made["attention"]})
    network = describe_both(model, tmp_path, whole=["Attend"])
    assert network.layers["attend"].class_name == "tests>Attend"
    assert network.calls[2].outputs == 2
    assert network.outputs == {"label": ref("dense:0"), "attention": ref("attend:0")}
    case = network.cases[0]
    assert (case.outputs[ref("attend:0")][case.inputs["ids"] == 0] == 0).all()


def test_networks_are_the_same_each_time():
    model = classifier(mask_zero=True)
    one, two = describe(model), describe(model)
    assert one.calls == two.calls
    for first, second in zip(one.cases, two.cases):
        assert first.name == second.name
        for key, array in first.outputs.items():
            np.testing.assert_array_equal(array, second.outputs[key])


def test_what_is_saved_is_read_again(tmp_path):
    given = ids()
    x = layers.Embedding(6, 4, mask_zero=True, name="table")(given)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 2)(x, x)])
    model = keras.Model(given, {"x": layers.Dense(3)(x), "y": x[:, 1:] * np.ones((1, 4), "float32")})
    network = save(model, tmp_path / "net", samples=np.array([[1, 2, 0]]))
    again = read_network(tmp_path / "net")
    assert again.calls == network.calls
    assert any(call.unmasked for call in again.calls)
    assert (again.inputs, again.outputs, dict(again.origin)) == (network.inputs, network.outputs, dict(network.origin))
    for case, same in zip(network.cases, again.cases):
        assert case.outputs.keys() == same.outputs.keys()
        assert case.masks.keys() == same.masks.keys()
        for key, array in case.outputs.items():
            np.testing.assert_array_equal(array, same.outputs[key])
    with pytest.raises(BadArchive):
        save(model, tmp_path / "net", progress=lambda *_: pytest.fail("recorded before the folder was looked at"))
    save(model, tmp_path / "net", overwrite=True)


def test_a_name_of_ones_own():
    assert save(classifier(), None, name="mine").name == "mine"


def copies_while_saving(folder, rows=1 << 18, width=65):
    """The most memory of arrays while a model is saved, as a multiple of its table; Keras' own table is none of it.

    The table has more than 64 MiB; of smaller ones the measuring of noise holds some copies while it lasts.
    """
    given = ids()
    model = keras.Model(given, layers.Dense(2)(layers.Embedding(rows, width)(given)))
    tracemalloc.start()
    try:
        save(model, folder)
        return tracemalloc.get_traced_memory()[1] / (4 * rows * width)
    finally:
        tracemalloc.stop()


def test_a_table_is_not_copied(tmp_path):
    most = 0.2 if keras.backend.backend() == "tensorflow" else 1.5
    assert copies_while_saving(tmp_path / "large") < most


def test_a_copy_of_a_table_would_be_seen(tmp_path, monkeypatch):
    convert = Keras3.to_numpy
    monkeypatch.setattr(Keras3, "to_numpy", lambda api, value: convert(api, value).copy())
    assert copies_while_saving(tmp_path / "large") >= 1


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_what_was_saved_stays_while_the_model_learns_on(optimizer):
    model = classifier()
    network = describe(model)
    before = {name: array.copy() for name, array in network.weights().items()}
    model.compile(optimizer, "mse")
    model.fit(np.array([[1, 2], [3, 0]]), np.ones((2, 2), "float32"), epochs=2, verbose=0)
    for weight in model.weights:
        weight.assign_add(np.ones(weight.shape, "float32"))
    for name, array in network.weights().items():
        np.testing.assert_array_equal(array, before[name])
    assert not np.array_equal(model.get_weights()[0], before["embedding/embeddings"])
