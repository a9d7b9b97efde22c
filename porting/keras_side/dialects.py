"""Keras 2's configs in the words of Keras 3.

Measured by comparing ``get_config()`` of every layer in Keras 2.15 and Keras 3.15. Where a word means something
else in the two (``hard_sigmoid``), the old meaning gets a name of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

__all__ = ["in_keras_3"]

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
DROPPED = {"time_major": False, "sparse": False, "noise_shape": None, "fused": None, "virtual_batch_size": None}
# Layers of Keras 2 that accept only ``groups=1``.
UNGROUPED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "SeparableConv", "DepthwiseConv")
RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
# clip(0.2 x + 0.5, 0, 1) in Keras 2, relu6(x + 3) / 6 in Keras 3.
ACTIVATIONS = {"hard_sigmoid": "keras2>hard_sigmoid", "swish": "silu"}


def in_keras_3(layer: Any, keras: ModuleType) -> dict[str, Any]:
    """The config of a layer of Keras 2 as Keras 3 would write it."""
    config = dict(layer.get_config())
    if isinstance(layer, keras.layers.Bidirectional):
        # The layers that run, not the one that they were copied from: Bidirectional changes a setting of theirs.
        config["layer"] = _held(layer.forward_layer)
        config["backward_layer"] = _held(layer.backward_layer)
    elif hasattr(layer, "zero_output_for_mask"):
        config["zero_output_for_mask"] = bool(layer.zero_output_for_mask)
    return _translated(type(layer).__name__, config)


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
    if class_name == "LeakyReLU" and "alpha" in made:
        made["negative_slope"] = made.pop("alpha")
    if class_name in RECURRENT:
        made.setdefault("zero_output_for_mask", False)
    if class_name == "LayerNormalization":
        made.setdefault("rms_scaling", False)
    if class_name in {"BatchNormalization", "LayerNormalization"}:
        made["axis"] = _one(made.get("axis"))
    return made


def _one(axis: Any) -> Any:
    """An axis out of a list of one."""
    return axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis


def _value(key: str, value: Any) -> Any:
    if isinstance(value, str) and key.endswith("activation"):
        return ACTIVATIONS.get(value, value)
    if isinstance(value, Mapping):
        if isinstance(value.get("class_name"), str) and isinstance(value.get("config"), Mapping):
            return {**value, "config": _translated(value["class_name"], value["config"])}
        return {name: _value(name, part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value(key, part) for part in value]
    return value
