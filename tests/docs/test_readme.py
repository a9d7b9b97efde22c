"""What README.md shows is what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from porting.cli.commands import porting as command

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# How far NeoML is from Keras in the last bits depends on the processor.
NEEDED = re.compile(r"\d\.\de-0\d")


def test_the_verdict_is_that_of_the_shipped_network() -> None:
    (shown,) = re.findall(r"<!-- verdict -->\n```\n(.*?)```", README, re.DOTALL)
    printed = CliRunner().invoke(command, ["check", str(ROOT / "saved_weights" / "tutorial"), "--engine", "neoml"])
    assert printed.exit_code == 0
    assert NEEDED.sub("#", printed.output) == NEEDED.sub("#", shown)
    assert NEEDED.sub("#", shown) != NEEDED.sub("#", shown.replace("7 cases", "5 cases"))


def test_the_commands_are_those_that_there_are() -> None:
    (listed,) = re.findall(r"commands are `porting (.*?)`", README)
    assert sorted(listed.split(" | ")) == sorted(command.commands)
