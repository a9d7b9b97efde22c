"""Keras 2's configs in the words of Keras 3.

Measured by comparing ``get_config()`` of every layer in Keras 2.15 and Keras 3.15. Where a word means something
else in the two (``hard_sigmoid``), the old meaning gets a name of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from .tensorflow_functions import FUNCTIONS, understand

# What stands in a call's place of a tensor that is none, and the layers around TensorFlow's functions.
CONSTANT, FUNCTION_LAYERS = "_CONSTANT_VALUE", frozenset({"TFOpLambda", "SlicingOpLambda"})
# Keys of Keras 2 that say nothing about outputs at inference.
SILENT = frozenset(
    {
        "batch_input_shape",
        "implementation",
        "input_length",
        "key_shape",
        "query_shape",
        "shared_object_id",
        "value_shape",
    }
)
# Keys that Keras 3 dropped, with the one value that changes nothing; any other value stays, and is refused by name.
DROPPED = {
    "time_major": False,
    "sparse": False,
    "noise_shape": None,
    "fused": None,
    "virtual_batch_size": None,
    # Of tf_keras.
    "robust_masking": False,
    "softmax_robust_masking": False,
}
# Layers of Keras 2 that accept only ``groups=1``.
UNGROUPED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "SeparableConv", "DepthwiseConv")
# Layers of pictures that had no other order of axes yet.
CHANNELS_LAST = ("CenterCrop", "RandomCrop", "Resizing")
# clip(0.2 x + 0.5, 0, 1) in Keras 2, relu6(x + 3) / 6 in Keras 3.
ACTIVATIONS = {"hard_sigmoid": "keras2>hard_sigmoid", "swish": "silu", "log_softmax_v2": "log_softmax"}


def in_keras_3(layer: Any, keras: ModuleType) -> dict[str, Any]:
    """The config of a layer of Keras 2 as Keras 3 would write it."""
    config = dict(layer.get_config())
    if isinstance(layer, keras.layers.Bidirectional):
        # The layers that run, not the one that they were copied from: Bidirectional changes a setting of theirs.
        config["layer"] = _held(layer.forward_layer)
        config["backward_layer"] = _held(layer.backward_layer)
    elif hasattr(layer, "zero_output_for_mask"):
        config["zero_output_for_mask"] = bool(layer.zero_output_for_mask)
    elif isinstance(layer, keras.layers.BatchNormalization) and _rank(layer) in (4, 5) and not layer.fused:
        # In training its kernel for images keeps other variances; get_config leaves out whether it runs.
        config["fused"] = False
    return _translated(type(layer).__name__, config)


def _rank(layer: Any) -> Any:
    return getattr(layer.input_spec, "ndim", None)


def _held(layer: Any) -> dict[str, Any]:
    config = dict(layer.get_config())
    config["zero_output_for_mask"] = bool(getattr(layer, "zero_output_for_mask", False))
    return {"class_name": type(layer).__name__, "config": config}


def _translated(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: _value(key, value) for key, value in config.items() if key not in SILENT}
    for key, harmless in DROPPED.items():
        if key in made and made[key] == harmless:
            del made[key]
    if class_name.startswith(UNGROUPED) and made.get("groups") == 1:
        del made["groups"]
    if class_name in CHANNELS_LAST:
        made.setdefault("data_format", "channels_last")
    if class_name == "Conv3DTranspose":
        made.setdefault("dilation_rate", [1, 1, 1])
    if class_name == "Bidirectional" and "backward_layer" not in made:
        made["backward_layer"] = _backward(made["layer"])
    if class_name in {"Functional", "Model"}:
        made["layers"] = [_in_nodes_of_keras_3(described) for described in made["layers"]]
    if class_name == "LeakyReLU" and "alpha" in made:
        made["negative_slope"] = made.pop("alpha")
    if "go_backwards" in made:
        made.setdefault("zero_output_for_mask", False)
    if class_name == "LayerNormalization":
        made.setdefault("rms_scaling", False)
    if class_name in {"BatchNormalization", "LayerNormalization"}:
        made["axis"] = _one(made.get("axis"))
    return made


def _backward(layer: Mapping[str, Any]) -> dict[str, Any]:
    """The layer that Bidirectional makes of the one that it is given."""
    config = layer["config"]
    return {**layer, "config": {**config, "go_backwards": not config["go_backwards"]}}


def _in_nodes_of_keras_3(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """A layer of a functional model with its calls as Keras 3 writes them.

    Keras 2 lists a call's tensors as ``[layer, node, tensor, call arguments]``, the arguments with the first of them.
    """
    nodes = [_node(node) for node in described.get("inbound_nodes", ())]
    operation = _operation(described["config"], nodes) if described["class_name"] in FUNCTION_LAYERS else None
    return operation or {**described, "inbound_nodes": nodes}


def _operation(config: Mapping[str, Any], nodes: list[Any]) -> Mapping[str, Any] | None:
    """The layer of Keras 3's that stands for a TensorFlow function in a described model; None where none does."""
    meaning = FUNCTIONS.get(config["function"])
    if meaning is None or len(nodes) != 1:
        return None
    (node,) = nodes
    understood = understand(config["function"], {meaning.tensors[0]: node["args"][0], **node["kwargs"]})
    if understood is None:
        return None
    class_name, tensors, named, settings = understood
    if any(isinstance(one, np.ndarray) for one in (*tensors, *named.values())):
        return None
    call = {"args": [_subscripts(one) for one in tensors], "kwargs": named}
    return {
        "class_name": f"ops.{class_name}",
        "config": {**settings, "name": config["name"]},
        "inbound_nodes": [call],
    }


def _subscripts(value: Any) -> Any:
    """Slices as Keras 3 describes them."""
    if isinstance(value, slice):
        parts = {key: getattr(value, key) for key in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    return [_subscripts(part) for part in value] if isinstance(value, (list, tuple)) else value


def _node(node: Any) -> Any:
    if isinstance(node, Mapping) or not node:
        return node
    tensors = [node] if isinstance(node[0], str) else node
    args = [_tensor(*tensor[:3]) for tensor in tensors]
    given: Mapping[str, Any] = next((tensor[3] for tensor in tensors if len(tensor) > 3), {})
    kwargs = {key: _tensor(*value) if _is_tensor(value) else value for key, value in given.items()}
    return {"args": args if len(args) == 1 else [args], "kwargs": kwargs}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[0], str)


def _tensor(layer: str, node: int, tensor: Any) -> Any:
    if layer == CONSTANT:
        return tensor
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, node, tensor]}}


def _one(axis: Any) -> Any:
    """An axis out of a list of one."""
    return axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis


def _value(key: str, value: Any) -> Any:
    if isinstance(value, str) and key.endswith("activation"):
        return ACTIVATIONS.get(value, value)
    if isinstance(value, Mapping):
        if value.get("class_name") == "function" and value.get("config") == "log_softmax_v2":
            return "log_softmax"
        if isinstance(value.get("class_name"), str) and isinstance(value.get("config"), Mapping):
            return {**value, "config": _translated(value["class_name"], value["config"])}
        return {name: _value(name, part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value(key, part) for part in value]
    return value
