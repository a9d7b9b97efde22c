"""An engine with preprocessing in front."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from ..engine import Engine
from ..front import KERAS_BATCH_SIZE, Front, make_step, split_front
from ..inputs import check_inputs
from ..network import Array, Call, Input, Layer, Network, TensorRef
from ..padded import Padding
from ..text.functions import functions_in
from ..training.learner import Learner
from .learner import FrontedLearner


def fronted(
    calls: Iterable[tuple[Call, Layer]], core_inputs: Sequence[Input], core: Engine, network: Network
) -> FrontedEngine:
    """An engine with these calls of preprocessing layers in front, by the text functions among its rules.

    Raises:
        Unsupported: a setting of a layer that is not done exactly.
    """
    own = functions_in(core.rules)
    steps = tuple(make_step(call, layer, own) for call, layer in calls)
    return FrontedEngine(Front(steps, tuple(core_inputs)), core, network)


class FrontedEngine(Engine):
    """An engine for the core behind a front, as an engine for the whole network."""

    def __init__(self, front: Front, core: Engine, network: Network) -> None:
        self.front: Front = front
        self._core = core
        self.network = network
        inputs = {one.name for one in network.inputs}
        self.id_limits = {name: limit for name, limit in core.id_limits.items() if name in inputs}
        self.name = core.name
        self.device = core.device
        self.rules = core.rules
        self.hangs_on_sizes = core.hangs_on_sizes
        self.rows_together = core.rows_together
        self.is_partial = core.is_partial

    def __reduce__(self) -> tuple[Any, ...]:
        calls = [(step.call, step.layer) for step in self.front.steps]
        return fronted, (calls, self.front.core_inputs, self.core, self.network)

    def rows_at_once(self, inputs: Mapping[str, Array], rows: int) -> int:
        """By what the front makes of a first row; Keras' batch, where texts are padded to the longest of theirs."""
        if self.front.pads_to_longest:
            return KERAS_BATCH_SIZE
        _, given = self.prepared({name: array[:1] for name, array in inputs.items()})
        return self.core.rows_at_once(given, rows)

    @property
    def core(self) -> Engine:
        return self._core

    @property
    def padding(self) -> Padding:
        return self.core.padding

    def prepared(self, inputs: Mapping[str, Array]) -> tuple[dict[TensorRef, Array], dict[str, Array]]:
        """See `porting.engine.Engine.prepared`. What the front makes is checked as inputs are."""
        tensors = self.front.run(inputs)
        given = {one.name: tensors[one.ref] for one in self.front.core_inputs}
        return tensors, check_inputs(given, self.front.core_inputs, self.core.id_limits)

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        """See `porting.engine.Engine.run`. What the front makes is checked as inputs are."""
        tensors = self.front.run(inputs)
        own = {TensorRef(step.call.name) for step in self.front.steps}
        refs = None if wanted is None else list(wanted)
        found = {ref: tensors[ref] for ref in (own if refs is None else refs) if ref in own}
        left = None if refs is None else [ref for ref in refs if ref not in own]
        if self.front.core_inputs and (left is None or left):
            given = {one.name: tensors[one.ref] for one in self.front.core_inputs}
            found.update(self.core.run(check_inputs(given, self.front.core_inputs, self.core.id_limits), left))
        return found

    def masks(self, inputs: Mapping[str, Array]) -> Optional[dict[TensorRef, Array]]:
        _, given = self.prepared(inputs)
        return self.core.masks(given) if given else {}

    def run_with_masks(
        self, inputs: Mapping[str, Array]
    ) -> tuple[dict[TensorRef, Array], Optional[dict[TensorRef, Array]]]:
        tensors, given = self.prepared(inputs)
        found = {TensorRef(step.call.name): tensors[TensorRef(step.call.name)] for step in self.front.steps}
        if not given:
            return found, {}
        made, masks = self.core.run_with_masks(given)
        return {**found, **made}, masks

    def run_alone(
        self, call: Call, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]
    ) -> tuple[list[Array], list[Optional[Array]]]:
        for step in self.front.steps:
            if step.call.name == call.name:
                return [step(tensors)], [None]
        return self.core.run_alone(call, tensors, masks)

    def weights(self) -> dict[str, Array]:
        """All weights by ``layer/weight``; a vocabulary is one of its layer's."""
        own = {
            f"{step.layer.name}/{name}": array
            for step in self.front.steps
            for name, array in step.layer.weights.items()
        }
        return {**own, **self.core.weights()}

    def weights_in(self, stored: Engine) -> dict[str, Array]:
        return self.core.weights_in(stored.core)

    def renewed(self, network: Network) -> FrontedEngine:
        return FrontedEngine(self.front, self.core.renewed(self._core_of(network)), network)

    def learner(self, network: Network, *told: Any) -> Learner:
        """See `porting.engine.Engine.learner`; the core is told the same."""
        core = self.core.learner(self._core_of(network), *told)
        return FrontedLearner(self.front, core, self.core.id_limits)

    def _core_of(self, network: Network) -> Network:
        return split_front(network, functions_in(self.rules))[1]

    # ---- what the core has, the whole has

    def whole(self) -> tuple[Network, Engine]:
        return self.core.whole()

    @property
    def has_whole(self) -> bool:
        return self.core.has_whole

    @property
    def dnn(self) -> Any:
        return self.core.dnn

    def terminals(self) -> tuple[list[Any], list[Any]]:
        return self.core.terminals()

    def at(self, shape: Any) -> FrontedEngine:
        return FrontedEngine(self.front, self.core.at(shape), self.network)
