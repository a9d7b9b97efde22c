"""Model files under Keras 2: a SavedModel is a program, and a graph may call any TensorFlow function."""

import json
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

import porting
from porting import Unsupported
from porting.keras_side.load import load_model_file


def model():
    given = keras.Input((3,))
    return keras.Model(given, keras.layers.Dense(2)(given * 2.0))


def test_saved_models_are_not_loaded_unless_trusted(tmp_path):
    saved = model()
    saved.save(tmp_path / "model", save_format="tf")
    with pytest.raises(Unsupported, match="is a SavedModel: a TensorFlow program"):
        load_model_file(tmp_path / "model")
    loaded = load_model_file(tmp_path / "model", trust_lambda=True)
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), saved.predict(x, verbose=0))


def test_only_functions_that_have_a_rule_are_called(tmp_path):
    path = tmp_path / "model.keras"
    model().save(path)
    load_model_file(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    (call,) = (one for one in config["config"]["layers"] if one["class_name"] == "TFOpLambda")
    call["config"]["function"] = "io.write_file"
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(Unsupported, match=r"calls the TensorFlow function 'io\.write_file'"):
        load_model_file(path)
    assert hasattr(tf.io, "write_file")


@pytest.mark.filterwarnings("ignore:.*HDF5 file.*")
def test_an_h5_file_is_saved_with_keras_2s_meaning(tmp_path):
    """The way out that Keras 3 names for such a file, where it would take hard_sigmoid for another function."""
    given = keras.Input((4,))
    model = keras.Model(given, keras.layers.Dense(3, activation="hard_sigmoid", name="hard")(given))
    model.save(tmp_path / "model.h5")
    network = porting.save(load_model_file(tmp_path / "model.h5"), tmp_path / "net")
    assert network.layers["hard"].config["activation"] == "keras2>hard_sigmoid"
    x = np.linspace(-4, 4, 12, dtype="float32").reshape(3, 4)
    found = porting.load(tmp_path / "net", engine="numpy").predict(x)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-5)


def test_a_checkpoint_goes_the_way_that_its_refusal_names(tmp_path):
    written = model()
    prefix = str(tmp_path / "ck")
    written.save_weights(prefix)
    with pytest.raises(Unsupported) as refusal:
        load_model_file(f"{prefix}.index")
    (problem,) = refusal.value.problems
    assert f"model.load_weights({prefix!r})" in problem.way_out
    again = model()
    again.load_weights(prefix).assert_consumed()
    porting.save(again, tmp_path / "net")
    x = np.ones((2, 3), "float32")
    found = porting.load(tmp_path / "net", engine="numpy").predict(x)
    np.testing.assert_allclose(found, written.predict(x, verbose=0), rtol=1e-5)
