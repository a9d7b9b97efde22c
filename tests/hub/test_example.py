"""The example of a BERT under a text CNN, from its first word in Keras to NeoML's weights back there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def run(script: str, *arguments: Path) -> str:
    """What a side of the example says; where weights or answers are not what they should be it ends in an error."""
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    made = subprocess.run(command, capture_output=True, text=True, cwd=SCRIPTS.parent, env={**os.environ, **QUIET})
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout


def test_a_bert_learns_words_in_keras_and_its_task_in_neoml(tmp_path: Path) -> None:
    assert "saved 39 layers" in run("bert_keras.py", tmp_path / "bert")
    assert "bert_cnn on neoml (cpu): exact" in run("bert_neoml.py", tmp_path / "bert", tmp_path / "out")
    assert "45 weights back in Keras" in run("bert_back.py", tmp_path / "out")
