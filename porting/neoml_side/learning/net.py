"""Gradients of a network's weights, out of NeoML.

NeoML learns with solvers of its own and shows no gradient to Python. It is read off a step instead (`descent`), and
the weights are written again afterwards. The loss lives outside: NeoML calls back with each output in the middle of
the step and is given the derivative.

Tables are looked up here, not in NeoML: the net gets the rows that a batch picked, so that the gradient comes back as
one slice for each id (`porting.training.gradients.Slices`), whatever the size of the table.

Where a solver of NeoML's makes Keras' step (`solvers`), weights and gradients stay in the net until asked for.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

import neoml
import numpy as np

from ...dtypes import LARGEST_FLOAT
from ...errors import Mismatch, PortingError, Problem, Unsupported
from ...layers import RULES, Rule
from ...network import Array, Network, TensorRef
from ...operations import MovingStatistics
from ...training.gradients import Gradient, Slices, total
from ...training.moving_statistics import followed, moments, moments_of_rows
from ...training.optimizers import Optimizer, State, unscale
from ...training.parameters import Theta
from ..graph import Graph, Node
from ..plan import Plan, plan_network
from ..runtime.archives import loaded, stored
from ..runtime.blobs import as_blob, axes_of
from ..runtime.build import blob_of, from_blob, make_layers, read_slot, write_slot
from ..runtime.cells import cell_parameters, cell_places, splice
from ..sizes import LeastSizes, check_guards, check_ids, check_most_sizes, most_sizes
from ..slots import AXES, Parameter
from ..values import Wire, canonical
from .descent import RATE, gradient_of
from .evaluating import EvaluatingNet
from .loss_bridge import Derivative, Head, HeadLoss, head_sinks, learning_heads, no_derivative, outputs_at
from .parameter_layout import Filling, find_fillings, held, slots_of, with_turned
from .refusals import check_statistics, tables_of_computed_ids, without_gradient
from .solvers import Method, SolverState, method_of, put_in

# So many weights and their momenta stay within 2 GiB, beyond which NeoML's archives were not tried.
MOST_BY_ITSELF = 1 << 26


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
        moving: stored statistics that follow those of the batches, by ``layer/weight``.
        theta: of another net for the same weights, which both then move.

    Attributes:
        theta: the weights that learn and the statistics that move; change them in place.
        heads: where losses meet the net.
        steps_by_itself: the latest step was made by a solver of NeoML.

    Raises:
        Unsupported: with every problem of every layer that cannot be trained.
    """

    def __init__(
        self,
        network: Network,
        learns: Iterable[str],
        absorbed: Mapping[TensorRef, Collection[str]],
        math_engine: Any,
        rules: Mapping[str, Rule] = RULES,
        seed: int = 0,
        moving: Sequence[str] = (),
        theta: Optional[Theta] = None,
    ) -> None:
        self.network = network
        self.math_engine = math_engine
        self.theta = theta or Theta(held(network, [*learns, *moving]))
        self.rules = rules
        self.absorbed = absorbed
        self._plan: Callable[[Network], Plan] = lambda it: plan_network(it, rules, True, moving)
        self.plan = self._plan(network)
        self.heads = learning_heads(self.plan, absorbed)
        check_statistics(self.plan, self.heads, moving)
        self.graph = self._graph()
        self.nodes = self.graph.needed()
        self.live = self._live_slots(moving, theta is not None)
        self._flat = np.zeros_like(self.theta.vector)
        self._wake_dropout()
        self.nodes = self.graph.needed()
        self._check_gradients()
        self.solver_state = self._solver_state()
        self.capacity = 1
        self.seed = seed
        self._generator = np.random.default_rng(seed)
        self._dnn: Any = None
        self.steps_by_itself = False
        self._method: Optional[Method] = None
        self._optimizer: Callable[[], Optional[Optimizer]] = lambda: None
        # By lookup, room for the rows that a batch picks, and their ids.
        self._rows: dict[str, Array] = {}
        self._picked: dict[str, Array] = {}
        self._evaluating: Optional[tuple[Array, EvaluatingNet]] = None

    def _live_slots(self, moving: Sequence[str], is_shared: bool) -> list[_Live]:
        """All slots of the layers that hold weights that learn; weights that no other net has lie as in the slots."""
        here = {id(node) for node in self.nodes}
        nodes = self.plan.graph.nodes
        self.gathered = [one for one in self.plan.ops.gathered if id(one.node) in here]
        looked_up = {id(one.node) for one in self.plan.ops.gathered}
        picked = {at for at, node in enumerate(nodes) if id(node) in looked_up}
        found = find_fillings(self.network, self.plan.graph, self.theta, picked)
        if not is_shared:
            self.theta, found = with_turned(self.theta, found, moving)
        learning = {at for at, _, _ in found} - picked
        return [
            _Live(nodes[slot.node], node if slot.inner is not None else None, slot.name, packing, fixed)
            for slot, node, parameter in slots_of(self.plan.graph)
            if slot.node in learning and id(nodes[slot.node]) in here
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
        """Refuse layers that NeoML cannot go back through, and tables of ids that the net computes."""
        problems = {
            **without_gradient(self.nodes, self._learning()),
            **tables_of_computed_ids(self.nodes, self.plan.ops.of_computed_ids, self.theta.starts),
        }
        if problems:
            raise Unsupported(problems.values())

    def _graph(self) -> Graph:
        """The net up to the heads and their masks, and the tensors that statistics follow."""
        sinks = head_sinks(self.heads)
        for number, one in enumerate(self.plan.ops.moments):
            sinks[f"batch {number}"] = one.objects or one.x.port
            if one.mask is not None:
                sinks[f"mask of batch {number}"] = one.mask.port
        graph = self.plan.graph.with_sinks(sinks)
        graph.name_nodes()
        return graph

    @cached_property
    def reached(self) -> set[str]:
        """The weights that some output with a loss depends on."""
        names = {one.table.name for one in self.gathered}
        names.update(weight.name for node in self.nodes for weight in node.weights())
        return names & set(self.theta.starts)

    def _solver_state(self) -> Optional[SolverState]:
        """For a solver of NeoML; None where it would not make Keras' steps, whatever the optimizer."""
        tables = {one.table.name for one in self.gathered} & self.theta.starts.keys()
        are_whole_too = any(tables & live.packing.names for live in self.live if live.packing is not None)
        has_cells = any(node.kind == "Recurrent" for node in self.nodes)
        on_cpu = type(self.math_engine) is neoml.MathEngine.CpuMathEngine
        statistics = [one.statistics for one in self.plan.ops.moments]
        moves_slots = any(part.name in self.reached for one in statistics for part in (one.mean, one.variance))
        if are_whole_too or has_cells or moves_slots or not on_cpu or self.theta.size > MOST_BY_ITSELF:
            return None
        suits = self.live and SolverState.suits(self.live, self.theta)
        return SolverState(self.live, self.theta, self.reached - tables) if suits else None

    @cached_property
    def most_sizes(self) -> LeastSizes:
        """By input, the greatest size of each axis: as many steps as tables hold."""
        return most_sizes(self.network, self._plan) if self.plan.graph.has_tables else {}

    @property
    def is_random(self) -> bool:
        """Whether steps draw random numbers."""
        return bool(self.plan.ops.draws) or any(node.kind == "Dropout" for node in self.nodes)

    def reseed(self, seed: int) -> None:
        """Begin all random numbers anew: the coming steps depend on the seed alone."""
        self._drop()
        self.seed = seed
        self._generator = np.random.default_rng(seed)

    # ---- building

    def _build(self) -> None:
        self._random = neoml.Random.Random(self.seed)
        dnn = neoml.Dnn.Dnn(self.math_engine, self._random)
        for one in self.gathered:
            width = one.table.shape[1]
            one.node.settings["dimensions"] = [(self.capacity, width)]
            rows = self._rows[one.node.name] = np.zeros((self.capacity, width), np.float32)
            one.node.parameters["embeddings"] = Parameter.fixed(rows, "BC")
        layers = make_layers(self.graph, self.nodes, dnn, self.math_engine)
        for name, port in self.graph.sinks.items():
            neoml.Dnn.Sink((layers[id(port.node)], port.output), name)
        for number, port in enumerate(self.graph.unconsumed()):
            neoml.Dnn.Sink((layers[id(port.node)], port.output), f"unused {number}")
        self.cells = [node for node in self.nodes if node.kind == "Recurrent"]
        if self.cells:
            dnn = splice(dnn, self.nodes, self.math_engine, self._random)
            archive = stored(dnn)
            self._archive, self._places = bytearray(archive), cell_places(archive, self.cells)
        self._start(dnn)
        self._write()

    def _start(self, dnn: Any) -> None:
        """Add losses and a solver, and let learn what is to learn."""
        self._dnn = dnn
        self.layers = dnn.layers
        self.readers = [self._loss(number, head) for number, head in enumerate(self.heads)]
        learning = self._learning()
        gathered = {id(one.node) for one in self.gathered}
        for node in self.nodes:
            if node.parameters or node.body is not None:
                self.layers[node.name].learning_enabled = id(node) in learning
            if node.kind == "MultichannelLookup":
                # Without it a lookup makes a step of plain descent on its way back, whatever the solver.
                self.layers[node.name]._internal.set_framework_learning(id(node) not in gathered)
        self._look(is_loaded=bool(self.cells))
        self._read_off()

    def _look(self, is_loaded: bool) -> None:
        """Take handles on the live net."""
        self.layers = self._dnn.layers
        for number in range(len(self.heads)):
            # NeoML would cut derivatives off at a million, without a word, and an archive does not keep the limit.
            self.layers[f"loss {number}"].max_gradient = LARGEST_FLOAT
        self._sources = tuple(self._dnn.input_layers)
        # A net that was loaded keeps free terms along another dimension than it was given them.
        self._shapes = {
            (live.node.name, live.name): read_slot(self.layers[live.node.name], live.name).shape
            for live in self.live
            if is_loaded and live.inner is None
        }

    def _read_off(self) -> None:
        """Let the net make the steps that gradients are read off."""
        self._method = None
        self._dnn.solver = neoml.Dnn.SimpleGradient(self.math_engine, learning_rate=RATE, moment_decay_rate=0.0)

    def _loss(self, number: int, head: Head) -> HeadLoss:
        reader = HeadLoss(head)
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
            for key, packed in cells.items():
                memoryview(self._archive)[self._places[key]] = packed.tobytes()
            self._start(loaded(self._archive, self.math_engine, self._random))
        for live in self.live:
            if live.inner is None:
                self._write_slot(live, live.pack(self.theta.vector))

    def _write_slot(self, live: _Live, packed: Array) -> None:
        shaped = packed.reshape(self._shapes.get((live.node.name, live.name), packed.shape))
        write_slot(self.math_engine, self.layers[live.node.name], live.name, shaped, copy=False)

    def _read(self, vector: Array) -> None:
        """Write the weights that the net has learnt by itself into a vector like `Theta`'s."""
        for live in self.live:
            if live.packing is not None:
                live.packing.unpack(read_slot(self.layers[live.node.name], live.name), vector)

    def optimizer_state(self, steps: int) -> tuple[State, dict[str, float]]:
        """What the net's own solver remembers after so many steps, by weight and Keras' name; and its measure."""
        assert self.solver_state is not None
        assert self._method is not None
        return self.solver_state.read(self._method, stored(self._dnn, with_solver=True), steps)

    def _settle(self) -> None:
        """Take out of the net what it alone knows."""
        self.theta.settle()
        optimizer = self._optimizer()
        if optimizer is not None and optimizer.keeper is self:
            optimizer.settle()

    def _drop(self) -> None:
        """Give the net up; the next step builds another."""
        self._settle()
        self._dnn = self._method = None

    def _stored_cells(self) -> bytes:
        """The cells alone as an archive. The net is taken apart for it, and loaded again before its next step."""
        for name in self.layers.keys() - {node.name for node in self.cells}:
            self._dnn.delete_layer(name)
        return stored(self._dnn)

    # ---- a step

    def gradients(
        self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Derivative]
    ) -> dict[str, Gradient]:
        """The gradients of the weights for one batch, by ``layer/weight``; the next call writes over them.

        The statistics that move do so.

        Args:
            inputs: checked arrays by input name.
            derivatives: for each head's output what gives the loss's derivative; called once, in the middle of the
                step, with the output (or what stands before its last activation) and its mask.

        Raises:
            Mismatch: NeoML cannot run the net on these inputs.
            Whatever a function of `derivatives` raises.
        """
        self.steps_by_itself = False
        if self._method is not None:
            self._settle()
            self._read_off()
        self._ready(inputs)
        self._learn(self._dnn.learn, inputs, derivatives)
        self._move_statistics()
        return self._read_gradients()

    def _move_statistics(self) -> None:
        """Let the stored statistics follow the batch that the step has seen."""
        for number, one in enumerate(self.plan.ops.moments):
            if one.objects is not None:
                objects = self.layers[f"batch {number}"].get_blob().asarray(copy=False, keep_dims=True)
                rows = objects.reshape(objects.shape[AXES.index("B")], -1)
                self._follow(one.statistics, moments_of_rows(rows, one.statistics.unbiased))
                continue
            x, mask = self._seen(f"batch {number}", one.x), None
            if one.mask is not None:
                mask = self._seen(f"mask of batch {number}", one.mask) != 0
            if one.by_steps:
                for step in range(x.shape[1]):
                    self._follow(one.statistics, moments(x[:, step], one.axis - 1))
            else:
                self._follow(one.statistics, moments(x, one.axis, mask, one.statistics.unbiased))

    def _follow(self, statistics: MovingStatistics, found: tuple[Array, Array]) -> None:
        for weight, new in zip((statistics.mean, statistics.variance), found):
            array = self.theta.here(weight.name)
            array[...] = followed(array, new.reshape(array.shape), statistics.momentum)

    def _seen(self, sink: str, wire: Wire) -> Array:
        return axes_of(from_blob(self.layers[sink].get_blob()), wire.layout)

    def step(
        self, inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Derivative], optimizer: Optimizer
    ) -> Optional[dict[str, Gradient]]:
        """Make the optimizer's step with a solver of NeoML; see `gradients` for what is given and raised.

        Returns:
            The gradients of the tables that learn, which have not moved; None where no solver makes Keras' steps.
        """
        method = method_of(optimizer) if self.solver_state is not None else None
        if method is None:
            return None
        rates = method.rates(optimizer)
        self._ready(inputs)
        self._hand_over(method, optimizer, inputs)
        # At the rate of the way back lookups descend, the solver's step is made at its own.
        put_in(self._solver, (RATE, rates[1]), method)
        self._learn(self._dnn.run_and_backward, inputs, derivatives)
        put_in(self._solver, rates, method)
        self.theta.lend(self._read)
        self._solver._internal._train()
        for live in self.live:
            if live.packing is None:
                self._write_slot(live, live.packed)
        self.steps_by_itself = True
        self._move_statistics()
        return dict(self._sliced_gradients())

    def _hand_over(self, method: Method, optimizer: Optimizer, inputs: Mapping[str, Array]) -> None:
        """Give the net a solver with the optimizer's state, where it has not got it."""
        if method == self._method and (optimizer.keeper is self or not method.slots):
            return
        assert self.solver_state is not None
        self._settle()
        if self.gathered:
            # What is remembered of tables stays here, in Keras' measure.
            unscale(optimizer.state, optimizer.numbers)
        if self.solver_state.is_in(optimizer.state):
            self._run(inputs)
        record = self.solver_state.record(method, optimizer, self.layers)
        archive = stored(self._dnn) + record
        self._dnn = loaded(archive, self.math_engine, self._random, with_solver=True)
        self._look(is_loaded=True)
        self._solver, self._method = self._dnn.solver, method
        if method.slots:
            self._optimizer, optimizer.keeper = weakref.ref(optimizer), self

    def _learn(
        self, run: Callable[[Any], Any], inputs: Mapping[str, Array], derivatives: Mapping[TensorRef, Derivative]
    ) -> None:
        """Run forth and back, with the losses in between."""
        for reader in self.readers:
            reader.error, reader.derivative, reader.asked = None, derivatives[reader.head.ref], False
        self._checked(run, self._feeds(inputs, draws=True), inputs)
        if not all(reader.asked for reader in self.readers):
            raise AssertionError("NeoML made a step without asking for every loss")

    def outputs(self, inputs: Mapping[str, Array]) -> dict[TensorRef, tuple[Array, Optional[Array]]]:
        """What each head gives for a batch, with its mask; nothing is random, nothing learns and no statistic moves.

        Raises:
            Mismatch: NeoML cannot run the net on these inputs.
        """
        check_most_sizes(inputs, self.most_sizes)
        if self.plan.ops.moments or self.plan.ops.draws:
            return self._as_it_is().outputs(inputs)
        self._ready(inputs)
        blobs = self._run(inputs)
        return outputs_at(self.heads, {name: from_blob(blobs[name]) for name in head_sinks(self.heads)})

    def _as_it_is(self) -> EvaluatingNet:
        """The network with the weights and statistics as they are, built again when they have changed."""
        vector = self.theta.vector
        if self._evaluating is None or not np.array_equal(self._evaluating[0], vector):
            network = self.network.with_weights(self.theta.arrays)
            net = EvaluatingNet(network, self.absorbed, self.math_engine, self.rules)
            self._evaluating = vector.copy(), net
        return self._evaluating[1]

    def _run(self, inputs: Mapping[str, Array]) -> Any:
        for reader in self.readers:
            reader.error, reader.derivative = None, no_derivative
        return self._checked(self._dnn.run, self._feeds(inputs), inputs)

    def activation_of(self, ref: TensorRef) -> Optional[str]:
        """The last activation that this output's head stands before."""
        return next(head.activation for head in self.heads if head.ref == ref)

    def _ready(self, inputs: Mapping[str, Array]) -> None:
        """Have a net with the weights as they are, and room for what it is fed."""
        check_most_sizes(inputs, self.most_sizes)
        self.make_room(inputs)
        if self._dnn is None:
            self._build()
        elif not self.theta.is_lent:
            self._write()

    def _checked(self, run: Callable[[Any], Any], feeds: Mapping[str, Any], inputs: Mapping[str, Array]) -> Any:
        try:
            result = run(feeds)
        except PortingError:
            raise
        except (RuntimeError, ValueError, MemoryError) as error:
            self._drop()
            self._raise_readers()
            shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
            what = f"NeoML cannot run the network on these inputs: {str(error).splitlines()[0][:300]}"
            raise Mismatch(Problem(f"inputs {shapes}", what)) from error
        finally:
            for reader in self.readers:
                # NeoML holds the readers where no collector of cycles can look.
                reader.derivative = no_derivative
        self._raise_readers()
        guards = self.graph.guards
        told = {name: from_blob(self.layers[name].get_blob()) for name in guards}
        check_guards(told, {name: guard.below for name, guard in guards.items()})
        return result

    def _raise_readers(self) -> None:
        for reader in self.readers:
            error, reader.error = reader.error, None
            if error is not None:
                self._drop()
                raise error

    def make_room(self, inputs: Mapping[str, Array]) -> None:
        """Have room for the rows of tables that these inputs pick."""
        needed = max((sum(inputs[name].size for name, _ in one.fed) for one in self.gathered), default=1)
        if needed > self.capacity:
            self._drop()
            self.capacity = 1 << (needed - 1).bit_length()

    def _feeds(self, inputs: Mapping[str, Array], draws: bool = False) -> dict[str, Any]:
        """What the sources are given; zeros for random numbers, unless these are drawn."""
        check_ids(inputs, self.graph.ids_below)
        rows = next(iter(inputs.values())).shape[0]
        blobs: dict[str, Array] = {}
        wires = {one.name: self.plan.tensors[one.ref] for one in self.network.inputs}
        for one in self.gathered:
            given = [inputs[name] for name, _ in one.fed]
            ids = np.concatenate([array.reshape(-1) for array in given]).astype(np.int32)
            numbers = np.split(np.arange(ids.size), np.cumsum([array.size for array in given])[:-1])
            for (name, source), array, part in zip(one.fed, given, numbers):
                blobs[source] = as_blob(part.reshape(array.shape), wires[name])
            name = one.table.name
            table = self.theta.here(name) if name in self.theta.starts else one.table.value
            picked = self._rows[one.node.name]
            table.take(ids, axis=0, out=picked[: ids.size], mode="clip")
            slot = picked.reshape(1, self.capacity, 1, 1, 1, 1, -1)
            write_slot(self.math_engine, self.layers[one.node.name], "embeddings", slot, copy=False)
            self._picked[one.node.name] = ids
        for name in self._sources:
            if name in inputs:
                blobs[name] = as_blob(inputs[name], wires[name])
            elif name in self.plan.ops.draws:
                wire, draw = self.plan.ops.draws[name]
                shape = (rows, *(size or 1 for size in wire.shape[1:]))
                blobs[name] = as_blob(draw(self._generator, shape) if draws else np.zeros(shape), wire)
            elif name.startswith("labels "):
                blobs[name] = np.zeros((1, rows, 1, 1, 1, 1, 1), np.float32)
        return {name: blob_of(self.math_engine, blobs[name]) for name in self._sources}

    def _read_gradients(self) -> dict[str, Gradient]:
        self._flat.fill(0)
        for live in self.live:
            if live.inner is None:
                self._add_gradient(live, read_slot(self.layers[live.node.name], live.name))
        sliced = self._sliced_gradients()
        cells = [node for node in self.cells if any(live.node is node and live.inner is not None for live in self.live)]
        archive = self._stored_cells() if cells else b""
        inside = {node.name: cell_parameters(archive, node) for node in cells}
        for live in self.live:
            if live.inner is not None:
                self._add_gradient(live, inside[live.node.name][live.inner.name, live.name])
        arrays: dict[str, Gradient] = dict(self.theta.split(self._flat))
        whole = {weight.name for live in self.live for weight in (live.inner or live.node).weights()}
        for name, slices in sliced.items():
            # A table that is also used as a whole has a whole gradient, as in TensorFlow.
            arrays[name] = total(slices) + arrays[name] if name in whole else slices
        return {name: gradient for name, gradient in arrays.items() if name in self.reached}

    def _add_gradient(self, live: _Live, after: Array) -> None:
        """Add what a slot tells after a step, of the weights in it, to their gradients."""
        if live.packing is None:
            return
        if live.packing.is_whole:
            gradient_of(live.packed, after, live.packing.part_of(self._flat))
        else:
            live.packing.add_gradient(gradient_of(live.packed, after, after.reshape(-1)), self._flat)

    def _sliced_gradients(self) -> dict[str, Slices]:
        """Those of the tables whose rows were picked outside."""
        sliced: dict[str, Slices] = {}
        for one in self.gathered:
            name = one.table.name
            if name not in self.theta.starts:
                continue
            ids = self._picked[one.node.name]
            before = self._rows[one.node.name][: ids.size]
            after = read_slot(self.layers[one.node.name], "embeddings").reshape(self.capacity, -1)[: ids.size]
            values = gradient_of(before, after, after.reshape(-1)).reshape(after.shape)
            slices = Slices(ids, values, one.table.shape)
            sliced[name] = sliced[name].joined(slices) if name in sliced else slices
        return sliced
