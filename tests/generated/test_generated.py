"""Random networks that `record.py` has saved: Keras' numbers and dtypes at other shapes, or a refusal by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .judging import ENGINES, judged
from .recorded import SEEDS, read

FOLDER = Path(os.environ.get("PORTING_GENERATED", Path(__file__).parent.parent.parent / "out" / "generated"))
RECORDED = [seed for seed in SEEDS if (FOLDER / f"{seed}.npz").exists()]
EXACT = ("exact",)
# NeoML may refuse what numpy runs; of those recorded it does so for few.
TAKEN = {"numpy": EXACT, "neoml": ("exact", "refused", "refused a shape")}
MOST_REFUSED = 0.05


def test_the_networks_are_there() -> None:
    assert len(RECORDED) >= 0.8 * len(SEEDS), "run python -m tests.generated.record out/generated in Keras"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", RECORDED)
def test_a_random_network(seed: int, engine: str) -> None:
    finding = judged(FOLDER / str(seed), engine, read(FOLDER / f"{seed}.npz"))
    assert finding.verdict in TAKEN[engine], f"{finding.verdict}: {finding.what}"


def test_few_are_refused() -> None:
    verdicts = [judged(FOLDER / str(seed), "neoml", read(FOLDER / f"{seed}.npz")).verdict for seed in RECORDED]
    assert sum(verdict not in EXACT for verdict in verdicts) <= MOST_REFUSED * len(verdicts)


def test_a_changed_answer_is_found_out() -> None:
    seed = RECORDED[0]
    (inputs, wanted), *_ = read(FOLDER / f"{seed}.npz")
    changed = [array if array.dtype == bool else array + array.dtype.type(1) for array in wanted]
    assert judged(FOLDER / str(seed), "numpy", [(inputs, changed)]).verdict == "wrong"
