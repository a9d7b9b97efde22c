"""A saved network to read and to forge."""

from __future__ import annotations

from pathlib import Path

import pytest

from porting.archive import write_network

from .helpers import make_network


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write_network(make_network(), tmp_path / "net")
