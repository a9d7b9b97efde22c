"""What the benchmarks share: sides in turn, each in its environment, and pages that keep what stands around figures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from porting.network import Array

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SCRIPT = """
import os, sys
sys.path.insert(0, {folder!r})
import turns

def counted(scratch, threads):
    done = len(list(scratch.iterdir()))
    (scratch / str(done)).touch()
    return {{"runs before": 10 - done, "libraries": int(os.environ["OPENBLAS_NUM_THREADS"]) - threads}}

def report(best):
    print(sorted(best.items()))

if __name__ == "__main__":
    turns.main(__file__, {{"first": counted, "second": counted}}, report, {{"first": "a", "second": "b"}}, 2, (1, 2))
"""


def test_sides_take_turns_and_the_smallest_counts(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(folder=str(BENCHMARKS)))
    environment = {**os.environ, "A_PYTHON": sys.executable, "B_PYTHON": sys.executable}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=environment)
    # Eight runs: first, second, with one thread and two, twice over.
    fewest = {("first", 1): 6, ("first", 2): 4, ("second", 1): 5, ("second", 2): 3}
    wanted = [(side, {"runs before": before, "libraries": 0}) for side, before in sorted(fewest.items())]
    assert done.stdout.strip() == str(wanted)


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.mark.usefixtures("benchmarks")
def test_figures_replace_figures_alone(tmp_path: Path) -> None:
    import turns

    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    turns.write_figures(page, "new\n")
    assert page.read_text() == "before\n<!-- figures -->\nnew\n<!-- end of figures -->\nafter\n"
    page.write_text("nothing of the kind\n")
    with pytest.raises(AssertionError, match="no marks"):
        turns.write_figures(page, "new")
    assert page.read_text() == "nothing of the kind\n"


@pytest.mark.parametrize("name", ["check", "corpus", "inference", "masks", "padding", "text_to_score", "training"])
def test_every_page_has_a_place_for_its_figures(name: str) -> None:
    text = (BENCHMARKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.count("<!-- figures -->\n") == text.count("<!-- end of figures -->\n") == 1


@pytest.mark.usefixtures("benchmarks")
def test_ragged_texts_are_a_fifth_words() -> None:
    import networks

    ragged, full = networks.texts(1024, True), networks.texts(1024, False)
    assert (full > 0).all()
    assert 0.15 < (ragged > 0).mean() < 0.25
    assert all(not row[words(row) :].any() for row in ragged)
    for build, feed, rows in networks.NETWORKS.values():
        assert callable(build)
        assert rows >= 16
        assert len(feed(2, False)) == 2


def words(row: Array) -> int:
    return int((row > 0).sum())
