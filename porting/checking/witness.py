"""Noise where the references hold none (a folder of version 1, a network that was trained here): measured in numpy.

The same moves by a last bit as in `porting.keras_side.noise`, of the network as the numpy engine runs it. Only what
moves is asked, never what a tensor should be, so a wrong port does not excuse itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, reduce
from typing import Any, Optional

import numpy as np

from ..engine_factory import make_engine
from ..errors import PortingError
from ..layers import Rule
from ..network import Array, Call, Case, Network, TensorRef
from .noise import PATTERNS, Moves, generator, larger, moves, nudged

NOTHING: Moves = (0.0, 0.0)


class Witness:
    """Measures the noise of the tensors that it is asked about.

    Attributes:
        asked: of how many tensors it was.
    """

    def __init__(self, network: Network, rules: Mapping[str, Rule]) -> None:
        self.network = network
        self.rules = rules
        self.asked = 0
        self._chains: dict[str, dict[TensorRef, Moves]] = {}

    @cached_property
    def engines(self) -> list[tuple[Any, np.random.Generator]]:
        """The network itself, and with its weights moved, each pattern with its random numbers."""
        made = [(make_engine(self.network, "numpy", None, self.rules), generator(0))]
        for pattern in range(PATTERNS):
            random = generator(pattern)
            weights = {name: nudged(array, random) for name, array in self.network.weights().items()}
            made.append((make_engine(self.network.with_weights(weights), "numpy", None, self.rules), random))
        return made

    def alone(self, call: Call, case: Case, ref: TensorRef) -> Moves:
        """How far an output of a call moves when its weights and what it reads move; no noise where numpy cannot.

        Where what it reads was not kept whole, the chain tells.
        """
        if any(one in case.sampled for one in call.reads()):
            return self.chain(case, ref)
        self.asked += 1
        tensors = {one: case.outputs[one] if one in case.outputs else case.inputs[one.call] for one in call.reads()}
        masks = {one: case.masks[one] for one in tensors if one in case.masks}
        try:
            (engine, _), *trials = self.engines
            kept, kept_masks = engine.run_alone(call, tensors, masks)
            found = []
            for moved_engine, random in trials:
                moved = {one: nudged(array, random) for one, array in tensors.items()}
                outputs, found_masks = moved_engine.run_alone(call, moved, masks)
                if not _decide_alike([*outputs, *found_masks], [*kept, *kept_masks]):
                    outputs, _ = moved_engine.run_alone(call, tensors, masks)
                found.append(moves(outputs[ref.output], kept[ref.output]))
        except PortingError:
            return NOTHING
        return _largest(found)

    def chain(self, case: Case, ref: TensorRef) -> Moves:
        """How far a tensor moves when all weights, what every call makes, and the inputs move."""
        self.asked += 1
        if case.name not in self._chains:
            try:
                self._chains[case.name] = self._measured(case)
            except PortingError:
                self._chains[case.name] = {}
        return self._chains[case.name].get(ref, NOTHING)

    def _measured(self, case: Case) -> dict[TensorRef, Moves]:
        (engine, _), *trials = self.engines
        kept = {**{one.ref: case.inputs[one.name] for one in self.network.inputs}, **engine.run(case.inputs)}
        chains: list[dict[TensorRef, Array]] = [{} for _ in trials]
        measured: dict[TensorRef, Moves] = {}
        for call in self.network.calls:
            masks = {ref: case.masks[ref] for ref in call.reads() if ref in case.masks}
            for (moved_engine, random), values in zip(trials, chains):
                given = {ref: kept[ref] for ref in call.reads()}
                moved = {ref: values.get(ref, nudged(array, random)) for ref, array in given.items()}
                outputs, found = moved_engine.run_alone(call, moved, masks)
                if not _decide_alike(found, [case.masks.get(ref) for ref in call.refs()]):
                    outputs, _ = moved_engine.run_alone(
                        call, {ref: values.get(ref, given[ref]) for ref in given}, masks
                    )
                for ref, array in zip(call.refs(), outputs):
                    measured[ref] = _largest([measured.get(ref, NOTHING), moves(array, kept[ref])])
                    values[ref] = nudged(array, random) if array.dtype.kind == "f" else kept[ref]
        return measured


def _largest(found: list[Moves]) -> Moves:
    return reduce(larger, found)


def _decide_alike(found: list[Any], kept: list[Any]) -> bool:
    """Whether masks and whole numbers fell the same way."""
    numbers = (one is not None and one.dtype.kind == "f" for one in found)
    return all(number or _equal(one, other) for number, one, other in zip(numbers, found, kept))


def _equal(one: Optional[Array], other: Optional[Array]) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)
