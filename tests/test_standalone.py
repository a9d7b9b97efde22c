"""Standalone files: run by themselves, where porting cannot be imported, against the references they carry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import porting
from porting.archive import read_network
from tests.cases import all_cases
from tests.tampering import with_config

ROOT = Path(__file__).parent.parent
SAVED = ROOT / "saved_weights"
FOLDERS = sorted(path.parent for path in SAVED.glob("*/network.json"))
RECORDED = Path(os.environ.get("PORTING_RECORDED", ROOT / "out" / "recorded"))
CASES = all_cases()
# Every so many cases of a family; and not those that no engine takes.
STEP = 9
SAMPLE = [
    key
    for family in dict.fromkeys(key.split("/")[0] for key in CASES)
    for key in [one for one in CASES if one.startswith(f"{family}/") and "numpy" not in CASES[one].refused][::STEP]
]
# What no short function does exactly.
REFUSED = {
    "text/hashing_of_strings": "Hashing has no short form",
}
# Runs a file with nothing but numpy to be imported, and warnings as errors.
ALONE = """
import runpy, sys, warnings
class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("porting", "neoml", "keras", "tensorflow", "scipy", "click", "rich"):
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Guard())
warnings.simplefilter("error")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_alone(path: Path, *words: str, given: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(path), *words], input=given, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def rules_of(folder: Path) -> Path | None:
    rules = ROOT / "scripts" / f"{folder.name}_rules.py"
    return rules if rules.exists() else None


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_saved_networks_agree(folder: Path, tmp_path: Path) -> None:
    path = porting.standalone(folder, tmp_path, rules_of(folder))
    code, text = run_alone(path, "--check")
    assert code == 0, text
    assert "all agree" in text


@pytest.mark.parametrize("key", SAMPLE)
def test_recorded_cases_agree(key: str, tmp_path: Path) -> None:
    case = CASES[key]
    rules = None if case.rules is None else ROOT / case.rules
    folder = RECORDED / key.replace("/", "--")
    try:
        path = porting.standalone(folder, tmp_path, rules, tolerance=case.tolerance or 1e-5)
    except porting.Unsupported as error:
        assert key in REFUSED or "open" in str(error)
        return
    code, text = run_alone(path, "--check")
    assert code == 0, text


@pytest.mark.parametrize("name", ["filter", "sentiment", "tutorial"])
def test_a_changed_weight_is_found(name: str, tmp_path: Path) -> None:
    path = porting.standalone(SAVED / name, tmp_path)
    arrays = dict(np.load(path.with_suffix(".npz")))
    key = next(key for key in arrays if key.endswith("kernel"))
    arrays[key] = arrays[key] * np.float32(1.01)
    np.savez(path.with_suffix(".npz"), **arrays)
    code, text = run_alone(path, "--check")
    assert code == 1
    assert "DEPARTS" in text
    assert "NOT all agree" in text


def test_a_swapped_statement_is_found(tmp_path: Path) -> None:
    path = porting.standalone(SAVED / "filter", tmp_path)
    source = path.read_text()
    assert source.count("embedding.mean(axis=1)") == 1
    path.write_text(source.replace("embedding.mean(axis=1)", "embedding.max(axis=1)"))
    assert run_alone(path, "--check")[0] == 1


def test_no_references_are_no_pass(tmp_path: Path) -> None:
    path = porting.standalone(SAVED / "filter", tmp_path)
    arrays = dict(np.load(path.with_suffix(".npz")))
    weights = {name: array for name, array in arrays.items() if not name.startswith("reference ")}
    np.savez(path.with_suffix(".npz"), **weights)
    assert run_alone(path, "--check")[0] == 1


def test_texts_are_scored_as_porting_scores_them(tmp_path: Path) -> None:
    path = porting.standalone(SAVED / "filter", tmp_path)
    texts = ["An arcade game", "", "Größe, ÜBER\u00a0alles! 🎲", "a library for C++"]
    code, text = run_alone(path, "-", given="\n".join(texts) + "\n")
    assert code == 0, text
    wanted = porting.load(SAVED / "filter", engine="numpy").predict(texts)
    np.testing.assert_allclose([float(line) for line in text.split()], wanted.ravel(), atol=1e-6)


def test_arrays_are_predicted(tmp_path: Path) -> None:
    path = porting.standalone(SAVED / "sentiment", tmp_path)
    np.save(tmp_path / "ids.npy", np.array([[3, 4, 0], [1, 0, 0]]))
    code, text = run_alone(path, str(tmp_path / "ids.npy"))
    assert code == 0, text
    np.save(tmp_path / "ids.npy", np.array([[-1]]))
    assert "must hold ids from 0" in run_alone(path, str(tmp_path / "ids.npy"))[1]


def test_it_reads_like_the_network(tmp_path: Path) -> None:
    source = porting.standalone(SAVED / "filter", tmp_path).read_text()
    assert 'dense = np.maximum(global_average_pooling1d @ W["dense/kernel"] + W["dense/bias"], 0)' in source
    assert "# embedding: Embedding, batch × 100 × 40" in source
    assert "def lstm" not in source
    assert max(map(len, source.splitlines())) <= 130


def test_files_are_replaced_only_when_asked(tmp_path: Path) -> None:
    porting.standalone(SAVED / "filter", tmp_path)
    with pytest.raises(porting.BadArchive, match="exists"):
        porting.standalone(SAVED / "filter", tmp_path)
    porting.standalone(SAVED / "filter", tmp_path, overwrite=True)


def test_every_layer_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    from porting.archive import write_network

    network = with_config(read_network(SAVED / "filter"), "dense", brightness=3)
    network = with_config(network, "text_vectorization", split=None)
    folder = write_network(network, tmp_path / "odd")
    with pytest.raises(porting.Unsupported) as caught:
        porting.standalone(folder, tmp_path / "out")
    assert "brightness=3" in str(caught.value)
    assert "split=None" in str(caught.value)
    assert not (tmp_path / "out").exists()
