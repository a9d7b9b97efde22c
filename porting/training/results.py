"""Networks with new weights: in memory, and with references that fit them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..layers import RULES, Rule
from ..network import Array, Case, Network

__all__ = ["with_references", "with_weights"]


def with_weights(network: Network, weights: Mapping[str, Array]) -> Network:
    """The same network with other weights, by ``layer/weight``; those not given stay."""
    layers = {
        name: replace(layer, weights={key: weights.get(f"{name}/{key}", array) for key, array in layer.weights.items()})
        for name, layer in network.layers.items()
    }
    return replace(network, layers=layers)


def with_references(network: Network, rules: Mapping[str, Rule] = RULES) -> Network:
    """The network with the outputs of every case computed anew, by the numpy engine; ``origin`` tells."""
    from ..engine import make_engine

    engine = make_engine(network, "numpy", None, rules)
    cases = []
    for case in network.cases:
        made = engine.run(case.inputs)
        outputs = {ref: made[ref] for call in network.calls for ref in call.refs()}
        cases.append(Case(case.name, case.inputs, outputs, case.masks))
    return replace(network, cases=tuple(cases), origin={**network.origin, "references": "computed by numpy"})
