"""The C++ of stored nets, compiled against a stand-in of NeoML that takes nothing but the blobs NeoML is given here.

The stand-in's runs come from Python: what `as_blob` makes of Keras' inputs (of texts, what the front makes of them),
and Keras' outputs in the layouts of the sinks. So a program that agrees has read its references, looked words up,
filled every blob in its type, dimensions and order, and read the sinks as Keras shapes them.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import porting
from porting.cpp import write_program
from tests.cpp.building import HERE, compile_to
from tests.cpp.standin_runs import runs_of
from tests.recorded_cases import folder_of

EXAMPLES = HERE.parent.parent / "saved_weights"
# Ids and several outputs, pictures and a dict of outputs, two inputs, texts; then what else is done before the net.
NETS = ("tutorial", "digits", "seq2seq", "filter")
CASES = (
    "text/crossing",
    "text/hashing_of_strings",
    "text/integers",
    "text/numbers_in_bins",
    "text/text_beside_numbers",
    "text/tf_idf",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folders of written and compiled nets, with the runs that the stand-in knows, by the net's name."""

    @cache
    def write(name: str) -> Path:
        folder = tmp_path_factory.mktemp("net") / "out"
        source = folder_of(name) if "/" in name else EXAMPLES / name
        net = porting.load(source, engine="neoml").store(folder.with_name("net.neoml"))
        program = write_program(net, folder)
        assert program.batches > 0
        (folder / "runs").write_bytes(runs_of(net))
        compile_to(folder / "program", folder / "main.cpp")
        return folder

    return write


def run(folder: Path, *words: str, program: str = "program", runs: str = "runs") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STANDIN_RUNS": str(folder / runs)}
    return subprocess.run(
        [str(folder / program), *words], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


@pytest.mark.parametrize("name", [*NETS, *CASES])
def test_a_program_feeds_and_reads_every_blob_as_python_does(written: Any, name: str) -> None:
    result = run(written(name), "--check", str(written(name)))
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert result.stdout.endswith("0 depart: exact\n")


def test_a_program_shows_keras_numbers(written: Any) -> None:
    result = run(written("digits"), str(written("digits")))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[1::3]] == ["digit", "drawing", "code"]
    assert all(mine.split()[1:] == keras.split()[1:] for mine, keras in zip(lines[2::3], lines[3::3]))


def altered(folder: Path, old: str, new: str) -> Path:
    """The program compiled anew with something else in its header."""
    broken = folder.with_name("broken")
    shutil.copytree(folder, broken, dirs_exist_ok=True)
    header = next(broken.glob("*.h"))
    source = header.read_text()
    assert old in source
    header.write_text(source.replace(old, new, 1))
    compile_to(broken / "program", broken / "main.cpp")
    return broken


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("tutorial", '"ids", "BL"', '"ids", "LB"'),
        ("tutorial", '"dense:0", "BLC"', '"dense:0", "LBC"'),
        ("digits", '"images", "BHWC"', '"images", "BWHC"'),
    ],
)
def test_a_wrong_dimension_is_found(written: Any, name: str, old: str, new: str) -> None:
    broken = altered(written(name), old, new)
    result = run(broken, "--check", str(broken))
    assert result.returncode == 1
    assert "no recorded run" in result.stderr or "DEPARTS" in result.stdout


def test_other_numbers_than_keras_depart(written: Any) -> None:
    folder = written("tutorial")
    runs = (folder / "runs").read_bytes()
    at = runs.index(b"dense:0") + len(b"dense:0") + 4 + 7 * 4
    (value,) = struct.unpack_from("<f", runs, at)
    (folder / "moved").write_bytes(runs[:at] + struct.pack("<f", value + 1e-3) + runs[at + 4 :])
    result = run(folder, "--check", str(folder), runs="moved")
    assert result.returncode == 1
    assert "dense DEPARTS, largest difference 0.00" in result.stdout
    assert result.stdout.endswith("1 depart: NOT exact\n")


@pytest.mark.parametrize("file", ["tutorial.neoml", "tutorial.references"])
def test_files_that_are_not_those_written_are_refused(written: Any, tmp_path: Path, file: str) -> None:
    folder = written("tutorial")
    for name in ("tutorial.neoml", "tutorial.references"):
        data = bytearray((folder / name).read_bytes())
        data[30] ^= name == file
        (tmp_path / name).write_bytes(data)
    result = run(folder, "--check", str(tmp_path))
    assert result.returncode == 3
    assert file in result.stderr
    (tmp_path / file).unlink()
    assert run(folder, "--check", str(tmp_path)).returncode == 3


def test_wrong_words_are_a_usage_error(written: Any) -> None:
    for words in (["--chekc"], ["a", "b"], ["--check", "a", "b"]):
        result = run(written("tutorial"), *words)
        assert (result.returncode, result.stderr) == (2, "usage: tutorial [--check] [FOLDER]\n")


REFUSALS = [
    "input 'ids' has shape (2, 3, 1), needs (any, any)",
    "input 'ids' has shape (2, 0): every size must be at least 1, and NeoML counts elements in 31 bits",
    "input 'ids' has shape (65536, 65536): every size must be at least 1, and NeoML counts elements in 31 bits",
    "input 'ids' has shape (2, 3), which is not that of its 5 values",
    "input 'ids' holds id 5, outside 0 ... 4",
    "input 'ids' holds id -1, outside 0 ... 4",
    "NeoML cannot run the network on these inputs: stand-in: no recorded run was given these blobs: "
    "ids int 1 3 1 1 1 1 1; ",
    "runs after a refusal",
    "input 'images' holds nan: give finite numbers",
    "input 'images' has shape (1, 8, 9, 1), needs (any, 8, 8, 1)",
    "input 'source' has shape (1), needs (any, any); input 'target' holds id 1000, outside 0 ... 29",
    "inputs have different numbers of rows: source: 2, target: 3",
]


def test_inputs_are_refused_as_in_python(written: Any, tmp_path: Path) -> None:
    folders = [written(name) for name in ("tutorial", "digits", "seq2seq")]
    program = compile_to(tmp_path / "refusals", HERE / "refusals.cpp", *folders)
    result = subprocess.run([str(program), *map(str, folders)], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == REFUSALS


@pytest.mark.parametrize(
    "how",
    [
        "stores",
        "reads first",
        "feeds nothing",
        "takes a source for a sink",
        "knows another layer",
        "has no steps",
        "has eight dimensions",
        "copies floats into ints",
        "runs after a refusal",
    ],
)
def test_the_stand_in_notices_misuse(written: Any, misuses: Path, how: str) -> None:
    folder = written("tutorial")
    result = subprocess.run(
        [str(misuses), how, str(folder / "tutorial.neoml")],
        capture_output=True,
        text=True,
        env={**os.environ, "STANDIN_RUNS": str(folder / "runs")},
        check=False,
    )
    assert result.returncode == 0
    assert result.stdout.startswith("stand-in: ")


def test_the_stand_in_counts_objects(misuses: Path) -> None:
    result = subprocess.run([str(misuses), "frees nothing", ""], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (97, "stand-in: 1 objects were never freed\n")


@pytest.fixture(scope="module")
def misuses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_to(tmp_path_factory.mktemp("misuses") / "misuses", HERE / "misuses.cpp")
