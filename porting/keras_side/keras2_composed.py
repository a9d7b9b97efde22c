"""TensorFlow functions in a graph of Keras 2 that Keras 3 has by several operations: each by others of TensorFlow's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .tracing import Untraceable

tf = importlib.import_module("tensorflow")


def _summed_up(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: Any = None) -> Any:
    axis = axis % len(x.shape)
    if reverse:
        return tf.reverse(_summed_up(tf.reverse(x, [axis]), axis, exclusive), [axis])
    summed = tf.cumsum(x, axis)
    if not exclusive:
        return summed
    before = (slice(None),) * axis
    first, others = (*before, slice(0, 1)), (*before, slice(None, -1))
    return tf.concat([tf.zeros_like(x[first]), summed[others]], axis)


def _sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = tf.bool, name: Any = None) -> Any:
    if maxlen is None:
        raise Untraceable("calls tf.sequence_mask without a maxlen", "give it one")
    places = np.arange(maxlen, dtype=np.int32) if isinstance(maxlen, int) else tf.range(maxlen)
    return tf.cast(tf.less(places, tf.expand_dims(tf.cast(lengths, tf.int32), -1)), tf.as_dtype(dtype).name)


def _flattened(x: Any) -> Any:
    sizes: Sequence[Any] = x.shape[1:]
    if None in sizes:
        raise Untraceable("flattens an axis of open size", "fix it in the Input")
    return tf.reshape(x, (-1, int(np.prod(sizes))))


COMPOSED: dict[str, Callable[..., Any]] = {
    "compat.v1.nn.crelu": lambda features, name=None, axis=-1: tf.nn.relu(tf.concat([features, -features], axis)),
    "keras.backend.batch_flatten": _flattened,
    "math.cumsum": _summed_up,
    "math.squared_difference": lambda x, y, name=None: tf.square(x - y),
    "sequence_mask": _sequence_mask,
}
