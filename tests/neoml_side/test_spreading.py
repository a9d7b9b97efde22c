"""Gradients through tensors that are spread over others, against differences of the numpy engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Optional

import numpy as np
import pytest

from porting.engine_factory import make_engine
from porting.neoml_side.graph import Node
from porting.neoml_side.learning.net import LearningNet
from porting.neoml_side.runtime.devices import math_engine_for
from porting.network import Array, Call, Input, Layer, Network, TensorRef
from porting.numpy_side.engine import NumpyEngine
from porting.training.gradients import total

OUT = TensorRef("layer")
SIZES = {None: 5}
STEP = 1e-2


def network(layer: Layer, shapes: list[tuple[Optional[int], ...]], together: bool, **arguments: Any) -> Network:
    inputs = tuple(Input(f"input_{at}", (None, *shape)) for at, shape in enumerate(shapes))
    refs = tuple(one.ref for one in inputs)
    call = Call("layer", "layer", (refs,) if together else refs, arguments)
    return Network("net", inputs, (call,), {"layer": layer}, OUT, origin={"keras": "3"})


def layer_of(class_name: str, config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Layer:
    rng = np.random.default_rng(3)
    weights = {name: (rng.normal(size=shape) * 0.5).astype(np.float32) for name, shape in shapes.items()}
    return Layer("layer", class_name, config, weights)


HEADS = {"num_heads": 2, "key_dim": 3, "value_dim": 3, "use_bias": True, "dropout": 0.0, "attention_axes": None}
PROJECTIONS = {
    **{f"{name}_dense/kernel": (4, 2, 3) for name in ("query", "key", "value")},
    **{f"{name}_dense/bias": (2, 3) for name in ("query", "key", "value")},
    "output_dense/kernel": (2, 3, 4),
    "output_dense/bias": (4,),
}
NETWORKS = {
    "a weight over the batch": network(layer_of("PReLU", {"shared_axes": None}, {"alpha": (3, 4)}), [(3, 4)], False),
    "a weight over an open axis": network(
        layer_of("PReLU", {"shared_axes": [1]}, {"alpha": (1, 4)}), [(None, 4)], False
    ),
    "a scale and a shift": network(
        layer_of(
            "GroupNormalization",
            {"groups": 2, "axis": -1, "epsilon": 1e-3, "center": True, "scale": True},
            {"gamma": (4,), "beta": (4,)},
        ),
        [(3, 4)],
        False,
    ),
    "every pair of two open axes": network(
        layer_of("AdditiveAttention", {"use_scale": True, "dropout": 0.0}, {"scale": (4,)}),
        [(None, 4), (None, 4)],
        True,
    ),
    "a causal mask over heads": network(
        layer_of("MultiHeadAttention", HEADS, PROJECTIONS), [(None, 4), (None, 4)], False, use_causal_mask=True
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_agree_with_differences(name: str) -> None:
    net = NETWORKS[name]
    rng = np.random.default_rng(5)
    inputs = {
        one.name: rng.normal(size=(3, *(SIZES.get(size, size) for size in one.shape[1:]))).astype(np.float32)
        for one in net.inputs
    }
    weights = net.weights()
    factors = rng.normal(size=run(net, weights, inputs).shape).astype(np.float32)
    learner = LearningNet(net, set(weights), {OUT: ()}, math_engine_for("cpu"))
    gradients = learner.gradients(inputs, {OUT: lambda output, mask: factors})
    for weight, value in weights.items():
        towards = rng.normal(size=value.shape).astype(np.float32)
        towards /= np.sqrt(np.square(towards).sum())
        ahead, behind = (
            float((run(net, {**weights, weight: value + step * towards}, inputs) * factors).sum(dtype=np.float64))
            for step in (STEP, -STEP)
        )
        expected = (ahead - behind) / (2 * STEP)
        found = float((total(gradients[weight]) * towards).sum(dtype=np.float64))
        assert abs(found - expected) <= 3e-3 * (1 + abs(expected)), weight


def run(net: Network, weights: Mapping[str, Array], inputs: Mapping[str, Array]) -> Array:
    layer = net.layers["layer"]
    held = {name: weights[f"layer/{name}"] for name in layer.weights}
    changed = replace(net, layers={"layer": replace(layer, weights=held)})
    return NumpyEngine(changed).run(inputs, [OUT])[OUT]


def test_masks_move_to_scores_and_not_scores_to_masks() -> None:
    """Between the products of attention the scores stay as they lie; nets that predict, where this is time."""
    engine: Any = make_engine(NETWORKS["a causal mask over heads"], "neoml", None)
    first, second = (node for node in engine.main.nodes if node.kind == "MatrixMultiplication")
    between, waiting = set(), [second.inputs[0].node]
    while waiting:
        node = waiting.pop()
        if node is not first and reads(node, first):
            between.add(node.kind)
            waiting += [port.node for port in node.inputs]
    assert {"Softmax", "Where"} <= between
    assert "Transpose" not in between


def reads(node: Node, other: Node) -> bool:
    return any(port.node is other or reads(port.node, other) for port in node.inputs)
