"""Tests share what stands in modules of their own: no module of tests imports another."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent


def imported(source: str) -> set[str]:
    """The last part of every module that a source imports, and every name that it takes from one."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in nodes for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.rpartition(".")[2] for name in names}


def test_no_module_of_tests_imports_another() -> None:
    modules = {path.stem for path in HERE.rglob("test_*.py")}
    assert len(modules) > 100
    found = {str(path.relative_to(HERE)): imported(path.read_text()) & modules for path in HERE.rglob("*.py")}
    assert not {path: names for path, names in found.items() if names}


def test_such_an_import_is_seen() -> None:
    assert imported("from tests.neoml_side.test_storing import sealed") == {"test_storing", "sealed"}
    assert "test_cases" in imported("from . import test_cases")
