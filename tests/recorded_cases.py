"""The cases as tests.record has saved them from Keras."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import porting
from tests.cases import all_cases

ROOT = Path(__file__).parent.parent
RECORDED = Path(os.environ.get("PORTING_RECORDED", ROOT / "out" / "recorded"))
CASES = all_cases()
ENGINES = ("numpy", "neoml")


def folder_of(key: str) -> Path:
    folder = RECORDED / key.replace("/", "--")
    assert folder.is_dir(), (
        f"{folder} is missing: run `nox -s tests`, or python -m tests.record in the Keras environment"
    )
    return folder


def load(key: str, engine: str) -> porting.PortedNetwork:
    rules = CASES[key].rules
    return porting.load(folder_of(key), engine=engine, rules=None if rules is None else ROOT / rules)


def flat(outputs: Any) -> list[Any]:
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    return [array for part in outputs for array in flat(part)] if isinstance(outputs, list) else [outputs]
