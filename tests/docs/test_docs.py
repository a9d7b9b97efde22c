"""The code on the pages of docs/ runs, and says what the repository's files say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import porting
from porting.cli.commands import porting as command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "custom_layers.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[tuple[str, str]]:
    """The fenced blocks of a kind: what follows the kind on the fence, and the text."""
    return re.findall(rf"^```{kind} ?(.*?)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the saved network and the page's rule file in it, to work in."""
    (tmp_path / "saved_weights").symlink_to(ROOT / "saved_weights")
    ((name, rule), *_) = blocks("python rule")
    (tmp_path / name).write_text(rule, encoding="utf-8")
    np.save(tmp_path / "ids.npy", np.ones((2, 20), np.int32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def code(path: Path) -> str:
    """A file's text without its docstrings, which the page leaves out."""
    return re.sub(r'^ *""".*?"""\n+', "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_the_layer_is_the_example_s() -> None:
    ((_, layer),) = blocks("python keras")
    assert layer in (ROOT / "scripts" / "attention_layer.py").read_text(encoding="utf-8")


def test_the_rules_are_those_of_the_repository() -> None:
    ((_, attention), *others) = blocks("python rule")
    example = code(ROOT / "scripts" / "attention_rules.py")
    assert attention == example.replace("from __future__ import annotations\n\n", "")
    assert others
    for name, text in others:
        assert text in code(ROOT / name)


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_its_use_runs(desk: Path, engine: str) -> None:
    ((_, use),) = blocks("python use")
    exec(compile(use.replace("rules=", f"engine={engine!r}, rules="), "docs/custom_layers.md", "exec"), {})


def test_its_commands_run(desk: Path) -> None:
    without_rule, with_rule = ([line for line in text.splitlines() if line] for _, text in blocks("console"))
    ran = CliRunner().invoke(command, without_rule[0].split()[2:])
    assert ran.exit_code == porting.Unsupported.exit_code
    assert ran.output.splitlines() == without_rule[1:]
    for line in [*with_rule, "$ porting predict attention.net ids.npy"]:
        ran = CliRunner().invoke(command, line.split()[2:])
        assert ran.exit_code == 0, f"{line}\n{ran.output}"


def test_rules_by_import_hold_everywhere(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from porting.layers import RULES

    monkeypatch.syspath_prepend(str(desk))
    __import__("attention_rules")
    try:
        assert porting.load("saved_weights/attention", engine="numpy").check().ok
    finally:
        del RULES["scripts>WordAttention"]


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("if mask is not None:", "if False:"),
        ('"tanh"', '"sigmoid"'),
        ("EPSILON = 1e-7", "EPSILON = 1e-2"),
        ('layer.weight("bias")', '0.0 * len(layer.weight("bias").shape)'),
    ],
)
def test_a_wrong_rule_is_found(desk: Path, engine: str, part: str, wrong: str) -> None:
    ((name, rule), *_) = blocks("python rule")
    (desk / name).write_text(rule.replace(part, wrong), encoding="utf-8")
    report = porting.load("saved_weights/attention", engine=engine, rules=name).check()
    assert [one.call for one in report.layers if one.status == "departs"] == ["attention"]
