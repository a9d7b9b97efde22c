"""The live nets of one plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from math import prod
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ...errors import Unsupported
from ...network import Array, Network, TensorRef
from ..lowering.columns import columns_at_once, side_by_side
from ..lowering.folding import folded
from ..sized import ROWS, bytes_of
from .devices import has_avx512
from .pool import NetPool
from .stages import STEP_BY_STEP, Stage, cut, place_to_cut

if TYPE_CHECKING:
    from ..graph import Graph
    from ..plan import Plan
    from ..values import Wire

# Numbers in one layer's output. Pictures of 224 x 224 in batches of 32 took a fifth longer at once than by two to four.
CACHED = 2**21
# In the cache of one core, where the weights are there too: a Transformer took an eighth longer by 40 rows than by ten.
CACHED_NEARBY, ENOUGH_ROWS = 2**19, 8
FEWEST_ROWS, MOST_ROWS = 2, 2**31
# Rows at once up to which a net is cut into stages.
FEW = 4


class Nets:
    """A network's plan and the nets that are built from it: one kind gives the outputs, the other every tensor.

    Attributes:
        predicting, observing: the nets of either kind.
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        math_engine: Callable[[], Any],
        forked: Callable[[], None],
        most: Optional[int],
        on_card: bool,
    ) -> None:
        """
        Args:
            network, plan: what is built.
            math_engine: gives the math engine as it is now.
            forked, most: see `NetPool`.
            on_card: a GPU, which runs all rows at once and layers as they are.
        """
        self.network = network
        self.plan = plan
        self.outputs = list(dict.fromkeys(network.output_refs()))
        self.every = [ref for call in network.calls for ref in call.refs()]
        self.predicting = NetPool(lambda: self._build(self._wires(self.outputs)), forked, most)
        self.observing = NetPool(lambda: self._build(self._wires(self.every)), forked, most)
        self._math_engine, self._forked, self._most = math_engine, forked, most
        self._on_card = on_card

    def _wires(self, refs: Iterable[TensorRef]) -> dict[TensorRef, Wire]:
        return {ref: self.plan.tensors[ref] for ref in refs}

    def _build(self, wires: Mapping[TensorRef, Wire]) -> Any:
        return self._realised(self._graph(wires))

    def _graph(self, wires: Mapping[TensorRef, Wire]) -> Graph:
        graph = folded(self.plan.graph.with_sinks({str(ref): wire.port for ref, wire in wires.items()}))
        return side_by_side(graph) if self._widens else graph

    def _realised(self, graph: Graph) -> Any:
        from .runner import Runner

        try:
            return Runner(graph, self._math_engine())
        except RuntimeError as error:
            what = f"NeoML does not build it: {str(error).strip()[:300]}"
            way_out = "run it with engine='numpy'; a net with cells of its own must stay below 2 GiB"
            raise Unsupported(self.network.name, what, way_out) from error

    @property
    def _is_ours(self) -> bool:
        """Whether nets may be other than they are planned: nobody is shown them, and they run on this processor."""
        return not self._on_card and not self.predicting.shown

    @property
    def _widens(self) -> bool:
        """Whether first convolutions make several columns at once."""
        return self._is_ours and has_avx512()

    @cached_property
    def _stages(self) -> Sequence[Stage]:
        """The stages in which rows are run; none where the whole net is run at once."""
        place = None if self._most is not None else place_to_cut(self.plan, self.outputs, CACHED // FEW)
        if place is None:
            return []
        ref, behind = place
        graphs = cut(self._graph(self._wires([*self.outputs, ref])), str(ref))
        rows = (max(1, self.rows_at_once // FEWEST_ROWS), CACHED // behind)
        return [
            Stage(NetPool(partial(self._realised, graph), self._forked), count) for graph, count in zip(graphs, rows)
        ]

    def show(self) -> None:
        """Have a net that predicts as it is for any processor: it will be looked at, changed or stored."""
        if not self.predicting.shown:
            if self._widens and any(columns_at_once(node) > 1 for node in self.plan.graph.nodes):
                self.predicting.drop()
            self.predicting.shown = True

    def pool_for(self, wanted: Optional[Iterable[TensorRef]]) -> NetPool:
        """The kind of net that gives these tensors; None: all."""
        return self.observing if wanted is None or not set(wanted) <= set(self.outputs) else self.predicting

    def run(self, pool: NetPool, inputs: Mapping[str, Array]) -> dict[TensorRef, Array]:
        """Everything that a net of this kind gives. Raises Mismatch where NeoML cannot run it on these inputs."""
        refs = self.outputs if pool is self.predicting else self.every
        rows = len(next(iter(inputs.values())))
        staged = self._run_in_stages(inputs) if pool is self.predicting and rows > 1 and self._is_ours else None
        if staged is not None:
            return staged
        parts = -(-rows // self.rows_at_once)
        step = -(-rows // parts)
        with pool.borrowed() as runner:
            made = [
                self._run_rows(
                    runner, {name: array[at : at + step] for name, array in inputs.items()}, self._wires(refs)
                )
                for at in range(0, rows, step)
            ]
        return made[0] if parts == 1 else {ref: np.concatenate([part[ref] for part in made]) for ref in refs}

    def _run_in_stages(self, inputs: Mapping[str, Array]) -> Optional[dict[TensorRef, Array]]:
        """What the stages give, where there are any."""
        from .blobs import as_array, as_blob

        if not self._stages:
            return None
        blobs = {one.name: as_blob(inputs[one.name], self.plan.tensors[one.ref]) for one in self.network.inputs}
        for stage in self._stages:
            made = stage.run(blobs)
            if made is None:
                self._stages = []
                return None
            blobs = made
        return {ref: as_array(blobs[str(ref)], wire) for ref, wire in self._wires(self.outputs).items()}

    @cached_property
    def rows_at_once(self) -> int:
        """Rows a pass through the net: few where a layer's output is large, so that it stays in the cache."""
        shapes = [wire.shape[1:] for wire in self.plan.tensors.values()]
        largest = max((prod(size or 1 for size in shape) for shape in shapes), default=1)
        rows = CACHED // largest
        if rows > ENOUGH_ROWS and self._fits_nearby:
            rows = max(ENOUGH_ROWS, CACHED_NEARBY // largest)
        return MOST_ROWS if self._on_card else max(FEWEST_ROWS, rows)

    @property
    def _fits_nearby(self) -> bool:
        """Whether few rows lose nothing: weights are not read from afar for each, and no step is computed for few."""
        numbers = sum(array.size for array in self.network.weights().values())
        return numbers <= CACHED_NEARBY and not any(node.kind in STEP_BY_STEP for node in self.plan.graph.nodes)

    def bytes(self) -> int:
        """About what a net holds."""
        shapes = (wire.shape for wire in self.plan.tensors.values())
        return bytes_of(self.network, shapes, min(ROWS, self.rows_at_once))

    def masks(self, inputs: Mapping[str, Array]) -> dict[TensorRef, Array]:
        """The masks of what calls make, from a net of their own. Raises Mismatch as `run` does."""
        made = {ref: wire.mask for ref, wire in self._wires(self.every).items() if wire.mask is not None}
        return self._run_rows(self._build(made), inputs, made) if made else {}

    def _run_rows(
        self, runner: Any, inputs: Mapping[str, Array], wanted: Mapping[TensorRef, Wire]
    ) -> dict[TensorRef, Array]:
        from .blobs import as_array, as_blob, run_checked

        wires = {one.name: self.plan.tensors[one.ref] for one in self.network.inputs}
        blobs = {name: as_blob(inputs[name], wires[name]) for name in runner.reads}
        outputs = run_checked(runner, blobs)
        return {ref: as_array(outputs[str(ref)], wire) for ref, wire in wanted.items()}
