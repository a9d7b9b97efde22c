"""Model files: what is loaded, and what is not without being asked."""

import json
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import porting
from porting import Unsupported
from porting.keras_side.load import load_model_file
from porting.keras_side.save import describe
from porting.numpy_side.engine import NumpyEngine

MINE = """
import keras

class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

class Thrice(keras.layers.Layer):
    def call(self, x):
        return 3 * x
"""


def plain():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2)])


@pytest.mark.filterwarnings("ignore:.*HDF5 file.*")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_are_loaded(tmp_path, suffix):
    model = plain()
    path = tmp_path / f"model{suffix}"
    model.save(path)
    loaded = load_model_file(path)
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    assert describe(loaded).calls == describe(model).calls


@pytest.mark.filterwarnings("ignore:.*HDF5 file.*")
@pytest.mark.parametrize("name", ["net.model", "net", "best.ckpt"])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_of_any_name_are_loaded(tmp_path, suffix, name):
    model = plain()
    model.save(tmp_path / f"whole{suffix}")
    (tmp_path / f"whole{suffix}").rename(tmp_path / name)
    loaded = load_model_file(tmp_path / name)
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_descriptions_without_weights_say_how_to_go_on(tmp_path):
    model = plain()
    path = tmp_path / "net.json"
    path.write_text(model.to_json())
    model.save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(Unsupported, match=r"holds no weights[^→]*→ model = keras.models.model_from_json"):
        load_model_file(path)
    again = keras.models.model_from_json(path.read_text())
    again.load_weights(tmp_path / "net.weights.h5")
    assert describe(again).layers


def test_lambdas_are_not_run_unless_trusted(tmp_path):
    lambdas = [layers.Lambda(lambda x: x, name="one"), layers.Lambda(lambda x: -x, name="two")]
    model = keras.Sequential([keras.Input((3,)), *lambdas])
    model.save(tmp_path / "model.keras")
    with pytest.raises(Unsupported) as refusal:
        load_model_file(tmp_path / "model.keras")
    assert [problem.where for problem in refusal.value.problems] == ["Lambda 'one'", "Lambda 'two'"]
    trusted = load_model_file(tmp_path / "model.keras", trust_lambda=True)
    assert [call.layer for call in describe(trusted).calls] == ["two/negative"]
    with pytest.raises(Unsupported, match="Python code that no file can describe"):
        describe(trusted, whole=["Lambda"])


def test_classes_of_ones_own_are_imported_only_when_named(tmp_path):
    source = tmp_path / "my_layers.py"
    source.write_text(MINE)
    space = {"__name__": "elsewhere"}
    exec(MINE, space)
    model = keras.Sequential([keras.Input((3,)), space["Twice"](name="a"), space["Thrice"](name="b"), layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(Unsupported) as refusal:
        load_model_file(tmp_path / "model.keras")
    assert len(refusal.value.problems) == 2
    assert "custom=['my_layers.py']" in str(refusal.value)
    loaded = load_model_file(tmp_path / "model.keras", custom=[source])
    described = describe(loaded, whole=["Twice", "Thrice"])
    assert [layer.class_name for layer in described.layers.values()] == ["Twice", "Thrice", "Dense"]
    assert [call.layer for call in describe(loaded).calls] == ["a/multiply", "b/multiply", "dense"]
    assert "my_layers" not in sys.modules


def test_files_of_keras_2_are_named(tmp_path):
    path = tmp_path / "old.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": []}}))
    with pytest.raises(Unsupported, match=r"2\.15"):
        load_model_file(path)


def test_saved_model_folders_are_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(Unsupported, match="SavedModel"):
        load_model_file(tmp_path)


@pytest.mark.filterwarnings("ignore:.*HDF5 file.*")
def test_masked_h5_files_that_keras_cannot_read_are_refused_with_a_way_out(tmp_path):
    given = keras.Input((None,), dtype="int32")
    model = keras.Model(given, layers.LSTM(2)(layers.Embedding(4, 2, mask_zero=True)(given)))
    model.save(tmp_path / "model.h5")
    with pytest.raises(Unsupported, match=r"save the model as \.keras"):
        load_model_file(tmp_path / "model.h5")


@pytest.mark.parametrize("content", [None, b"", b"not a model", b"PK\x03\x04broken"])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_what_is_no_model_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"broken{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unsupported):
        load_model_file(path)


