"""The documents speak of tests and names that exist."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from porting.archive import describe
from porting.archive.arrays import DTYPES
from porting.archive.canonical import FORMAT, VERSION
from porting.network import Call, Case, Input

from .helpers import make_network

HERE = Path(__file__).parent
DOCS = HERE.parent.parent / "docs"
pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the documents are not here")


def test_every_promise_has_its_tests_and_every_test_its_promise() -> None:
    told = set(re.findall(r"`(\d+_[a-z0-9_]+)`", (DOCS / "security.md").read_text()))
    found = {
        name
        for path in HERE.parent.rglob("test_*.py")
        for name in re.findall(r"def test_promise_(\w+)", path.read_text())
    }
    assert told == found
    assert {name.split("_")[0] for name in told} == {str(number) for number in range(1, 18)}


def test_the_format_is_described_as_it_is() -> None:
    text = (DOCS / "format.md").read_text()
    assert f"version {VERSION}" in text
    assert FORMAT in text
    assert all(f"`{key}`" in text for key in describe(make_network()))
    assert " ".join(DTYPES) in text
    for kind in (Input, Call, Case):
        assert f"{{{', '.join(field.name for field in fields(kind))}}}" in text
