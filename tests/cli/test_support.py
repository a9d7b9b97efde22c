"""The support tables say what the rules say."""

from __future__ import annotations

from pathlib import Path

import pytest

from porting.cli.support import support_page, support_rows
from porting.layers import RULES

ROOT = Path(__file__).parents[2]
HOW = "run python -m porting.cli.support"


def test_the_page_is_what_the_rules_say() -> None:
    assert (ROOT / "docs" / "support.md").read_text(encoding="utf-8") == support_page(), HOW


def test_families_stand_in_the_order_of_interest() -> None:
    rows = [row[0] for row in support_rows()]
    assert rows.index("Dense") < rows.index("LSTM") < rows.index("Flatten") < rows.index("ops.Add")


def test_every_verdict_is_one_of_three() -> None:
    assert {row[2] for row in support_rows()} <= {"exact", "partly", "refused"}


@pytest.mark.parametrize("name", sorted(name for name, rule in RULES.items() if rule.neoml != "exact"))
def test_what_is_not_exact_says_why(name: str) -> None:
    assert RULES[name].note
