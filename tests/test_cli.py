"""The command line: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from porting.archive import read_network, write_network
from porting.cli.commands import porting
from porting.network import Network
from porting.ported import with_references
from tests.tampering import with_config, with_weight

FOLDER = Path(__file__).parent.parent / "saved_weights" / "tutorial"


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(porting, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def saved(network: Network, folder: Path) -> Path:
    return write_network(network, folder)


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_check_says_exact(engine: str, tmp_path: Path) -> None:
    code, text = run("check", FOLDER, "--engine", engine, "--json", tmp_path / "report.json")
    assert code == 0
    assert "exact" in text
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["ok"] is True
    assert [layer["status"] for layer in report["layers"]] == ["exact"] * 3


def test_check_writes_a_page(tmp_path: Path) -> None:
    code, _ = run("check", FOLDER, "--engine", "numpy", "--html", tmp_path / "report.html")
    assert code == 0
    assert "exact: 3 of 3 layers proved" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_check_strict_exits_4_where_not_everything_is_proved(tmp_path: Path) -> None:
    """The references of a network whose tanh is saturated say nothing of its kernel."""
    assert run("check", FOLDER, "--engine", "numpy", "--strict")[0] == 0
    network = with_weight(read_network(FOLDER), "dense", "bias", lambda bias: bias + 1e3)
    still = saved(with_references(network), tmp_path / "still")
    code, text = run("check", still, "--engine", "numpy", "--json", tmp_path / "report.json")
    assert code == 0
    assert "1 of 3 layers proved" in text
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["ok"], report["proved"], report["counts"]["proved"]) == (True, False, 1)
    assert run("check", still, "--engine", "numpy", "--strict")[0] == 4


def test_check_of_a_wrong_port_exits_1(tmp_path: Path) -> None:
    network = read_network(FOLDER)
    wrong = with_weight(network, "dense", "kernel", lambda kernel: kernel * 1.01)
    code, text = run("check", saved(wrong, tmp_path / "wrong"), "--engine", "numpy")
    assert code == 1
    assert "first at Dense 'dense'" in text


def test_unsupported_exits_2_with_every_problem(tmp_path: Path) -> None:
    network = with_config(read_network(FOLDER), "dense", brightness=3)
    network = with_config(network, "embedding", colour="red")
    folder = saved(network, tmp_path / "odd")
    for words in (("plan", folder), ("check", folder, "--engine", "numpy"), ("check", folder, "--engine", "neoml")):
        code, text = run(*words)
        assert code == 2
        assert "brightness=3" in text
        assert "colour='red'" in text


def test_a_damaged_folder_exits_3(tmp_path: Path) -> None:
    folder = saved(read_network(FOLDER), tmp_path / "damaged")
    weights = bytearray((folder / "weights.npz").read_bytes())
    weights[len(weights) // 2] ^= 1
    (folder / "weights.npz").write_bytes(bytes(weights))
    code, text = run("check", folder)
    assert code == 3
    assert "weights.npz" in text


def test_plan_shows_what_each_layer_becomes() -> None:
    code, text = run("plan", FOLDER)
    assert code == 0
    assert "MultichannelLookup" in text
    assert "Lstm" in text
    assert "no input has padding that is masked" in text


def test_build_and_predict(tmp_path: Path) -> None:
    net = tmp_path / "tutorial.neoml"
    assert run("build", FOLDER, "--out", net)[0] == 0
    assert run("build", FOLDER, "--out", net)[0] == 3
    np.save(tmp_path / "ids.npy", np.array([[0, 1], [2, 3]]))
    code, text = run("predict", net, tmp_path / "ids.npy", "--out", tmp_path / "out.npz")
    assert code == 0, text
    with np.load(tmp_path / "out.npz") as outputs:
        assert outputs["dense:0"].shape == (2, 2, 2)
    code, text = run("predict", FOLDER, tmp_path / "ids.npy", "--engine", "numpy", "--layers")
    assert code == 0
    assert "embedding:0" in text


def test_predict_names_bad_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.array([[9]]))
    code, text = run("predict", FOLDER, tmp_path / "ids.npy")
    assert code == 1
    assert "id 9, outside 0 … 4" in text
    (tmp_path / "no.npy").write_text("nothing")
    assert run("predict", FOLDER, tmp_path / "no.npy")[0] == 1


@pytest.mark.parametrize("command", ["save", "plan", "build", "check", "predict", "tune", "layers"])
def test_every_command_has_help(command: str) -> None:
    code, text = run(command, "--help")
    assert code == 0
    assert "Usage" in text


def test_layers_lists_the_rules() -> None:
    code, text = run("layers", "--markdown")
    assert code == 0
    assert "| LSTM | exact |" in text
