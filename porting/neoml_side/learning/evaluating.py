"""What a network in training gives as it is: in `evaluate` and validation its statistics stand still."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Optional

from ...layers import Rule
from ...network import Array, Network, TensorRef
from ..lowering.folding import folded
from ..plan import plan_network
from ..runtime.blobs import as_blob, run_checked
from ..runtime.runner import Runner
from .loss_bridge import head_sinks, learning_heads, outputs_at


class EvaluatingNet:
    """A network up to where its losses meet it, built for inference. It belongs to one thread.

    Args:
        network: with the weights to evaluate.
        absorbed, math_engine, rules: see `porting.neoml_side.learning.net.LearningNet`.
    """

    def __init__(
        self,
        network: Network,
        absorbed: Mapping[TensorRef, Collection[str]],
        math_engine: Any,
        rules: Mapping[str, Rule],
    ) -> None:
        plan = plan_network(network, rules)
        self.wires = {one.name: plan.tensors[one.ref] for one in network.inputs}
        self.heads = learning_heads(plan, absorbed)
        self.runner = Runner(folded(plan.graph.with_sinks(head_sinks(self.heads))), math_engine)

    def outputs(self, inputs: Mapping[str, Array]) -> dict[TensorRef, tuple[Array, Optional[Array]]]:
        """What each head gives for a batch of checked arrays, with its mask.

        Raises:
            Mismatch: NeoML cannot run the net on these inputs.
        """
        blobs = {name: as_blob(inputs[name], self.wires[name]) for name in self.runner.reads}
        return outputs_at(self.heads, run_checked(self.runner, blobs))
