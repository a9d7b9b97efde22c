"""One call as a net of its own, on tensors that are fed: where is a fault?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional

from ..layers import Context, apply_call
from ..network import Array, Call, Input, Layer, Shape, TensorRef
from .graph import Graph
from .lowering.operations import NeomlOperations
from .plan import Plan
from .runtime.blobs import as_array, as_blob, run_checked
from .values import Wire, canonical


@dataclass(frozen=True)
class Fed:
    """A tensor that a net is fed, or its mask: its shape, None where open, and the dtype that NeoML is given."""

    shape: Shape
    dtype: str


# By tensor that a call reads, what is fed of it and of its mask.
AllFed = Mapping[TensorRef, tuple[Fed, Optional[Fed]]]


def fed_as_they_are(tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]) -> AllFed:
    """What is fed, for these sizes and any batch."""
    return {ref: (_fed(array), _fed(masks[ref]) if ref in masks else None) for ref, array in tensors.items()}


def fed_as_planned(fed: AllFed, plan: Plan) -> AllFed:
    """The same for every size that a plan leaves open."""
    return {
        ref: (_opened(given, plan.tensors[ref]), mask and _opened(mask, plan.tensors[ref].mask))
        for ref, (given, mask) in fed.items()
    }


def _fed(array: Array) -> Fed:
    return Fed((None, *array.shape[1:]), array.dtype.name if array.dtype.kind in "biu" else "float32")


def _opened(fed: Fed, wire: Optional[Wire]) -> Fed:
    return fed if wire is None or len(wire.shape) != len(fed.shape) else replace(fed, shape=(None, *wire.shape[1:]))


class AloneNet:
    """A call's layer as a live net, for one thread at a time.

    Raises:
        Unsupported: the call cannot be expressed for what is fed.
    """

    def __init__(self, call: Call, layer: Layer, context: Context, fed: AllFed, plan: Plan, math_engine: Any) -> None:
        from .runtime.runner import Runner

        graph = Graph()
        graph.infinite = plan.graph.infinite
        ops = NeomlOperations(graph)
        self.sources: dict[str, Wire] = {}
        wires: dict[TensorRef, Wire] = {}
        for ref, (given, mask) in fed.items():
            wires[ref] = replace(self._source(ops, str(ref), given), bounds=plan.tensors[ref].bounds)
            if mask is not None:
                wires[ref] = wires[ref].with_mask(self._source(ops, _mask_of(ref), mask))
        graph.scope = call.name
        self.outputs: list[Wire] = apply_call(call, layer, wires, ops, context)
        sinks = {f"output {at}": wire.port for at, wire in enumerate(self.outputs)}
        sinks.update({f"mask {at}": wire.mask.port for at, wire in enumerate(self.outputs) if wire.mask is not None})
        self.runner = Runner(graph.with_sinks(sinks), math_engine)

    def _source(self, ops: NeomlOperations, name: str, fed: Fed) -> Wire:
        if fed.dtype == "bool":
            port = ops.graph.add("Source", name=name)
            wire = Wire(fed.shape, fed.dtype, canonical(len(fed.shape)), port, ops.graph)
        else:
            wire = ops.source(Input(name, fed.shape, fed.dtype))
        self.sources[name] = wire
        return wire

    def run(
        self, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]
    ) -> tuple[list[Array], list[Optional[Array]]]:
        """Its outputs and their masks. Raises Mismatch for what NeoML does not run on; it must not run again then."""
        given = {str(ref): array for ref, array in tensors.items()}
        given.update({_mask_of(ref): array for ref, array in masks.items()})
        blobs = {name: as_blob(given[name], self.sources[name]) for name in self.runner.reads}
        found = run_checked(self.runner, blobs)
        outputs = [as_array(found[f"output {at}"], wire) for at, wire in enumerate(self.outputs)]
        kept = [
            None if wire.mask is None else as_array(found[f"mask {at}"], wire.mask)
            for at, wire in enumerate(self.outputs)
        ]
        return outputs, kept


def _mask_of(ref: TensorRef) -> str:
    return f"{ref} mask"
