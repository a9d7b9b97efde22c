"""What NeoML would not train, or not as Keras does, by the call that it stands in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ...errors import Problem, Unsupported
from ..graph import Node
from ..plan import Plan
from .loss_bridge import Head, head_sinks

# What NeoML raises for, or computes wrongly, when it is to go back through it.
NO_GRADIENT = frozenset({"Argmax", "Broadcast", "EltwiseDiv", "EltwiseMax", "Equal", "Erf", "Less", "Not", "Where"})


def without_gradient(nodes: Iterable[Node], learning: Collection[int]) -> dict[str, Problem]:
    """Layers without a gradient, where weights learn before them.

    Args:
        nodes: in building order.
        learning: those whose slots learn, by id.
    """
    reached = set(learning)
    problems = {}
    for node in nodes:
        if not any(id(port.node) in reached for port in node.inputs):
            continue
        reached.add(id(node))
        if node.kind in NO_GRADIENT or node.settings.get("output_type") == "int":
            what = f"is built with NeoML's {node.kind}, which has no gradient, and weights before it learn"
            problems[node.scope] = Problem(node.scope, what, "freeze what stands before it, or train in Keras")
    return problems


def tables_of_computed_ids(
    nodes: Iterable[Node], lookups: Iterable[Node], learns: Collection[str]
) -> dict[str, Problem]:
    """Tables that learn from ids that the net computes: it would add up what are slices in Keras.

    Args:
        nodes: of the net.
        lookups: of computed ids.
        learns: the weights that learn.
    """
    here = {id(node) for node in nodes}
    problems = {}
    for node in lookups:
        if id(node) in here and any(weight.name in learns for weight in node.weights()):
            what = "learns from ids that are computed inside the network; each of them is a slice in Keras"
            way_out = f"feed the ids as an input, or freeze it: frozen=[{node.scope!r}]"
            problems[node.scope] = Problem(node.scope, what, way_out)
    return problems


def check_statistics(plan: Plan, heads: Sequence[Head], moving: Collection[str]) -> None:
    """Refuse statistics that could not follow the batches as they do in Keras."""
    before_losses = {id(node) for node in plan.graph.with_sinks(head_sinks(heads)).needed()}
    problems = {}
    follow = set()
    for one in plan.ops.moments:
        layer = one.statistics.mean.name.rpartition("/")[0]
        follow |= {one.statistics.mean.name, one.statistics.variance.name}
        before = plan.graph.with_sinks({layer: one.x.port}).needed()
        if any(node.kind == "Dropout" and id(node) not in before_losses for node in before):
            # NeoML's Dropout sleeps where nothing goes back through it.
            what = "has statistics that would follow what a Dropout leaves, and no loss comes after that"
            problems[layer] = Problem(layer, what, f"give every output a loss, or freeze it: frozen=[{layer!r}]")
    for layer in sorted({name.rpartition("/")[0] for name in set(moving) - follow}):
        what = "has moving statistics, which its rule does not let follow the batches"
        problems[layer] = Problem(layer, what, f"freeze it: frozen=[{layer!r}]")
    if problems:
        raise Unsupported(problems.values())
