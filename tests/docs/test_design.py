"""What docs/design.md and CONTRIBUTING.md name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATH = re.compile(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+\.py|(?:[a-z_0-9]+/)+)`")


def missing(text: str) -> list[str]:
    """The files and folders that a page names and that stand nowhere in the project."""
    known = ["/" + str(path.relative_to(ROOT)) + "/" * path.is_dir() for path in FILES]
    return [name for name in PATH.findall(text) if not any(one.endswith("/" + name) for one in known)]


FILES = [
    path for room in ("porting", "tests", "scripts", "benchmarks") for path in (ROOT / room, *(ROOT / room).rglob("*"))
]


@pytest.mark.parametrize("page", ["docs/design.md", "CONTRIBUTING.md"])
def test_every_path_is_there(page: str) -> None:
    assert missing((ROOT / page).read_text(encoding="utf-8")) == []


def test_a_path_that_leads_nowhere_is_seen() -> None:
    assert missing("`layers/recurrent.py`, `layers/none.py`, `no_room/`") == ["layers/none.py", "no_room/"]
