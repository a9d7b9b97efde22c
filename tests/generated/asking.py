"""What Keras answers for a random network, at shapes that its references do not hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from porting.keras_side.run import MaskLostError, record
from porting.keras_side.walking import walk
from porting.keras_side.which_keras import keras_api_of
from porting.network import Array

from .judging import apart
from .networks import IDS

__all__ = ["asked", "moved", "moved_by_compiling"]

BATCHES = (1, 3, 33, 3, 2)
LENGTHS = tuple(range(1, 14))
# A last bit or two.
NUDGE = 3e-7


def inputs_at(model: Any, rng: np.random.Generator, batch: int, length: int) -> list[Array]:
    """Inputs with every open axis this long, or each as long as it comes (0); rows of ids end in padding."""
    made = []
    for one in model.inputs:
        shape = [batch, *(size or length or int(rng.choice(LENGTHS)) for size in one.shape[1:])]
        if one.dtype.startswith("int"):
            values = rng.integers(0, IDS, shape).astype("int32")
            values[-1, shape[1] // 2 :] = 0
        elif one.dtype == "bool":
            values = rng.random(shape) < 0.5
        else:
            values = rng.normal(size=shape).astype("float32")
            values[-1, -1] = 0.0
        made.append(values)
    return made


def asked(model: Any, seed: int) -> Iterator[tuple[list[Array], list[Array]]]:
    """Inputs at several shapes, with what Keras answers.

    Shapes that Keras refuses, that are empty, or at which it is known to be wrong, are left out.
    """
    rng = np.random.default_rng(seed)
    shapes = list(zip(BATCHES, map(int, rng.choice(LENGTHS, len(BATCHES), replace=False))))
    is_open = any(None in one.shape[1:] for one in model.inputs)
    api = keras_api_of(model)
    graph = walk(model, api)
    for batch, length in [*shapes, (3, 1), (2, 0)] if is_open else shapes[:3]:
        inputs = inputs_at(model, rng, batch, length)
        try:
            wanted = answer(model, inputs)
            if not graph.problems:
                record(graph, api, "asked", {given.name: x for given, x in zip(graph.inputs, inputs)})
        except MaskLostError:
            pass
        except (ValueError, TypeError, RuntimeError, IndexError, ArithmeticError, tf_error()):
            continue
        if all(array.size for array in wanted):
            yield inputs, wanted


def tf_error() -> type[Exception]:
    import tensorflow as tf

    error: type[Exception] = tf.errors.OpError
    return error


def answer(model: Any, inputs: Sequence[Array]) -> list[Array]:
    given = [keras.ops.convert_to_tensor(one) for one in inputs]
    made = model(given if len(given) > 1 else given[0], training=False)
    return [np.asarray(one) for one in (made if isinstance(made, list) else [made])]


def moved(model: Any, inputs: Sequence[Array], wanted: Sequence[Array]) -> float:
    """How far Keras' own answers move where its inputs and weights move by their last bits."""
    rng = np.random.default_rng(0)
    weights, most = model.get_weights(), 0.0
    for _ in range(2):
        model.set_weights([nudged(one, rng) for one in weights])
        again = answer(model, [nudged(one, rng) for one in inputs])
        most = max(most, *(apart(a, b) for a, b in zip(again, wanted)))
    model.set_weights(weights)
    return most


def moved_by_compiling(model: Any, inputs: Sequence[Array], wanted: Sequence[Array]) -> float:
    """How far Keras' own answers move where XLA compiles the model; 0 where it does not."""
    import tensorflow as tf

    try:
        again = answer(tf.function(model, jit_compile=True), inputs)
    except (tf.errors.OpError, ValueError, TypeError):
        return 0.0
    return max(apart(a, b) for a, b in zip(again, wanted))


def nudged(x: Array, rng: np.random.Generator) -> Array:
    """Numbers that differ in their last bits; whole numbers as they are."""
    return x if x.dtype.kind != "f" else np.asarray(x * (1 + NUDGE * rng.choice((-1, 1), x.shape)), x.dtype)
