"""The support tables say what the rules say."""

from __future__ import annotations

from pathlib import Path

import pytest

from porting.cli.support import support_page, support_rows
from porting.layers import RULES
from tests.cases import Spec, all_cases

ROOT = Path(__file__).parents[2]
# Proved elsewhere: by whole networks, or under Keras 2.
ELSEWHERE = {
    "LayerScale": "ConvNeXt, in whole_networks.py",
    "StochasticDepth": "ConvNeXt, in whole_networks.py",
    "ThresholdedReLU": "Keras 2 only, in keras_side/test_keras2.py",
    "Equalization": "Keras cannot build a functional model with it: its own graph has a cycle",
    "porting>Shaped": "what the code of unfolded layers does, in cases/unfolded.py",
    "porting>RowsAsSteps": "what the code of unfolded layers does, in cases/unfolded.py",
    "porting>StepsAsRows": "what the code of unfolded layers does, in cases/unfolded.py",
    "porting>Table": "what the code of unfolded layers does, in cases/unfolded.py",
    "porting>WithMask": "what the code of unfolded layers does, in cases/unfolded.py",
    "GroupedQueryAttention": "the class's name in Keras' files; GroupQueryAttention in Python",
}
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


def test_every_layer_has_cases() -> None:
    """A rule without a case is a claim without a proof. Functions build whole models; their text names the layers."""
    named = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    used = {spec.name for case in all_cases().values() for spec in specs(case.build)}
    missing = [
        name
        for name, rule in RULES.items()
        if rule.is_builtin
        and name not in ELSEWHERE
        and not name.startswith("ops.")
        and name not in used
        and name not in named
    ]
    assert missing == []


def specs(build: object) -> list[Spec]:
    """Every spec in a case, those inside others too."""
    if isinstance(build, Spec):
        return [build, *(one for part in (*build.args, *build.kwargs.values()) for one in specs(part))]
    if isinstance(build, (list, tuple)):
        return [one for part in build for one in specs(part)]
    return []
