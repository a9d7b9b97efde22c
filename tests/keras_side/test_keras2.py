"""Keras 2 through the same modules: its graphs, words and files. Collected where Keras 2 is installed."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from keras import layers
from keras_side_helpers import calls, describe_both, ref

import porting
from porting import Mismatch, Unsupported
from porting.keras_side.load import load_model_file
from porting.keras_side.restore import restore
from porting.keras_side.save import describe
from porting.network import Constant
from porting.numpy_side.engine import NumpyEngine


def ids(name="ids"):
    return keras.Input((None,), dtype="int32", name=name)


def assert_exact(network):
    report = porting.PortedNetwork(network, NumpyEngine(network)).check()
    assert report.ok, str(report)


def two_environments():
    given = ids()
    hidden = layers.Dense(2, activation="tanh")(layers.Embedding(5, 5, mask_zero=True)(given))
    states = layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True))(hidden)
    return keras.Model(given, [hidden, *states])


def test_two_environment_port(tmp_path):
    network = describe_both(two_environments(), tmp_path)
    assert calls(network) == [
        "embedding = Embedding(ids)",
        "dense = Dense(embedding)",
        "bidirectional = Bidirectional(dense)",
    ]
    assert network.origin["keras"].startswith("2.")
    assert set(network.layers["bidirectional"].weights) == {
        f"{way}_layer/{name}" for way in ("forward", "backward") for name in ("kernel", "recurrent_kernel", "bias")
    }
    assert ref("bidirectional:0") in network.cases[0].masks


def test_configs_speak_keras_3():
    given = keras.Input((4, 3), name="x")
    x = layers.LSTM(2, return_sequences=True, recurrent_activation="hard_sigmoid")(given)
    x = layers.LeakyReLU(0.2)(layers.Dense(2, activation="swish")(x))
    x = layers.LayerNormalization()(layers.BatchNormalization()(x))
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(2, activation="hard_sigmoid"))(layers.Conv1D(2, 2)(x))
    network = describe(keras.Model(given, x))
    config = {name: dict(layer.config) for name, layer in network.layers.items()}
    lstm = config["lstm"]
    assert lstm["recurrent_activation"] == "keras2>hard_sigmoid"
    assert lstm["zero_output_for_mask"] is False
    assert not {"time_major", "implementation", "batch_input_shape"} & set(lstm)
    assert config["dense"]["activation"] == "silu"
    assert config["leaky_re_lu"]["negative_slope"] == pytest.approx(0.2)
    assert "alpha" not in config["leaky_re_lu"]
    assert config["batch_normalization"]["axis"] == config["layer_normalization"]["axis"] == 2
    both = config["bidirectional"]
    assert both["layer"]["config"]["zero_output_for_mask"] is True
    assert both["backward_layer"]["config"]["go_backwards"] is True
    assert set(both["layer"]) == {"class_name", "config"}
    inner = config["time_distributed"]["layer"]["config"]
    assert inner["activation"] == "keras2>hard_sigmoid"
    assert inner["dtype"] == "float32"


def test_calls_at_inference_are_told():
    """`fit` heeds them in Keras 2."""
    given = keras.Input((4, 3), name="x")
    inner = keras.Model(given, layers.Dropout(0.5)(layers.BatchNormalization()(layers.Dense(2)(given))), name="inner")
    x = layers.BatchNormalization(name="moves")(inner(given, training=False))
    network = describe(keras.Model(given, layers.BatchNormalization(name="stays")(x, training=False)))
    told = {call.name for call in network.calls if call.arguments == {"training": False}}
    assert told == {"stays", "inner/batch_normalization", "inner/dropout"}
    assert_exact(network)


def test_an_unfused_normalization_of_images_is_told():
    given = keras.Input((4, 4, 3))
    x = layers.BatchNormalization(name="fused")(given)
    x = layers.BatchNormalization(fused=False, name="unfused")(x)
    network = describe(keras.Model(given, layers.BatchNormalization(synchronized=True, name="synchronized")(x)))
    told = {name for name, layer in network.layers.items() if layer.config.get("fused") is False}
    assert told == {"unfused", "synchronized"}


def test_time_major_stays_to_be_refused():
    given = keras.Input((4, 3), name="x")
    network = describe(keras.Model(given, layers.GRU(2, time_major=True, return_sequences=True)(given)))
    assert network.layers["gru"].config["time_major"] is True


def test_initial_states_are_an_argument(tmp_path):
    source, target = ids("source"), ids("target")
    _, h, c = layers.LSTM(3, return_state=True, name="encoder")(layers.Embedding(5, 2, mask_zero=True)(source))
    x = layers.Embedding(5, 2, mask_zero=True)(target)
    y = layers.LSTM(3, return_sequences=True, name="decoder")(x, initial_state=[h, c])
    both = layers.Bidirectional(layers.GRU(3), name="both")(y, initial_state=[h, c])
    network = describe_both(keras.Model([source, target], [y, both]), tmp_path)
    found = {call.name: call for call in network.calls}
    states = (ref("encoder:1"), ref("encoder:2"))
    assert found["decoder"].arguments == found["both"].arguments == {"initial_state": states}
    assert ref("decoder:0") in network.cases[0].masks


def test_tensorflow_functions_become_operations(tmp_path):
    x = keras.Input((4, 3), name="x")
    table = np.ones((3, 2), "float32")
    y = tf.matmul(x[:, 1:], table) * 2.0 + 1.0
    z = tf.concat([tf.reduce_mean(x, axis=1), x[:, :, 0]], axis=-1)
    network = describe_both(keras.Model(x, [y, z, tf.nn.softmax(x)]), tmp_path)
    by_class = {network.layers[call.layer].class_name: call for call in network.calls}
    assert by_class["ops.Matmul"].inputs[1] == Constant("constant")
    assert by_class["ops.Multiply"].inputs[1] == 2.0
    assert by_class["ops.Concatenate"].inputs[0][1].call.startswith("tf.__operators__.getitem")
    assert network.layers[by_class["ops.Concatenate"].layer].config["axis"] == -1
    mean = network.layers[by_class["ops.Mean"].layer].config
    assert (mean["axis"], mean["keepdims"]) == (1, False)
    keys = [call.inputs[1] for call in network.calls if network.layers[call.layer].class_name == "ops.GetItem"]
    assert (slice(None), slice(1, None)) in keys
    assert (slice(None), slice(None), 0) in keys


def test_tensorflow_functions_with_settings_become_operations():
    x = keras.Input((4, 3))
    table = np.ones((2, 3), "float32")
    outputs = {
        "Einsum": tf.matmul(x, table, transpose_b=True),
        "Transpose": tf.transpose(x, [0, 2, 1]),
        "Pad": tf.pad(x, [[0, 0], [1, 2], [0, 0]]),
        "Take": tf.gather(x, [0, 2], axis=1),
        "Clip": tf.clip_by_value(x, -0.5, 0.5),
        "Tile": tf.tile(x, [1, 2, 1]),
        "Normalize": tf.math.l2_normalize(x, axis=-1),
        "LeakyRelu": tf.nn.leaky_relu(x, 0.3),
        "Var": tf.math.reduce_variance(x, axis=1),
        "Gelu": tf.nn.gelu(x),
    }
    network = describe(keras.Model(x, list(outputs.values())))
    made = [network.layers[call.layer] for call in network.calls]
    assert {layer.class_name for layer in made} == {f"ops.{name}" for name in outputs}
    assert_exact(network)


def test_tensorflow_functions_of_places_and_pictures_become_operations():
    x, picture = keras.Input((4, 6)), keras.Input((4, 6, 3))
    colours = tf.math.sigmoid(picture)
    outputs = [
        tf.argmax(x, axis=-1),
        tf.argmax(x, axis=1, output_type=tf.int32),
        tf.argmin(x, axis=1),
        tf.math.reduce_euclidean_norm(x, axis=-1),
        tf.math.cumprod(x, axis=1),
        tf.math.rint(x),
        tf.sort(x, axis=1),
        tf.argsort(x),
        tf.slice(x, [0, 1, 2], [-1, 2, 3]),
        tf.stop_gradient(x),
        tf.linalg.trace(x[:, :, :4]),
        tf.linalg.det(x[:, :3, :3]),
        tf.nn.space_to_depth(picture, 2),
        tf.nn.depth_to_space(tf.nn.space_to_depth(picture, 2), 2),
        tf.nn.max_pool2d(picture, 2, [1, 2, 1, 1], "SAME"),
        tf.nn.avg_pool2d(picture, [2, 3], 1, "VALID"),
        tf.image.flip_left_right(picture),
        tf.image.flip_up_down(picture),
        tf.image.rgb_to_grayscale(picture),
        tf.image.hsv_to_rgb(tf.image.rgb_to_hsv(colours)),
    ]
    network = describe(keras.Model([x, picture], outputs))
    assert all(layer.class_name.startswith("ops.") for layer in network.layers.values())
    assert_exact(network)


def test_more_tensorflow_functions_become_operations():
    x, picture = keras.Input((4, 6)), keras.Input((4, 6, 2))
    backend = keras.backend
    patches = {"sizes": [1, 2, 3, 1], "strides": [1, 1, 2, 1], "rates": [1, 1, 1, 1], "padding": "SAME"}
    outputs = [
        tf.reverse(x, [1]),
        *tf.split(x, 2, -1),
        *tf.split(x, [1, 3], axis=1),
        *tf.unstack(x, axis=1),
        tf.einsum("btf,bsf->bts", x, x),
        tf.einsum("BTF,FG->BTG", x, np.ones((6, 2), "float32")),
        *tf.math.top_k(x, 2),
        tf.norm(x, axis=-1),
        tf.norm(x, ord=1, axis=1, keepdims=True),
        tf.roll(x, 1, axis=1),
        tf.repeat(x, 2, axis=2),
        tf.tensordot(x, np.ones((6, 2), "float32"), axes=1),
        tf.zeros_like(x),
        tf.ones_like(x),
        tf.nn.log_softmax(x),
        tf.math.reduce_logsumexp(x, -1),
        tf.math.reduce_prod(x, 1),
        tf.math.divide_no_nan(x, tf.nn.relu(x)),
        tf.math.log_sigmoid(x),
        tf.math.atan(x),
        tf.math.tan(tf.math.tanh(x)),
        tf.math.is_finite(x),
        tf.image.extract_patches(picture, **patches),
        backend.repeat_elements(x, 2, 1),
        backend.relu(x, max_value=1.5),
        tf.where(x > 0, x, 2.0 * x),
        tf.where(x > 0, x, np.float32(0.5)),
        tf.where(tf.reduce_mean(x, -1, keepdims=True) > 0, 1.0, x),
        backend.batch_dot(x, x, axes=(2, 2)),
        tf.matmul(x, x, transpose_a=True),
        tf.matmul(x[:, :, :4], x[:, :3, :4], transpose_a=True, transpose_b=True),
        tf.pad(x, [[0, 0], [1, 2], [0, 1]], constant_values=1.5),
        tf.pad(x, [[0, 0], [1, 2], [0, 1]], mode="REFLECT"),
        tf.nn.max_pool1d(x, 2, 1, "SAME"),
        tf.nn.avg_pool1d(x, [1, 3, 1], [1, 2, 1], "VALID"),
        x // 0.7,
    ]
    network = describe(keras.Model([x, picture], outputs))
    assert all(layer.class_name.startswith("ops.") for layer in network.layers.values())
    assert_exact(network)


def test_locally_connected_layers():
    line, picture = keras.Input((7, 2)), keras.Input((5, 6, 2))
    outputs = [
        layers.LocallyConnected1D(3, 2, strides=2, activation="relu")(line),
        layers.LocallyConnected2D(3, (2, 3), use_bias=False)(picture),
    ]
    assert_exact(describe(keras.Model([line, picture], outputs)))


def test_locally_connected_weights_of_another_shape_are_refused():
    given = keras.Input((7, 2))
    network = describe(keras.Model(given, layers.LocallyConnected1D(3, 2)(given)))
    ((name, layer),) = network.layers.items()
    for key, array in layer.weights.items():
        changed = dataclasses.replace(layer, weights={**layer.weights, key: array[:1]})
        with pytest.raises(Unsupported, match="a weight of shape"):
            NumpyEngine(dataclasses.replace(network, layers={name: changed}))


def test_locally_connected_layers_with_a_kernel_full_of_zeros_are_refused():
    given = keras.Input((7, 2))
    network = describe(keras.Model(given, layers.LocallyConnected1D(3, 2, padding="same", implementation=2)(given)))
    with pytest.raises(Unsupported, match="implementation=1"):
        NumpyEngine(network)


def test_batch_normalization_over_machines_is_batch_normalization():
    given = keras.Input((3,))
    network = describe(keras.Model(given, layers.experimental.SyncBatchNormalization()(given)))
    assert [layer.class_name for layer in network.layers.values()] == ["BatchNormalization"]
    assert_exact(network)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize(
    "made",
    [
        *(layers.Resizing(4, 9, method) for method in ("bilinear", "nearest", "bicubic", "area")),
        layers.Resizing(4, 9, crop_to_aspect_ratio=True),
        *(kind(*size) for kind in (layers.CenterCrop, layers.RandomCrop) for size in ((3, 4), (9, 8))),
        layers.RandomHeight(0.2),
        layers.RandomWidth(0.2),
    ],
)
def test_layers_of_pictures(made, dtype):
    given = keras.Input((6, 7, 3), dtype=dtype)
    assert_exact(describe(keras.Model(given, made(given))))


@pytest.mark.parametrize("settings", [{}, {"dtype": "int32"}, {"output_mode": "count"}])
def test_numbers_of_bins_have_the_layers_dtype(settings):
    given = keras.Input((3,))
    made = layers.Discretization([0.0, 1.0], **settings)(given)
    assert_exact(describe(keras.Model(given, made)))


def resized_like(size_of, height):
    """Pictures in the size of others, as the decoders of segmentation write it."""
    given = keras.Input((height, 7, 3))
    small = layers.Conv2D(2, 3, strides=2, padding="same")(given)
    large = layers.Lambda(lambda pair: tf.image.resize(pair[0], size_of(pair[1])))([small, given])
    return keras.Model(given, large)


@pytest.mark.parametrize("size_of", [lambda x: tf.shape(x)[1:3], lambda x: x.shape[1:3]])
def test_pictures_in_the_size_of_others(size_of):
    assert_exact(describe(resized_like(size_of, 6)))


def test_an_open_size_as_a_setting_is_refused():
    with pytest.raises(Unsupported, match=r"is given an open size(.|\n)*in keras\.Input"):
        describe(resized_like(lambda x: tf.shape(x)[1:3], None))


def test_convolutions_take_further_axes_of_a_batch():
    films, sounds = keras.Input((3, 6, 5, 2)), keras.Input((2, 3, 9, 2))
    outputs = [
        layers.Conv2D(3, 2, padding="same", strides=2)(films),
        layers.Conv1D(3, 2, padding="causal")(sounds),
    ]
    assert_exact(describe(keras.Model([films, sounds], outputs)))


def test_masks_of_merges_are_joined_with_and():
    tensors = [keras.Input((5, 2)) for _ in range(2)]
    masked = [layers.Masking(0.5)(tensor) for tensor in tensors]
    merged = [layers.Add()(masked), layers.Maximum()(masked), layers.Concatenate()(masked)]
    assert_exact(describe(keras.Model(tensors, merged)))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Identity(),
        layers.Rescaling(2.0),
        layers.Normalization(mean=0.5, variance=2.0),
        layers.EinsumDense("abc,cd->abd", (None, 3)),
    ],
    ids=lambda layer: layer.name,
)
def test_layers_that_end_masks_in_keras_2(layer):
    """A mean over steps, which would heed a mask, behind each."""
    x = keras.Input((5, 4))
    made = layer(layers.Masking(0.5)(x))
    assert_exact(describe(keras.Model(x, [made, layers.GlobalAveragePooling1D()(made)])))


def test_functional_models_in_time_distributed():
    x = keras.Input((4, 3))
    both = layers.Concatenate()([layers.Dense(2)(x), layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)])
    held = keras.Model(x, layers.GlobalMaxPooling1D()(both))
    given = keras.Input((None, 4, 3))
    assert_exact(describe(keras.Model(given, layers.TimeDistributed(held)(given))))


@pytest.mark.parametrize("own", [False, True])
def test_tensorflow_functions_that_several_operations_make(own):
    x = keras.Input((4, 6), name="x")
    functions = [
        lambda t: tf.nn.moments(t, [1, 2])[1],
        lambda t: tf.math.squared_difference(t, t[:, :1]),
        lambda t: tf.nn.crelu(t, axis=1),
        lambda t: tf.cumsum(t, 1, reverse=True),
        lambda t: tf.cumsum(t, -1, exclusive=True),
        lambda t: tf.cumsum(t, 1, exclusive=True, reverse=True),
        lambda t: tf.sequence_mask(tf.cast(tf.reduce_sum(tf.abs(t[:, 0]), 1), tf.int32), 5, dtype=tf.float32),
    ]
    network = describe(keras.Model(x, [layers.Lambda(one)(x) if own else one(x) for one in functions]))
    assert all(network.layers[call.layer].class_name.startswith("ops.") for call in network.calls)
    assert_exact(network)
    with pytest.raises(Unsupported, match="without a maxlen"):
        describe(keras.Model(x, tf.sequence_mask(tf.argmax(x, -1))))


@pytest.mark.parametrize("steps", [4, None])
def test_a_reshape_of_other_rows_than_the_batchs_is_refused(steps):
    """What `K.dot` makes of a sequence: its rows become one axis, and rows again by sizes of the input."""
    x = keras.Input((steps, 6))
    with pytest.raises(Unsupported, match="is the TensorFlow function reshape"):
        describe(keras.Model(x, keras.backend.dot(x, tf.ones((6, 2)))))


def test_tensorflow_functions_in_a_model_in_time_distributed():
    x, ids = keras.Input((4, 3)), keras.Input((6,))
    chosen = tf.where(x > 0, x * 2.0, 1.0)[:, ::-2] - tf.reduce_mean(x, axis=1, keepdims=True)
    held = keras.Model(x, layers.Flatten()(tf.concat([chosen, 1.0 - x], axis=1)))
    embedded = keras.Model(ids, layers.Flatten()(layers.Embedding(11, 3)(keras.backend.cast(ids, "int32"))))
    given, words = keras.Input((None, 4, 3)), keras.Input((None, 6))
    outputs = [layers.TimeDistributed(held)(given), layers.TimeDistributed(embedded)(words)]
    assert_exact(describe(keras.Model([given, words], outputs)))
    unknown = keras.Model(x, tf.math.bessel_i0(x))
    with pytest.raises(Unsupported, match=r"holds a model with the TensorFlow function math\.bessel_i0"):
        describe(keras.Model(given, layers.TimeDistributed(unknown)(given)))


def test_attention_masks_of_numbers_hide_in_part():
    query, value, mask = keras.Input((5, 4)), keras.Input((6, 4)), keras.Input((5, 6))
    model = keras.Model([query, value, mask], layers.MultiHeadAttention(2, 3)(query, value, attention_mask=mask))
    network = describe(model)
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(2, *shape)).astype("float32") for shape in ((5, 4), (6, 4))]
    inputs.append(1 - rng.random((2, 5, 6)).astype("float32") * 1e-9)
    ported = porting.PortedNetwork(network, NumpyEngine(network))
    np.testing.assert_allclose(ported.predict(inputs), model.predict(inputs, verbose=0), atol=1e-5)


def test_transposed_convolutions_of_space():
    x = keras.Input((3, 4, 5, 2))
    assert_exact(describe(keras.Model(x, layers.Conv3DTranspose(2, 3, strides=2, padding="same")(x))))


def test_an_ellipsis_is_written_out():
    x = keras.Input((4, 3), name="x")
    assert describe(keras.Model(x, x[..., 0])).calls[0].inputs[1] == (slice(None), slice(None), 0)


def test_tensorflow_code_without_counterpart_and_lambdas_of_it_are_listed():
    x = keras.Input((4,), name="x")
    y = tf.math.bessel_i0(layers.Lambda(tf.math.bessel_i1, name="bent")(x))
    with pytest.raises(Unsupported) as refusal:
        describe(keras.Model(x, tf.math.bessel_i0e(y)))
    assert len(refusal.value.problems) == 3
    assert "bessel_i0" in str(refusal.value)
    assert "bent/" in str(refusal.value)


SCALED = layers.Lambda(lambda x, by: K.l2_normalize(x * by, -1), arguments={"by": 3.0}, name="scaled")


@pytest.mark.parametrize(
    "apply",
    [
        lambda x, y: layers.Lambda(lambda x: K.reverse(x, axes=(1, 2)))(x),
        lambda x, y: layers.Dense(2)(layers.Lambda(lambda x: x[:, -1, :])(x)),
        lambda x, y: layers.Dense(2)(layers.Lambda(lambda x: x)(x)),
        lambda x, y: layers.Lambda(lambda ab: [K.exp(-K.abs(ab[0] - ab[1])), K.sum(ab[1], 1)])([x, y]),
        lambda x, y: [SCALED(x), SCALED(y)],
        lambda x, y: layers.Lambda(lambda x: K.one_hot(K.cast(K.abs(x), "int32"), 5))(y),
    ],
)
def test_lambdas_are_followed_by_what_they_call(apply):
    x, y = keras.Input((None, 4), name="x"), keras.Input((6, 4), name="y")
    network = describe(keras.Model([x, y], apply(x, y)))
    assert not any(network.layers[call.layer].class_name == "Lambda" for call in network.calls)
    assert_exact(network)


@pytest.mark.parametrize("code", [lambda x: x * 2.0, lambda x, mask: x * tf.cast(mask, x.dtype)[..., None]])
def test_a_lambda_that_is_given_a_mask_ends_it(code):
    """The functions that it calls would hand it on."""
    given = ids()
    x = layers.Lambda(code, name="code")(layers.Embedding(5, 4, mask_zero=True)(given))
    assert_exact(describe(keras.Model(given, layers.LSTM(2)(x))))


def test_a_mask_given_on_purpose_is_kept(tmp_path):
    given = ids()
    x = layers.Embedding(6, 3, mask_zero=True)(given)
    network = describe_both(keras.Model(given, layers.LSTM(2)(x, mask=tf.not_equal(given, 3))), tmp_path)
    assert network.layers["tf.math.not_equal"].class_name == "ops.NotEqual"
    assert network.calls[-1].arguments == {"mask": ref("tf.math.not_equal:0")}


def test_attention_keeps_masks():
    given = ids()
    x = layers.Embedding(5, 4, mask_zero=True)(given)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 2, name="attention")(x, x)])
    network = describe(keras.Model(given, layers.LSTM(2)(x)))
    assert not any(call.unmasked for call in network.calls)
    assert ref("add:0") in network.cases[0].masks
    assert "query_dense/kernel" in network.layers["attention"].weights


def test_nested_shared_and_sequential_models(tmp_path):
    inner = keras.Sequential([keras.Input((None, 3)), layers.GRU(3, return_sequences=True, name="g")], name="inner")
    given = ids()
    x = inner(inner(layers.Embedding(6, 3, mask_zero=True)(given)))
    network = describe_both(keras.Model(given, {"out": layers.GlobalMaxPooling1D()(x)}), tmp_path)
    assert [call.name for call in network.calls][1:3] == ["inner/g", "inner/g@2"]
    assert network.outputs == {"out": ref("global_max_pooling1d:0")}
    assert ref("inner/g@2:0") in network.cases[0].masks


@pytest.mark.parametrize("called", [True, False])
def test_sequential_without_input(called):
    model = keras.Sequential([layers.Dense(2), layers.LSTM(3)])
    with pytest.raises(Unsupported, match="has not been built"):
        describe(model)
    model(np.ones((3, 4, 2))) if called else model.build((None, None, 2))
    network = describe(model)
    assert network.inputs[0].shape == (None, None, 2)
    assert network.inputs[0].dtype == "float32"


def test_subclassed_models_are_refused():
    class Mine(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(Unsupported, match="subclassed"):
        describe(Mine())


def test_weights_go_back():
    network = describe(two_environments())
    model = two_environments()
    restore(network, model)
    for array, kept in zip(network.weights().values(), model.get_weights()):
        np.testing.assert_array_equal(array, kept)
    given = ids()
    with pytest.raises(Mismatch):
        restore(network, keras.Model(given, layers.Embedding(5, 4)(given)))


def test_weights_are_listed_as_keras_lists_them():
    given, more = keras.Input((4,)), keras.Input((4,))
    shared, inner = layers.Dense(4), keras.Sequential([layers.BatchNormalization(), layers.Dense(4)])
    x = layers.Dropout(0.5)(shared(inner(shared(given))))
    late = layers.Dense(4, trainable=False)(more)
    model = keras.Model([more, given], layers.Add()([late, x, inner(late)]))
    model.set_weights([np.random.uniform(0.5, 1, one.shape) for one in model.get_weights()])
    ours, theirs = porting.load(describe(model, noise=False), engine="numpy").get_weights(), model.get_weights()
    assert len(ours) == len(theirs)
    for array, kept in zip(ours, theirs):
        np.testing.assert_array_equal(array, kept)


@pytest.mark.filterwarnings("ignore:.*HDF5 file.*", "ignore:.*found in the checkpoint.*")
@pytest.mark.parametrize("name", ["model.keras", "model.h5", "folder"])
def test_files_are_loaded(tmp_path, name):
    model = two_environments()
    model.save(tmp_path / name)
    # A SavedModel folder is a program, which only its maker's friends run.
    loaded = load_model_file(tmp_path / name, trust_lambda=name == "folder")
    network, again = describe(model), describe(loaded)
    assert again.calls == network.calls
    for array, same in zip(network.weights().values(), again.weights().values()):
        np.testing.assert_array_equal(array, same)


@pytest.mark.filterwarnings("ignore:.*HDF5 file.*")
@pytest.mark.parametrize("name", ["model.keras", "model.h5", "folder"])
def test_lambdas_in_files_are_not_run(tmp_path, name):
    model = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x, name="one")])
    model.save(tmp_path / name)
    with pytest.raises(Unsupported, match="SavedModel" if name == "folder" else "one"):
        load_model_file(tmp_path / name)


def test_half_precision_is_refused():
    given = keras.Input((3,))
    with pytest.raises(Unsupported, match="float16"):
        describe(keras.Model(given, layers.Dense(2, dtype="mixed_float16")(given)))


def test_a_mask_that_time_distributed_hands_on_is_refused_and_the_way_out_works():
    """Keras 2 gives the LSTM of each line the mask of its words; Keras 3 makes none."""
    text = keras.Input((3, 5), dtype="int32")
    embed, last = layers.Embedding(9, 3, mask_zero=True), layers.LSTM(2)
    apart = describe(keras.Model(text, layers.TimeDistributed(last)(layers.TimeDistributed(embed)(text))))
    with pytest.raises(porting.Unsupported, match=r"mask that TimeDistributed\(Embedding\) hands on"):
        porting.PortedNetwork(apart, NumpyEngine(apart))
    line = keras.Input((5,), dtype="int32")
    held = keras.Model(line, last(embed(line)))
    assert_exact(describe(keras.Model(text, layers.TimeDistributed(held)(text))))
