"""Outputs against references, layer by layer, and the verdict.

Each layer is checked alone, on the tensors that Keras gave it (where is the fault?), and in the chain (what does
it add up to?). A value agrees when ``|a − b| ≤ t + t·|b|``, computed in float64; the smallest such t is the needed
tolerance. A layer whose references hardly vary, from row to row and from case to case, proves little: it is
called insensitive. What was not compared is "not checked", and that is no pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np

from .engine import Engine
from .errors import Mismatch, PortingError, Problem
from .network import Array, Call, Case, Network, TensorRef

__all__ = ["TOLERANCE", "LayerVerdict", "Report", "check_network", "needed_tolerance"]

# float32 noise of one layer is about 3e-7 of its values; a chain of layers adds some.
TOLERANCE = 1e-5
# References that vary by less than this many tolerances could hide a wrong port.
SENSITIVE = 20.0

Progress = Callable[[int, int, str], None]


def needed_tolerance(got: Array, want: Array) -> float:
    """The smallest t with ``|got − want| ≤ t + t·|want|`` everywhere; infinite where no t will do.

    Infinite: other shapes, another kind of dtype, NaN or infinity in other places. For bool and whole numbers
    any difference is infinite.
    """
    if got.shape != want.shape or got.dtype.kind.replace("u", "i") != want.dtype.kind.replace("u", "i"):
        return float("inf")
    if want.dtype.kind != "f":
        return 0.0 if np.array_equal(got, want) else float("inf")
    a, b = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return float("inf")
    if not finite.any():
        return 0.0
    return float(np.max(np.abs(a[finite] - b[finite]) / (1.0 + np.abs(b[finite]))))


def difference(got: Array, want: Array) -> str:
    """In words, what is wrong first: shape, dtype, NaN, numbers."""
    if got.shape != want.shape:
        return f"shape {got.shape} instead of {want.shape}"
    if got.dtype.kind.replace("u", "i") != want.dtype.kind.replace("u", "i"):
        return f"dtype {got.dtype} instead of {want.dtype}"
    if want.dtype.kind == "f" and not np.array_equal(np.isnan(got), np.isnan(want)):
        return "NaN in other places"
    if want.dtype.kind != "f":
        return f"{int(np.sum(got != want))} of {want.size} values differ"
    with np.errstate(invalid="ignore"):
        wanted = want.astype(np.float64)
        apart = np.abs(got.astype(np.float64) - wanted) / (1.0 + np.abs(wanted))
    place = tuple(int(at) for at in np.unravel_index(int(np.nanargmax(apart)), apart.shape)) if apart.size else ()
    return f"{got[place]!s} instead of {want[place]!s} at {list(place)}"


@dataclass
class LayerVerdict:
    """What the check found about one call.

    Attributes:
        call, class_name: the call and its layer's class.
        alone, chain: the tolerance needed by its outputs on Keras' own inputs, and in the chain; None where
            nothing was compared.
        masks: whether its masks equal Keras'; None where neither side has any.
        varies: how far its references spread, relative to their size.
        compared: how many arrays were compared.
        why: for a departure, the first difference.
        tolerance: what was allowed.
    """

    call: str
    class_name: str
    tolerance: float
    alone: Optional[float] = None
    chain: Optional[float] = None
    masks: Optional[bool] = None
    varies: float = 0.0
    compared: int = 0
    why: str = ""

    @property
    def status(self) -> str:
        """``exact``, ``departs``, ``departs in the chain``, ``insensitive`` or ``not checked``."""
        if (self.alone is not None and not self.alone <= self.tolerance) or self.masks is False:
            return "departs"
        if self.chain is not None and not self.chain <= self.tolerance:
            return "departs in the chain"
        if self.alone is None or self.chain is None:
            return "not checked"
        return "insensitive" if self.varies < SENSITIVE * self.tolerance else "exact"

    @property
    def ok(self) -> bool:
        return self.status in ("exact", "insensitive")

    def note_alone(self, needed: float, got: Array, want: Array, where: str) -> None:
        self.compared += 1
        if needed > self.tolerance and not self.why:
            self.why = f"{where}: {difference(got, want)}"
        self.alone = max(needed, self.alone or 0.0)

    def note_chain(self, needed: float, got: Array, want: Array, where: str) -> None:
        self.compared += 1
        if needed > self.tolerance and not self.why:
            self.why = f"{where}, in the chain: {difference(got, want)}"
        self.chain = max(needed, self.chain or 0.0)


@dataclass
class Report:
    """The verdict on a network.

    Attributes:
        name, engine, device: what was checked, on what.
        layers: a verdict for every call, in running order.
        cases: how many references were run.
        references: who made them, where it was not Keras.
    """

    name: str
    engine: str
    device: str
    tolerance: float
    cases: int
    references: Optional[str] = None
    layers: list[LayerVerdict] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Every layer was compared, and agrees."""
        return bool(self.layers) and self.cases > 0 and all(layer.ok for layer in self.layers)

    @property
    def first_departure(self) -> Optional[LayerVerdict]:
        """The first layer that departs alone; failing that, the first in the chain, or not checked."""
        for statuses in (("departs",), ("departs in the chain",), ("not checked",)):
            for layer in self.layers:
                if layer.status in statuses:
                    return layer
        return None

    @property
    def insensitive(self) -> list[LayerVerdict]:
        return [layer for layer in self.layers if layer.status == "insensitive"]

    @property
    def needed(self) -> float:
        """The tolerance that the whole network would have needed."""
        return max((max(layer.alone or 0.0, layer.chain or 0.0) for layer in self.layers), default=float("inf"))

    def raise_if_bad(self) -> None:
        """Raises Mismatch naming every layer that departs, the first departure on top."""
        if self.ok:
            return
        bad = [layer for layer in self.layers if not layer.ok]
        first = self.first_departure
        bad.sort(key=lambda layer: layer is not first)
        problems = [Problem(f"{one.class_name} {one.call!r}", f"{one.status}. {one.why}".strip()) for one in bad]
        raise Mismatch(problems or [Problem(self.name, "nothing was compared", "save it again with references")])

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; an infinite need is the string ``"inf"``."""
        return {
            "network": self.name,
            "engine": self.engine,
            "device": self.device,
            "ok": self.ok,
            "tolerance": self.tolerance,
            "needed": _number(self.needed),
            "cases": self.cases,
            "references": self.references or "Keras",
            "first_departure": self.first_departure.call if self.first_departure else None,
            "layers": [
                {
                    "call": one.call,
                    "class": one.class_name,
                    "status": one.status,
                    "alone": _number(one.alone),
                    "chain": _number(one.chain),
                    "masks": one.masks,
                    "varies": _number(one.varies),
                    "compared": one.compared,
                    "why": one.why,
                }
                for one in self.layers
            ],
        }

    def __str__(self) -> str:
        return "\n".join([self.headline(), *self.rows(), *self.remarks()])

    def headline(self) -> str:
        agree = sum(layer.ok for layer in self.layers)
        verdict = "exact" if self.ok else "DEPARTS" if self.layers else "NOTHING WAS COMPARED"
        first = self.first_departure
        where = f", first at {first.class_name} {first.call!r}: {first.why or first.status}" if first else ""
        return (
            f"{self.name} on {self.engine} ({self.device}): {verdict}{where}\n"
            f"{agree} of {len(self.layers)} layers agree over {self.cases} cases; "
            f"tolerance needed {self.needed:.1e}, allowed {self.tolerance:.0e}"
        )

    def rows(self) -> list[str]:
        wide = max([len(layer.call) for layer in self.layers] + [5])
        kind = max([len(layer.class_name) for layer in self.layers] + [5])
        head = f"{'layer':{wide}}  {'class':{kind}}     alone     chain    varies  verdict"
        return [head, *(self._row(layer, wide, kind) for layer in self.layers)]

    @staticmethod
    def _row(layer: LayerVerdict, wide: int, kind: int) -> str:
        numbers = "  ".join(f"{_shown(value):>8}" for value in (layer.alone, layer.chain, layer.varies))
        return f"{layer.call:{wide}}  {layer.class_name:{kind}}  {numbers}  {layer.status}"

    def remarks(self) -> list[str]:
        found = []
        if self.references is not None:
            found.append(f"the references were not made by Keras: {self.references}")
        if self.insensitive:
            names = ", ".join(layer.call for layer in self.insensitive)
            found.append(f"insensitive (the references hardly vary, a wrong port could hide): {names}")
        return found


def _shown(value: Optional[float]) -> str:
    return "–" if value is None else f"{value:.1e}"


def _number(value: Optional[float]) -> Any:
    return value if value is None or np.isfinite(value) else str(value)


def check_network(
    network: Network, engine: Engine, tolerance: Optional[float] = None, progress: Optional[Progress] = None
) -> Report:
    """Compare every call of a network with its references, on an engine.

    Args:
        network: with its cases.
        engine: made for this network.
        tolerance: see the module; `TOLERANCE` by default.
        progress: called with calls done, calls in all, and the call's name.
    """
    allowed = TOLERANCE if tolerance is None else float(tolerance)
    made_by = network.origin.get("references")
    report = Report(network.name, engine.name, str(engine.device), allowed, len(network.cases), made_by)
    verdicts = {
        call.name: LayerVerdict(call.name, network.layers[call.layer].class_name, allowed) for call in network.calls
    }
    report.layers = list(verdicts.values())
    # Alone first: where a layer is large, its own net is gone before the net of the chain is made.
    for number, call in enumerate(network.calls):
        for case in network.cases:
            _check_alone(call, engine, case, verdicts[call.name])
        verdicts[call.name].varies = spread(case.outputs[ref] for case in network.cases for ref in call.refs())
        if progress is not None:
            progress(number + 1, len(network.calls), call.name)
    for case in network.cases:
        _check_chain(network, engine, case, verdicts)
    return report


def _check_chain(network: Network, engine: Engine, case: Case, verdicts: dict[str, LayerVerdict]) -> None:
    try:
        made = engine.run(case.inputs)
    except PortingError as error:
        for verdict in verdicts.values():
            verdict.chain, verdict.why = float("inf"), verdict.why or f"{case.name}: {error.problems[0]}"
        return
    for call in network.calls:
        for ref in call.refs():
            needed = needed_tolerance(made[ref], case.outputs[ref])
            verdicts[call.name].note_chain(needed, made[ref], case.outputs[ref], f"{case.name}, {ref}")


def _check_alone(call: Call, engine: Engine, case: Case, verdict: LayerVerdict) -> None:
    tensors = {ref: _tensor(case, ref) for ref in call.reads()}
    masks = {ref: case.masks[ref] for ref in tensors if ref in case.masks}
    try:
        outputs, kept = engine.run_alone(call, tensors, masks)
    except PortingError as error:
        verdict.alone, verdict.why = float("inf"), f"{case.name}: {error.problems[0]}"
        return
    if len(outputs) != call.outputs:
        verdict.alone, verdict.why = float("inf"), f"{len(outputs)} outputs instead of {call.outputs}"
        return
    for ref, got, mask in zip(call.refs(), outputs, kept):
        want = case.outputs[ref]
        verdict.note_alone(needed_tolerance(got, want), got, want, f"{case.name}, {ref}")
        _compare_masks(verdict, mask, case.masks.get(ref), f"{case.name}, {ref}")


def _compare_masks(verdict: LayerVerdict, got: Optional[Array], want: Optional[Array], where: str) -> None:
    if got is None and want is None:
        return
    same = got is not None and want is not None and np.array_equal(got, want)
    verdict.masks = same and verdict.masks is not False
    if not same and not verdict.why:
        verdict.why = f"{where}: " + ("no mask" if got is None else "a mask" if want is None else "another mask")


def _tensor(case: Case, ref: TensorRef) -> Array:
    return case.outputs[ref] if ref in case.outputs else case.inputs[ref.call]


def spread(arrays: Iterable[Array]) -> float:
    """How far values of the same place differ between rows and cases, relative to 1 + their size; whole numbers: 1.

    Cases of other shapes are compared within themselves, rows against rows.
    """
    widest = 0.0
    for array in arrays:
        if array.dtype.kind != "f":
            if array.size > 1 and (array != array.flat[0]).any():
                widest = max(widest, 1.0)
            continue
        values = array.astype(np.float64)
        if not values.size or not np.isfinite(values).any():
            continue
        values = np.where(np.isfinite(values), values, 0.0)
        between = values.max(axis=0) - values.min(axis=0)
        widest = max(widest, float(np.max(between / (1.0 + np.abs(values).max(axis=0)))))
    return widest
