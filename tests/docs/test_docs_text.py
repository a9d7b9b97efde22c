"""The page on texts: its code runs, and its commands print what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import porting
from porting.cli.commands import porting as command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "text.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\S+) ?(.*?)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def texts_of(kind: str, word: str = "") -> list[str]:
    return [text for one, words, text in BLOCKS if one == kind and words == word]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the saved network and the page's files in it, to work in."""
    (tmp_path / "saved_weights").symlink_to(ROOT / "saved_weights")
    for kind, words, text in BLOCKS:
        if words.startswith("rule ") or kind == "text":
            (tmp_path / words.rpartition(" ")[2]).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_its_code_runs(desk: Path, engine: str) -> None:
    code = "".join(texts_of("python")) + "".join(texts_of("python", "neoml"))
    code = code.replace('load("saved_weights/filter")', f'load("saved_weights/filter", engine={engine!r})')
    exec(compile(code, "docs/text.md", "exec"), {})


def test_its_commands_print_what_stands_there(desk: Path) -> None:
    for text in texts_of("console"):
        line, *printed = text.splitlines()
        ran = CliRunner().invoke(command, line.split()[2:])
        assert ran.output.splitlines() == printed
    scores = (desk / "scores.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in scores] == ["line", "2", "4"]


def test_the_file_is_as_shown(desk: Path) -> None:
    (shown,) = texts_of("python", "file")
    assert shown in porting.standalone("saved_weights/filter", "out").read_text(encoding="utf-8")


def test_missing_texts_are_named_as_shown() -> None:
    with pytest.raises(porting.Mismatch) as caught:
        porting.load(ROOT / "saved_weights" / "filter", engine="numpy").predict(["a game", None])
    assert "input 'text'[1]: None is a NoneType, not a string" in PAGE
    assert "input 'text'[1]: None is a NoneType, not a string" in str(caught.value)
