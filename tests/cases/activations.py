"""Activations by name."""

from __future__ import annotations

from tests.cases import Case, layer

ACTIVATIONS = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "glu",
]


CASES = [
    *(Case(f"activation_{name}", layer("Activation", name), ((8,),)) for name in ACTIVATIONS),
    *(Case(f"activation_{name}_3d", layer("Activation", name), ((None, 8),)) for name in ACTIVATIONS),
]
