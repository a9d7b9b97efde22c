"""What Keras and TensorFlow answer wrongly, found while a network is recorded: such an answer is no reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import Problem
from ..network import TensorRef, tensors_in
from .graph import Step
from .keras_api import KerasApi

# A sum of products in float32 is nearer to numpy's than this part of the largest product.
EINSUM_TOLERANCE = 1e-2


class KerasFaultError(RuntimeError):
    """Keras, or what is below it, answers wrongly here, and would at other sizes.

    Attributes:
        problem: which call, what is wrong, and the way out.
    """

    def __init__(self, call: str, what: str, way_out: str) -> None:
        super().__init__(f"{call}: {what}")
        self.problem = Problem(call, what, way_out)


def check_question(step: Step, values: Mapping[TensorRef, Any], api: KerasApi) -> None:
    """Refuse inputs that TensorFlow must not be asked about.

    Raises:
        RuntimeError: it would answer with foreign memory, or die.
    """
    _check_steps(step, values, api)


def check_answer(step: Step, values: Mapping[TensorRef, Any], made: Any, api: KerasApi) -> None:
    """Refuse an answer that is known to be wrong.

    Raises:
        RuntimeError: it is.
    """
    _check_window(step, values, made, api)
    _check_sum(step, values, made, api)
    _check_einsum(step, values, api)


def _check_steps(step: Step, values: Mapping[TensorRef, Any], api: KerasApi) -> None:
    """Refuse inputs too short for TensorFlow: it answers with foreign memory or, over oneDNN, dies of dividing by 0."""
    layer, given = step.operation, step.args[0] if step.args else None
    kind = api.class_name(layer).rpartition(".")[2]
    if not isinstance(given, TensorRef) or not kind.startswith(("AdaptiveMax", "STFTSpectrogram")):
        return
    shape = tuple(values[given].shape)
    sizes = shape[2:] if layer.data_format == "channels_first" else shape[1:-1] or shape[1:]
    if kind.startswith("STFT"):
        wanted = [layer.frame_length] if layer.padding == "valid" else []
        short = [size < want for size, want in zip(sizes, wanted)]
    else:
        output = layer.output_size
        wanted = list(output) if isinstance(output, (tuple, list)) else [output] * len(sizes)
        short = [size == 1 < (want or 1) for size, want in zip(sizes, wanted)]
    if any(short):
        raise RuntimeError(f"{step.call.name} needs more than {sizes} steps for its {wanted}")


def _check_window(step: Step, values: Mapping[TensorRef, Any], made: Any, api: KerasApi) -> None:
    """Refuse what TensorFlow answers to a window longer than its input: uninitialised memory, not always an error."""
    layer, given = step.operation, step.args[0] if step.args else None
    windowed = api.is_builtin(layer) and (hasattr(layer, "kernel_size") or hasattr(layer, "pool_size"))
    if windowed and not hasattr(layer, "cell") and isinstance(given, TensorRef):
        expected = api.shape_made(layer, values[given])
        if expected != tuple(made.shape):
            raise RuntimeError(f"{step.call.name} gives the shape {tuple(made.shape)}, it should be {expected}")


def _check_sum(step: Step, values: Mapping[TensorRef, Any], made: Any, api: KerasApi) -> None:
    """Refuse the sums that Keras 3 over TensorFlow takes for another sum, see `_taken_for_bias`."""
    if api.dialect != 3 or api.versions()["backend"] != "tensorflow":
        return
    # A layer keeps the batch in front, an operation lines up the last axes.
    front_axes = 1 if api.is_layer(step.operation) else 0
    for shape, terms in _sums(step, values, tuple(made.shape)):
        rank = max(map(len, terms), default=0)
        spread = [(*one[:front_axes], *[1] * (rank - len(one)), *one[front_axes:]) for one in terms]
        if any(_taken_for_bias(shape, one) for one in spread[1:]):
            what = f"Keras over TensorFlow adds terms of shapes {spread} along another axis than it says"
            raise KerasFaultError(step.call.name, what, "use data_format='channels_last', or other sizes")


def _sums(
    step: Step, values: Mapping[TensorRef, Any], made: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
    """The sums that a call computes: the shape that each gives, and those of its terms."""
    layer, bias = step.operation, getattr(step.operation, "bias", None)
    kind, given = type(layer).__name__, (step.args, tuple(step.kwargs.values()))
    if getattr(layer, "data_format", None) == "channels_first" and bias is not None:
        yield made, [made, (1, *tuple(bias.shape), *[1] * (len(made) - 2))]
    elif kind == "EinsumDense" and bias is not None:
        yield made, [made, (1, *tuple(bias.shape))]
    elif kind in {"MultiHeadAttention", "GroupedQueryAttention"}:
        parts = [part for part in (layer._query_dense, layer._key_dense, layer._value_dense) if part.bias is not None]
        for shape in _shapes(given, values):
            for heads in {tuple(part.bias.shape) for part in parts}:
                projected = (*shape[:-1], *heads)
                yield projected, [projected, (1, *heads)]
    elif kind in {"Add", "Average"}:
        yield made, list(_shapes(given, values))


def _check_einsum(step: Step, values: Mapping[TensorRef, Any], api: KerasApi) -> None:
    """Refuse products with ``...`` that TensorFlow 2.19 over oneDNN gets wrong where ``...`` is two axes or more."""
    layer = step.operation
    equation = str(getattr(layer, "equation", None) or getattr(layer, "subscripts", ""))
    if "..." not in equation or not hasattr(api.keras, "ops"):
        return
    factors = [values[ref] for ref in tensors_in((step.args, step.kwargs))]
    factors += [layer.kernel] if hasattr(layer, "kernel") else []
    if len(factors) != equation.count(",") + 1:
        return
    found = api.to_numpy(api.keras.ops.einsum(equation, *factors))
    numbers = [api.to_numpy(factor) for factor in factors]
    expected = np.einsum(equation, *numbers)
    allowed = EINSUM_TOLERANCE * np.einsum(equation, *map(np.abs, numbers)).max(initial=0)
    if not np.abs(found - expected).max(initial=0) <= allowed:
        what = f"this TensorFlow computes the product {equation!r} wrong, as 2.19 does over oneDNN"
        way_out = (
            "set the environment variable TF_ENABLE_ONEDNN_OPTS=0 before Keras is imported, or use TensorFlow 2.21"
        )
        raise KerasFaultError(step.call.name, what, way_out)


def _shapes(structure: Any, values: Mapping[TensorRef, Any]) -> Iterator[tuple[int, ...]]:
    """The shapes of the tensors and arrays among a call's arguments."""
    if isinstance(structure, TensorRef):
        yield tuple(values[structure].shape)
    elif isinstance(structure, (list, tuple)):
        for part in structure:
            yield from _shapes(part, values)
    elif hasattr(structure, "shape"):
        yield tuple(structure.shape)


def _taken_for_bias(shape: tuple[int, ...], term: tuple[int, ...]) -> bool:
    """Whether ``keras.ops.add`` mistakes a summand for a bias of another axis.

    A term with one size above 1 is handed to ``tf.nn.bias_add`` where that size is the tensor's last, or its second,
    wherever the term has it (`add` in keras/src/backend/tensorflow/numpy.py, Keras 3.15).
    """
    long = [axis for axis, size in enumerate(term) if size > 1]
    if len(long) != 1 or len(shape) < 2 or term[long[0]] not in (shape[1], shape[-1]):
        return False
    return bool(long[0] != (len(shape) - 1 if shape[-1] == term[long[0]] else 1))
