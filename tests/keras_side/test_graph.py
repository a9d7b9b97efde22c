"""Keras graphs as calls: several inputs and outputs, shared layers, nested models, masks."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras_side_helpers import calls, describe_both, ref

from porting import Unsupported
from porting.keras_side.save import describe
from porting.network import Constant, Input, TensorRef


def ids(name="ids", length=None):
    return keras.Input((length,), dtype="int32", name=name)


def test_two_environment_port(tmp_path):
    given = ids()
    hidden = layers.Dense(2, activation="tanh")(layers.Embedding(5, 5)(given))
    states = layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True))(hidden)
    network = describe_both(keras.Model(given, [hidden, *states]), tmp_path)
    assert calls(network) == [
        "embedding = Embedding(ids)",
        "dense = Dense(embedding)",
        "bidirectional = Bidirectional(dense)",
    ]
    assert network.inputs == (Input("ids", (None, None), "int32"),)
    assert network.outputs == (ref("dense:0"), *(TensorRef("bidirectional", place) for place in range(5)))
    assert network.calls[2].outputs == 5
    assert network.origin["keras"] == keras.__version__
    assert network.origin["backend"] == keras.backend.backend()


def test_sequential_with_input():
    network = describe(keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)], name="small"))
    assert network.name == "small"
    assert calls(network) == ["dense = Dense(input_layer)", "dense_1 = Dense(dense)"]
    assert network.outputs == ref("dense_1:0")


@pytest.mark.parametrize("called", [True, False])
def test_sequential_without_input_is_saved_once_built(called):
    model = keras.Sequential([layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3), layers.Dense(1)])
    with pytest.raises(Unsupported, match="has not been built"):
        describe(model)
    model(np.ones((3, 7), "int32")) if called else model.build((None, None))
    network = describe(model)
    assert network.inputs[0].shape == (None, None)
    assert {case.inputs[network.inputs[0].name].shape for case in network.cases} >= {(1, 9), (33, 1)}


def test_sequential_built_on_images_keeps_the_sizes_it_needs():
    model = keras.Sequential([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)])
    model(np.ones((2, 6, 5, 1), "float32"))
    assert describe(model).inputs[0].shape == (None, 6, 5, 1)


def test_inputs_and_outputs_in_dicts_and_lists(tmp_path):
    one, two = keras.Input((3,), name="zeta"), keras.Input((3,), name="alpha")
    total = layers.Add(name="sum")([one, two])
    model = keras.Model({"zeta": one, "alpha": two}, {"b": total, "a": [one * 2.0, layers.Dense(2, name="d")(total)]})
    network = describe_both(model, tmp_path)
    assert [given.name for given in network.inputs] == [tensor._keras_history[0].name for tensor in model.inputs]
    assert network.outputs == {"b": ref("sum:0"), "a": (ref("multiply:0"), ref("d:0"))}
    assert "sum = Add((zeta, alpha))" in calls(network)


def test_a_list_of_one_output_is_that_output():
    given = keras.Input((3,))
    assert describe(keras.Model(given, [layers.Dense(2)(given)])).outputs == ref("dense:0")


def test_an_input_may_be_an_output_and_another_unused():
    one, two = keras.Input((3,), name="one"), keras.Input((3,), name="two")
    network = describe(keras.Model([one, two], [one, layers.Dense(2)(one)]))
    assert network.outputs == (ref("one:0"), ref("dense:0"))
    assert [given.name for given in network.inputs] == ["one", "two"]


def test_shared_layer(tmp_path):
    one, two = keras.Input((3,), name="one"), keras.Input((3,), name="two")
    shared = layers.Dense(2, name="shared")
    network = describe_both(keras.Model([one, two], layers.Concatenate()([shared(one), shared(two)])), tmp_path)
    assert calls(network) == [
        "shared = Dense(one)",
        "shared@2 = Dense(two)",
        "concatenate = Concatenate((shared, shared@2))",
    ]
    assert list(network.layers) == ["shared", "concatenate"]


def test_nested_models_shared_and_deep():
    innermost = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="d")], name="innermost")
    given = keras.Input((3,))
    middle = keras.Model(given, layers.ReLU(name="r")(innermost(given)), name="middle")
    given = keras.Input((3,))
    outer = keras.Model(given, middle(given), name="outer")
    one = keras.Input((3,), name="one")
    network = describe(keras.Model(one, outer(outer(outer(one))) + innermost(one)))
    assert calls(network) == [
        "outer/middle/innermost/d = Dense(one)",
        "outer/middle/r = ReLU(outer/middle/innermost/d)",
        "outer/middle/innermost/d@2 = Dense(outer/middle/r)",
        "outer/middle/r@2 = ReLU(outer/middle/innermost/d@2)",
        "outer/middle/innermost/d@3 = Dense(outer/middle/r@2)",
        "outer/middle/r@3 = ReLU(outer/middle/innermost/d@3)",
        "outer/middle/innermost/d@4 = Dense(one)",
        "add = ops.Add(outer/middle/r@3, outer/middle/innermost/d@4)",
    ]
    assert [name for name in network.layers if network.layers[name].weights] == ["outer/middle/innermost/d"]


def test_nested_model_of_several_inputs_and_outputs(tmp_path):
    one, two = keras.Input((3,), name="one"), keras.Input((2,), name="two")
    inner = keras.Model(
        {"one": one, "two": two}, {"b": layers.Dense(2, name="p")(one), "a": layers.Dense(2, name="q")(two)}
    )
    x, y = keras.Input((3,), name="x"), keras.Input((2,), name="y")
    made = inner({"two": y, "one": x})
    network = describe_both(keras.Model([x, y], [made["b"], made["a"]]), tmp_path)
    inputs = {call.layer.rpartition("/")[2]: call.inputs for call in network.calls}
    assert inputs == {"p": (ref("x:0"),), "q": (ref("y:0"),)}
    assert [output.call.rpartition("/")[2] for output in network.output_refs()] == ["p", "q"]


def test_masks_that_keras_passes_on_are_left_out(tmp_path):
    given = ids()
    x = layers.Embedding(6, 3, mask_zero=True)(given)
    x = layers.LSTM(3, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(layers.Dropout(0.5)(x))
    x = layers.GlobalAveragePooling1D()(x)
    network = describe_both(keras.Model(given, x), tmp_path)
    assert [call.name for call in network.calls] == [
        "embedding",
        "lstm",
        "dropout",
        "bidirectional",
        "global_average_pooling1d",
    ]
    assert not any(call.arguments for call in network.calls)
    masks = network.cases[0].masks
    assert {str(tensor) for tensor in masks} == {"embedding:0", "lstm:0", "dropout:0", "bidirectional:0"}
    np.testing.assert_array_equal(masks[ref("lstm:0")], network.cases[0].inputs["ids"] != 0)


def test_masking_and_merging_masks(tmp_path):
    one, two = keras.Input((None, 2), name="one"), keras.Input((None, 2), name="two")
    x = layers.Add()([layers.Masking(-1.0)(one), layers.Masking(-1.0)(two)])
    network = describe_both(keras.Model([one, two], layers.LSTM(2)(x)), tmp_path)
    assert [call.layer for call in network.calls] == ["masking", "masking_1", "add", "lstm"]
    masks = network.cases[0].masks
    first, second = masks[ref("masking:0")], masks[ref("masking_1:0")]
    assert (first != second).any()
    np.testing.assert_array_equal(masks[ref("add:0")], first | second)


def test_a_nested_model_carries_masks_on(tmp_path):
    inner = keras.Sequential([keras.Input((None, 3)), layers.LSTM(3, return_sequences=True)], name="inner")
    given = ids()
    x = layers.LSTM(2, name="lstm_1")(inner(layers.Embedding(6, 3, mask_zero=True)(given)))
    network = describe_both(keras.Model(given, x), tmp_path)
    assert [call.name for call in network.calls] == ["embedding", "inner/lstm", "lstm_1"]
    assert ref("inner/lstm:0") in network.cases[0].masks


def test_a_mask_given_on_purpose_is_kept_with_its_operations(tmp_path):
    given = ids()
    x = layers.Embedding(6, 3)(given)
    network = describe_both(keras.Model(given, layers.LSTM(2)(x, mask=ops.not_equal(given, 3))), tmp_path)
    assert "not_equal = ops.NotEqual(ids, 3)" in calls(network)
    assert calls(network)[-1] == "lstm = LSTM(embedding; mask=not_equal)"


def test_another_mask_than_the_implicit_one_is_kept(tmp_path):
    given = ids()
    x = layers.Embedding(6, 3, mask_zero=True)(given)
    network = describe_both(keras.Model(given, layers.LSTM(2)(x, mask=ops.not_equal(given, 1))), tmp_path)
    compared = next(call for call in network.calls if network.layers[call.layer].class_name == "ops.NotEqual")
    assert compared.inputs == (ref("ids:0"), 1)
    assert network.calls[-1].arguments == {"mask": compared.refs()[0]}


def encoder(blocks, last):
    given = ids()
    x = layers.Embedding(5, 4, mask_zero=True)(given)
    for block in range(blocks):
        attended = layers.MultiHeadAttention(2, 2, name=f"attention{block}")(x, x)
        x = layers.LayerNormalization(name=f"norm{block}")(layers.Add(name=f"add{block}")([x, attended]))
    return keras.Model(given, last(x))


def test_masks_that_attention_takes_off_its_inputs(tmp_path):
    network = describe_both(encoder(2, layers.Dense(2)), tmp_path)
    lost = {call.name: call.unmasked for call in network.calls if call.unmasked}
    assert lost == {"add0": (ref("embedding:0"),)}
    assert {str(tensor) for tensor in network.cases[0].masks} == {"embedding:0", "attention0:0"}


def test_masks_that_attention_takes_off_are_kept_where_the_graph_holds_them(tmp_path):
    network = describe_both(encoder(1, layers.LSTM(2)), tmp_path)
    assert "mask" in network.calls[-1].arguments


def test_an_input_as_mask_and_attention_arguments(tmp_path):
    x, allowed = keras.Input((4, 6), name="x"), keras.Input((4, 4), dtype="bool", name="allowed")
    made, scores = layers.MultiHeadAttention(2, 3)(x, x, attention_mask=allowed, return_attention_scores=True)
    network = describe_both(keras.Model([x, allowed], [made, scores]), tmp_path)
    call = network.calls[0]
    assert call.inputs == (ref("x:0"), ref("x:0"))
    assert call.arguments == {"attention_mask": ref("allowed:0"), "return_attention_scores": True}
    assert call.outputs == 2
    assert not network.cases[0].inputs["allowed"].all()


def test_attention_masks_are_left_out(tmp_path):
    one, two = ids("one"), ids("two")
    query, value = layers.Embedding(5, 4, mask_zero=True)(one), layers.Embedding(5, 4, mask_zero=True)(two)
    made = layers.MultiHeadAttention(1, 2)(query, value)
    network = describe_both(keras.Model([one, two], [made, layers.Attention()([query, value])]), tmp_path)
    assert all(not call.arguments for call in network.calls)
    assert len(network.calls) == 4
    shapes = {(case.inputs["one"].shape[1], case.inputs["two"].shape[1]) for case in network.cases}
    assert any(first != second for first, second in shapes)


def test_initial_state_and_states(tmp_path):
    source, target = ids("source"), ids("target")
    _, h, c = layers.LSTM(3, return_state=True, name="encoder")(layers.Embedding(5, 2, mask_zero=True)(source))
    y = layers.LSTM(3, return_sequences=True, name="decoder")(layers.Embedding(5, 2)(target), initial_state=[h, c])
    network = describe_both(keras.Model([source, target], y), tmp_path)
    decoder = next(call for call in network.calls if call.name == "decoder")
    assert decoder.arguments == {"initial_state": (ref("encoder:1"), ref("encoder:2"))}


def test_operations_slices_and_constants(tmp_path):
    x = keras.Input((4, 3), name="x")
    table = np.arange(12, dtype="float32").reshape(4, 3)
    y = ops.mean(x + table, axis=-1, keepdims=True)[:, 0]
    z = x[..., 1:] * 2
    network = describe_both(keras.Model(x, [y, z]), tmp_path)
    by_class = {network.layers[call.layer].class_name: call for call in network.calls}
    assert by_class["ops.Add"].inputs == (ref("x:0"), Constant("constant"))
    np.testing.assert_array_equal(network.layers["add"].weights["constant"], table)
    mean = network.layers[by_class["ops.Mean"].layer].config
    assert (mean["axis"], mean["keepdims"]) == (-1, True)
    keys = [call.inputs[1] for call in network.calls if network.layers[call.layer].class_name == "ops.GetItem"]
    assert (slice(None), 0) in keys
    assert (slice(None), slice(None), slice(1, None)) in keys
    assert by_class["ops.Multiply"].inputs[1] == 2


def test_a_variable_among_the_arguments_is_tied():
    given = ids()
    embedding = layers.Embedding(5, 4)
    x = embedding(given)
    made = ops.matmul(layers.Dense(4)(x), np.ones((4, 2), "float32")) * embedding.embeddings[0][0]
    network = describe(keras.Model(given, made))
    assert network.layers["matmul"].weights["constant"].shape == (4, 2)


def test_subclassed_models_are_refused_with_a_way_out():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Mine()
    model(np.ones((2, 3), "float32"))
    with pytest.raises(Unsupported, match="subclassed") as refusal:
        describe(model)
    assert "keras.Model(inputs, subclassed(inputs))" in str(refusal.value)
    given = keras.Input((3,))
    assert calls(describe(keras.Model(given, model(given)))) == ["mine/dense = Dense(input_layer)"]
    assert calls(describe(keras.Model(given, model.call(given)))) == ["dense = Dense(input_layer)"]


def test_a_functional_subclass_is_taken():
    class Mine(keras.Model):
        def __init__(self, **options):
            given = keras.Input((3,))
            super().__init__(given, layers.Dense(2)(given), **options)

    assert calls(describe(Mine())) == ["dense = Dense(input_layer)"]


def test_nested_models_cast_their_inputs_but_not_ids():
    given = keras.Input((3,), dtype="int32")
    inside = keras.Input((3,))
    flipped = keras.Model(inside, ops.flip(inside, 1))(given)
    assert calls(describe(keras.Model(given, flipped)))[0].endswith("= ops.Cast(input_layer)")
    looked_up = describe(keras.Model(given, keras.Sequential([layers.Embedding(5, 2)])(given)))
    assert [call.partition("= ")[2] for call in calls(looked_up)] == ["Embedding(input_layer)"]


def test_what_numpy_has_no_arrays_for_is_named():
    given = keras.Input((3,))
    with pytest.raises(Unsupported, match="is bfloat16, of which numpy has no arrays"):
        describe(keras.Model(given, ops.cast(ops.cast(given, "bfloat16"), "float32")))


def test_deep_graphs_need_no_recursion():
    given = x = keras.Input((2,))
    for _ in range(400):
        x = layers.Identity()(x)
    assert len(describe(keras.Model(given, x)).calls) == 400


def test_no_keras_model_is_refused():
    with pytest.raises(Unsupported, match="not a Keras model"):
        describe(3)
    with pytest.raises(Unsupported, match="not a Keras model"):
        describe(layers.Dense(3))
