"""The command line: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from porting import load
from porting.archive import read_network, write_network
from porting.cli import console, saving
from porting.cli.commands import porting
from porting.cli.wrong_calls import as_options
from porting.errors import Mismatch, Problem, Unsupported
from porting.network import Network
from porting.ported import with_references
from tests.command_line import run
from tests.recorded_cases import folder_of
from tests.tampering import with_config, with_weight

FOLDER = Path(__file__).parents[2] / "saved_weights" / "tutorial"


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


def test_check_prints_json_alone() -> None:
    code, text = run("check", FOLDER, "--engine", "numpy", "--json", "-")
    assert code == 0
    assert json.loads(text)["ok"] is True


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
    code, text = run("check", still, "--engine", "numpy", "--strict")
    assert code == 4
    assert "exit code 4" in text


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


def test_plan_shows_an_unfolded_layer_above_what_its_code_does() -> None:
    code, text = run("plan", folder_of("unfolded/transformer"))
    lines = text.splitlines()
    (at,) = [place for place, line in enumerate(lines) if line.split()[:2] == ["transformer_block", "TransformerBlock"]]
    assert code == 0
    assert "unfolded:" in lines[at]
    assert lines[at + 1].split()[:2] == ["transformer_block/att", "MultiHeadAttention"]


def test_plan_shows_what_runs_before_neoml() -> None:
    code, text = run("plan", FOLDER.with_name("filter"))
    assert code == 0
    assert re.search(r"text_vectorization +TextVectorization +runs before NeoML", text)
    assert re.search(r"embedding .* MultichannelLookup", text)


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


@pytest.mark.parametrize("command", sorted(porting.commands))
def test_every_command_has_help(command: str) -> None:
    code, text = run(command, "--help")
    assert code == 0
    assert "Usage" in text


def test_layers_lists_the_rules() -> None:
    code, text = run("layers", "--markdown")
    assert code == 0
    assert "| LSTM | exact |" in text


def test_a_typo_is_asked_about() -> None:
    code, text = run("chek", FOLDER)
    assert code == 2
    assert "there is no command 'chek'. Did you mean 'check'?" in text
    assert "The commands are build, check" in run("xyzzy")[1]
    code, text = run("layers", "lsmt")
    assert code == 2
    assert "Did you mean 'LSTM'?" in text
    with pytest.raises(Unsupported, match="did you mean 'numpy'"):
        load(FOLDER, engine="nunpy")  # type: ignore[arg-type]


def test_layers_shows_those_that_are_named() -> None:
    code, text = run("layers", "gru", "conv1d")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()[1:]] == [
        "Conv1D", "Conv1DTranspose", "DepthwiseConv1D", "SeparableConv1D", "GRU", "GRUCell"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("check", "{model}"), 3, "is a Keras model (.keras), not a saved network"),
        (("check", "{h5}"), 3, "is a Keras model (.h5)"),
        (("check", "{weights}"), 3, "is a file of Keras' weights"),
        (("predict", "{text}", "{ids}"), 3, "there is no description words.txt.json beside it"),
        (("check", "{docs}"), 3, "a folder without network.json"),
        (("info", "{docs}"), 3, "a folder without network.json"),
        (("plan", FOLDER.parent), 3, "holds saved networks and is none itself"),
        (("check", FOLDER / "network.json"), 3, f"give their folder: {FOLDER}"),
        (("predict", FOLDER, "{model}"), 1, "holds no arrays"),
        (("check", FOLDER, "--engine", "nmpy"), 2, "'nmpy'"),
        (("check", FOLDER, "--tolerance", "nan"), 2, "is not a finite number"),
        (("check", FOLDER, "--tolerance", "inf"), 2, "is not a finite number"),
        (("standalone", FOLDER, "{docs}/out", "--tolerance", "nan"), 2, "is not a finite number"),
        (("check", FOLDER, "--json", "{docs}/none/report.json"), 2, "create it first"),
        (("cpp", FOLDER, "{docs}/out"), 2, f"porting build {FOLDER} --out tutorial.neoml"),
        (("plan", "{text}"), 3, "is a file, not a saved network's folder"),
        (("check", FOLDER, "--html", "{docs}"), 2, "is a folder; name a file in it"),
        (("predict", FOLDER, "{ids}", "--out", "/proc/out.npz"), 2, "cannot be written to"),
        (("predict", FOLDER, "{ids}", "--out", "{docs}/out"), 2, "--out of arrays ends in .npz"),
        (("build", FOLDER, "--out", "{docs}/none/net"), 2, "create it first"),
        (("build", FOLDER, "--out", "{docs}/net", "--shape", "wide"), 2, "'wide' is not a shape"),
        (("check", FOLDER, "--rules", "{broken}"), 2, "line 2: NameError: name 'nothing' is not defined"),
        (("check", FOLDER, "--rules", "{text}"), 2, "SyntaxError"),
        (("predict", FOLDER, "{ids}", "--device", "tpu"), 2, "device 'tpu'"),
        (("save", "{model}", FOLDER), 3, "choose another name, or --overwrite"),
        (("port", "{model}", FOLDER), 3, "choose another name, or --overwrite"),
    ],
)
def test_wrong_calls_end_in_a_sentence(
    strange: dict[str, Path], words: tuple[object, ...], code: int, says: str
) -> None:
    found, text = run(*(str(word).format(**strange) for word in words))
    assert found == code, text
    assert says in text


@pytest.fixture
def strange(tmp_path: Path) -> dict[str, Path]:
    """Files and folders that are not what a command takes."""
    docs = tmp_path / "docs"
    docs.mkdir()
    files = {"model": "m.keras", "h5": "m.h5", "weights": "m.weights.h5", "text": "words.txt", "broken": "rules.py"}
    made = {name: docs / file for name, file in files.items()}
    with zipfile.ZipFile(made["model"], "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
    for name in ("h5", "weights"):
        made[name].write_bytes(b"\x89HDF\r\n\x1a\n")
    made["text"].write_text("just words\n")
    made["broken"].write_text("import porting\nnothing\n")
    np.save(docs / "ids.npy", np.array([[0, 1]]))
    return {**made, "docs": docs, "ids": docs / "ids.npy"}


def test_predict_never_overwrites_silently(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.array([[0, 1]]))
    words = ("predict", FOLDER, tmp_path / "ids.npy", "--engine", "numpy", "--out", tmp_path / "out.npz")
    (tmp_path / "out.npz").write_text("mine")
    code, text = run(*words)
    assert code == 3
    assert "exists" in text
    assert "--overwrite" in text
    assert (tmp_path / "out.npz").read_text() == "mine"
    assert run(*words, "--overwrite")[0] == 0
    with np.load(tmp_path / "out.npz") as outputs:
        assert len(outputs.files) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.npy", "out.npz"]


def test_info_tells_what_a_folder_and_a_net_are(tmp_path: Path) -> None:
    told = {"title": "Tutorial", "authors": ["A", "B"], "notes": "one\ntwo", "size": {"x": 1}}
    folder = saved(replace(read_network(FOLDER), metadata=told), tmp_path / "told")
    assert run("build", folder, "--out", tmp_path / "net")[0] == 0
    for path in (folder, tmp_path / "net"):
        code, text = run("info", path)
        assert code == 0, text
        lines = [line.split(maxsplit=1) for line in text.splitlines()]
        for line in (["title", "Tutorial"], ["authors", "A, B"], ["notes", "one"], ["two"], ["size", '{"x": 1}']):
            assert line in lines
        assert ["layers", "Embedding, Dense, Bidirectional"] in lines
        assert "ids int32[None, None]" in text
    assert load(tmp_path / "net").network.metadata == told
    (folder / "weights.npz").write_bytes(b"")
    assert run("info", folder)[0] == 3


def test_what_lies_beside_the_files_is_noted(tmp_path: Path) -> None:
    folder = saved(read_network(FOLDER), tmp_path / "hub")
    (folder / "README.md").write_text("---\n")
    (folder / ".gitattributes").write_text("")
    code, text = run("check", folder, "--engine", "numpy")
    assert code == 0
    assert f"note: {folder}: not part of the saved network, and ignored: .gitattributes, README.md" in text


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("porting.load", stopped)
    code, text = run("check", FOLDER)
    assert code == 130
    assert "stopped by Ctrl-C" in text


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("columns", ["60", "200"])
def test_pipes_are_plain_in_every_encoding(encoding: str, columns: str) -> None:
    words = [sys.executable, "-m", "porting", "check", str(FOLDER), "--engine", "numpy"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": columns}
    done = subprocess.run(words, capture_output=True, env=environment, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    lines = done.stdout.decode(encoding).splitlines()
    assert len(lines) == 7
    assert [line.split()[0] for line in lines[2:6]] == ["layer", "embedding", "dense", "bidirectional"]


@pytest.mark.parametrize(("width", "lines"), [(60, 8), (200, 6)])
def test_a_terminal_shows_tables_that_fit(
    width: int, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    columns, cells = ("layer", "class", "what it becomes", "verdict"), ("[dense]", "Dense", "x" * 30, "exact")
    console.show_table(columns, [cells, cells], styles=["green", "green"])
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == lines
    assert all(len(line) <= width for line in shown.splitlines())
    assert all(shown.count(cell) == 2 for cell in cells)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_output_is_no_error(closed: str) -> None:
    command = f"{sys.executable} -m porting info {FOLDER} {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_words_that_an_encoding_lacks_are_written_otherwise() -> None:
    console.speak_any_encoding()
    assert "|a − b| ≤ t → t…".encode("ascii", "porting") == b"|a - b| <= t -> t..."
    assert "з".encode("cp1252", "porting") == b"\\u0437"


def test_hints_are_options_of_the_command() -> None:
    hint = "pass overwrite=True, engine='numpy', noise=False, whole=['A', 'B'], shape=(64, 64, 3), other=1"
    error = as_options(Mismatch(Problem("x", "overwrite=True", hint)), porting.commands.values())
    assert error.problems[0].what == "overwrite=True"
    assert error.problems[0].way_out == (
        "pass --overwrite, --engine numpy, --no-noise, --whole A --whole B, --shape 64,64,3, other=1"
    )


def test_calls_in_hints_are_commands() -> None:
    hint = "save(…, whole=['A'], noise=False), or porting.load(folder, engine='numpy'), or model.save(whole=True)"
    (problem,) = as_options(Mismatch(Problem("x", "y", hint)), porting.commands.values()).problems
    assert problem.way_out == (
        "porting save … --whole A --no-noise, or porting.load(folder, --engine numpy), or model.save(--whole True)"
    )


def test_port_says_what_to_run_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.keras").write_text("")
    monkeypatch.setattr(saving, "find_spec", lambda name: None)
    code, text = run("port", tmp_path / "m.keras", tmp_path / "net", "--out", tmp_path / "net.neoml")
    assert code == 2
    assert "Keras and NeoML are not in this environment" in text
    assert f"porting save {tmp_path / 'm.keras'} {tmp_path / 'net'}" in text
    assert f"porting build {tmp_path / 'net'} --out {tmp_path / 'net.neoml'}" in text


@pytest.mark.parametrize("wrong", [False, True])
def test_port_saves_checks_and_stores(wrong: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Keras does is done in advance; `tests/keras_side/test_commands.py` does it."""

    def save(model: Path, folder: Path, options: object) -> str:
        network = read_network(FOLDER)
        saved(with_weight(network, "dense", "kernel", lambda kernel: kernel * (1.01 if wrong else 1)), folder)
        return "saved"

    monkeypatch.setattr(saving, "find_spec", lambda name: True)
    monkeypatch.setattr(saving, "import_keras", lambda command: None)
    monkeypatch.setattr(saving, "saved", save)
    (tmp_path / "m.keras").write_text("")
    words = ("port", tmp_path / "m.keras", tmp_path / "net", "--out", tmp_path / "net.neoml", "--json")
    code, text = run(*words, tmp_path / "report.json")
    assert code == (1 if wrong else 0), text
    assert (tmp_path / "net.neoml").exists() != wrong
    assert json.loads((tmp_path / "report.json").read_text())["ok"] != wrong
    assert ("not stored: DEPARTS" in text) == wrong
    assert [line[:3] for line in text.splitlines() if line[1:3] == "/3"] == ["1/3", "2/3", "3/3"][: 2 if wrong else 3]
