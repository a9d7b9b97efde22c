"""The tutorial network, NeoML's side: rebuild it, prove every layer, and set the figures beside the published ones.

python scripts/tutorial_neoml.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import porting

FOLDER = Path(__file__).parent.parent / "saved_weights" / "tutorial"
# The write-up's largest differences, at one batch of 3 × 2.
PUBLISHED = {
    "dense:0": ("dense layer", 9.3e-8),
    "bidirectional:0": ("sequence", 6.0e-8),
    "bidirectional:2": ("forward cell state", 5.4e-8),
    "bidirectional:4": ("backward cell state", 9.5e-8),
}


def differences(net: porting.PortedNetwork, case: porting.Case) -> dict[str, float]:
    """The largest absolute difference from Keras in each published tensor."""
    made = net.layer_outputs(case.inputs)
    wanted = {str(ref): array for ref, array in case.outputs.items()}
    return {name: float(np.abs(made[name].astype(np.float64) - wanted[name]).max()) for name in PUBLISHED}


def print_table(net: porting.PortedNetwork) -> None:
    by_shape: dict[str, dict[str, float]] = {}
    for case in net.network.cases:
        shape = " × ".join(map(str, case.inputs["ids"].shape))
        found = differences(net, case)
        seen = by_shape.setdefault(shape, found)
        by_shape[shape] = {name: max(seen[name], found[name]) for name in found}
    shapes = sorted(by_shape, key=lambda shape: shape != "3 × 2")
    print("\nlargest difference from Keras, by batch × length")
    print(f"{'':20} {'published':>10} " + " ".join(f"{shape:>9}" for shape in shapes))
    for name, (label, published) in PUBLISHED.items():
        figures = " ".join(f"{by_shape[shape][name]:9.1e}" for shape in shapes)
        print(f"{label:20} {published:10.1e} {figures}")


def main(folder: Path) -> int:
    net = porting.load(folder, engine="neoml")
    report = net.check()
    print(report)
    print_table(net)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
