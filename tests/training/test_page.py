"""What docs/training.md shows runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from tests.command_line import run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A folder with the saved networks and data in it, to work in; what the page's code begins with."""
    (tmp_path / "saved_weights").symlink_to(ROOT / "saved_weights")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 200, (60, 8)).astype(np.int32), rng.integers(0, 2, (60, 1)).astype(np.float32)
    np.savez("data.npz", x=x, y=y)
    return {"x": x, "y": y}


def test_its_python_runs(desk: dict[str, Any]) -> None:
    use = blocks("python")[0].replace("epochs=10", "epochs=2")
    exec(compile(use, "docs/training.md", "exec"), desk)
    moved = desk["history"].moved
    assert moved["embedding/embeddings"] == 0 < moved["bidirectional/forward_layer/kernel"] < moved["dense/kernel"]
    assert porting.check("tuned").ok
    assert Path("tuned.neoml").exists()


def test_its_command_runs(desk: dict[str, Any]) -> None:
    (command,) = [text for text in blocks("") if text.startswith("porting tune")]
    words = shlex.split(command.replace("\\\n", " ").replace("--epochs 10", "--epochs 2"))[1:]
    code, text = run(*words)
    assert code == 0, text
    assert "validation accuracy" in text
    assert Path("state.npz").exists()
    assert porting.check("tuned_too").ok
