"""``porting tune``: from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import porting
from tests.command_line import run

TUTORIAL = Path(__file__).parents[2] / "saved_weights" / "tutorial"
LOSSES = ("--loss", "dense=mse", "--loss", "bidirectional=mae")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 5, (24, 6)).astype(np.int32)
    path = tmp_path / "data.npz"
    target = np.full((24, 6, 2), 0.5, np.float32)
    np.savez(path, ids=ids, dense=target, bidirectional=np.zeros((24, 6, 6), np.float32))
    return path


def test_tune_writes_a_network_that_is_better_and_sound(data: Path, tmp_path: Path) -> None:
    out, history = tmp_path / "tuned", tmp_path / "history.json"
    words = ["tune", TUTORIAL, data, "--out", out, *LOSSES, "--loss-weight", "dense=2", "--loss-weight"]
    words += ["bidirectional=0.5", "--epochs", 4, "--learning-rate", 0.05, "--validation-split", 0.25]
    words += ["--freeze", "embedding", "--rate", "dense/bias=0", "--history", history, "--batch-size", 6]
    code, text = run(*words)
    assert code == 0, text
    assert "before" in text
    losses = json.loads(history.read_text())["val_loss"]
    assert losses[-1] < 0.7 * losses[0]
    before, after = porting.load(TUTORIAL).weights(), porting.load(out).weights()
    stayed = {name for name in before if (before[name] == after[name]).all()}
    assert stayed == {"embedding/embeddings", "dense/bias"}
    assert porting.check(out).ok
    assert run(*words)[0] == 3


def test_tune_goes_on_from_a_checkpoint(data: Path, tmp_path: Path) -> None:
    start = ["tune", TUTORIAL, data, *LOSSES, "--overwrite", "--patience", 9]
    checkpoint = ["--checkpoint", tmp_path / "state"]
    assert run(*start, "--out", tmp_path / "whole", "--epochs", 3)[0] == 0
    assert run(*start, "--out", tmp_path / "parts", "--epochs", 1, *checkpoint)[0] == 0
    assert run(*start, "--out", tmp_path / "parts", "--epochs", 3, *checkpoint)[0] == 0
    whole, parts = (porting.load(tmp_path / name).weights() for name in ("whole", "parts"))
    assert all((whole[name] == parts[name]).all() for name in whole)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--loss", "mse", "--freeze", "nothing"), 2, "fits no layer"),
        (("--loss", "mes"), 2, "is not known"),
        (("--loss", "mse", "--rate", "dense=fast"), 2, "is not a number"),
        (("--loss", "mse", "--rate", "0.1"), 2, "NAME=VALUE"),
        (("--loss", "mse", "--optimizer", "admn"), 2, "admn"),
        (("--loss", "other=mse"), 2, "no such output"),
        (("--loss", "mse", "--learning-rate", "nan"), 2, "learning_rate"),
        (("--loss", "mse", "--rate", "dense=-1"), 2, "learning_rates"),
        (("--loss", "mse", "--seed", "-1"), 2, "seed"),
        (("--loss", "mse", "--loss-weight", "dense=inf"), 2, "loss_weights"),
        (("--loss", "mse", "--validation-split", "nan"), 2, "--validation-split"),
        (("--loss", "mse", "--validation-split", "0.99"), 1, "leaves a part empty"),
        ((*LOSSES, "--checkpoint", TUTORIAL), 2, "is a folder"),
        ((*LOSSES, "--checkpoint", TUTORIAL / "network.json"), 3, "not a sound checkpoint"),
    ],
)
def test_wrong_words_are_refused(data: Path, tmp_path: Path, words: tuple[str, ...], code: int, says: str) -> None:
    found, text = run("tune", TUTORIAL, data, "--out", tmp_path / "tuned", *words)
    assert found == code
    assert says in text
    assert not (tmp_path / "tuned").exists()


def test_a_history_that_cannot_be_written_does_not_cost_the_weights(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned"
    code, text = run("tune", TUTORIAL, data, "--out", out, *LOSSES, "--history", "/dev/full")
    assert code == 3, text
    assert "cannot be written" in text
    assert porting.check(out).ok


def test_arrays_that_fit_nothing_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, idz=np.zeros((2, 2), np.int32), dence=np.zeros(2))
    code, text = run("tune", TUTORIAL, path, "--out", tmp_path / "tuned", "--loss", "mse")
    assert code == 1
    assert "'idz'" in text
    assert "'dence'" in text
    assert "labels" in text
