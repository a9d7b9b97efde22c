"""The notebooks of docs/ run from top to bottom, and say what they promise. Runs by ``nox -s notebooks``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
# Kernels are programs of their own, whose libraries warn of each other.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*zmq.*:RuntimeWarning")


def run(name: str) -> tuple[str, list[str]]:
    """What a notebook prints, and what it shows as HTML."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit notebooks without their outputs"
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": NOTEBOOKS}}).execute()
    outputs: list[Any] = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    printed = "".join(one["text"] for one in outputs if one["output_type"] == "stream" and one["name"] == "stdout")
    return printed, [one["data"]["text/html"] for one in outputs if "text/html" in one.get("data", {})]


def test_the_tutorial() -> None:
    printed, shown = run("tutorial")
    assert "the stored net predicts the same" in printed
    differences = [float(one) for one in re.findall(r"here (\S+)", printed)]
    assert len(differences) == 4
    assert max(differences) < 5e-7
    assert any("tutorial on neoml" in page for page in shown)
    assert any("exact: 3 of 3 layers proved" in page for page in shown)


def test_the_text_classifier() -> None:
    printed, shown = run("text_classifier")
    assert printed.count("texts with another section than Keras': 0") == 2
    before, after = map(float, re.findall(r"right: (\S+)% before, (\S+)% after", printed)[0])
    assert before > 30
    assert after > before
    assert any("<svg" in page and "val_accuracy" in page for page in shown)
