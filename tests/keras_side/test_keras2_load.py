"""Model files under Keras 2: a SavedModel is a program, and a graph may call any TensorFlow function."""

import json
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

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
