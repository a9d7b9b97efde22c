"""Files and folders that are no Keras model are named for what they are, with a way that works."""

import io
import pickle
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import porting
from porting import Unsupported
from porting.keras_side.load import load_model_file
from porting.keras_side.save import describe
from porting.numpy_side.engine import NumpyEngine


def network():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, name="one"), layers.Dense(2, name="two")])


def assert_same(loaded, model):
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    described = describe(loaded)
    found = porting.PortedNetwork(described, NumpyEngine(described)).predict(x)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def refused(path):
    with pytest.raises(Unsupported) as refusal:
        load_model_file(path)
    (problem,) = refusal.value.problems
    return problem


@pytest.mark.parametrize("given", ["ck", "ck.index", "ck.data-00000-of-00001", "checkpoint", "."])
def test_checkpoints(tmp_path, given):
    model = network()
    prefix = str(tmp_path / "ck")
    tf.train.Checkpoint(kernels=[layer.kernel.value for layer in model.layers]).write(prefix)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "ck"\nall_model_checkpoint_paths: "ck"\n')
    problem = refused(tmp_path / given)
    assert problem.what.startswith("is a TensorFlow checkpoint")
    assert f"model.load_weights({prefix!r})" in problem.way_out  # tried under Keras 2: test_keras2_load
    assert f"tf.train.load_checkpoint({prefix!r}).get_tensor(name)" in problem.way_out
    reader = tf.train.load_checkpoint(prefix)
    assert "kernels/0/.ATTRIBUTES/VARIABLE_VALUE" in reader.get_variable_to_shape_map()
    again = network()
    for i, layer in enumerate(again.layers):
        layer.set_weights([reader.get_tensor(f"kernels/{i}/.ATTRIBUTES/VARIABLE_VALUE"), np.zeros(layer.units)])
    assert_same(again, model)


def test_pickles(tmp_path):
    model = network()
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    problem = refused(path)
    assert problem.what.startswith("is a pickle")
    assert f"pickle.load(open({str(path)!r}, 'rb'))" in problem.way_out
    with path.open("rb") as file:
        assert_same(pickle.load(file), model)


def test_frozen_graphs(tmp_path):
    model = network()
    program = convert_variables_to_constants_v2(
        tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec((None, 4)))
    )
    path = tmp_path / "frozen.pb"
    path.write_bytes(program.graph.as_graph_def().SerializeToString())
    problem = refused(path)
    assert problem.what.startswith("is a frozen graph")
    loop = "{node.name: tf.make_ndarray(node.attr['value'].tensor) for node in graph.node if node.op == 'Const'}"
    assert loop in problem.way_out
    graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    constants = [tf.make_ndarray(node.attr["value"].tensor) for node in graph.node if node.op == "Const"]
    again = network()
    again.set_weights([next(one for one in constants if one.shape == old.shape) for old in again.get_weights()])
    assert_same(again, model)


def test_arrays(tmp_path):
    model = network()
    path = tmp_path / "weights.npz"
    np.savez(path, *model.get_weights())
    problem = refused(path)
    assert problem.what.startswith("holds arrays of numpy")
    assert "model.set_weights" in problem.way_out
    again = network()
    with np.load(path) as arrays:
        again.set_weights(list(arrays.values()))
    assert_same(again, model)


def test_shards_of_weights(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1000), layers.Dense(2)])
    path = tmp_path / "model.weights.json"
    model.save_weights(path, max_shard_size=3e-5)
    problem = refused(path)
    assert problem.what.startswith("lists the shards")
    assert f"model.load_weights({str(path)!r})" in problem.way_out
    again = keras.Sequential([keras.Input((4,)), layers.Dense(1000), layers.Dense(2)])
    again.load_weights(path)
    assert_same(again, model)


def test_an_unpacked_keras_file(tmp_path):
    model = network()
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        archive.extractall(tmp_path / "model")
    problem = refused(tmp_path / "model")
    assert problem.what == "is a .keras file that was unpacked"
    members = [str(tmp_path / "model" / name) for name in ("metadata.json", "config.json", "model.weights.h5")]
    assert f"python -m zipfile -c model.keras {' '.join(map(repr, members))}" in problem.way_out
    packed = tmp_path / "again.keras"
    subprocess.run([sys.executable, "-m", "zipfile", "-c", packed, *members], check=True)
    assert_same(load_model_file(packed), model)


def zipped(name):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, b"")
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("model.tflite", b"\x1c\0\0\0TFL3\x14\0", "is a TensorFlow Lite model"),
        ("model.pt", zipped("archive/data.pkl"), "holds weights of PyTorch"),
        ("model.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "holds weights of PyTorch"),
        ("model.bin", zipped("archive/data.pkl"), "holds weights of PyTorch"),
        ("model.onnx", b"\x08\x08\x12\x07pytorch", "is an ONNX model"),
        ("model.safetensors", b'\x10\0\0\0\0\0\0\0{"a":{}}', "holds weights alone"),
        ("saved_model.pb", b"\x08\x01", "is a part of a SavedModel"),
        ("model.zip", zipped("model.h5"), "is a zip archive"),
        ("model.h5.gz", b"\x1f\x8b\x08\0", "is compressed"),
        ("model.h5", b"version https://git-lfs.github.com/spec/v1\noid", "stands for a file in Git LFS"),
        ("model.h5", b"\n<!DOCTYPE html>\n<html>", "is a page of the web"),
        ("model.h5", b"", "is empty"),
        ("model.keras", b"PK\x03\x04 and no more", "holds no Keras model, whatever its name says"),
        ("model.keras", zipped("config.txt"), "is a zip archive"),
        ("model", b"\0\1", "is neither a .keras nor an .h5 file"),
        ("checkpoint", b"\0\1", "is neither a .keras nor an .h5 file"),
    ],
)
def test_what_others_wrote(tmp_path, name, content, what):
    path = tmp_path / name
    path.write_bytes(content)
    problem = refused(path)
    assert problem.what.startswith(what)
    assert problem.way_out
