"""What `porting cpp` writes, and what it refuses; no compiler is needed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import porting
from porting.cli.commands import porting as command_line
from porting.cpp import write_program
from porting.cpp.names import Names, identifier, literal, number
from porting.cpp.preprocessing import CppTensor, Preprocessing
from porting.cpp.writing import Header
from porting.errors import BadArchive, Unsupported
from porting.neoml_side.stored.description import read_description
from porting.network import Call, Input, Layer, TensorRef
from tests.recorded_cases import folder_of

GOLDEN = Path(__file__).parent.parent / "golden"
WORDS = {"vocabulary": np.array(["a"], object)}
NET = GOLDEN / "stored-v4" / "tutorial.neoml"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("dense_1", "dense_1"),
        ("encoder/dense@2", "encoder_dense_2"),
        ("class", "class_"),
        ("linux", "linux_"),
        ("Inputs", "Inputs_"),
        ("NAN", "NAN_"),
        ("2d", "x_2d"),
        ("Größe", "Gr_e"),
        ("__a__b", "a_b"),
        ("…", "x"),
    ],
)
def test_names_of_keras_become_identifiers(name: str, wanted: str) -> None:
    assert identifier(name) == wanted


def test_no_two_names_are_one() -> None:
    names = Names()
    assert [names.new(name) for name in ("a b", "a/b", "a_b_2", "a.b")] == ["a_b", "a_b_2", "a_b_2_2", "a_b_3"]


def test_literals_hold_every_byte() -> None:
    assert literal('a"b\\c?\n0ü') == r'"a\042b\134c\077\0120\303\274"'
    assert literal(b"\x00\xff") == r'"\000\377"'
    assert [number(one, "float") for one in (1, 0.1, 1e30)] == ["1.0f", "0.1f", "1e+30f"]
    for one in np.random.default_rng(0).normal(size=200) * 1e5:
        assert np.float32(number(float(np.float32(one)), "float")[:-1]) == np.float32(one)
        assert float(number(one, "double")) == one
    with pytest.raises(ValueError, match="inf"):
        number(float("inf"), "float")


@pytest.mark.parametrize("version", ["stored-v4", "stored-v5"])
def test_the_command_writes_a_folder(tmp_path: Path, version: str) -> None:
    result = CliRunner().invoke(command_line, ["cpp", str(GOLDEN / version / NET.name), str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "compares 5 batches" in " ".join(result.output.split())
    names = ["CMakeLists.txt", "main.cpp", "tutorial.h", "tutorial.neoml", "tutorial.references"]
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == names
    assert (tmp_path / "out" / "tutorial.neoml").read_bytes() == (GOLDEN / version / NET.name).read_bytes()
    assert "@" not in (tmp_path / "out" / "CMakeLists.txt").read_text()


def test_nothing_is_overwritten_by_itself(tmp_path: Path) -> None:
    (tmp_path / "main.cpp").write_text("mine")
    result = CliRunner().invoke(command_line, ["cpp", str(NET), str(tmp_path)])
    assert result.exit_code == 3
    assert "main.cpp: exists" in result.output
    assert [one.name for one in tmp_path.iterdir()] == ["main.cpp"]
    assert CliRunner().invoke(command_line, ["cpp", str(NET), str(tmp_path), "--overwrite"]).exit_code == 0
    assert (tmp_path / "main.cpp").read_text() != "mine"


def test_a_target_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadArchive, match="cannot be written"):
        write_program(NET, tmp_path / "file" / "out")


def test_a_damaged_archive_is_not_passed_on(tmp_path: Path) -> None:
    for file in NET.parent.iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    data = bytearray(NET.read_bytes())
    data[-1] ^= 1
    (tmp_path / NET.name).write_bytes(data)
    with pytest.raises(BadArchive, match="sha256 differs"):
        write_program(tmp_path / NET.name, tmp_path / "out")


def test_a_net_without_its_network_has_no_references(tmp_path: Path) -> None:
    for name in (NET.name, f"{NET.name}.json"):
        shutil.copyfile(NET.with_name(name), tmp_path / name)
    result = CliRunner().invoke(command_line, ["cpp", str(tmp_path / NET.name), str(tmp_path / "out")])
    assert result.exit_code == 0
    assert "nothing to be checked with" in result.output


@pytest.mark.parametrize("version", ["stored-v1", "stored-v2", "stored-v3"])
def test_descriptions_of_older_versions_are_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(Unsupported, match="store the net again"):
        write_program(GOLDEN / version / "tutorial.neoml", tmp_path)


def test_layers_that_give_strings_are_refused_by_name(tmp_path: Path) -> None:
    net = porting.load(folder_of("text/words_of_indices"), engine="neoml").store(tmp_path / "net.neoml")
    with pytest.raises(Unsupported, match="StringLookup 'string_lookup': gives strings"):
        write_program(net, tmp_path / "out")
    assert not (tmp_path / "out").exists()


OWN = {"standardize": {"config": "plain"}}
REFUSED = [
    (Layer("words", "TextVectorization", OWN, WORDS), {}, "a setting or a function of your own"),
    (Layer("words", "TextVectorization", {"ragged": True}, WORDS), {}, "a setting or a function"),
    (Layer("codes", "CategoryEncoding", {"num_tokens": 3}), {"count_weights": TensorRef("x")}, "count_weights"),
    (Layer("codes", "CategoryEncoding", {"num_tokens": 3, "dtype": "float16"}), {}, "makes float16"),
    (Layer("bins", "Hashing", {"num_bins": 3, "mask_value": "no"}), {}, "has the mask 'no' for values of int64"),
]


@pytest.mark.parametrize(("layer", "arguments", "what"), REFUSED)
def test_what_plain_cpp_does_not_have_is_refused_by_name(layer: Layer, arguments: Any, what: str) -> None:
    known = Preprocessing({TensorRef("x"): CppTensor("inputs.x", "int64", 2)})
    with pytest.raises(Unsupported, match=f"{layer.class_name} '{layer.name}': .*{what}"):
        known.add("made", Call("made", layer.name, (TensorRef("x"),), arguments), layer)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"inputs": (Input("ids", (None, None), "float16"),)}, "input 'ids': is of float16"),
        ({"inputs": (Input("ids", (None, 1), "string"),), "outputs": TensorRef("ids")}, "output 'ids': is of string"),
    ],
)
def test_dtypes_without_a_type_are_refused(changed: Any, what: str) -> None:
    with pytest.raises(Unsupported, match=what):
        Header(replace(read_description(NET), **changed))


def test_a_layer_of_a_user_needs_no_rule(tmp_path: Path) -> None:
    """Its references hold no noise, which only the rule could measure; the rest of the net is not stored."""
    root = GOLDEN.parent.parent
    rules = root / "scripts" / "attention_rules.py"
    net = porting.load(root / "saved_weights" / "attention", engine="neoml", rules=rules).store(tmp_path / "net.neoml")
    words = ["cpp", str(net), str(tmp_path / "out")]
    for more in ([], ["--rules", str(rules), "--overwrite"]):
        result = CliRunner().invoke(command_line, [*words, *more])
        assert result.exit_code == 0, result.output
    with pytest.raises(Unsupported, match="no rule for this layer"):
        porting.load(net).check()


def test_a_stored_net_without_noise_is_checked_by_its_archive(tmp_path: Path) -> None:
    """Its output needs more than 1e-5, and what the last call reads is not stored."""
    folder = folder_of("networks/enhanced_super_resolution")
    net = porting.load(folder, engine="neoml").store(tmp_path / "net.neoml")
    report = porting.load(net).check()
    assert report.ok, str(report)
