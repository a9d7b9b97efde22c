"""What scripts of the tests are told: help is given, and what is mistyped is refused before anything is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arguments import folders_and_names

KNOWN = ("recurrent", "pooling")


def told(*words: str) -> tuple[list[Path], list[str]]:
    return folders_and_names(__spec__, "Records cases.", ["cases", "folder"], "family", KNOWN, words)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    with pytest.raises(SystemExit) as ended:
        told(*words)
    made = capsys.readouterr()
    return ended.value.code, made.out + made.err


def test_folders_come_first_and_names_may_be_left_out() -> None:
    assert told("a", "b") == ([Path("a"), Path("b")], [])
    assert told("a", "b", "pooling", "recurrent") == ([Path("a"), Path("b")], ["pooling", "recurrent"])


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = refused(capsys, "--help")
    assert code == 0
    for part in (f"python -m {__name__}", "Records cases.", "FOLDER", "pooling, recurrent"):
        assert part in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("a", "b", "recurent"), "no family is called 'recurent'; is it recurrent?"),
        (("a", "b", "xyz"), "no family is called 'xyz'; see -h"),
        (("a",), "FOLDER"),
        (("a", "b", "--fast"), "--fast"),
    ],
)
def test_what_is_mistyped_is_named(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str) -> None:
    code, text = refused(capsys, *words)
    assert code == 2
    assert says in text.splitlines()[-1]
