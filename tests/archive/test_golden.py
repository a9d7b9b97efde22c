"""The golden folder of the present version is what this version writes, byte for byte."""

from __future__ import annotations

from pathlib import Path

from porting.archive import write_network
from porting.archive.canonical import VERSION

from .helpers import bytes_of, make_network

GOLDEN = Path(__file__).parent.parent / "golden" / f"v{VERSION}"


def test_the_golden_folder_is_what_is_written(tmp_path: Path) -> None:
    assert bytes_of(write_network(make_network(), tmp_path / "net")) == bytes_of(GOLDEN)
