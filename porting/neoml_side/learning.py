"""Gradients of a network's weights, out of NeoML.

NeoML learns with solvers of its own and shows no gradient to Python. It is read off a step instead: plain descent
at the rate 2³⁰ moves every slot by 2³⁰ times its gradient, exactly, and the weights are written again afterwards. The
loss lives outside: NeoML calls back with each output in the middle of the step and is given the derivative.

Tables are looked up here, not in NeoML: the net gets the rows that a batch picked, so that the gradient comes back as
one slice for each id (`porting.training.gradients.Slices`), whatever the size of the table.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

import neoml
import neoml.AutoDiff
import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..layers import RULES, Rule
from ..network import Array, Network, TensorRef
from ..training.gradients import Gradient, Slices, total
from .build import axes_of, blob_of, from_blob, make_layers, read_slot, write_slot
from .cells import cell_parameters, loaded, splice, stored, with_cell_parameters
from .engine import Plan, as_blob, plan_network
from .graph import Graph, Node, Parameter, Port, blob_array
from .packing import Filling, Place, Theta, Whole, find_packings, held, slots_of
from .wires import Wire, canonical

__all__ = ["Head", "LearningNet", "learning_heads"]

RATE = 2.0**30
# Told an output and its mask in the middle of a step; gives the derivative by that output, or None for zero.
Derivative = Callable[[Array, Optional[Array]], Optional[Array]]
# What NeoML raises for, or computes wrongly, when it is to go back through it.
NO_GRADIENT = frozenset({"Argmax", "Broadcast", "EltwiseDiv", "EltwiseMax", "Equal", "Erf", "Less", "Not", "Where"})
# A loss takes a batch of objects, each in height, width, depth and channels.
MOST_AXES = 5
LAST_ACTIVATIONS = {"Sigmoid": "sigmoid", "Softmax": "softmax"}


@dataclass(frozen=True, eq=False)
class Head:
    """Where a loss meets the net.

    Attributes:
        ref: the network's output.
        wire: the output, or what stands before its last activation.
        activation: the last activation that `wire` stands before: ``sigmoid``, ``softmax`` or None.
    """

    ref: TensorRef
    wire: Wire
    activation: Optional[str] = None


def learning_heads(plan: Plan, absorbed: Mapping[TensorRef, Optional[str]]) -> list[Head]:
    """A head for each output; before its last activation where the loss absorbs that one.

    Raises:
        Unsupported: outputs of more axes than NeoML's losses take.
    """
    heads = []
    problems = []
    for ref, absorbs in absorbed.items():
        wire = plan.tensors[ref]
        if wire.rank > MOST_AXES:
            what = f"is an output with a loss and has {wire.rank} axes; NeoML's losses take {MOST_AXES}"
            problems.append(Problem(str(ref), what, "end the network with a Flatten or Reshape"))
            continue
        wire = wire.to(canonical(wire.rank)) if wire.dtype == "float32" else wire
        found = _before_activation(plan.tensors[ref], absorbs)
        heads.append(Head(ref, wire) if found is None else Head(ref, found, absorbs))
    if problems:
        raise Unsupported(problems)
    return heads


def _before_activation(wire: Wire, absorbs: Optional[str]) -> Optional[Wire]:
    node = wire.port.node
    if absorbs is None or LAST_ACTIVATIONS.get(node.kind) != absorbs:
        return None
    if absorbs == "softmax" and (node.settings.get("area") != "channel" or wire.layout[-1] != "C"):
        return None
    before = Wire(wire.shape, wire.dtype, wire.layout, node.inputs[0], wire.graph, wire.mask)
    return before.to(canonical(wire.rank))


class _Reader(neoml.Dnn.CustomLossCalculatorBase):  # type: ignore[misc]
    """What NeoML calls for a head's loss: Σ output · derivative, whose gradient is the derivative."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.derivative: Derivative = lambda output, mask: None
        self.error: Optional[BaseException] = None
        self.asked = False

    def calc(self, data: Any, labels: Any) -> Any:
        self.asked = True
        blob = data.asarray(copy=True, keep_dims=True)
        derivative = None
        try:
            derivative = self.derivative(*self._seen(blob, labels))
        except BaseException as error:  # NeoML would lose it
            self.error = error
        if derivative is None:
            gradient = np.zeros_like(blob)
        else:
            # NeoML averages over the objects of the batch.
            gradient = blob_array(np.asarray(derivative, np.float32), self.head.wire.layout)
            gradient = gradient * np.float32(blob.shape[1])
        constant = neoml.AutoDiff.const(data.math_engine, blob.shape, gradient)
        return neoml.AutoDiff.sum(data * constant, axes=[3, 4, 5, 6])

    def _seen(self, blob: Array, labels: Any) -> tuple[Array, Optional[Array]]:
        wire = self.head.wire
        mask = None
        if wire.mask is not None:
            mask = axes_of(labels.asarray(copy=True, keep_dims=True), canonical(wire.mask.rank)) != 0
        return axes_of(blob, wire.layout), mask


