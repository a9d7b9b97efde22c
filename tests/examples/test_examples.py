"""The examples' NeoML sides, run as a user runs them: every layer proved, Keras' predictions on held-out data kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
# name: what its output must say
SAID = {
    "tutorial": "exact",
    "descriptions": "texts with another predicted class: 0",
    "filter": "neoml: F1 0.8737, 0 texts on the other side of 0.5",
    "russian": "neoml: F1 0.7884, 0 texts on the other side of 0.5",
    "sentiment": "texts with another prediction than Keras': 0",
    "attention": "texts with another prediction than Keras': 0",
    "tied": "tables read back: words/embeddings\n",
    "convolutions": "both networks answer as Keras does",
    "plain": "both networks answer as Keras does",
    "seq2seq": "letters with another prediction than Keras': 0",
}


# What the NeoML sides of fine-tuning say.
TUNED = {
    "tied_tuning": ["next words right: 6.8% before", "the stored net predicts the same: True"],
    "encoder": ["width_2/kernel", "held-out texts right: "],
    "bert": ["bert/segment_embedding/embeddings", "70.4% with the BERT frozen"],
    "digits": ["digits named right: ", "the code's variance after, of 32 directions"],
}


def run(script: str, *arguments: str) -> str:
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=SCRIPTS.parent)
    assert made.returncode == 0, made.stdout
    return made.stdout


@pytest.mark.parametrize("name", SAID)
def test_an_example_ends_well(name: str) -> None:
    assert SAID[name] in run(f"{name}_neoml.py")


@pytest.mark.parametrize("name", TUNED)
def test_an_example_of_fine_tuning_gets_better(name: str, tmp_path: Path) -> None:
    text = run(f"{name}_neoml.py", str(SCRIPTS.parent / "saved_weights" / name.partition("_")[0]), str(tmp_path))
    assert all(words in text for words in TUNED[name])
    assert (tmp_path / name / "network.json").exists()
    assert (tmp_path / f"{name}.npz").exists()
