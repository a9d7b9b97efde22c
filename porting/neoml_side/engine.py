"""A network as a live NeoML net: planned as a graph, built on a device, run batch by batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, Optional, Union

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..execution import refs_read, walk
from ..layers import RULES, Refusal, Rule, apply_call, context_of
from ..network import Array, Call, Input, Network, Shape, TensorRef
from .devices import math_engine_for, math_engine_of_fork
from .folding import folded
from .graph import Graph, Node, blob_array
from .operations import NeomlOperations
from .pool import LARGE_WEIGHTS, NetPool
from .sizes import LeastSizes, check_inputs_of_net, least_sizes, needs_least_sizes, sizes_seen
from .wires import Terminal, Wire, canonical

__all__ = ["NeomlEngine", "Plan", "plan_network"]

# Numbers in one layer's output. Pictures of 224 x 224 in batches of 32 took a fifth longer at once than by two to four.
LARGE, CACHED = 2**17, 2**21
FEWEST_ROWS, MOST_ROWS = 2, 2**31


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
    threads wait.

    Raises:
        Unsupported: with every problem, when a call cannot be expressed in NeoML.
    """

    name = "neoml"
    default_batch_size = 32

    def __init__(self, network: Network, rules: Mapping[str, Rule] = RULES, device: Any = "cpu") -> None:
        self.network = network
        self.rules = rules
        self.device = device
        self.math_engine = math_engine_for(device)
        self.plan = plan_network(network, rules)
        self.id_limits = self.plan.graph.ids_below
        self._seen = sizes_seen(network)
        if network.cases and needs_least_sizes(self.plan.graph, network.inputs):
            self._check_windows()
        self._outputs = list(dict.fromkeys(network.output_refs()))
        self._large = weight_bytes(network) > LARGE_WEIGHTS
        most = 1 if self._large else None
        self._pool = NetPool(lambda: self._build(self._outputs), self._forked, most)
        every = [ref for call in network.calls for ref in call.refs()]
        self._observer = NetPool(lambda: self._build(every), self._forked, most)

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

    @property
    def main(self) -> Any:
        """The runner whose weights count."""
        self._make_room(self._pool)
        return self._pool.first

    def _make_room(self, kept: Optional[NetPool]) -> None:
        """A large network has one live net at a time, as long as nobody was shown it."""
        for pool in (self._pool, self._observer):
            if self._large and pool is not kept:
                pool.drop()

    @property
    def dnn(self) -> Any:
        """The live `neoml.Dnn.Dnn` whose weights count."""
        self._pool.shown = True
        return self.main.dnn

    @cached_property
    def least_sizes(self) -> LeastSizes:
        """By input, the least size of each axis that the net can be run on; inputs that take any are left out."""
        if not needs_least_sizes(self.plan.graph, self.network.inputs):
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
        return sources, [Terminal.of(str(ref), tensors[ref], tensors[ref].dtype) for ref in self._outputs]

    def _build(self, refs: Iterable[TensorRef]) -> Any:
        from .build import Runner

        graph = self.plan.graph
        sinks = {str(ref): self.plan.tensors[ref].port for ref in refs}
        try:
            return Runner(folded(graph.with_sinks(sinks)), self.math_engine)
        except RuntimeError as error:
            what = f"NeoML does not build it: {str(error).strip()[:300]}"
            way_out = "run it with engine='numpy'; a net with cells of its own must stay below 2 GiB"
            raise Unsupported(Problem(self.network.name, what, way_out)) from error

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        """The wanted tensors (None: all that calls make) for checked inputs by name. Safe in several threads.

        Raises:
            Mismatch: numbers that are not finite, or sizes that do not fit the net or each other.
        """
        refs = self._outputs
        pool = self._pool
        if wanted is None or not set(wanted) <= set(refs):
            refs, pool = [ref for call in self.network.calls for ref in call.refs()], self._observer
        small = any(size < seen for name, array in inputs.items() for size, seen in zip(array.shape, self._seen[name]))
        check_inputs_of_net(inputs, self.least_sizes if small else {}, self.id_limits)
        self._make_room(pool)
        with pool.borrowed() as runner:
            return self._run(runner, inputs, refs)

    def _run(self, runner: Any, inputs: Mapping[str, Array], refs: Sequence[TensorRef]) -> dict[TensorRef, Array]:
        rows = len(next(iter(inputs.values())))
        parts = -(-rows // self._rows_at_once)
        if parts == 1:
            return self._run_rows(runner, inputs, refs)
        step = -(-rows // parts)
        made = [
            self._run_rows(runner, {name: array[at : at + step] for name, array in inputs.items()}, refs)
            for at in range(0, rows, step)
        ]
        return {ref: np.concatenate([part[ref] for part in made]) for ref in refs}

    @cached_property
    def _rows_at_once(self) -> int:
        """Rows a pass through the net: few where a layer's output is large, so that it stays in the cache."""
        shapes = [wire.shape[1:] for wire in self.plan.tensors.values()]
        largest = max((prod(size or 1 for size in shape) for shape in shapes), default=1)
        return max(FEWEST_ROWS, CACHED // largest) if self.device == "cpu" and largest > LARGE else MOST_ROWS

    def _run_rows(self, runner: Any, inputs: Mapping[str, Array], refs: Iterable[TensorRef]) -> dict[TensorRef, Array]:
        wires = {one.name: self.plan.tensors[one.ref] for one in self.network.inputs}
        blobs = {name: as_blob(inputs[name], wires[name]) for name in runner.reads}
        outputs = run_checked(runner, blobs)
        return {ref: as_array(outputs[str(ref)], self.plan.tensors[ref]) for ref in refs}

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

        return LearningNet(network, learns, absorbed, self.math_engine, self.rules, seed, moving)


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
