"""Model files: what is loaded, and what is not without being asked."""

import json
import sys
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from porting import Unsupported
from porting.keras_side.load import load_model_file
from porting.keras_side.save import describe

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


def test_lambdas_are_not_run_unless_trusted(tmp_path):
    lambdas = [layers.Lambda(lambda x: x, name="one"), layers.Lambda(lambda x: -x, name="two")]
    model = keras.Sequential([keras.Input((3,)), *lambdas])
    model.save(tmp_path / "model.keras")
    with pytest.raises(Unsupported) as refusal:
        load_model_file(tmp_path / "model.keras")
    assert "'one'" in str(refusal.value)
    assert "'two'" in str(refusal.value)
    with pytest.raises(Unsupported, match="Python code that no file can describe"):
        describe(load_model_file(tmp_path / "model.keras", trust_lambda=True))


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
    assert "--custom" in str(refusal.value)
    loaded = load_model_file(tmp_path / "model.keras", custom=[source])
    assert [layer.class_name for layer in describe(loaded).layers.values()] == ["Twice", "Thrice", "Dense"]
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
