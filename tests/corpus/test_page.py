"""The code of docs/corpora.md runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.command_line import run

from .files import columns_of, write_corpus

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8")


def block(kind: str, language: str = "python") -> str:
    (found,) = re.findall(rf"^```{language} {kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


def test_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(block("lazily"), "docs/corpora.md", "exec"), {})


def test_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved_weights").symlink_to(ROOT / "saved_weights")
    write_corpus(tmp_path / "corpus", files=2, rows=30)
    prompt, program, *words = shlex.split(block("files", "console"))
    assert (prompt, program) == ("$", "porting")
    code, text = run(*words)
    assert code == 0, text
    assert len(columns_of(tmp_path / "scored")) == 60