@dataclass(eq=False)
class _Live:
    """A slot of a layer that learns.

    Attributes:
        packing: how weights lie in it; None where it holds none, moves nevertheless, and is put back.
        packed: what it was given last.
    """

    node: Node
    inner: Optional[Node]
    name: str
    packing: Optional[Filling]
    packed: Array

    def pack(self, vector: Array) -> Array:
        if self.packing is not None:
            self.packed = self.packing.pack(vector)
        return self.packed


class LearningNet:
    """A live NeoML net that gives gradients. It belongs to one thread.

    Args:
        network: what to train.
        learns: its weights that learn, by ``layer/weight``.
        absorbed: the network's outputs that have losses, and for each the last activation that its loss absorbs.
        math_engine: a NeoML math engine.
        rules: rules by class name.
        seed: of dropout's random numbers.

    Attributes:
        theta: the weights that learn; change them in place.
        heads: where losses meet the net.

    Raises:
        Unsupported: with every problem of every layer that cannot be trained.
    """

    def __init__(
        self,
        network: Network,
        learns: Iterable[str],
        absorbed: Mapping[TensorRef, Optional[str]],
        math_engine: Any,
        rules: Mapping[str, Rule] = RULES,
        seed: int = 0,
    ) -> None:
        self.network = network
        self.math_engine = math_engine
        self.theta = Theta(held(network, learns))
        self.plan = plan_network(network, rules, training=True)
        self.heads = learning_heads(self.plan, absorbed)
        self.graph = self._graph()
        self.nodes = self.graph.needed()
        here = {id(node) for node in self.nodes}
        self.gathered = [one for one in self.plan.ops.gathered if id(one.node) in here]
        picked = {at for at, node in enumerate(self.plan.graph.nodes) if _is_gathered(node, self.plan)}
        found = find_packings(network, self.theta, lambda it: plan_network(it, rules, training=True).graph, picked)
        self.theta, fillings = self.theta.with_turned(found)
        self._flat = np.zeros_like(self.theta.vector)
        self.live = self._live_slots(fillings, picked)
        self._wake_dropout()
        self.nodes = self.graph.needed()
        self._check_gradients()
        self.capacity = 1
        self.seed = seed
        self._dnn: Any = None
        self._folder: Optional[str] = None
        self._picked: dict[str, tuple[Array, Array]] = {}

    def _live_slots(self, found: Mapping[Place, Filling], picked: Collection[int]) -> list[_Live]:
        """All slots of the layers that hold weights that learn."""
        here = {id(node) for node in self.nodes}
        learning = {at for at, _, _ in found} - set(picked)
        return [
            _Live(self.plan.graph.nodes[slot.node], node if slot.inner is not None else None, slot.name, packing, fixed)
            for slot, node, parameter in slots_of(self.plan.graph)
            if slot.node in learning and id(self.plan.graph.nodes[slot.node]) in here
            for packing in [found.get((slot.node, slot.inner, slot.name))]
            for fixed in [parameter.pack()]
        ]

    def _wake_dropout(self) -> None:
        """Let the layer before a Dropout learn where nothing else does before it; leave it out elsewhere.

        What it learns is put back: it stays the identity.
        """
        learning = self._learning()
        problems = []
        for node in self.nodes:
            if node.kind == "Dropout":
                waking = node.inputs[0].node
                has_waking = waking.kind == "ChannelwiseConv" and not waking.holds_weights
                before = waking.inputs if has_waking else node.inputs
                if any(id(port.node) in learning for port in before):
                    node.inputs = before
                elif has_waking:
                    slot, parameter = next(iter(waking.parameters.items()))
                    self.live.append(_Live(waking, None, slot, None, parameter.pack()))
                else:
                    what = "would drop nothing in NeoML: its last axis is open, and nothing learns before it"
                    problems.append(Problem(node.scope, what, "fix the size in the Input"))
                learning.add(id(node))
            elif any(id(port.node) in learning for port in node.inputs):
                learning.add(id(node))
        if problems:
            raise Unsupported(problems)

    def _learning(self) -> set[int]:
        """The layers whose slots learn, by id."""
        learning = {id(live.node) for live in self.live}
        learning.update(id(one.node) for one in self.gathered if one.table.name in self.theta.starts)
        return learning

    def _check_gradients(self) -> None:
        """Refuse layers that NeoML cannot go back through, where weights learn before them."""
        learning = self._learning()
        problems = {}
        for node in self.nodes:
            if not any(id(port.node) in learning for port in node.inputs):
                continue
            learning.add(id(node))
            if node.kind in NO_GRADIENT:
                what = f"is built with NeoML's {node.kind}, which has no gradient, and weights before it learn"
                problems[node.scope] = Problem(node.scope, what, "freeze what stands before it, or train in Keras")
        if problems:
            raise Unsupported(problems.values())

    def _graph(self) -> Graph:
        """The net up to the heads and their masks."""
        sinks: dict[str, Port] = {}
        for number, head in enumerate(self.heads):
            sinks[f"head {number}"] = head.wire.port
            if head.wire.mask is not None:
                sinks[f"mask {number}"] = head.wire.mask.to(canonical(head.wire.mask.rank)).port
        graph = self.plan.graph.with_sinks(sinks)
        graph.name_nodes()
        return graph

    @cached_property
    def reached(self) -> set[str]:
        """The weights that some output with a loss depends on."""
        names = {one.table.name for one in self.gathered}
        names.update(weight.name for node in self.nodes for weight in node.weights())
        return names & set(self.theta.starts)

    @property
    def is_random(self) -> bool:
        """Whether steps draw random numbers."""
        return any(node.kind == "Dropout" for node in self.nodes)

    def reseed(self, seed: int) -> None:
        """Begin dropout's random numbers anew: the coming steps depend on the seed alone."""
        self.seed = seed
        self._dnn = None

    # ---- building

    def _build(self) -> None:
        self._random = neoml.Random.Random(self.seed)
        dnn = neoml.Dnn.Dnn(self.math_engine, self._random)
        for one in self.gathered:
            width = one.table.shape[1]
            one.node.settings["dimensions"] = [(self.capacity, width)]
            one.node.parameters["embeddings"] = Parameter.fixed(np.zeros((self.capacity, width), np.float32), "BC")
        layers = make_layers(self.graph, self.nodes, dnn, self.math_engine)
        for name, port in self.graph.sinks.items():
            neoml.Dnn.Sink((layers[id(port.node)], port.output), name)
        for number, port in enumerate(self.graph.unconsumed()):
            neoml.Dnn.Sink((layers[id(port.node)], port.output), f"unused {number}")
        self.cells = [node for node in self.nodes if node.kind == "Recurrent"]
        if self.cells:
            dnn = splice(dnn, self.nodes, self.math_engine, self._random)
            self._folder = self._folder or _folder_of(self)
            self._archive = stored(dnn, self._folder)
        self._start(dnn)
        self._write()

    def _start(self, dnn: Any) -> None:
        """Add losses and a solver, and let learn what is to learn."""
        self._dnn = dnn
        self.layers = dnn.layers
        self.readers = [self._loss(number, head) for number, head in enumerate(self.heads)]
        self._sources = tuple(dnn.input_layers)
        learning = self._learning()
        for node in self.nodes:
            if node.parameters or node.body is not None:
                self.layers[node.name].learning_enabled = id(node) in learning
            if node.kind == "MultichannelLookup":
                # Without it a lookup learns by a rule of its own, whatever the solver.
                self.layers[node.name]._internal.set_framework_learning(True)
        # A net that was loaded keeps free terms along another dimension than it was given them.
        self._shapes = {
            (live.node.name, live.name): read_slot(self.layers[live.node.name], live.name).shape
            for live in self.live
            if self.cells and live.inner is None
        }
        dnn.solver = neoml.Dnn.SimpleGradient(self.math_engine, learning_rate=RATE, moment_decay_rate=0.0)

    def _loss(self, number: int, head: Head) -> _Reader:
        reader = _Reader(head)
        port = head.wire.port
        output = (self.layers[port.node.name], port.output)
        if head.wire.mask is not None:
            mask = head.wire.mask.to(canonical(head.wire.mask.rank)).port
            beside = (self.layers[mask.node.name], mask.output)
        else:
            beside = (neoml.Dnn.Source(self._dnn, name=f"labels {number}"), 0)
        neoml.Dnn.CustomLoss([output, beside], loss_calculator=reader, name=f"loss {number}")
        return reader

    # ---- weights

    def _write(self) -> None:
        """Put the weights as they are now into the net."""
        cells = {
            (live.node.name, live.inner.name, live.name): live.pack(self.theta.vector)
            for live in self.live
            if live.inner is not None
        }
        if cells:
            archive = with_cell_parameters(self._archive, self.cells, cells)
            self._start(loaded(archive, self.math_engine, self._random, self._folder))
        for live in self.live:
            if live.inner is None:
                packed = live.pack(self.theta.vector)
                shaped = packed.reshape(self._shapes.get((live.node.name, live.name), packed.shape))
                write_slot(self.math_engine, self.layers[live.node.name], live.name, shaped, copy=False)

    def _stored(self) -> bytes:
        """The net as an archive, without the losses: those are Python's."""
        for number, head in enumerate(self.heads):
            if self._dnn.has_layer(f"loss {number}"):
                self._dnn.delete_layer(f"loss {number}")
                if head.wire.mask is None:
                    self._dnn.delete_layer(f"labels {number}")
        return stored(self._dnn, self._folder)

    # ---- a step

    def gradients(
        self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Derivative]
    ) -> dict[str, Gradient]:
        """The gradients of the weights for one batch, by ``layer/weight``; the next call writes over them.

        Args:
            inputs: checked arrays by input name.
            derivatives: for each head's output what gives the loss's derivative; called once, in the middle of the
                step, with the output (or what stands before its last activation) and its mask.

        Raises:
            Mismatch: NeoML cannot run the net on these inputs.
            Whatever a function of `derivatives` raises.
        """
        feeds = self._ready(inputs)
        for reader in self.readers:
            reader.error, reader.derivative, reader.asked = None, derivatives[reader.head.ref], False
        self._checked(self._dnn.learn, feeds, inputs)
        if not all(reader.asked for reader in self.readers):
            raise AssertionError("NeoML made a step without asking for every loss")
        return self._read_gradients()

    def outputs(self, inputs: Mapping[str, Array]) -> dict[TensorRef, tuple[Array, Optional[Array]]]:
        """What each head gives for a batch, with its mask; nothing is random and nothing learns.

        Raises:
            Mismatch: NeoML cannot run the net on these inputs.
        """
        feeds = self._ready(inputs)
        for reader in self.readers:
            reader.error, reader.derivative = None, lambda output, mask: None
        blobs = self._checked(self._dnn.run, feeds, inputs)
        made = {}
        for number, head in enumerate(self.heads):
            output = axes_of(from_blob(blobs[f"head {number}"]), head.wire.layout)
            mask = None
            if head.wire.mask is not None:
                mask = axes_of(from_blob(blobs[f"mask {number}"]), canonical(head.wire.mask.rank)) != 0
            made[head.ref] = (output, mask)
        return made

    def activation_of(self, ref: TensorRef) -> Optional[str]:
        """The last activation that this output's head stands before."""
        return next(head.activation for head in self.heads if head.ref == ref)

    def _ready(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """The net with the weights as they are, and what it is fed."""
        self._make_room(inputs)
        if self._dnn is None:
            self._build()
        else:
            self._write()
        return self._feeds(inputs, next(iter(inputs.values())).shape[0])

    def _checked(self, run: Callable[[Any], Any], feeds: Mapping[str, Any], inputs: Mapping[str, Array]) -> Any:
        try:
            result = run(feeds)
        except (RuntimeError, ValueError, MemoryError) as error:
            self._dnn = None
            self._raise_readers()
            shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
            what = f"NeoML cannot run the network on these inputs: {str(error).splitlines()[0][:300]}"
            raise Mismatch(Problem(f"inputs {shapes}", what)) from error
        self._raise_readers()
        return result

    def _raise_readers(self) -> None:
        for reader in self.readers:
            if reader.error is not None:
                self._dnn = None
                raise reader.error

    def _make_room(self, inputs: Mapping[str, Array]) -> None:
        needed = max((inputs[one.ids].size for one in self.gathered), default=1)
        if needed > self.capacity:
            self.capacity = 1 << (needed - 1).bit_length()
            self._dnn = None

    def _feeds(self, inputs: Mapping[str, Array], rows: int) -> dict[str, Any]:
        blobs: dict[str, Array] = {}
        wires = {one.name: self.plan.tensors[one.ref] for one in self.network.inputs}
        for one in self.gathered:
            ids = blob_array(inputs[one.ids].astype(np.int32), one.layout)
            blobs[one.positions] = np.arange(ids.size, dtype=np.int32).reshape(ids.shape)
            table = self.theta.arrays.get(one.table.name, one.table.value)
            picked = np.zeros((1, self.capacity, 1, 1, 1, 1, table.shape[1]), np.float32)
            picked[0, : ids.size, 0, 0, 0, 0] = table[ids.reshape(-1)]
            write_slot(self.math_engine, self.layers[one.node.name], "embeddings", picked)
            self._picked[one.positions] = (ids.reshape(-1), picked)
        for name in self._sources:
            if name in inputs:
                blobs[name] = as_blob(inputs[name], wires[name])
            elif name.startswith("labels "):
                blobs[name] = np.zeros((1, rows, 1, 1, 1, 1, 1), np.float32)
        return {name: blob_of(self.math_engine, blobs[name]) for name in self._sources}

    def _read_gradients(self) -> dict[str, Gradient]:
        flat = self._flat
        flat.fill(0)
        cells = [node for node in self.cells if any(live.node is node and live.inner is not None for live in self.live)]
        # Storing takes the losses away; the net is loaded again before its next step, where a cell learns.
        archive = self._stored() if cells else b""
        inside = {node.name: cell_parameters(archive, node) for node in cells}
        for live in self.live:
            if live.packing is None:
                continue
            if live.inner is not None:
                after = inside[live.node.name][live.inner.name, live.name]
            else:
                after = read_slot(self.layers[live.node.name], live.name)
            if isinstance(live.packing, Whole):
                _gradient(live.packed, after, live.packing.part_of(flat))
            else:
                live.packing.add_gradient(_gradient(live.packed, after, after.reshape(-1)), flat)
        arrays: dict[str, Gradient] = dict(self.theta.split(flat))
        sliced: dict[str, Slices] = {}
        whole = {weight.name for live in self.live for weight in (live.inner or live.node).weights()}
        for one in self.gathered:
            name = one.table.name
            if name not in self.theta.starts:
                continue
            ids, before = self._picked[one.positions]
            after = read_slot(self.layers[one.node.name], "embeddings")
            values = _gradient(before, after, after.reshape(-1)).reshape(self.capacity, -1)[: ids.size]
            slices = Slices(ids, values, one.table.shape)
            sliced[name] = sliced[name].joined(slices) if name in sliced else slices
        for name, slices in sliced.items():
            # A table that is also used as a whole has a whole gradient, as in TensorFlow.
            arrays[name] = total(slices) + arrays[name] if name in whole else slices
        reached = self.reached
        return {name: gradient for name, gradient in arrays.items() if name in reached}


def _gradient(before: Array, after: Array, made: Array) -> Array:
    """What a slot's step of descent at the rate `RATE` says about its gradient; `made`, perhaps `after`, takes it."""
    np.subtract(before.reshape(-1), after.reshape(-1), out=made)
    made *= np.float32(1 / RATE)
    return made


def _folder_of(owner: Any) -> str:
    """A folder that lives as long as its owner."""
    folder = tempfile.mkdtemp()
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder


def _is_gathered(node: Node, plan: Plan) -> bool:
    return any(one.node is node for one in plan.ops.gathered)
