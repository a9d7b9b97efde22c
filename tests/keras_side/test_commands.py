"""The commands that need Keras, on files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from porting.archive import read_network, write_network
from porting.cli.commands import porting


@pytest.fixture
def model(tmp_path: Path) -> Path:
    keras.utils.set_random_seed(3)
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="dense")], name="small")
    made.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(porting, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_save_keeps_metadata_and_restore_brings_weights_back(model: Path, tmp_path: Path) -> None:
    (tmp_path / "told.json").write_text('{"title": "Small", "labels": ["a", "b"]}')
    code, text = run("save", model, tmp_path / "net", "--no-noise", "--metadata", tmp_path / "told.json")
    assert code == 0, text
    assert "saved small: 1 layer" in text
    network = read_network(tmp_path / "net")
    assert network.metadata == {"title": "Small", "labels": ["a", "b"]}
    doubled = {name: 2 * array for name, array in network.weights().items()}
    write_network(network.with_weights(doubled), tmp_path / "tuned")
    out = tmp_path / "tuned.keras"
    assert run("restore", tmp_path / "tuned", model, "--out", out)[0] == 0
    np.testing.assert_array_equal(keras.models.load_model(out).get_weights()[0], doubled["dense/kernel"])
    assert run("restore", tmp_path / "tuned", model, "--out", out)[0] == 3
    assert run("restore", tmp_path / "tuned", model, "--out", tmp_path / "tuned.bin")[0] == 2


@pytest.mark.parametrize(
    ("text", "says"), [("{", "is not JSON"), ("[]", "metadata: is a list"), ('{"labels": 1}', "metadata 'labels'")]
)
def test_metadata_that_is_none_is_refused(model: Path, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "told.json").write_text(text)
    code, told = run("save", model, tmp_path / "net", "--metadata", tmp_path / "told.json")
    assert code == 2
    assert says in told
    assert not (tmp_path / "net").exists()


def test_wrong_files_and_code_are_told(model: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("")
    code, text = run("save", tmp_path / "docs", tmp_path / "net")
    assert code == 2
    assert "is a folder without saved_model.pb" in text
    keras.models.load_model(model).save_weights(tmp_path / "only.weights.h5")
    code, text = run("save", tmp_path / "only.weights.h5", tmp_path / "net")
    assert code == 2
    assert "holds weights alone" in text
    (tmp_path / "own.py").write_text("import keras\n\nraise RuntimeError('not today')\n")
    code, text = run("save", model, tmp_path / "net", "--custom", tmp_path / "own.py")
    assert code == 2
    assert "own.py, line 3: RuntimeError: not today" in text


def test_nothing_is_written_to_standard_error(model: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "porting", "save", str(model), str(tmp_path / "net"), "--no-noise"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "net" / "network.json").read_text())["name"] == "small"
