"""What `build` and `port` share: where a net goes, and what is said of it."""

from __future__ import annotations

from pathlib import Path

from ..neoml_side.stored.network import network_path
from ..neoml_side.stored.store import check_free_net, description_path

__all__ = ["check_free_net", "say_stored"]


def say_stored(stored: Path) -> str:
    """A sentence that names what was written."""
    beside = [one.name for one in (description_path(stored), network_path(stored)) if one.exists()]
    return f"stored in {stored}; beside it: {', '.join(beside)}"
