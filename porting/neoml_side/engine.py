"""A network as a live NeoML net: planned as a graph, built on a device, run batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Optional

import numpy as np

from ..engine import Engine
from ..errors import Unsupported
from ..layers import RULES, Rule, context_of
from ..layers.rule_files import portable
from ..memory import never_free
from ..network import Array, Call, Network, TensorRef
from ..padded import Padding
from ..training.learner import Learner
from .alone import AllFed, AloneNet, fed_as_planned, fed_as_they_are
from .plan import Plan, plan_network
from .runtime.devices import math_engine_for, math_engine_of_fork
from .runtime.nets import Nets
from .runtime.pool import LARGE_WEIGHTS, NetPool
from .sized import BySize, Sizes, at_sizes, given_sizes, has_open_sizes, planned, planned_at, sizes_of
from .sizes import (
    MANY,
    DoesNotRun,
    LeastSizes,
    check_inputs_of_net,
    check_most_sizes,
    least_sizes,
    most_sizes,
    needs_least_sizes,
    sizes_seen,
)
from .values import Terminal


class NeomlEngine(Engine):
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
        self._large = self.weight_bytes > LARGE_WEIGHTS
        self._alone: dict[Any, AloneNet] = {}  # the one that ran last
        self._nets = self._nets_of(self.plan)
        self._by_size = BySize(self._nets_at, Nets.bytes)
        self._by_hand = network

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

    def __reduce__(self) -> tuple[Any, ...]:
        return NeomlEngine, (self._as_it_is(), portable(self.rules), self.device), {"prove": self.prove}

    def _forked(self) -> None:
        never_free(*self._alone.values())
        self._alone.clear()
        self.math_engine = math_engine_of_fork(self.math_engine, self.device)

    # ---- nets

    def _nets_of(self, plan: Plan) -> Nets:
        most = 1 if self._large else None
        return Nets(self.network, plan, lambda: self.math_engine, self._forked, most, self.device != "cpu")

    def _nets_at(self, sizes: Sizes) -> Nets:
        """The nets for inputs of these sizes. Raises Mismatch where there can be none."""
        if sizes == tuple(self.plan.tensors[one.ref].shape[1:] for one in self.network.inputs):
            return self._nets
        return self._nets_of(planned_at(self._by_hand, sizes, lambda it: plan_network(it, self.rules)))

    def _as_it_is(self) -> Network:
        """The network with the weights of the main net, which whoever was shown that may have changed by hand."""
        if self._nets.predicting.shown:
            weights = self.weights()
            if any(not np.array_equal(array, weights[name]) for name, array in self._by_hand.weights().items()):
                self._by_hand = self.network.with_weights(weights)
                self._by_size.clear()
        return self._by_hand

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
        self._nets.show()
        return self.main.dnn

    @cached_property
    def least_sizes(self) -> LeastSizes:
        """By input, the least size of each axis that the net can be run on; inputs that take any are left out."""
        if self.hangs_on_sizes is not None or not needs_least_sizes(self.plan.graph, self.network.inputs):
            return {}
        return least_sizes(self.network, lambda network: plan_network(network, self.rules))

    @cached_property
    def most_sizes(self) -> LeastSizes:
        """By input, the greatest size of each axis: as many steps as tables hold."""
        if self.hangs_on_sizes is not None or not self.plan.graph.has_tables:
            return {}
        return most_sizes(self.network, lambda network: plan_network(network, self.rules))

    def terminals(self) -> tuple[list[Terminal], list[Terminal]]:
        """The sources and sinks of the net that predicts."""
        tensors = self.plan.tensors
        sources = [
            Terminal.of(
                *(one.name, tensors[one.ref], one.dtype, self.id_limits.get(one.name)),
                self.least_sizes.get(one.name, ()),
                tuple(None if size == MANY else size for size in self.most_sizes.get(one.name, ())),
            )
            for one in self.network.inputs
        ]
        sinks = [Terminal.of(str(ref), tensors[ref], tensors[ref].dtype) for ref in self._nets.outputs]
        guards = self.main.graph.guards
        return sources, sinks + [Terminal.of_guard(name, guard) for name, guard in guards.items()]

    def at(self, shape: Any) -> NeomlEngine:
        """An engine for inputs of one size; see `porting.neoml_side.sized.given_sizes`."""
        sizes = given_sizes(shape, self.network.inputs)
        return NeomlEngine(at_sizes(self._as_it_is(), sizes), self.rules, self.device)

    # ---- running

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        """The wanted tensors (None: all that calls make) for checked inputs by name. Safe in several threads.

        Raises:
            Mismatch: numbers that are not finite, or sizes that do not fit the net or each other.
        """
        return self._at_sizes(inputs, lambda nets: self._run(nets, inputs, wanted))

    def masks(self, inputs: Mapping[str, Array]) -> dict[TensorRef, Array]:
        return self._at_sizes(inputs, lambda nets: nets.masks(inputs))

    def _at_sizes(
        self, inputs: Mapping[str, Array], run: Callable[[Nets], dict[TensorRef, Array]]
    ) -> dict[TensorRef, Array]:
        """Run the nets that serve the sizes of the inputs. Raises Mismatch as `run` does."""
        small = any(size < seen for name, array in inputs.items() for size, seen in zip(array.shape, self._seen[name]))
        check_inputs_of_net(inputs, self.least_sizes if small else {})
        if self.plan.graph.has_tables:
            check_most_sizes(inputs, self.most_sizes)
        sizes = sizes_of(self.network, inputs)
        if self.hangs_on_sizes is None and sizes not in self._by_size:
            try:
                return run(self._nets)
            except DoesNotRun:
                # An axis that is open may be 1 in one of two tensors that meet: whether it is spread hangs on the size.
                if self._nets.predicting.shown or not has_open_sizes(self.network):
                    raise
        self._as_it_is()
        return run(self._by_size[sizes])

    def _run(
        self, nets: Nets, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]]
    ) -> dict[TensorRef, Array]:
        pool = nets.pool_for(wanted)
        self._make_room(pool)
        return nets.run(pool, inputs)

    def run_alone(
        self, call: Call, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]
    ) -> tuple[list[Array], list[Optional[Array]]]:
        """One call as a net of its own, on given tensors; its outputs and their masks.

        For every size that the plan leaves open, as the call stands in the network; failing that for these sizes.
        """
        self._make_room(None)
        tensors = {ref: tensors[ref] for ref in call.reads()}
        masks = {ref: mask for ref, mask in masks.items() if ref in tensors}
        fed = fed_as_they_are(tensors, masks)
        if self.hangs_on_sizes is None:
            try:
                return self._run_alone(call, tensors, masks, fed_as_planned(fed, self.plan))
            except (Unsupported, DoesNotRun):
                pass
        return self._run_alone(call, tensors, masks, fed)

    def _run_alone(
        self, call: Call, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array], fed: AllFed
    ) -> tuple[list[Array], list[Optional[Array]]]:
        key = (call.name, *fed.items())
        net = self._alone.pop(key, None)  # a net runs in one thread; one that was refused is not run again
        if net is None:
            layer, context = self.network.layers[call.layer], context_of(self.network, self.rules)
            net = AloneNet(call, layer, context, fed, self.plan, self.math_engine)
        made = net.run(tensors, masks)
        self._alone.clear()
        if not self._large:
            self._alone[key] = net
        return made

    def weights(self) -> dict[str, Array]:
        """All weights by ``layer/weight``, in Keras' orientation, read back from the live net."""
        return {name: np.array(array) for name, array in self._read(self.main.dnn).items()}

    def weights_in(self, stored: Engine) -> dict[str, Array]:
        built = stored.terminals()[0]
        same = [one.shape for one in built] == [one.shape for one in self.terminals()[0]]
        live = self if same else self.at({one.name: one.shape[1:] for one in built})
        try:
            return live._read(stored.dnn)
        except KeyError as error:
            what = f"the archive has no layer {error}: it was built by another porting"
            raise Unsupported(self.network.name, what, "store the net again") from error

    def _read(self, dnn: Any) -> dict[str, Array]:
        """Raises KeyError where a live net has other layers than this one."""
        from .runtime.weights import read_weights

        return read_weights(dnn, self.main.nodes, self.network)

    def renewed(self, network: Network) -> NeomlEngine:
        """An engine of the same kind for the same network with other weights."""
        made = NeomlEngine(self._as_built(network), self.rules, self.device)
        made.prove = self.prove
        return made

    def _as_built(self, network: Network) -> Network:
        """A network with the sizes of inputs that this net is built for."""
        return replace(network, inputs=self.network.inputs)

    def _look_for_padding(self) -> Padding:
        return self._where_open(super()._look_for_padding())

    def _where_open(self, padding: Padding) -> Padding:
        """What may be left out, where the net takes inputs of any length."""
        if any(one.shape[1] is not None for one in self.network.inputs if one.name in padding.inputs):
            return Padding(why="the net is built for inputs of one length")
        return padding

    def learner(
        self,
        network: Network,
        learns: Sequence[str],
        absorbed: Mapping[TensorRef, Collection[str]],
        seed: int,
        moving: Sequence[str] = (),
    ) -> Learner:
        """A net that gives gradients; see `porting.neoml_side.learning.net.LearningNet`.

        It is fed batches without the steps that are padding in all of their rows, where no gradient sees these.
        """
        from .learning.cut import CutLearner
        from .learning.net import LearningNet
        from .learning.sized import learner_of

        def net(whole: Network, theta: Any = None, seed: int = seed) -> LearningNet:
            return LearningNet(whole, learns, absorbed, self.math_engine, self.rules, seed, moving, theta)

        made = learner_of(self._as_built(network), net)
        if self.prove is None or not self.padding or not isinstance(made, LearningNet):
            return made
        padding = self._where_open(self.prove(network, self.rules, moving, absorbed))
        return CutLearner(made, padding, self.least_sizes) if padding else made
