"""Outputs against references, layer by layer.

Each layer is checked alone, on the tensors that Keras gave it (where is the fault?), and in the chain (what does
it add up to?). A value may differ by what float32 can hold there (`tolerance`, `noise`). What was not compared is
"not checked", which is not a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Optional

import numpy as np

from ..engine import Engine
from ..errors import PortingError
from ..network import Array, Call, Case, Network, TensorRef
from .judging import Judge, comparable
from .lookups import wrong_rows
from .report import Report
from .runs import check_runs
from .shifted import agrees, shifted_layer, shifted_network
from .shown import of_one_value, unshown, whole_tensors
from .tolerance import difference, equal_bits
from .verdicts import Evidence, LayerVerdict, RunVerdict, is_open, some_names

Progress = Callable[[int, int, str], None]


def check_network(
    network: Network,
    engine: Engine,
    tolerance: Optional[float] = None,
    progress: Optional[Progress] = None,
    weights: bool = False,
) -> Report:
    """Compare every call of a network with its references, on an engine.

    Args:
        network: with its cases.
        engine: made for this network.
        tolerance: t of ``|a − b| ≤ t + t·|b|`` that is allowed everywhere; by default what float32 can hold.
        progress: called with calls done, calls in all, and the call's name.
        weights: find the weights that no reference shows; takes a run of a layer for each slice of its weights.
    """
    made_by = network.origin.get("references")
    report = Report(network.name, engine.name, str(engine.device), tolerance, len(network.cases), made_by)
    check = _Check(network, engine, report)
    check.run(progress)
    (check.find_unshown if weights else check.find_constant)()
    return report


class _Check:
    """One check of a network, under way."""

    def __init__(self, network: Network, engine: Engine, report: Report) -> None:
        self.network = network
        self.engine = engine
        self.report = report
        self.judge = Judge(network, engine.rules, report.tolerance)
        self.verdicts = {call.name: self.verdict_on(call) for call in network.calls}
        for call in self.calls_of_sizes():
            self.verdicts[call].of_sizes = True
        report.layers = list(self.verdicts.values())
        called = {call.layer for call in network.calls}
        report.groups = {name: class_shown(vars(one)) for name, one in network.layers.items() if name not in called}
        # By case, outputs of calls alone that stand for tensors which were not kept whole.
        self.made: dict[str, dict[TensorRef, Array]] = {case.name: {} for case in network.cases}
        # By case, outputs of the network that Keras' own float32 leaves open.
        self.open: dict[str, list[str]] = {}
        self.outputs = frozenset(network.output_refs())
        self.last = {ref: call.name for call in network.calls for ref in (*call.refs(), *call.reads())}

    def verdict_on(self, call: Call) -> LayerVerdict:
        """An empty verdict, which knows what the references hold."""
        cases = self.network.cases
        recorded = any(case.tells_of(ref) for case in cases for ref in call.refs())
        given = any(all(case.tells_of(ref) for ref in call.reads()) for case in cases)
        shown = class_shown(vars(self.network.layers[call.layer]))
        return LayerVerdict(call.name, shown, recorded=recorded or not cases, inputs_recorded=given or not cases)

    def calls_of_sizes(self) -> set[str]:
        """Calls whose numbers go by sizes alone: by their rules, or since all that they read does."""
        found: set[str] = set()
        for call in self.network.calls:
            rule = self.engine.rules.get(self.network.layers[call.layer].class_name)
            if (rule is not None and rule.of_sizes) or all(ref.call in found for ref in call.reads()):
                found.add(call.name)
        return found

    def run(self, progress: Optional[Progress]) -> None:
        # Alone first: where a layer is large, its own net is gone before the net of the chain is made.
        for number, call in enumerate(self.network.calls):
            verdict = self.verdicts[call.name]
            for case in self.network.cases:
                self.check_alone(call, case, verdict)
                self.forget(call, case)
            self.check_lookups(call, verdict)
            verdict.varies = spread(_kept(case, ref) for case in self.network.cases for ref in call.refs())
            noises = [
                case.noise[ref].alone[1] for case in self.network.cases for ref in call.refs() if ref in case.noise
            ]
            verdict.noise = max(noises, default=None)
            if progress is not None:
                progress(number + 1, len(self.network.calls), call.name)
        for case in self.network.cases:
            self.check_chain(case)
        self.note_open()
        self.check_shifted()
        self.check_weights()
        if self.network.cases:
            self.report.runs += check_runs(self.network, self.engine, self.judge)
        self.report.notes += self.judge.remarks()

    def note_open(self) -> None:
        """Name the cases of which no port can be asked to give Keras' answer, such as a user's samples."""
        for case, outputs in self.open.items():
            what = f"Keras' own float32 leaves {some_names(outputs)} open"
            self.report.notes.append(f"{case}: {what}: moving numbers by a last bit gives another answer")

    def find_constant(self) -> None:
        """Note the weights whose order no reference can show."""
        shifted = {call.layer for call in self.network.calls if self.verdicts[call.name].shifted}
        same = list(of_one_value(self.network, shifted))
        if same:
            what = "weights of one value throughout, so that their order is not proved"
            self.report.notes.append(f"{what}: {some_names(same)}")

    def find_unshown(self) -> None:
        """Note the weights of each layer that nothing shows; those of a layer called twice at its first call."""
        seen: set[str] = set()
        tensors = whole_tensors(self.network, self.engine.rules)
        for call in self.network.calls:
            if call.layer not in seen:
                verdict = self.verdicts[call.name]
                verdict.unshown = unshown(self.network, call, self.engine.rules, tensors, bool(verdict.shifted))
            seen.add(call.layer)

    def check_weights(self) -> None:
        """Compare what is read back from what runs with what was saved, to the bit."""
        try:
            live = self.engine.weights()
        except PortingError as error:
            self.report.runs.append(RunVerdict("with its weights", why=str(error.problems[0]), bad=True))
            return
        holders = self.holders()
        for name, array in self.network.weights().items():
            found = live.get(name)
            same = found is not None and equal_bits(found, array)
            what = "" if same else "is missing" if found is None else difference(found, array)
            for verdict, shown in holders.get(name, ()):
                verdict.weights = same and verdict.weights is not False
                if not same:
                    verdict.accuse(f"weight {shown!r}, read back from what runs: {what}")
            if not same and name not in holders:
                self.report.runs.append(RunVerdict("with its weights", why=f"{name!r}: {what}", bad=True))

    def holders(self) -> dict[str, list[tuple[LayerVerdict, str]]]:
        """By weight, the verdicts on the calls that compute with it, whichever layer keeps it, and its name there."""
        found: dict[str, list[tuple[LayerVerdict, str]]] = {}
        for call in self.network.calls:
            layer, verdict = self.network.layers[call.layer], self.verdicts[call.name]
            for own in layer.weights:
                found.setdefault(f"{layer.name}/{own}", []).append((verdict, own))
            for keeper in layer.tied.values():
                found.setdefault(keeper, []).append((verdict, keeper))
        return found

    def forget(self, call: Call, case: Case) -> None:
        """Drop what no later call reads."""
        made = self.made[case.name]
        for ref in [ref for ref in made if self.last[ref] == call.name]:
            del made[ref]

    def check_alone(self, call: Call, case: Case, verdict: LayerVerdict) -> None:
        """Run a call on Keras' tensors; where they were not kept whole, on what the calls before it made of those.

        That has been compared with what was kept of them, so a fault is found where it is; behind one that departs
        nothing is run.
        """
        known = {
            **{TensorRef(name): array for name, array in case.inputs.items()},
            **self.made[case.name],
            **case.outputs,
        }
        if not all(ref in known for ref in call.reads()):
            return
        tensors = {ref: known[ref] for ref in call.reads()}
        masks = {ref: case.masks[ref] for ref in tensors if ref in case.masks}
        try:
            outputs, kept = self.engine.run_alone(call, tensors, masks)
        except PortingError as error:
            verdict.fail_alone(f"{case.name}: {error.problems[0]}")
            return
        if len(outputs) != call.outputs:
            verdict.fail_alone(f"{len(outputs)} outputs instead of {call.outputs}")
            return
        for ref, got, mask in zip(call.refs(), outputs, kept):
            if case.tells_of(ref):
                outcome = self.judge.alone(call, case, ref, got)
                verdict.note_alone(outcome)
                if outcome.agrees and ref in case.sampled:
                    self.made[case.name][ref] = got
                if not outcome.agrees:
                    accuse(verdict, case, ref, got)
            compare_masks(verdict, mask, case, ref)

    def check_lookups(self, call: Call, verdict: LayerVerdict) -> None:
        """Look up every id of a table, where references show no fault."""
        if verdict.why:
            return
        try:
            wrong = wrong_rows(self.network, self.engine, call)
        except PortingError as error:
            wrong = f"looking up its ids: {error.problems[0]}"
        if wrong is not None:
            verdict.fail_alone(wrong)

    def check_shifted(self) -> None:
        """Run each layer that has weights of one value or two with these shifted, as it was in Keras."""
        cases = [case for case in self.network.cases if case.shifted]
        if not cases:
            return
        network = shifted_network(self.network)
        try:
            engine = self.engine.renewed(network)
        except PortingError as error:
            self.report.notes.append(f"not run with shifted weights: {error.problems[0]}")
            return
        for case in cases:
            tensors = whole_tensors(replace(self.network, cases=(case,)), self.engine.rules)[0]
            for call in network.calls:
                if case.shifted.keys() & set(call.refs()):
                    self.check_call_shifted(engine, call, case, tensors)

    def check_call_shifted(self, engine: Engine, call: Call, case: Case, tensors: Mapping[TensorRef, Array]) -> None:
        verdict = self.verdicts[call.name]
        given = {ref: tensors[ref] for ref in call.reads()}
        masks = {ref: case.masks[ref] for ref in given if ref in case.masks}
        try:
            outputs, _ = engine.run_alone(call, given, masks)
        except PortingError as error:
            verdict.shifted = False
            verdict.accuse(f"{case.name}, with shifted weights: {error.problems[0]}")
            return
        for ref, got in zip(call.refs(), outputs):
            if ref in case.shifted:
                same = agrees(case, ref, got)
                verdict.shifted = same and verdict.shifted is not False
                if not same:
                    names = ", ".join(shifted_layer(self.network.layers[call.layer]))
                    what = f"with its weights of one value or two shifted ({names})"
                    wanted = case.shifted[ref]
                    found = wanted.same_of(got) if got.shape == wanted.shape else got
                    verdict.accuse(f"{case.name}, {ref}, {what}: {difference(found, wanted.values)}")

    def check_chain(self, case: Case) -> None:
        try:
            # Masks take a run of their own in NeoML: of the first case and of the last, which the user's samples are.
            ends = case is self.network.cases[0] or case is self.network.cases[-1]
            with_masks = ends and bool(case.masks)
            made, masks = (
                self.engine.run_with_masks(case.inputs) if with_masks else (self.engine.run(case.inputs), None)
            )
        except PortingError as error:
            for verdict in self.verdicts.values():
                verdict.fail_chain(f"{case.name}: {error.problems[0]}")
            return
        for call in self.network.calls:
            verdict = self.verdicts[call.name]
            for ref in call.refs():
                if case.tells_of(ref):
                    outcome = self.judge.chain(case, ref, made[ref])
                    verdict.note_chain(outcome)
                    if is_open(outcome) and ref in self.outputs:
                        self.open.setdefault(case.name, []).append(str(ref))
                    if not outcome.agrees:
                        accuse(verdict, case, ref, made[ref], ", in the chain")
                if masks is not None:
                    compare_masks(verdict, masks.get(ref), case, ref, ", in the chain")


def accuse(verdict: LayerVerdict, case: Case, ref: TensorRef, got: Array, how: str = "") -> None:
    """Note the first difference of an output that departs."""
    got, want = comparable(case, ref, got)
    part = f" ({want.shape[1]} numbers of each row)" if ref in case.sampled and want.ndim == 2 else ""
    where = f"{case.name}, {ref}{part}{how}"
    verdict.accuse(f"{where}: {difference(got, want)}", Evidence(where, got, want))


def class_shown(described: Mapping[str, Any]) -> str:
    """A layer's class, a wrapper's with what it holds: ``Bidirectional(LSTM)``."""
    name, config = str(described.get("class_name", "")), described.get("config")
    if not isinstance(config, Mapping):
        return name
    held = [config.get("layer"), config.get("cell"), *_listed(config.get("layers")), *_listed(config.get("cells"))]
    inner = [class_shown(one) for one in held if isinstance(one, Mapping) and one.get("class_name") != "InputLayer"]
    return f"{name}({', '.join(inner)})" if inner else name


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def compare_masks(verdict: LayerVerdict, got: Optional[Array], case: Case, ref: TensorRef, how: str = "") -> None:
    """Note whether a mask is Keras'."""
    want = case.masks.get(ref)
    if got is None and want is None:
        return
    same = got is not None and want is not None and np.array_equal(got, want)
    verdict.note_mask(same, bool(how))
    if not same:
        where = f"{case.name}, {ref}{how}"
        what = "no mask" if got is None else "a mask" if want is None else "another mask"
        verdict.accuse(f"{where}: {what}", None if got is None or want is None else Evidence(where, got, want))


def _kept(case: Case, ref: TensorRef) -> Array:
    return case.sampled[ref].values if ref in case.sampled else case.outputs[ref]


def spread(arrays: Iterable[Array]) -> float:
    """How far values of the same place differ between rows of a batch, relative to 1 + their size; whole numbers: 1."""
    widest = 0.0
    for array in arrays:
        if array.dtype.kind != "f":
            if array.size > 1 and (array != array.flat[0]).any():
                widest = max(widest, 1.0)
            continue
        values: Any = array.astype(np.float64)
        if not values.size or not np.isfinite(values).any():
            continue
        values = np.where(np.isfinite(values), values, 0.0)
        between = values.max(axis=0) - values.min(axis=0)
        widest = max(widest, float(np.max(between / (1.0 + np.abs(values).max(axis=0)))))
    return widest
