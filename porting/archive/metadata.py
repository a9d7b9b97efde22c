"""What a saved network says of itself for people: a title, its authors, a licence, the names of its classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Problem

TEXTS = ("title", "version", "license", "notes")
FORM = "see docs/format.md: title, version, license and notes are strings, authors is a list of them"


def metadata_problems(metadata: Any) -> list[Problem]:
    """What is wrong with metadata: the keys that have a form are as it says; others hold any JSON value."""
    if not isinstance(metadata, Mapping):
        return [Problem("metadata", f"is a {type(metadata).__name__}, not an object", 'give {"title": "…", …}')]
    problems = [
        Problem(f"metadata {key!r}", f"is {metadata[key]!r:.60}, not a string", FORM)
        for key in TEXTS
        if key in metadata and not isinstance(metadata[key], str)
    ]
    if "authors" in metadata and not _is_names(metadata["authors"]):
        problems.append(Problem("metadata 'authors'", "is not a list of strings", FORM))
    labels = metadata.get("labels", [])
    if not _is_names(labels) and not (isinstance(labels, Mapping) and all(map(_is_names, labels.values()))):
        way_out = 'give the names of the classes in order, ["cat", "dog"], or such a list for each output'
        what = "is neither a list of strings nor an object of such lists"
        problems.append(Problem("metadata 'labels'", what, way_out))
    return problems


def _is_names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
