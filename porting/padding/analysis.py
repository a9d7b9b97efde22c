"""Finding what padding a network does not see: its rules are read once more, with facts in the place of numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Optional

import numpy as np

from ..errors import PortingError
from ..inputs import batch_size_of
from ..layers import RULES, Rule, apply_call, context_of
from ..network import Call, Case, Network, TensorRef
from ..numpy_side.values import Value
from ..padded import Filled, Padding, Sequences
from .facts import Fact
from .reader import Reader

# Inputs that are padded are found, and joined with those that they meet, one reading after the other.
MOST_READINGS = 8


def padding_of(
    network: Network,
    rules: Mapping[str, Rule] = RULES,
    moving: Optional[Collection[str]] = None,
    looked_at: Optional[Collection[TensorRef]] = None,
) -> Padding:
    """What padding may be left out of a network's inputs: what is proved changes no output.

    Trailing steps of an input are looked at that a mask of the network's own calls padding: of ids by an Embedding, of
    numbers by a Masking layer; and where these may be left out, leading ones too. Everything that is not known to keep
    its outputs as they are, a user's own rules too as far as they go beyond the operations that are, keeps padding
    where it is.

    Args:
        network: with references, of which one row is run in numpy.
        rules: by class name.
        moving: for a net that learns, whose gradients must not change either: the statistics that follow the batches.
        looked_at: the tensors that must not change, in the place of the outputs. In a net that learns they must not be
            as long as inputs.
    """
    refs = list(dict.fromkeys(network.output_refs() if looked_at is None else looked_at))
    behind = _padding_at(network, rules, moving, refs, at_front=False)
    if not behind:
        return behind
    in_front = _padding_at(network, rules, moving, refs, at_front=True)
    return replace(behind, leading=in_front or None)


def _padding_at(
    network: Network,
    rules: Mapping[str, Rule],
    moving: Optional[Collection[str]],
    refs: Sequence[TensorRef],
    at_front: bool,
) -> Padding:
    """What padding may be left out behind, or in front."""
    row = _row(network)
    if row is None:
        return Padding()
    padding: dict[str, Optional[float]] = {}
    groups: dict[str, str] = {}
    for _ in range(MOST_READINGS):
        reading = _Reading(network, rules, row, Reader(padding, groups, moving, at_front))
        reading.run()
        found = _joined(network, reading.reader, row)
        if not found[0]:
            return Padding()
        if found == (padding, groups):
            return reading.padding(refs)
        padding, groups = found
    return Padding(why="too many inputs meet each other")


def _row(network: Network) -> Optional[Case]:
    """The first row of the smallest reference of several steps."""
    several = [
        case
        for case in network.cases
        if batch_size_of(case.inputs) and all(array.ndim < 2 or array.shape[1] > 1 for array in case.inputs.values())
    ]
    if not several or any(one.shape[0] is not None for one in network.inputs):
        return None
    case = min(several, key=lambda one: sum(array[0].size for array in one.inputs.values()))
    return Case(
        case.name,
        {name: array[:1] for name, array in case.inputs.items()},
        {ref: array[:1] if array.ndim else array for ref, array in case.outputs.items()},
        {ref: array[:1] for ref, array in case.masks.items()},
    )


def _joined(network: Network, reader: Reader, row: Case) -> tuple[dict[str, Optional[float]], dict[str, str]]:
    """The inputs that may be cut, and by input those that are cut together: what met has to be cut alike."""
    padding = dict(reader.padding)
    groups = {name: reader.groups.get(name, name) for name in padding}
    for of, other in sorted(reader.meetings, key=str):
        if isinstance(other, str):
            groups = {name: of if group == other else group for name, group in groups.items()}
            continue
        for one in network.inputs:
            array = row.inputs[one.name]
            if one.name not in groups and array.ndim > 1 and array.shape[1] == other and array.dtype != object:
                groups[one.name] = of
                padding[one.name] = None
    return padding, groups


@dataclass
class _Reading:
    """One walk over a network's calls. The first, which no input is known to pad, goes no further than its masks do:
    these are made of inputs as they are.

    Attributes:
        facts: of every tensor, once it has run.
    """

    network: Network
    rules: Mapping[str, Rule]
    row: Case
    reader: Reader

    def run(self) -> None:
        context = context_of(self.network, self.rules)
        self.facts = {one.ref: self.reader.source(one.name, self.row.inputs[one.name]) for one in self.network.inputs}
        for call in self.network.calls:
            layer = self.network.layers[call.layer]
            self.reader.scope = f"{layer.class_name} {call.name!r}"
            hangs = not self.reader.groups and not any(self.facts[ref].source for ref in call.reads())
            try:
                outputs = self._unknown(call) if hangs else apply_call(call, layer, self.facts, self.reader, context)
            except PortingError:
                outputs = self._unknown(call)
            self.facts.update(zip(call.refs(), outputs))

    def _unknown(self, call: Call) -> list[Fact]:
        """What stands for the outputs of a call that cannot be applied to sizes that are not known."""
        why = f"{self.reader.scope} hangs on how many steps there are"
        return [Fact(Value(self.row.outputs.get(ref, np.zeros(1, np.float32))), why=why) for ref in call.refs()]

    def padding(self, refs: Sequence[TensorRef]) -> Padding:
        """What these tensors allow, which are looked at."""
        learns = self.reader.learns
        facts = [*(self.facts[ref] for ref in refs), *self.reader.followed]
        hindering = (one.why or _not_to_be_filled(one, learns) for one in facts)
        why = next(filter(None, hindering), "")
        if why:
            return Padding(why=why)
        asks = frozenset().union(*(one.asks for one in facts))
        names = list(dict.fromkeys(self.reader.groups.values()))
        filled = {
            ref: tuple(Filled(axis, names.index(one.of), one.at_front) for axis, one in sorted(fact.steps.items()))
            for ref, fact in zip(refs, facts)
            if fact.steps
        }
        keep = {name for kind, name in asks if kind == "step"}
        keep |= {one.of for fact in facts for one in fact.steps.values()} | (set(names) if learns else set())
        sequences = []
        for of in names:
            inputs = {one: self.reader.padding[one] for one, group in self.reader.groups.items() if group == of}
            first, small = (
                frozenset(name for kind, name in asks if kind == wanted and name in inputs)
                for wanted in ("first", "small")
            )
            longest = self.reader.limits.get(of)
            sequences.append(Sequences(inputs, of in keep, first, small, longest, self.reader.at_front))
        return Padding(tuple(sequences), filled)


def _not_to_be_filled(fact: Fact, learns: bool) -> str:
    """Why an output that is as long as inputs cannot be made as long again as it was; nothing where it can."""
    if fact.loose:
        return "an output's values at padded steps hang on how many there are"
    if learns and fact.steps:
        return "losses count every step of an output"
    if learns and fact.mask is not None:
        return "losses count by an output's mask"
    if not fact.steps:
        return ""
    if not all(one.even for one in fact.steps.values()):
        return "an output's values differ from one padded step to the next"
    return ""
