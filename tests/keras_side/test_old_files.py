"""Files of Keras 1 and 2, weights alone and programs, where Keras 3 is (where Keras 2 is: test_keras2_load)."""

import json

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import porting
from porting import Unsupported
from porting.keras_side.load import load_model_file
from porting.keras_side.save import describe
from porting.numpy_side.engine import NumpyEngine

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")


def as_keras_2(path, change=lambda config: None, version="2.15.0"):
    """Let a file say that Keras 2 wrote it, and its description be what that would have written."""
    with h5py.File(path, "r+") as file:
        described = json.loads(file.attrs["model_config"])
        change(described["config"])
        file.attrs["model_config"] = json.dumps(described)
        if version is None:
            del file.attrs["keras_version"]
        else:
            file.attrs["keras_version"] = version
    return path


def saved(tmp_path, *stack):
    model = keras.Sequential(stack)
    path = tmp_path / "model.h5"
    model.save(path)
    return model, path


def assert_same(loaded, model, x):
    network = describe(loaded)
    np.testing.assert_allclose(
        porting.PortedNetwork(network, NumpyEngine(network)).predict(x),
        model.predict(x, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("version", ["2.15.0", "2.1.6-tf", "1.2.2", None])
@pytest.mark.parametrize(
    ("stack", "said"),
    [
        (
            (keras.Input((4,)), layers.Dense(3, activation="hard_sigmoid", name="hard")),
            "Dense 'hard': has hard_sigmoid",
        ),
        ((keras.Input((4,)), layers.Activation("hard_sigmoid", name="hard")), "Activation 'hard': has hard_sigmoid"),
        ((keras.Input((5, 4)), layers.Masking(name="gone"), layers.LSTM(2)), "Masking 'gone': makes a mask"),
        ((keras.Input((5,)), layers.Embedding(9, 4, mask_zero=True, name="ids")), "Embedding 'ids': makes a mask"),
        (
            (keras.Input((5, 4)), layers.GRU(3, recurrent_activation="hard_sigmoid", name="gate")),
            "GRU 'gate': has hard",
        ),
        ((keras.Input((4,)), layers.CategoryEncoding(4, name="kinds")), "CategoryEncoding 'kinds': gives floats"),
    ],
)
def test_what_keras_3_takes_for_something_else_is_refused(tmp_path, stack, said, version):
    _, path = saved(tmp_path, *stack)
    load_model_file(path)  # of Keras 3, that is itself
    as_keras_2(path, version=version)
    with pytest.raises(Unsupported) as refusal:
        load_model_file(path)
    assert said in str(refusal.value)
    assert all("tf_keras" in problem.way_out for problem in refusal.value.problems)
    assert all("porting save" in problem.way_out for problem in refusal.value.problems)


@pytest.mark.filterwarnings("ignore:Argument `alpha` is deprecated:UserWarning")
def test_what_means_the_same_is_loaded(tmp_path):
    stack = (keras.Input((6, 3)), layers.Conv1D(3, 2, activation="gelu"), layers.LeakyReLU(), layers.Flatten())
    model, path = saved(tmp_path, *stack, layers.Dense(2, activation="sigmoid"))

    def with_alpha(config):
        settings = next(one["config"] for one in config["layers"] if one["class_name"] == "LeakyReLU")
        settings["alpha"] = settings.pop("negative_slope")

    as_keras_2(path, with_alpha)
    assert_same(load_model_file(path), model, np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32"))


def without_input_layer(config):
    declared = config["layers"].pop(0)["config"]["batch_shape"]
    config["layers"][0]["config"]["batch_input_shape"] = declared


@pytest.mark.parametrize("first", [layers.Reshape((6, 4, 1)), layers.ZeroPadding1D(1)])
def test_the_first_layer_declares_the_input(tmp_path, first):
    """A Dense would take the axis too many without a word."""
    model, path = saved(tmp_path, keras.Input((6, 4)), first, layers.Dense(3), layers.Flatten(), layers.Dense(2))
    as_keras_2(path, without_input_layer)
    loaded = load_model_file(path)
    assert loaded.input_shape == (None, 6, 4)
    assert_same(loaded, model, np.random.default_rng(0).normal(size=(4, 6, 4)).astype("float32"))
    with h5py.File(path) as file:
        assert "InputLayer" not in file.attrs["model_config"]  # the user's file is as it was


def test_a_sequential_of_layers_alone_is_loaded(tmp_path):
    """As Keras before 2.2.3 wrote it."""
    model, path = saved(tmp_path, keras.Input((6, 4)), layers.ZeroPadding1D(1), layers.Flatten(), layers.Dense(3))
    as_keras_2(path, without_input_layer, version="2.1.6")
    with h5py.File(path, "r+") as file:
        described = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps({**described, "config": described["config"]["layers"]})
    assert_same(load_model_file(path), model, np.random.default_rng(0).normal(size=(4, 6, 4)).astype("float32"))


@pytest.mark.parametrize("version", ["1.2.2", None])
def test_files_of_keras_1_are_named_and_the_way_out_works(tmp_path, version):
    def stack():
        return (
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 2),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(2),
        )

    def in_old_words(config):
        for one in config["layers"]:
            for new, old in (("units", "output_dim"), ("filters", "nb_filter"), ("padding", "border_mode")):
                if new in one["config"]:
                    one["config"][old] = one["config"].pop(new)

    model, path = saved(tmp_path, *stack())
    load_model_file(path)
    as_keras_2(path, in_old_words, version=version)
    with pytest.raises(Unsupported) as refusal:
        load_model_file(path)
    (problem,) = refusal.value.problems
    assert problem.what.startswith(f"was written by Keras {version or 1}, ")
    assert "nb_filter of Conv2D 'conv2d" in problem.what
    assert f"model.load_weights({str(path)!r})" in problem.way_out
    again = keras.Sequential(stack())
    again.load_weights(path)
    assert_same(again, model, np.random.default_rng(0).normal(size=(4, 6, 6, 2)).astype("float32"))


def network():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, name="one"), layers.Dense(2, name="two")])


