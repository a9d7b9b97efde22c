"""Activations: the functions of `keras.activations`, wherever a config names one, and the layer."""

from __future__ import annotations

from typing import Any

from ..network import Layer
from ..operations import Operations, Tensor
from .apply import rule_for
from .rule import LayerView, Refusal, only_tensor, rule
from .wrappers import apply_held

# Names that Operations.activation knows, with the arguments of keras.activations.
ELEMENTWISE = {
    *("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "softplus", "softsign", "tanh", "sigmoid"),
    *("hard_sigmoid", "silu", "hard_silu", "gelu", "exponential", "mish", "log_sigmoid", "hard_tanh"),
    *("tanh_shrink", "hard_shrink", "soft_shrink", "squareplus", "sparse_plus", "sparse_sigmoid", "threshold"),
}
SYNONYMS = {"swish": "silu", "hard_swish": "hard_silu", "exp": "exponential"}
# Keras 2 defines hard_sigmoid as clip(0.2 x + 0.5), Keras 3 as relu6(x + 3) / 6.
OTHER_DEFINITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "keras2>hard_sigmoid": ("hard_sigmoid", {"slope": 0.2, "offset": 0.5})
}


def is_known(value: Any) -> bool:
    """Whether a config value names a function of `keras.activations`, not a layer or a function of a user's own."""
    return value is None or isinstance(value, str) or (value["class_name"] == "function" and ">" not in value["config"])


def activation_named(value: Any) -> tuple[str, dict[str, Any]]:
    """The activation that a config value names, with its arguments.

    Raises:
        Refusal: it is not a function of `keras.activations`.
    """
    if is_known(value):
        name = "linear" if value is None else value if isinstance(value, str) else value["config"]
        return OTHER_DEFINITIONS.get(name, (SYNONYMS.get(name, name), {}))
    name = value["config"] if value["class_name"] == "function" else value["config"].get("name", value["class_name"])
    raise Refusal(f"activation {name!r} is not handled here", "use a function of keras.activations by its name")


def activation(layer: LayerView, x: Tensor, ops: Operations, key: str = "activation") -> Tensor:
    """Apply the activation under a key of the layer's config.

    It is a function of `keras.activations`, a layer, a registered function, which has a rule or comes with its
    operations, or the operations of another function as a functional model.
    """
    value = layer.config[key]
    if is_known(value):
        return apply_activation(value, x, ops)
    if value["class_name"] != "function":
        return only_tensor(apply_held(layer.held(key), [x], ops, layer.context)[0])
    function = Layer(f"{layer.name}/{key}", value["config"], {})
    if "operations" in value and rule_for(function, layer.context.rules) is None:
        described = value["operations"]
        function = Layer(function.name, described["class_name"], described["config"])
    return only_tensor(apply_held(function, [x], ops, layer.context)[0])


def apply_activation(value: Any, x: Tensor, ops: Operations) -> Tensor:
    """Apply a function of `keras.activations`, as a config names it."""
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
        raise Refusal(f"activation {name!r} is not handled", "use a function of keras.activations, or give a rule")
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


@rule("Activation", learns="not through hard_shrink, sparsemax or threshold", sizes="kept", pointwise=True)
def activation_layer(layer: LayerView, x: Tensor, ops: Operations) -> Tensor:
    return activation(layer, x, ops)
