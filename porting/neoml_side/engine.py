"""A network as a live NeoML net: planned as a graph, built on a device, run batch by batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Optional, Union

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..execution import refs_read, walk
from ..layers import RULES, Refusal, Rule, apply_call, context_of
from ..network import Array, Call, Input, Network, Shape, TensorRef
from .devices import math_engine_for, math_engine_of_fork
from .graph import Graph, Node, blob_array
from .nets import Nets
from .operations import NeomlOperations
from .pool import LARGE_WEIGHTS, NetPool
from .sized import BySize, Sizes, at_sizes, given_sizes, planned, planned_at, sizes_of
from .sizes import LeastSizes, check_inputs_of_net, least_sizes, needs_least_sizes, sizes_seen
from .wires import Terminal, Wire, canonical

__all__ = ["NeomlEngine", "Plan", "plan_network"]

# Combinations of sizes whose nets are kept, where a net hangs on sizes.
MOST_SIZES = 8


@dataclass(frozen=True, eq=False)
class Plan:
    """A network as a NeoML graph.

    Attributes:
        graph: the nodes; sinks are set by whoever builds it.
        tensors: every tensor of the network as a wire.
        ops: the operations that made them.
    """

    graph: Graph
    tensors: dict[TensorRef, Wire]
    ops: NeomlOperations

    def needed_nodes(self, network: Network) -> dict[str, list[Node]]:
        """By call, the nodes that the network's outputs need."""
        graph = self.graph.with_sinks({str(ref): self.tensors[ref].port for ref in network.output_refs()})
        by_call: dict[str, list[Node]] = {call.name: [] for call in network.calls}
        for node in graph.needed():
            if node.scope in by_call and node.kind != "Source":
                by_call[node.scope].append(node)
        return by_call


def observed_shape(network: Network, ref: TensorRef) -> Shape:
    """A tensor's shape as the references show it: sizes that differ between cases are open."""
    shapes = [case.outputs[ref].shape for case in network.cases if ref in case.outputs]
    if not shapes:
        return (None,)
    return (None, *(sizes[0] if len(set(sizes)) == 1 else None for sizes in list(zip(*shapes))[1:]))


def _stand_in(network: Network, graph: Graph, ref: TensorRef) -> Optional[Wire]:
    shape = observed_shape(network, ref)
    array = next((case.outputs[ref] for case in network.cases if ref in case.outputs), None)
    dtype = "float32" if array is None or array.dtype.kind == "f" else "bool" if array.dtype.kind == "b" else "int32"
    layout = canonical(len(shape), dtype)
    wire = Wire(shape, dtype, layout, graph.add("Source", name=f"stand-in {ref}"), graph, ids_from=frozenset())
    masks = [case.masks[ref] for case in network.cases if ref in case.masks]
    if not masks:
        return wire
    rank = masks[0].ndim
    mask = Wire(shape[:rank], "bool", canonical(rank), graph.add("Source", name=f"stand-in mask {ref}"), graph)
    return wire.with_mask(mask)


def plan_network(
    network: Network,
    rules: Mapping[str, Rule] = RULES,
    training: bool = False,
    moving: Collection[str] = frozenset(),
) -> Plan:
    """Lay a network out as a NeoML graph, in training with statistics that follow the batches.

    Builds nothing and needs no neoml.

    Inputs whose tensors mostly meet recurrent layers are laid out time-first, so that they need no moving.

    Raises:
        Unsupported: with every problem of every call.
    """
    first = _plan(network, rules, training, moving, {})
    layouts: dict[str, str] = {}
    for one in network.inputs:
        moves = first.ops.moves.get(one.name, {})
        if len(one.shape) in (2, 3) and moves.get("L", 0) > sum(n for letter, n in moves.items() if letter != "L"):
            wire = first.tensors[one.ref]
            if len(wire.layout) > 1 and wire.layout[1] == "H":
                layouts[one.name] = "BL" + wire.layout[2:]
    return _plan(network, rules, training, moving, layouts) if layouts else first


def _plan(
    network: Network, rules: Mapping[str, Rule], training: bool, moving: Collection[str], layouts: Mapping[str, str]
) -> Plan:
    graph = Graph()
    ops = NeomlOperations(graph, training, moving)
    inputs = {one.ref: _source(ops, one, layouts.get(one.name)) for one in network.inputs}

    def enter(call: Call) -> None:
        graph.scope = call.name

    tensors = walk(network, ops, inputs, rules, stand_in=lambda ref: _stand_in(network, graph, ref), before=enter)
    return Plan(graph, tensors, ops)  # type: ignore[arg-type]


def _source(ops: NeomlOperations, given: Input, layout: Optional[str]) -> Wire:
    try:
        return ops.source(given, layout)
    except Refusal as refusal:
        raise Unsupported(Problem(f"input {given.name!r}", refusal.what, refusal.way_out)) from refusal