def changed(path, change):
    """A .keras file with its config.json changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def layer_config(config):
    """That of the layer behind the input."""
    return config["config"]["layers"][1]["config"]


HOSTILE = {
    "a program": ({"module": "subprocess", "class_name": "call", "config": {"args": "x"}}, "class 'call'"),
    "a builtin class": ({"module": "builtins", "class_name": "exec", "config": {}}, "class 'exec'"),
    "a builtin": ({"module": "builtins", "class_name": "function", "config": "eval"}, "function 'eval'"),
    "of another module": ({"module": "os", "class_name": "function", "config": "system"}, "function 'system'"),
    "a download": ({"module": "keras.utils", "class_name": "get_file", "config": {"fname": "x"}}, "class 'get_file'"),
    "a switch": (
        {"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization"},
        "which",
    ),
    "within keras": ({"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {}}, "'get_file'"),
    "another name": (
        {"module": "keras.layers", "class_name": "Dense", "registered_name": "os>system", "config": {}},
        "'os>system'",
    ),
    "no name": ({"module": "builtins", "class_name": "function", "config": ["eval"]}, "function"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_file_names_is_not_called(tmp_path, kind):
    hostile, told = HOSTILE[kind]
    plain().save(tmp_path / "model.keras")
    path = changed(tmp_path / "model.keras", lambda config: layer_config(config).update(activation={**hostile, "x": 1}))
    with pytest.raises(Unsupported) as refusal:
        load_model_file(path)
    assert "which is not known here" in str(refusal.value)
    assert told in str(refusal.value)


@pytest.mark.filterwarnings("ignore:.*HDF5 file.*")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_file_does_not_run(tmp_path, monkeypatch, suffix):
    """The negative control is the same file, trusted: its code runs."""
    mark = tmp_path / "mark"
    monkeypatch.setenv("MARK", str(mark))
    code = layers.Lambda(
        lambda x: (__import__("pathlib").Path(__import__("os").environ["MARK"]).touch(), x)[1], (3,), name="one"
    )
    path = tmp_path / f"model{suffix}"
    keras.Sequential([keras.Input((3,)), code]).save(path)
    mark.unlink(missing_ok=True)
    with pytest.raises(Unsupported, match="Python code in the file") as refusal:
        load_model_file(path)
    assert len(refusal.value.problems) == 1
    assert not mark.exists()
    load_model_file(path, trust_lambda=True)(np.zeros((1, 3), "float32"))
    assert mark.exists()


def test_functions_of_ones_own_are_listed_too(tmp_path):
    def mine(x):
        return x

    def others(x):
        return -x

    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, activation=mine), layers.Dense(2, activation=others)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(Unsupported) as refusal:
        load_model_file(tmp_path / "model.keras")
    assert len(refusal.value.problems) == 2
    source = tmp_path / "my_functions.py"
    source.write_text("def mine(x):\n    return x\n\n\ndef others(x):\n    return -x\n")
    load_model_file(tmp_path / "model.keras", custom=[source])


def test_files_that_a_model_names_are_not_read(tmp_path):
    lookup = layers.StringLookup(vocabulary=["a", "b"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), lookup])
    model.save(tmp_path / "model.keras")
    path = changed(tmp_path / "model.keras", lambda config: layer_config(config).update(vocabulary="/etc/hostname"))
    with pytest.raises(Unsupported, match="reads its vocabulary from the file '/etc/hostname'"):
        load_model_file(path)


def with_members(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return path


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b"[]", b"null", b"3", b'{"class_name": "Dense", "config": []}', b"\xff", b""],
    ids=["deep", "list", "null", "number", "config", "bytes", "empty"],
)
def test_descriptions_that_are_none_are_refused(tmp_path, content):
    for name in ("config_json", "metadata_json"):
        members = {"config_json": b"{}", "metadata_json": b"{}", name: content}
        with pytest.raises(Unsupported):
            load_model_file(with_members(tmp_path / "model.keras", **members))


def test_broken_and_oversized_members_are_refused(tmp_path, monkeypatch):
    path = with_members(tmp_path / "model.keras", config_json=b"{}" * 5000, metadata_json=b"{}")
    content = bytearray(path.read_bytes())
    content[content.index(b"config.json") + 20] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(Unsupported):
        load_model_file(path)
    monkeypatch.setattr("porting.keras_side.load.LARGEST_DESCRIPTION", 1000)
    with pytest.raises(Unsupported, match=r"its config\.json has 10000 bytes"):
        load_model_file(with_members(path, config_json=b" " * 10_000, metadata_json=b"{}"))


class Chain(keras.layers.Layer):
    """A layer as scripts define them: neither registered nor in a module."""

    def call(self, inputs):
        return inputs


Chain.__module__ = "__main__"


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_layer_without_its_class_is_named_and_the_way_out_works(tmp_path, name):
    given = keras.Input((4,))
    model = keras.Model(given, Chain(name="chain")(keras.layers.Dense(2)(given)))
    model.save(tmp_path / name)
    with pytest.raises(Unsupported) as refusal:
        load_model_file(tmp_path / name)
    (problem,) = refusal.value.problems
    assert "'Chain'" in problem.what
    assert problem.way_out == "name the Python file that defines it: custom=['my_layers.py']"
    source = tmp_path / "my_layers.py"
    source.write_text("import keras\nclass Chain(keras.layers.Layer):\n    def call(self, x): return x\n")
    loaded = load_model_file(tmp_path / name, custom=[source])
    x = np.ones((3, 4), "float32")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning")
@pytest.mark.parametrize(("name", "by_name"), [("model.keras", False), ("model.h5", False), ("model.h5", True)])
def test_a_lambda_as_an_activation_is_named_and_the_way_out_works(tmp_path, name, by_name):
    """Old files hold its name; since Keras 2.15 they hold its code, in words that Keras does not read."""
    path = tmp_path / name

    def network():
        stack = [keras.Input((4,)), keras.layers.Dense(3, activation=lambda x: keras.ops.relu(x) * 2, name="clip")]
        return keras.Sequential([*stack, keras.layers.Dense(2)])

    model = network()
    model.save(path)
    if by_name:
        with h5py.File(path, "r+") as file:
            described = json.loads(file.attrs["model_config"])
            described["config"]["layers"][1]["config"]["activation"] = "<lambda>"
            file.attrs["model_config"] = json.dumps(described)
    for trusted in (False, True):
        with pytest.raises(Unsupported) as refusal:
            load_model_file(path, trust_lambda=trusted)
        (problem,) = refusal.value.problems
        assert str(problem).startswith("Dense 'clip': has a lambda as its activation")
        assert ("custom_objects={'<lambda>': that function}" if by_name else "model.load_weights") in problem.way_out
    if by_name:
        given = {"<lambda>": lambda x: keras.ops.relu(x) * 2}
        again = keras.models.load_model(path, compile=False, custom_objects=given)
    else:
        again = network()
        again.load_weights(path)
    network_of_it = describe(again)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    found = porting.PortedNetwork(network_of_it, NumpyEngine(network_of_it)).predict(x)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
