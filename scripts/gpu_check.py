"""Every saved network on every GPU that NeoML finds, compared with the CPU and with Keras' references.

    python scripts/gpu_check.py [FOLDER …]

NeoML on a GPU needs an NVIDIA driver (libcuda.so.1) and CUDA 11's libraries, which PyPI has:
pip install nvidia-cusparse-cu11 nvidia-cublas-cu11
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import porting
from porting.checking import needed_tolerance
from porting.neoml_side.runtime.devices import HOW_TO_INSTALL, gpus

ROOT = Path(__file__).parent.parent
# A GPU adds numbers in another order than a CPU does.
ALLOWED = 1e-5


def folders(words: list[str]) -> list[Path]:
    return [Path(word) for word in words] or sorted(path.parent for path in ROOT.glob("saved_weights/*/network.json"))


def load(folder: Path, device: str) -> porting.PortedNetwork:
    rules = ROOT / "scripts" / f"{folder.name}_rules.py"
    return porting.load(folder, "neoml", device, **({"rules": str(rules)} if rules.exists() else {}))


def flat(outputs: Any) -> Iterator[Any]:
    parts = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, list) else None
    if parts is None:
        yield outputs
    else:
        for part in parts:
            yield from flat(part)


def apart(one: porting.PortedNetwork, other: porting.PortedNetwork) -> float:
    """The tolerance that the two need to agree on all references' inputs."""
    needed = 0.0
    for case in one.network.cases:
        for got, want in zip(flat(one.predict(case.inputs)), flat(other.predict(case.inputs))):
            needed = max(needed, needed_tolerance(got, want))
    return needed


def main(words: list[str]) -> int:
    found = gpus()
    if not found:
        print(f"NeoML finds no GPU, so nothing was compared. It needs: {HOW_TO_INSTALL}")
        return 0
    bad = 0
    for index, gpu in enumerate(found):
        print(f"gpu:{index}: {gpu}")
        for folder in folders(words):
            on_gpu, on_cpu = load(folder, f"gpu:{index}"), load(folder, "cpu")
            report, distance = on_gpu.check(), apart(on_gpu, on_cpu)
            good = report.ok and distance <= ALLOWED
            bad += not good
            verdict = "exact" if good else "DEPARTS"
            print(f"  {folder.name:20} {verdict:8} against Keras {report.needed:.1e}, against the CPU {distance:.1e}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
