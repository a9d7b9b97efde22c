"""Normalisation by fixed statistics folded into the convolution or dense layer before it.

Inference only: y = scale · (W x + b) + shift is one layer with the weights scale · W and scale · b + shift. The
Keras weights of both layers are given back as they were saved while the joined layer is untouched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from ...network import Array
from ..graph import Graph, Node
from ..slots import AXES, Parameter

# By kind of layer: the slot of its weights, and the dimension of that slot that holds its outputs.
OUTPUTS = {
    "Conv": ("filter", "B"),
    "Conv3D": ("filter", "B"),
    "ChannelwiseConv": ("filter", "C"),
    "TransposedConv": ("filter", "C"),
    "TransposedConv3D": ("filter", "C"),
    "FullyConnected": ("weights", "B"),
}
FREE = "free_term"


def folded(graph: Graph) -> Graph:
    """The graph with each normalisation folded into the layer before it, where that layer feeds nothing else."""
    scalings = scalings_by_layer(graph, graph.needed())
    gone = {id(scaling) for found in scalings.values() for scaling in found}

    def make(node: Node, moved: Node) -> Sequence[Node]:
        return [] if id(node) in gone else [reduce(join, scalings.get(id(node), []), moved)]

    return graph.rebuilt(make)


def scalings_by_layer(graph: Graph, needed: Sequence[Node]) -> dict[int, list[Node]]:
    """The normalisations that each layer can do besides, in order: nothing else reads what lies between."""
    read = Counter((id(port.node), port.output) for node in needed for port in node.inputs)
    read.update((id(port.node), port.output) for port in graph.sinks.values())
    found: dict[int, list[Node]] = {}
    gone: set[int] = set()
    for node in needed:
        if not is_fixed_scaling(node):
            continue
        before = node.inputs[0].node
        while read[(id(before), 0)] == 1 and (id(before) in gone or keeps_channels(before)):
            before = before.inputs[0].node
        joins = before.kind in OUTPUTS and not only_shifts(before)
        if joins and id(before) not in gone and read[(id(before), 0)] == 1:
            found.setdefault(id(before), []).append(node)
            gone.add(id(node))
    return found


def keeps_channels(node: Node) -> bool:
    return node.kind == "Transpose" and "channels" not in (node.settings["first_dim"], node.settings["second_dim"])


def is_fixed_scaling(node: Node) -> bool:
    """Whether a layer multiplies and adds a vector that no training of this net changes."""
    return (
        node.kind == "ChannelwiseConv"
        and node.settings["filter_size"] == (1, 1)
        and "stride_size" not in node.settings
        and all(parameter.computed or not parameter.weights for parameter in node.parameters.values())
    )


def only_shifts(node: Node) -> bool:
    """Whether a layer multiplies by 1 alone: x − mean loses no bit where x is near its mean, x·s − mean·s most."""
    return is_fixed_scaling(node) and bool((node.parameters["filter"].pack() == 1).all())


def join(before: Node, scaling: Node) -> Node:
    """The layer before a scaling, doing both."""
    slot, letter = OUTPUTS[before.kind]
    factors = scaling.parameters["filter"].pack().reshape(-1)
    shift = scaling.parameters[FREE].pack().reshape(-1) if FREE in scaling.parameters else np.zeros_like(factors)
    along = [-1 if axis == letter else 1 for axis in AXES]
    kernel, bias = before.parameters[slot], before.parameters.get(FREE)

    def scaled_kernel() -> Array:
        return np.asarray(kernel.pack() * factors.reshape(along), np.float32)

    def scaled_bias() -> Array:
        own = 0.0 if bias is None else bias.pack().reshape(-1)
        return np.asarray(own * factors + shift, np.float32).reshape([1] * (len(AXES) - 1) + [-1])

    weights = tuple({weight.name: weight for weight in scaling.weights()}.values())
    parameters = {
        **before.parameters,
        slot: Parameter.computed_from(scaled_kernel, (*kernel.weights, *weights)),
        FREE: Parameter.computed_from(scaled_bias, (*(bias.weights if bias is not None else ()), *weights)),
    }
    return replace(before, parameters=parameters, settings={**before.settings, "is_zero_free_term": False})
