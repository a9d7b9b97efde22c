"""Operations whose results lie otherwise in NeoML than a layer behind them wants it, and slices of open axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from tests.cases import Case

Function = Callable[[Any, Any], Any]


def of(name: str, shape: tuple[Optional[int], ...], function: Function, dtype: str = "float32") -> Case:
    """A case whose network is `function(keras, input)`."""

    def build(keras: Any) -> Any:
        x = keras.Input(shape, dtype=dtype)
        return keras.Model(x, function(keras, x))

    return Case(name, build)


def behind(layer: Callable[[Any], Any], change: Function) -> Function:
    """A layer behind a change of the tensor, and once without it."""

    def function(keras: Any, x: Any) -> Any:
        made = layer(keras.layers)
        return [made(change(keras, x)), made(x)]

    return function


def flipped(keras: Any, x: Any) -> Any:
    return keras.ops.flip(x, axis=1)


def flips_around_a_cast(keras: Any, x: Any) -> Any:
    numbers = keras.ops.cast(keras.ops.flip(x > 0, axis=1), "float32")
    return [keras.ops.flip(numbers, axis=1), keras.ops.flip(x, axis=1)[:, ::-1], numbers[:, ::-1], numbers[:, -3:]]


def pooled(weigh: Function) -> Function:
    """Attention pooling by operations: weights of steps, their softmax over time, the weighed sum, a Dense."""

    def function(keras: Any, x: Any) -> Any:
        layers = keras.layers
        steps = layers.LSTM(6, return_sequences=True)(layers.Embedding(7, 4, mask_zero=True)(x))
        return layers.Dense(2)(weigh(keras, steps))

    return function


def by_product(keras: Any, x: Any) -> Any:
    return keras.ops.sum(keras.ops.softmax(keras.layers.Dense(1)(x), axis=1) * x, axis=1)


def by_matmul(keras: Any, x: Any) -> Any:
    weights = keras.ops.softmax(keras.layers.Dense(1)(x), axis=1)
    return keras.ops.squeeze(keras.ops.matmul(keras.ops.transpose(weights, (0, 2, 1)), x), 1)


def by_dot(keras: Any, x: Any) -> Any:
    layers = keras.layers
    return layers.Flatten()(layers.Dot(axes=1)([keras.ops.softmax(layers.Dense(1)(x), axis=1), x]))


def by_einsum(keras: Any, x: Any) -> Any:
    weights = keras.ops.softmax(keras.ops.squeeze(keras.layers.Dense(1)(x), 2), axis=1)
    return keras.ops.einsum("btk,bt->bk", x, weights)


def backwards(kind: str, **settings: Any) -> Callable[[Any], Any]:
    """A recurrent layer that goes backwards, so a reversal in front of it is undone."""
    return lambda layers: getattr(layers, kind)(3, return_sequences=True, go_backwards=True, **settings)


LAYERS: dict[str, Callable[[Any], Any]] = {
    "dense": lambda layers: layers.Dense(2),
    "batch_normalization": lambda layers: layers.BatchNormalization(),
    "layer_normalization": lambda layers: layers.LayerNormalization(),
    "softmax": lambda layers: layers.Softmax(),
}
CHANGES: dict[str, Function] = {
    "flip": flipped,
    "step": lambda keras, x: x[:, ::-1],
    "roll": lambda keras, x: keras.ops.roll(x, 2, axis=1),
    "cumsum": lambda keras, x: keras.ops.cumsum(x, axis=1),
}
# Each at lengths beyond and below its places.
SLICES: dict[str, Function] = {
    "first": lambda keras, x: [x[:, :6], x[:, :3]],
    "last": lambda keras, x: [x[:, -6:], x[:, -3:]],
    "inner": lambda keras, x: [x[:, 1:6], x[:, 1:-1], x[:, -5:-2]],
    "every": lambda keras, x: [x[:, ::2], x[:, 1::3], x[:, :-1:2], x[:, -4::2]],
    "backwards": lambda keras, x: [x[:, ::-2], x[:, 2::-1], x[:, -2::-1], x[:, :2:-1]],
}

CASES = [
    *(
        of(f"{change}_{name}", (6,), behind(made, CHANGES[change]))
        for change in CHANGES
        for name, made in LAYERS.items()
    ),
    *(of(f"flip_of_steps_{name}", (None, 4), behind(made, flipped)) for name, made in LAYERS.items()),
    *(
        of(f"pooled_{name}", (None,), pooled(weigh), "int32")
        for name, weigh in {"product": by_product, "matmul": by_matmul, "dot": by_dot, "einsum": by_einsum}.items()
    ),
    *(of(f"slice_{name}", (None, 4), function) for name, function in SLICES.items()),
    *(
        of(f"flip_behind_{kind.lower()}_backwards", (6, 3), behind(backwards(kind, **settings), flipped))
        for kind, settings in {"LSTM": {}, "GRU": {"reset_after": False}, "SimpleRNN": {}}.items()
    ),
    of("flip_cast_flip", (5,), flips_around_a_cast),
    of("slice_attended", (None, 4), lambda keras, x: keras.layers.MultiHeadAttention(1, 2)(x[:, :5], x)),
    of("slice_argmax", (None, 4), lambda keras, x: keras.ops.argmax(x[:, :5], axis=1)),
    of("slice_learns", (None, 4), lambda keras, x: keras.layers.LSTM(3)(keras.layers.Dense(3)(x)[:, ::2])),
]
