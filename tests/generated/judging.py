"""What came of a saved network in an engine, beside what Keras answered. Needs no Keras."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import porting
from porting.checking import needed_tolerance
from porting.network import Array

__all__ = ["ALLOWED", "ENGINES", "Finding", "apart", "judged", "one_line", "told"]

ENGINES = ("numpy", "neoml")
# A network of ten layers is allowed ten times the noise of one.
ALLOWED = 1e-4
FAULTS = ("wrong", "error", "not saved by an error")


@dataclass(frozen=True)
class Finding:
    """What came of one network in one engine.

    Attributes:
        verdict: ``exact``; ``refused``, or ``refused a shape`` of several; ``undetermined`` by Keras; ``wrong``; or
            ``error``, where what is not a refusal is raised or NeoML fails as it runs.
        what: the refusal, the error, or the shapes and the difference.
    """

    verdict: str
    what: str = ""

    @property
    def fault(self) -> bool:
        return self.verdict in FAULTS


def apart(got: Array, want: Array) -> float:
    """The needed tolerance; infinite where the dtype is another."""
    return needed_tolerance(got, want) if got.dtype == want.dtype else float("inf")


def judged(
    folder: Path,
    engine: str,
    asked: Sequence[tuple[list[Array], list[Array]]],
    undetermined: Callable[[int, float], bool] = lambda number, difference: False,
) -> Finding:
    """Load a saved network and ask it what Keras was asked.

    Args:
        asked: inputs, and what Keras answered.
        undetermined: whether Keras leaves the answers of that number undetermined by so much.
    """
    try:
        net = porting.load(folder, engine=engine)
    except (porting.Unsupported, porting.Mismatch) as refusal:  # a Mismatch: ids that the network computes
        return Finding("refused", one_line(refusal))
    except Exception as error:  # whatever it is, it is what is looked for
        return Finding("error", "load: " + told(error))
    findings = [
        judged_at(net, inputs, wanted, lambda difference, number=number: undetermined(number, difference))
        for number, (inputs, wanted) in enumerate(asked)
    ]
    order = ("error", "wrong", "undetermined", "refused a shape", "exact")
    return min(findings, key=lambda finding: order.index(finding.verdict), default=Finding("exact"))


def judged_at(net: Any, inputs: list[Array], wanted: list[Array], undetermined: Callable[[float], bool]) -> Finding:
    shapes = f"inputs {[x.shape for x in inputs]}: "
    try:
        got = net.predict(inputs if len(inputs) > 1 else inputs[0])
    except porting.Mismatch as refusal:
        failed = "NeoML cannot run" in str(refusal)  # nothing was refused beforehand
        return Finding("error" if failed else "refused a shape", shapes + one_line(refusal))
    except Exception as error:
        return Finding("error", shapes + told(error))
    for at, (a, b) in enumerate(zip(got if isinstance(got, list) else [got], wanted)):
        difference = apart(a, b)
        if difference > ALLOWED:
            what = f"output {at}: {a.dtype} {a.shape} instead of {b.dtype} {b.shape}, {difference:.1e}"
            return Finding("undetermined" if undetermined(difference) else "wrong", shapes + what)
    return Finding("exact")


def told(error: BaseException) -> str:
    """An error with the place that it comes from."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {one_line(error)}"


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:500]