class NeomlEngine:
    """`porting.engine.Engine` over live NeoML nets.

    One net is built for `predict` in each thread that asks; one more, with every tensor put out, when
    `layer_outputs` is first asked for. A network with more than 256 MiB of weights has one net at a time, for which
    threads wait. Where a layer hangs on a size that is open there are such nets for each combination of sizes that
    comes, and those of the sizes used last are kept.

    Attributes:
        plan: what is built; for one size of the references where it hangs on sizes.
        hangs_on_sizes: why there is no plan for every size; None where there is one.

    Raises:
        Unsupported: with every problem, when a call cannot be expressed in NeoML at any size.
    """

    name = "neoml"
    default_batch_size = 32

    def __init__(self, network: Network, rules: Mapping[str, Rule] = RULES, device: Any = "cpu") -> None:
        self.network = network
        self.rules = rules
        self.device = device
        self.math_engine = math_engine_for(device)
        self.plan, self.hangs_on_sizes = planned(network, lambda it: plan_network(it, rules))
        self.id_limits = self.plan.graph.ids_below
        self._seen = sizes_seen(network)
        if self.hangs_on_sizes is None and network.cases and needs_least_sizes(self.plan.graph, network.inputs):
            self._check_windows()
        weights = weight_bytes(network)
        self._large = weights > LARGE_WEIGHTS
        self._nets = self._nets_of(self.plan)
        kept = min(MOST_SIZES, LARGE_WEIGHTS // max(weights, 1))
        self._by_size = BySize(self._nets_at, max(1, kept))

    def _check_windows(self) -> None:
        """Raises Unsupported where a window is larger than the references' smallest input; see `sizes`."""
        shapes = {
            one.name: [size or seen for size, seen in zip(one.shape, self._seen[one.name])]
            for one in self.network.inputs
        }
        inputs = tuple(replace(one, shape=(None, *shapes[one.name][1:])) for one in self.network.inputs)
        try:
            plan_network(replace(self.network, inputs=inputs), self.rules)
        except Unsupported as error:
            if any("does not fit an axis" in problem.what for problem in error.problems):
                raise

    def _forked(self) -> None:
        self.math_engine = math_engine_of_fork(self.device)

    # ---- nets

    def _nets_of(self, plan: Plan) -> Nets:
        most = 1 if self._large else None
        return Nets(self.network, plan, lambda: self.math_engine, self._forked, most, self.device != "cpu")

    def _nets_at(self, sizes: Sizes) -> Nets:
        """The nets for inputs of these sizes. Raises Mismatch where there can be none."""
        if sizes == tuple(self.plan.tensors[one.ref].shape[1:] for one in self.network.inputs):
            return self._nets
        return self._nets_of(planned_at(self.network, sizes, lambda it: plan_network(it, self.rules)))

    @property
    def main(self) -> Any:
        """The runner whose weights count."""
        self._make_room(self._nets.predicting)
        return self._nets.predicting.first

    def _make_room(self, kept: Optional[NetPool]) -> None:
        """A large network has one live net at a time, as long as nobody was shown it."""
        for nets in (self._nets, *self._by_size) if self._large else ():
            for pool in (nets.predicting, nets.observing):
                if pool is not kept:
                    pool.drop()

    @property
    def dnn(self) -> Any:
        """The live `neoml.Dnn.Dnn` whose weights count."""
        self._nets.predicting.shown = True
        return self.main.dnn

    @cached_property
    def least_sizes(self) -> LeastSizes:
        """By input, the least size of each axis that the net can be run on; inputs that take any are left out."""
        if self.hangs_on_sizes is not None or not needs_least_sizes(self.plan.graph, self.network.inputs):
            return {}
        return least_sizes(self.network, lambda network: plan_network(network, self.rules))

    def terminals(self) -> tuple[list[Terminal], list[Terminal]]:
        """The sources and sinks of the net that predicts."""
        tensors = self.plan.tensors
        sources = [
            Terminal.of(
                *(one.name, tensors[one.ref], one.dtype, self.id_limits.get(one.name)),
                self.least_sizes.get(one.name, ()),
            )
            for one in self.network.inputs
        ]
        return sources, [Terminal.of(str(ref), tensors[ref], tensors[ref].dtype) for ref in self._nets.outputs]

    def at(self, shape: Any) -> NeomlEngine:
        """An engine for inputs of one size; see `porting.neoml_side.sized.given_sizes`."""
        sizes = given_sizes(shape, self.network.inputs)
        return NeomlEngine(at_sizes(self.network, sizes), self.rules, self.device)

    # ---- running

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        """The wanted tensors (None: all that calls make) for checked inputs by name. Safe in several threads.

        Raises:
            Mismatch: numbers that are not finite, or sizes that do not fit the net or each other.
        """
        small = any(size < seen for name, array in inputs.items() for size, seen in zip(array.shape, self._seen[name]))
        check_inputs_of_net(inputs, self.least_sizes if small else {}, self.id_limits)
        nets = self._nets if self.hangs_on_sizes is None else self._by_size[sizes_of(self.network, inputs)]
        pool = nets.pool_for(wanted)
        self._make_room(pool)
        return nets.run(pool, inputs)

    def run_alone(
        self, call: Call, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]
    ) -> tuple[list[Array], list[Optional[Array]]]:
        """One call as a net of its own, on given tensors; its outputs and their masks."""
        from .build import Runner

        self._make_room(None)
        graph = Graph()
        ops = NeomlOperations(graph)
        feeds: dict[str, tuple[Array, Wire]] = {}
        wires: dict[TensorRef, Wire] = {}
        for ref in dict.fromkeys(refs_read(call)):
            wires[ref] = _fed(ops, str(ref), tensors[ref], feeds)
            if ref in masks:
                wires[ref] = wires[ref].with_mask(_fed(ops, f"{ref} mask", masks[ref], feeds))
        graph.scope = call.name
        layer = self.network.layers[call.layer]
        outputs: list[Any] = apply_call(call, layer, wires, ops, context_of(self.network, self.rules))
        sinks = {f"output {at}": wire.port for at, wire in enumerate(outputs)}
        sinks.update({f"mask {at}": wire.mask.port for at, wire in enumerate(outputs) if wire.mask is not None})
        runner = Runner(graph.with_sinks(sinks), self.math_engine)
        results = run_checked(runner, {name: as_blob(*feeds[name]) for name in runner.reads})
        arrays = [as_array(results[f"output {at}"], wire) for at, wire in enumerate(outputs)]
        kept = [
            None if wire.mask is None else as_array(results[f"mask {at}"], wire.mask) for at, wire in enumerate(outputs)
        ]
        return arrays, kept

    def weights(self) -> dict[str, Array]:
        """All weights by ``layer/weight``, in Keras' orientation, read back from the live net."""
        from .weights import read_weights

        return read_weights(self.main.dnn, self.main.nodes, self.network)

    def renewed(self, network: Network) -> NeomlEngine:
        """An engine of the same kind for the same network with other weights."""
        return NeomlEngine(network, self.rules, self.device)

    def learner(
        self,
        network: Network,
        learns: Sequence[str],
        absorbed: Mapping[TensorRef, Collection[str]],
        seed: int,
        moving: Sequence[str] = (),
    ) -> Any:
        """A net that gives gradients; see `porting.neoml_side.learning.LearningNet`."""
        from .learning import LearningNet
        from .sized_learner import learner_of

        def net(whole: Network, theta: Any = None, seed: int = seed) -> LearningNet:
            return LearningNet(whole, learns, absorbed, self.math_engine, self.rules, seed, moving, theta)

        return learner_of(network, net)


