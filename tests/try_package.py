"""What was built, installed in an environment of its own. Runs by ``nox -s package``, outside the checkout's path.

A script that needs nothing but what the package brings.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import porting

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = Path(porting.__file__).resolve().parent


def main() -> None:
    assert ROOT not in INSTALLED.parents or ".nox" in INSTALLED.parts, f"this is the checkout: {INSTALLED}"
    here = {str(path.relative_to(ROOT / "porting")) for path in (ROOT / "porting").rglob("*.py")} | {"py.typed"}
    there = {str(path.relative_to(INSTALLED)) for path in INSTALLED.rglob("*") if path.is_file()}
    assert here <= there, f"missing in the package: {sorted(here - there)}"
    told = importlib.metadata.metadata("porting")
    assert told["Version"] == porting.__version__, told["Version"]
    assert told["Author"] == "The porting authors", told["Author"]
    net = porting.load(ROOT / "saved_weights" / "tutorial", engine="numpy")
    report = net.check()
    assert report.proved, str(report)
    command = Path(sys.executable).with_name("porting")
    done = subprocess.run([str(command), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "pip install '.[cli]'" in done.stderr, done.stderr
    print(f"porting {porting.__version__} from {INSTALLED}: {report.verdict()}")


if __name__ == "__main__":
    main()
