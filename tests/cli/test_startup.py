"""What is imported when: help and the package itself need neither numpy nor any framework."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import porting

SAVED = Path(__file__).parents[2] / "saved_weights"
HEAVY = {"numpy", "rich", "neoml", "keras", "tensorflow", "porting.layers", "porting.neoml_side", "porting.training"}
COMMANDS = [
    "build",
    "check",
    "cpp",
    "info",
    "layers",
    "plan",
    "port",
    "predict",
    "restore",
    "save",
    "standalone",
    "tune",
]


def imported(code: str) -> set[str]:
    """The heavy modules that a fresh Python holds after some code."""
    lines = f"import sys\ntry:\n    {code}\nexcept SystemExit as end:\n    assert end.code == 0\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.splitlines()[-1].split())


def test_the_package_imports_nothing_heavy() -> None:
    assert imported("import porting") == set()


@pytest.mark.parametrize("words", [[], ["--version"], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    arguments = words if words == ["--version"] else [*words, "--help"]
    assert imported(f"sys.argv[1:] = {arguments}; from porting.cli import main; main()") == set()


def test_what_is_asked_for_is_imported() -> None:
    assert imported("import porting; porting.Network") == {"numpy"}
    assert imported("from porting import optimizers, schedules") <= {"numpy", "porting.layers", "porting.training"}


@pytest.mark.parametrize(("engine", "others"), [("numpy", {"neoml", "keras"}), ("neoml", {"keras", "tensorflow"})])
def test_a_network_is_loaded_without_the_other_side(engine: str, others: set[str]) -> None:
    code = f"import porting; porting.load({str(SAVED / 'tutorial')!r}, engine={engine!r})"
    assert not imported(code) & (others | {"tensorflow", "rich"})


def test_every_public_name_is_there() -> None:
    assert all(getattr(porting, name) is not None for name in porting.__all__)
    assert set(porting.__all__) <= set(dir(porting))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = porting.nothing
