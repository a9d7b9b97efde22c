"""The C++ of docs/cpp.md compiles, and prints what Python predicts."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

import porting
from porting.cpp import write_program
from tests.cpp.building import compile_to
from tests.cpp.standin_runs import runs_of_inputs

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "cpp.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```cpp (\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
IDS = {"ids": np.array([[1, 2, 3], [4, 3, 0]], np.int32)}
INPUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tutorial": ("tutorial", IDS),
    "digits": ("digits", {"images": np.full((1, 8, 8, 1), 0.5, np.float32)}),
    "seq2seq": ("seq2seq", {"source": np.array([[5, 6, 7, 8]], np.int32), "target": np.array([[1, 9]], np.int32)}),
    "filter": ("filter", {"text": np.array([["an arcade game with dragons"], ["C++ library"]], object)}),
    "hand": ("tutorial", IDS),
}


def printed(outputs: Any) -> list[float]:
    """The number of each block, in order."""
    tutorial = float(outputs["tutorial"][0][0, 0, 0])
    digits, seq2seq, filtered = outputs["digits"]["digit"], outputs["seq2seq"], outputs["filter"]
    return [tutorial, float(digits[0, 3]), float(seq2seq[0, 0, 0]), float(filtered[1, 0]), tutorial]


def test_the_page_runs(tmp_path: Path) -> None:
    assert list(BLOCKS) == list(INPUTS)
    outputs, folders, lines = {}, [], []
    for block, (name, given) in INPUTS.items():
        if name not in outputs:
            net = porting.load(ROOT / "saved_weights" / name, engine="neoml").store(tmp_path / f"{name}.neoml")
            outputs[name] = porting.load(net).predict(given)
            (tmp_path / f"{name}.runs").write_bytes(runs_of_inputs(net, [given]))
            folders.append(write_program(net, tmp_path / name).header)
        lines.append(f'{{ setenv("STANDIN_RUNS", "{name}.runs", 1);\n{BLOCKS[block]}}}')
    includes = "\n".join(f'#include "{header}"' for header in folders)
    source = tmp_path / "page.cpp"
    source.write_text(f"#include <iostream>\n{includes}\nint main() {{\nstd::cout.precision(9);\n{''.join(lines)}}}\n")
    program = compile_to(tmp_path / "page", source)
    run = subprocess.run([str(program)], cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    np.testing.assert_array_equal(np.array(run.stdout.split(), np.float32), np.array(printed(outputs), np.float32))