def weights_of_keras_3(model, path):
    model.save_weights(path / "model.weights.h5")
    return path / "model.weights.h5", "Keras 3's save_weights"


def weights_of_keras_2(model, path):
    model.save(path / "whole.h5")
    with h5py.File(path / "whole.h5") as whole, h5py.File(path / "model.h5", "w") as alone:
        for name in whole["model_weights"]:
            whole.copy(whole["model_weights"][name], alone, name)
        for name, value in whole["model_weights"].attrs.items():
            alone.attrs[name] = value
        alone.attrs["keras_version"] = "2.2.4"
    return path / "model.h5", "Keras 2.2.4's save_weights"


@pytest.mark.parametrize("write", [weights_of_keras_3, weights_of_keras_2])
def test_weights_alone_are_named_and_the_way_out_works(tmp_path, write):
    model = network()
    path, said = write(model, tmp_path)
    with pytest.raises(Unsupported) as refusal:
        load_model_file(path)
    (problem,) = refusal.value.problems
    assert said in problem.what
    assert f"model.load_weights({str(path)!r})" in problem.way_out
    again = network()
    again.load_weights(path)
    assert_same(again, model, np.ones((2, 4), "float32"))


def test_programs_are_named_and_the_way_out_works(tmp_path):
    class Program(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(np.arange(8.0, dtype="float32").reshape(4, 2), name="dense/kernel")

        @tf.function(input_signature=[tf.TensorSpec((None, 4))])
        def serve(self, x):
            return tf.matmul(x, self.kernel)

    folder, program = tmp_path / "program", Program()
    tf.saved_model.save(program, folder)
    with pytest.raises(Unsupported) as refusal:
        load_model_file(folder)
    (problem,) = refusal.value.problems
    assert "Estimator" in problem.what
    assert str(folder / "variables" / "variables") in problem.way_out
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, use_bias=False)])
    model.layers[0].set_weights([reader.get_tensor("kernel/.ATTRIBUTES/VARIABLE_VALUE")])
    x = np.ones((2, 4), "float32")
    network = describe(model)
    np.testing.assert_allclose(
        porting.PortedNetwork(network, NumpyEngine(network)).predict(x), program.serve(x).numpy(), rtol=1e-6
    )


@pytest.mark.parametrize("around", [lambda layer: layer, lambda layer: layers.Bidirectional(layer)])
@pytest.mark.parametrize("recurrent", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_recurrent_layers_of_keras_2_are_read_unless_time_comes_first(tmp_path, around, recurrent):
    model, path = saved(tmp_path, keras.Input((5, 4)), around(recurrent(3)))

    def with_time_major(value):
        def change(config):
            settings = config["layers"][1]["config"]
            for held in ("layer", "backward_layer"):
                if held in settings:
                    settings[held]["config"]["time_major"] = value
            if "layer" not in settings:
                settings["time_major"] = value

        return change

    as_keras_2(path, with_time_major(False))
    assert_same(load_model_file(path), model, np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32"))
    as_keras_2(path, with_time_major(True))
    with pytest.raises(Unsupported, match="time_major") as refusal:
        load_model_file(path)
    assert "tf_keras" in refusal.value.problems[0].way_out
