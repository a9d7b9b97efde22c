"""A network run with numpy alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Optional

from ..engine import Engine
from ..errors import Mismatch, Problem, Unsupported
from ..layers import RULES, Context, Rule, apply_call, context_of
from ..layers.execution import walk
from ..layers.rule_files import portable
from ..memory import keep_memory
from ..network import Array, Call, Case, Network, TensorRef
from .operations import NumpyOperations
from .values import Value


class NumpyEngine(Engine):
    """`porting.engine.Engine` on arrays.

    Raises:
        Unsupported: at once and with every problem, when a call of the network cannot be applied.
    """

    name = "numpy"
    device = "cpu"
    few = 96  # by 32 recurrent layers take a third longer

    def __init__(self, network: Network, rules: Mapping[str, Rule] = RULES) -> None:
        keep_memory()
        self.network = network
        self.rules = rules
        self.ops = NumpyOperations()
        self.id_limits = self.ops.id_limits
        if network.cases:
            self._try(network.cases[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return NumpyEngine, (self.network, portable(self.rules)), {"prove": self.prove}

    def _try(self, case: Case) -> None:
        """Apply every call once, on a reference, so that problems show before anything is predicted.

        Whatever looks rows up in an input's own memory says how large that input's ids may be.
        """
        self.ops.watched = dict(case.inputs)
        walk(
            self.network,
            self.ops,
            self._inputs(case.inputs),
            self.rules,
            stand_in=lambda ref: _value(case.stand_in(ref), case.masks.get(ref)),
        )
        self.ops.watched = {}
        given = sum(math.prod(array.shape[1:]) for array in case.inputs.values())
        self._growth = max(self._growth, self.ops.largest_product / max(given, 1))
        self.rows_together = self.ops.rows_meet

    def _inputs(self, inputs: Mapping[str, Array]) -> dict[TensorRef, Value]:
        return {one.ref: Value(inputs[one.name]) for one in self.network.inputs}

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        """The wanted tensors (None: all that calls make) for checked inputs by name."""
        refs = None if wanted is None else list(wanted)
        tensors = self._walked(inputs, refs)
        if refs is None:
            refs = [ref for call in self.network.calls for ref in call.refs()]
        return {ref: tensors[ref].value for ref in refs}

    def _walked(self, inputs: Mapping[str, Array], wanted: Optional[list[TensorRef]]) -> dict[TensorRef, Value]:
        try:
            return walk(self.network, self.ops, self._inputs(inputs), self.rules, wanted=wanted)
        except Unsupported as error:
            if not self.network.cases:
                raise
            # Every rule could do its work on the references, so it is these inputs that do not fit.
            shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
            way_out = "do the sizes of the inputs fit each other?"
            raise Mismatch([Problem(f"inputs {shapes}", str(one), way_out) for one in error.problems]) from error

    def masks(self, inputs: Mapping[str, Array]) -> dict[TensorRef, Array]:
        return self.run_with_masks(inputs)[1]

    def run_with_masks(self, inputs: Mapping[str, Array]) -> tuple[dict[TensorRef, Array], dict[TensorRef, Array]]:
        tensors = self._walked(inputs, None)
        made = {ref: tensors[ref] for call in self.network.calls for ref in call.refs()}
        masks = {ref: one.mask.value for ref, one in made.items() if one.mask is not None}
        return {ref: one.value for ref, one in made.items()}, masks

    def run_alone(
        self, call: Call, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]
    ) -> tuple[list[Array], list[Optional[Array]]]:
        """One call on given tensors; its outputs and their masks."""
        values = {ref: _value(array, masks.get(ref)) for ref, array in tensors.items()}
        layer = self.network.layers[call.layer]
        outputs = apply_call(call, layer, values, self.ops, self._context)
        kept = [None if output.mask is None else output.mask.value for output in outputs]
        return [output.value for output in outputs], kept

    @cached_property
    def _context(self) -> Context:
        return context_of(self.network, self.rules)

    def renewed(self, network: Network) -> NumpyEngine:
        """The engine for the same network with other weights."""
        made = NumpyEngine(network, self.rules)
        made.prove = self.prove
        return made

    def weights(self) -> dict[str, Array]:
        """All weights by ``layer/weight``, in Keras' orientation."""
        return self.network.weights()


def _value(array: Array, mask: Optional[Array]) -> Value:
    return Value(array, None if mask is None else Value(mask))
