"""The functions that standalone files take over by source."""

from __future__ import annotations

from collections import Counter

from porting.writer import helpers


def test_no_two_helpers_have_one_name() -> None:
    """The later one would stand for both in every file."""
    rooms = (*helpers.ENGINE, helpers.windows, helpers.hashes)
    names = Counter(name for room in rooms for name in helpers.source_parts(room))
    assert sum(names.values()) > 100
    assert [name for name, count in names.items() if count > 1] == []
