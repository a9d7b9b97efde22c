"""Normalisation by fixed statistics folded into the convolution or dense layer before it.

Inference only: y = scale · (W x + b) + shift is one layer with the weights scale · W and scale · b + shift. The
Keras weights of both layers are given back as they were saved while the joined layer is untouched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..errors import Mismatch, Problem
from ..network import Array
from ..operations import Weight
from .graph import AXES, Graph, Node, Parameter, Port

__all__ = ["folded", "joined"]

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
    needed = graph.needed()
    read = Counter((id(port.node), port.output) for node in needed for port in node.inputs)
    read.update((id(port.node), port.output) for port in graph.sinks.values())
    made: dict[int, Node] = {}
    result = Graph()
    for node in needed:
        inputs = tuple(Port(made[id(port.node)], port.output) for port in node.inputs)
        if is_fixed_scaling(node) and inputs[0].node.kind in OUTPUTS and read[(id(node.inputs[0].node), 0)] == 1:
            before = inputs[0].node
            both = join(before, node)
            result.nodes[result.nodes.index(before)] = both
            made[id(node)] = made[id(node.inputs[0].node)] = both
            continue
        made[id(node)] = node if inputs == node.inputs else replace(node, inputs=inputs)
        result.nodes.append(made[id(node)])
    result.sinks = {name: Port(made[id(port.node)], port.output) for name, port in graph.sinks.items()}
    return result


def is_fixed_scaling(node: Node) -> bool:
    """Whether a layer multiplies and adds a vector that no training of this net changes."""
    return (
        node.kind == "ChannelwiseConv"
        and node.settings["filter_size"] == (1, 1)
        and "stride_size" not in node.settings
        and all(not parameter.exact or not parameter.weights for parameter in node.parameters.values())
    )


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

    weights = held_by(scaling)
    parameters = {
        **before.parameters,
        slot: joined(scaled_kernel, (*kernel.weights, *weights)),
        FREE: joined(scaled_bias, (*(bias.weights if bias is not None else ()), *weights)),
    }
    return replace(before, parameters=parameters, settings={**before.settings, "is_zero_free_term": False})


def joined(pack: Callable[[], Array], weights: tuple[Weight, ...]) -> Parameter:
    """A slot computed from several weights: they are given back while it is untouched, and cannot be told after."""

    def unpack(slot: Array) -> list[tuple[str, object, Array]]:
        names = ", ".join(weight.name for weight in weights)
        what = "were joined into one layer for inference, and that layer was changed"
        raise Mismatch(Problem(names, what, "change them through a net that is built for training"))

    return Parameter(pack, weights, unpack, exact=False)


def held_by(node: Node) -> tuple[Weight, ...]:
    return tuple({weight.name: weight for weight in node.weights()}.values())
