"""Where nothing but numpy is installed: load, check, predict."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import porting

SAVED = Path(__file__).parent.parent.parent / "saved_weights"
FOLDERS = sorted(path.parent for path in SAVED.glob("*/network.json"))
ABSENT = ("tensorflow", "keras", "neoml", "click", "rich", "scipy")


def test_there_is_something_to_load() -> None:
    assert len(FOLDERS) >= 2


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_numpy_engine_is_exact(folder: Path) -> None:
    net = porting.load(folder, engine="numpy", **own_rules(folder))
    report = net.check()
    assert report.ok, str(report)
    case = net.network.cases[0]
    net.predict(case.inputs)


def own_rules(folder: Path) -> dict[str, str]:
    """Networks with custom layers have their rules beside their scripts."""
    for name in (folder.name, folder.name.partition("_")[0]):
        rules = SAVED.parent / "scripts" / f"{name}_rules.py"
        if rules.exists():
            return {"rules": str(rules)}
    return {}


def test_numpy_is_the_default_engine_without_neoml() -> None:
    if importlib.util.find_spec("neoml") is None:
        assert porting.load(SAVED / "tutorial").engine.name == "numpy"
    else:
        assert porting.load(SAVED / "tutorial").engine.name == "neoml"


def test_nothing_else_is_imported() -> None:
    """Also where the others are installed, the numpy side does not touch them."""
    code = (
        "import sys, porting; "
        f"net = porting.load({str(SAVED / 'tutorial')!r}, engine='numpy'); net.check(); "
        f"print(sorted(set(sys.modules) & {set(ABSENT)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_commands_say_what_they_need() -> None:
    if importlib.util.find_spec("click") is not None:
        assert subprocess.run([sys.executable, "-m", "porting.cli", "--help"], check=False).returncode == 0
        return
    done = subprocess.run([sys.executable, "-m", "porting.cli"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install '.[cli]'" in done.stderr


def test_texts_become_scores() -> None:
    net = porting.load(SAVED / "filter", engine="numpy")
    texts = ["An arcade game", "", "Größe, ÜBER\u00a0alles! 🎲", "Чатбот", "nul\x00inside", "a\tb\nc"]
    scores = net.predict(texts)
    assert scores.shape == (6, 1)
    assert (net.predict({"text": [text.encode() for text in texts]}) == scores).all()
    explained = net.explain(texts[0])
    assert [token.text for token in next(iter(explained.tokens.values()))] == ["an", "arcade", "game"]
    assert (explained["dense_1"] == scores[0]).all()
    with pytest.raises(porting.Mismatch, match="not a string"):
        net.predict(["a game", None])


@pytest.mark.parametrize("name", ["filter", "tutorial"])
def test_a_standalone_file_is_written_and_runs(name: str, tmp_path: Path) -> None:
    path = porting.standalone(SAVED / name, tmp_path)
    done = subprocess.run([sys.executable, "-I", str(path), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all agree" in done.stdout
