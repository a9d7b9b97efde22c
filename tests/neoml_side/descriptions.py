"""Descriptions of stored nets, forged."""

from __future__ import annotations

from typing import Any

from porting.archive import canonical


def sealed(description: Any) -> bytes:
    """The canonical text of a description, sound or not, with its hash."""
    return canonical.encode({key: value for key, value in description.items() if key != "sha256"})
