"""What a single layer says about itself: whether it can be saved at all, and which ids it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import Problem
from .held import held_layers
from .keras_api import KerasApi

OTHER_FLOATS = frozenset({"float16", "bfloat16", "float64"})
# How Keras 2 keeps TensorFlow's functions and properties in a graph.
INSTEAD_OF_TENSORFLOW = "use a Keras layer in its place, or a layer class of your own with a rule"
TENSORFLOW_CODE = frozenset({"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceProperty", "InstanceMethod"})


def parts_of(layer: Any, api: KerasApi) -> Iterator[Any]:
    """A layer and all the layers that it holds."""
    waiting, seen = [layer], set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [held for _, held in held_layers(current, api)]


def is_code(operation: Any, api: KerasApi) -> bool:
    """Whether an operation is Python or TensorFlow code that has no description."""
    return api.is_lambda(operation) or type(operation).__name__ in TENSORFLOW_CODE


def check_layer(operation: Any, where: str, api: KerasApi, problems: list[Problem]) -> None:
    """Add to `problems` what keeps an operation from being saved."""
    if api.is_lambda(operation):
        way_out = (
            "replace it by a layer class of your own, registered and with a rule, or by Keras operations: "
            "keras.ops.mean(x, axis=1) instead of Lambda(lambda x: …)"
        )
        problems.append(Problem(where, "holds Python code that no file can describe", way_out))
        return
    if not api.is_layer(operation):
        return
    if type(operation).__name__ in TENSORFLOW_CODE:
        function = operation.get_config().get("function", operation.name)
        what = f"is the TensorFlow function {function}, which has no counterpart"
        problems.append(Problem(where, what, INSTEAD_OF_TENSORFLOW))
        return
    if not api.is_builtin(operation) and api.is_keras_name(api.class_name(operation)):
        way_out = "register it with @keras.saving.register_keras_serializable(package=…) or give it another name"
        problems.append(Problem(where, "is a class of your own under the name of a Keras layer", way_out))
    for part in parts_of(operation, api):
        check_numbers_of(part, where, problems)


def check_numbers_of(layer: Any, where: str, problems: list[Problem]) -> None:
    """Add to `problems` what a layer, apart from those that it holds, computes with that is not plain float32."""
    compute = str(getattr(layer, "compute_dtype", None) or "float32")
    variable = str(getattr(layer, "variable_dtype", None) or "float32")
    if compute in OTHER_FLOATS or variable in OTHER_FLOATS:
        way_out = "rebuild the model under the dtype policy 'float32' and give it these weights with set_weights"
        problem = Problem(where, f"computes in {compute} and keeps its weights in {variable}", way_out)
        if problem not in problems:
            problems.append(problem)
    if getattr(layer, "quantization_mode", None):
        way_out = "save the model as it was before quantize()"
        problems.append(Problem(where, f"is quantized ({layer.quantization_mode})", way_out))
    if getattr(layer, "lora_enabled", False):
        way_out = "merge it: layer.save_own_variables and a fresh layer without lora_rank give the merged kernel"
        problems.append(Problem(where, f"has LoRA matrices beside its weights (rank {layer.lora_rank})", way_out))
    if getattr(layer, "stateful", False):
        way_out = "rebuild it with stateful=False, and hand its states in and out as inputs and outputs"
        problems.append(Problem(where, "is stateful: it answers the same input with another output", way_out))


def id_limit(operation: Any, api: KerasApi) -> int | None:
    """Below which number ids must be for an operation of a user's own that holds embeddings; None if it holds none."""
    if not api.is_layer(operation) or api.is_builtin(operation):
        return None
    limits = [
        part.input_dim
        for part in parts_of(operation, api)
        if isinstance(getattr(part, "input_dim", None), int) and hasattr(part, "output_dim")
    ]
    return min(limits) if limits else None
