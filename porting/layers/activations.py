"""Activations: the functions of `keras.activations`, wherever a config names one, and the layer."""

from __future__ import annotations

from typing import Any, Optional

from ..operations import Operations, Tensor
from .rule import LayerView, Refusal, rule

__all__ = ["ELEMENTWISE", "activation", "activation_named", "apply_activation"]

# Names that Operations.activation knows, with the arguments of keras.activations.
ELEMENTWISE = frozenset(
    [
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "softplus",
        "softsign",
        "tanh",
        "sigmoid",
        "hard_sigmoid",
        "silu",
        "hard_silu",
        "gelu",
        "exponential",
        "mish",
        "log_sigmoid",
        "hard_tanh",
        "tanh_shrink",
        "hard_shrink",
        "soft_shrink",
        "squareplus",
        "sparse_plus",
        "sparse_sigmoid",
        "threshold",
    ]
)
SYNONYMS = {"swish": "silu", "hard_swish": "hard_silu", "exp": "exponential"}
# Keras 2 defines hard_sigmoid as clip(0.2 x + 0.5), Keras 3 as relu6(x + 3) / 6.
OTHER_DEFINITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "keras2>hard_sigmoid": ("hard_sigmoid", {"slope": 0.2, "offset": 0.5})
}


def activation_named(value: Any) -> tuple[str, dict[str, Any]]:
    """The activation that a config value names, with its arguments.

    Raises:
        Refusal: it is no function of `keras.activations`.
    """
    if value is None:
        return "linear", {}
    if isinstance(value, str):
        if value in OTHER_DEFINITIONS:
            return OTHER_DEFINITIONS[value]
        return SYNONYMS.get(value, value), {}
    if isinstance(value, dict) and isinstance(value.get("class_name"), str):
        if value["class_name"] == "function" and isinstance(value.get("config"), str):
            return activation_named(value["config"])
    raise Refusal(f"activation {value!r} is not handled", "use a function of keras.activations, or give a rule")


def apply_activation(value: Any, x: Tensor, ops: Operations, layer: Optional[LayerView] = None) -> Tensor:
    """Apply the activation that a config value names: a function of `keras.activations`, or a layer."""
    if isinstance(value, dict) and value.get("class_name") not in (None, "function"):
        return _activation_layer(value, x, ops, layer)
    name, arguments = activation_named(value)
    if name == "linear":
        return x
    if name in ("softmax", "log_softmax"):
        return ops.softmax(x, (-1,), log=name == "log_softmax")
    if name == "glu":
        half = (x.shape[-1] or 0) // 2
        return ops.multiply(
            ops.activation(ops.slice(x, -1, half, None), "sigmoid"),
            ops.slice(x, -1, 0, half),
        )
    if name == "sparsemax":
        return sparsemax(x, ops)
    if name not in ELEMENTWISE:
        raise Refusal(f"activation {value!r} is not handled", "use a function of keras.activations, or give a rule")
    return ops.activation(x, name, **arguments)


def sparsemax(x: Tensor, ops: Operations) -> Tensor:
    """max(x − τ, 0) over the last axis, τ as Keras 3 computes it from the values in falling order.

    The sorted order is had by comparing each value with all others: a value comes after those above it and those
    equal to it that stand before it. (Keras adds up the running sums of the whole support, where Martins and
    Astudillo 2016 take the last of them, so its results need not sum to 1.)
    """
    rank = len(x.shape)
    each, others = ops.expand_dims(x, rank), ops.expand_dims(x, rank - 1)
    at = ops.positions(x, rank - 1)
    earlier = ops.compare(ops.expand_dims(at, rank), ops.expand_dims(at, rank - 1), "greater_equal")
    tied = ops.logical_and(ops.compare(others, each, "equal"), earlier)
    above = ops.cast(ops.logical_or(ops.compare(others, each, "greater"), tied), "float32")
    count = ops.reduce(above, "sum", (rank,))
    running = ops.reduce(ops.multiply(above, others), "sum", (rank,))
    support = ops.compare(x, ops.divide(ops.add(running, -1.0), count), "greater")
    total = ops.reduce(ops.where(support, running, 0.0), "sum", (rank - 1,), keepdims=True)
    size = ops.reduce(ops.cast(support, "float32"), "sum", (rank - 1,), keepdims=True)
    return ops.activation(ops.subtract(x, ops.divide(ops.add(total, -1.0), size)), "relu")


def _activation_layer(value: dict[str, Any], x: Tensor, ops: Operations, layer: Optional[LayerView]) -> Tensor:
    from ..network import Layer
    from .apply import find_rule

    inner = Layer(str(value.get("config", {}).get("name", "activation")), value["class_name"], value.get("config", {}))
    view = LayerView(inner, layer.context if layer is not None else None)
    found = find_rule(inner, view.context.rules)
    result: Tensor = found.apply(view, x, ops=ops)
    view.check_read(found.irrelevant)
    return result


def activation(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    """Apply the layer's own ``activation``."""
    return apply_activation(layer.config["activation"], x, ops, layer)


@rule("Activation")
def activation_layer(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return activation(layer, x, ops)
