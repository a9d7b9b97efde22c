"""A user's own standardize and split, given by a file of rules for one load."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

import porting
from porting.archive import read_network, write_network
from porting.text.functions import TEXT_FUNCTIONS
from tests.tampering import with_config

FILTER = Path(__file__).parents[2] / "saved_weights" / "filter"
FUNCTIONS = """
import porting

@porting.text_function("shout")
def shout(text):
    return text.lower().replace("!", "")

@porting.text_function("at_dashes")
def at_dashes(text):
    return text.split("-")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The filter as if its vectorizer had functions of the user's own."""
    network = with_config(
        read_network(FILTER),
        "text_vectorization",
        standardize={"class_name": "function", "config": "shout"},
        split={"class_name": "function", "config": "at_dashes"},
    )
    return write_network(network, tmp_path / "own")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "functions.py"
    path.write_text(FUNCTIONS)
    return path


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_a_file_of_text_functions_alone_is_enough(engine: str, folder: Path, rules: Path) -> None:
    net = porting.load(folder, engine=engine, rules=rules)
    plain = porting.load(FILTER, engine=engine)
    given, same = net.layer_outputs(["A!-GAME!-nonsuch"]), plain.layer_outputs(["a game nonsuch"])
    assert (given["text_vectorization:0"] == same["text_vectorization:0"]).all()
    assert (net.predict(["A!-GAME!"]) == plain.predict(["a game"])).all()


def test_functions_of_a_file_count_for_that_load_only(folder: Path, rules: Path) -> None:
    porting.load(folder, engine="numpy", rules=rules)
    assert not set(TEXT_FUNCTIONS) & {"shout", "at_dashes"}
    with pytest.raises(porting.Unsupported, match=r"standardize is the function 'shout'") as caught:
        porting.load(folder, engine="numpy")
    assert "split is the function 'at_dashes'" in str(caught.value)


def test_a_stored_net_takes_them_too(folder: Path, rules: Path, tmp_path: Path) -> None:
    stored = porting.load(folder, engine="neoml", rules=rules).store(tmp_path / "net.neoml")
    net = porting.load(stored, rules=rules)
    assert (net.predict(["A!-GAME!"]) == porting.load(FILTER, engine="neoml").predict(["a game"])).all()
    with pytest.raises(porting.Unsupported, match="shout"):
        porting.load(stored)


def test_the_command_line_takes_them(folder: Path, rules: Path) -> None:
    from click.testing import CliRunner

    from porting.cli.commands import porting as commands

    words = ["predict", str(folder), "--text", "-", "--rules", str(rules), "--engine", "numpy"]
    result = CliRunner().invoke(commands, words, input="a-game\n")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("line,dense_1\n1,")


SOURCE = """
import re
import string as marks
import porting

BANGS = re.compile("!+")
DASH = "-"

@porting.text_function("shout")
def shout(text: str) -> str:
    return BANGS.sub("", text.lower()).strip(marks.whitespace)

@porting.text_function("at_dashes")
def predict(text):
    return [part for part in text.split(DASH)]
"""


def test_a_standalone_file_holds_them(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "functions.py").write_text(SOURCE)
    path = porting.standalone(folder, tmp_path / "out", tmp_path / "functions.py")
    assert "porting" not in path.read_text().partition("import argparse")[2]
    written = runpy.run_path(str(path))
    texts = ["A!-GAME!-nonsuch", "", "--a-", " game "]
    wanted = porting.load(folder, engine="numpy", rules=tmp_path / "functions.py").predict(texts)
    assert np.allclose(written["predict"](texts), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("shout = porting.text_function('shout')(lambda text: text)", "'<lambda>' is not a plain function"),
        ("helper = str\n@porting.text_function('shout')\ndef shout(text): return helper(text)", "uses 'helper'"),
        ("LOWER = 'x'\n@porting.text_function('shout')\ndef shout(text): return text + LOWER", "the name 'LOWER'"),
        (
            "import ctypes\n@porting.text_function('shout')\ndef shout(x): return x + ctypes.__name__",
            "uses 'ctypes'",
        ),
    ],
)
def test_functions_that_cannot_be_copied_are_named(function: str, said: str, folder: Path, tmp_path: Path) -> None:
    dashes = "@porting.text_function('at_dashes')\ndef at_dashes(text): return [text]"
    (tmp_path / "functions.py").write_text(f"import porting\n{function}\n{dashes}\n")
    with pytest.raises(porting.Unsupported, match=said):
        porting.standalone(folder, tmp_path / "out", tmp_path / "functions.py")