def weight_bytes(network: Network) -> int:
    """Bytes of a network's weights."""
    return sum(array.nbytes for layer in network.layers.values() for array in layer.weights.values())


def _fed(ops: NeomlOperations, name: str, array: Array, feeds: dict[str, tuple[Array, Wire]]) -> Wire:
    dtype = "bool" if array.dtype == bool else "int32" if array.dtype.kind in "iu" else "float32"
    shape = (None, *array.shape[1:])
    if dtype == "bool":
        wire = Wire(shape, dtype, canonical(array.ndim), ops.graph.add("Source", name=name), ops.graph)
    else:
        wire = ops.source(Input(name, shape, dtype))
    feeds[name] = (array, wire)
    return wire


def as_blob(array: Array, wire: Union[Wire, Terminal]) -> Array:
    """A Keras-shaped array as the seven-dimensional blob of a wire."""
    return blob_array(array.astype(np.int32 if wire.dtype == "int32" else np.float32, copy=False), wire.layout)


def as_array(blob: Array, wire: Union[Wire, Terminal]) -> Array:
    """A wire's blob as Keras shapes it."""
    from .build import axes_of

    array = axes_of(blob, wire.layout)
    return array != 0 if wire.dtype == "bool" else array


def run_checked(runner: Any, blobs: Mapping[str, Array]) -> dict[str, Array]:
    """Run a net; what NeoML refuses becomes a Mismatch that names the shapes."""
    try:
        outputs: dict[str, Array] = runner.run(blobs)
        return outputs
    except (RuntimeError, ValueError, MemoryError) as error:
        shapes = ", ".join(f"{name} {tuple(n for n in blob.shape if n != 1)}" for name, blob in blobs.items())
        what = f"NeoML cannot run the network on these inputs: {str(error).splitlines()[0][:300]}"
        raise Mismatch(Problem(f"inputs {shapes}", what, "do the sizes of the inputs fit each other?")) from error
