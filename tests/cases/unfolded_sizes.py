"""Layers of a user's own that reshape, cut and spread by several open sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases import Case


def places_of_an_open_picture(keras: Any) -> Any:
    """Attention of every place to every other, places as steps and back; then places as rows, mixed by experts."""
    layers, ops = keras.layers, keras.ops

    class Places(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.gate = layers.MultiHeadAttention(2, 2), layers.Dense(2, "softmax")
            self.experts = [layers.Dense(4, "tanh") for _ in range(2)]

        def call(self, x: Any) -> Any:
            batch, height, width, channels = ops.shape(x)
            places = ops.reshape(x, (batch, height * width, channels))
            x = ops.reshape(places + self.attention(places, places), (batch, height, width, channels))
            rows = ops.reshape(x, (-1, channels))
            best, which = ops.top_k(self.gate(rows), 1)
            gates = ops.sum(ops.one_hot(which, 2) * best[..., None], axis=1)
            mixed = ops.einsum("ne,nec->nc", gates, ops.stack([one(rows) for one in self.experts], axis=1))
            return ops.reshape(mixed, (batch, height, width, channels))

    given = keras.Input((None, None, 4))
    return keras.Model(given, layers.Conv2D(2, 1)(Places()(given)))


def pixels_from_channels(keras: Any) -> Any:
    """A picture of any size, three times as large."""
    ops = keras.ops

    class Larger(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            batch, height, width, _ = ops.shape(x)
            x = ops.transpose(ops.reshape(x, [batch, height, width, 3, 3, 2]), [0, 1, 3, 2, 4, 5])
            return ops.reshape(x, [batch, height * 3, width * 3, 2])

    given = keras.Input((None, None, 18))
    return keras.Model(given, Larger()(given))


def windows_of_an_open_picture(keras: Any) -> Any:
    """Pixels of one place in windows of 2 x 2 as rows of the batch, as in MobileViT; then every line of the picture."""
    layers, ops = keras.layers, keras.ops

    class Windows(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.along = layers.MultiHeadAttention(1, 2), layers.MultiHeadAttention(1, 2)

        def call(self, x: Any) -> Any:
            batch, height, width, channels = ops.shape(x)
            x = ops.reshape(x, (batch, height // 2, 2, width // 2, 2, channels))
            x = ops.reshape(ops.transpose(x, (0, 2, 4, 1, 3, 5)), (batch * 4, (height // 2) * (width // 2), channels))
            x = x + self.attention(x, x)
            x = ops.reshape(x, (batch, 2, 2, height // 2, width // 2, channels))
            x = ops.reshape(ops.transpose(x, (0, 3, 1, 4, 2, 5)), (batch * height, width, channels))
            return ops.reshape(x + self.along(x, x), (batch, height, width, channels))

    given = keras.Input((None, None, 3))
    larger = layers.Conv2DTranspose(3, 2, strides=2)(given)
    return keras.Model(given, Windows()(larger))


def relative_shift(keras: Any) -> Any:
    """Transformer-XL's scores of relative positions: padded, reshaped and cut, of steps and memories of any length."""
    layers, ops = keras.layers, keras.ops

    class Relative(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.queries, self.keys, self.places = (layers.Dense(4) for _ in range(3))

        def call(self, x: Any, memory: Any) -> Any:
            whole = ops.concatenate([memory, x], axis=1)
            q, length = self.queries(x), ops.shape(whole)[1]
            back = ops.cast(length - 1 - ops.arange(length), "float32")[:, None] / 10.0
            places = self.places(ops.concatenate([ops.sin(back), ops.cos(back)], axis=-1))
            scores = ops.einsum("bid,jd->bij", q, places)
            batch, steps, _ = ops.shape(scores)
            shifted = ops.reshape(ops.pad(scores, [[0, 0], [0, 0], [1, 0]]), (batch, length + 1, steps))[:, 1:]
            shifted = ops.reshape(shifted, (batch, steps, length))
            scores = ops.matmul(q, ops.transpose(self.keys(whole), (0, 2, 1))) + shifted
            return ops.matmul(ops.softmax(scores), whole)

    given, memory = keras.Input((None, 3)), keras.Input((None, 3))
    return keras.Model([given, memory], Relative()(given, memory))


def shares_of_two_lengths(keras: Any) -> Any:
    """The first half and the rest, the step between, steps in pairs, and as many steps as the shorter input has."""
    ops = keras.ops

    class Shares(keras.layers.Layer):
        def call(self, x: Any, y: Any) -> Any:
            batch, steps, features = ops.shape(x)
            half, fewer = steps // 2, ops.minimum(steps, ops.shape(y)[1])
            parts = [ops.max(x[:, half:], axis=1), x[:, half], ops.mean(x[:, : half + 1], axis=1)]
            pairs = ops.reshape(x[:, : 2 * half], (batch, half, 2 * features))
            return ops.stack(parts, axis=1), pairs, x[:, :fewer] * y[:, :fewer], x[:, steps - 3 :]

    given, other = keras.Input((None, 2)), keras.Input((None, 2))
    return keras.Model([given, other], Shares()(given, other))


def nodes_in_front_as_rows(keras: Any) -> Any:
    """Nodes of a graph in front of the batch, each of each row run through an LSTM, as in the traffic example."""
    layers, ops = keras.layers, keras.ops

    class Nodes(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent, self.dense = layers.LSTM(4), layers.Dense(6)

        def call(self, x: Any) -> Any:
            x = ops.transpose(x, [2, 0, 1, 3])
            neighbours = ops.take(x, [1, 2, 0, 1], axis=0)
            x = ops.concatenate([x, ops.segment_sum(neighbours, np.array([0, 0, 1, 2]), num_segments=3)], axis=-1)
            nodes, batch, steps, features = ops.shape(x)
            made = self.dense(self.recurrent(ops.reshape(x, (batch * nodes, steps, features))))
            return ops.transpose(ops.reshape(made, (nodes, batch, 6)), [1, 2, 0])

    given = keras.Input((None, 3, 2))
    return keras.Model(given, Nodes()(given))


def positions_of_rows(keras: Any) -> Any:
    """Answers to choose from as rows of their own, with positions of as many steps as the model's input has."""
    layers, ops = keras.layers, keras.ops

    class Choices(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.positions, self.score = layers.Embedding(9, 4), layers.Embedding(40, 4), layers.Dense(1)

        def call(self, ids: Any) -> Any:
            length = ops.shape(ids)[-1]
            x = self.tokens(ops.reshape(ids, (-1, length))) + self.positions(ops.arange(length))
            return ops.reshape(self.score(ops.max(ops.tanh(x), axis=1)), (-1, 3))

    given = keras.Input((3, None), dtype="int32")
    return keras.Model(given, layers.Softmax()(Choices()(given)))


def grids_of_an_open_picture(keras: Any) -> Any:
    """Coordinates between 0 and 1, as in YOLO; learned rows and columns as in DETR, and sinusoids, as places."""
    layers, ops = keras.layers, keras.ops

    class Grids(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.rows, self.columns = layers.Embedding(40, 2), layers.Embedding(40, 2)

        def call(self, x: Any) -> Any:
            batch, height, width, channels = ops.shape(x)
            across, down = ops.meshgrid(ops.arange(width), ops.arange(height))
            grid = ops.cast(ops.stack([across, down], axis=-1), "float32") + 0.5
            x = x + ops.tile(grid / ops.cast(ops.stack([width, height]), "float32"), (1, 1, 2))
            places = ops.reshape(x, (batch, height * width, channels))
            rows = ops.tile(self.rows(ops.arange(height))[:, None], (1, width, 1))
            columns = ops.tile(self.columns(ops.arange(width))[None], (height, 1, 1))
            places = places + ops.reshape(ops.concatenate([rows, columns], axis=-1), (1, height * width, 4))
            flat = ops.reshape(grid, (-1, 2))
            return places * ops.concatenate([ops.sin(flat), ops.cos(flat)], axis=-1)

    given = keras.Input((None, None, 4))
    return keras.Model(given, layers.Dense(2)(Grids()(given)))


def a_row_of_each_label(keras: Any) -> Any:
    """Labels repeated over all axes, which makes rows of their numbers, as in the conditional GAN example."""
    ops = keras.ops

    class Map(keras.layers.Layer):
        def call(self, label: Any) -> Any:
            ones = ops.repeat(ops.one_hot(label, 3)[:, :, None, None], repeats=[4])
            return ops.reshape(ones, (-1, 2, 2, 3))

    given = keras.Input((1,), dtype="int32")
    limited = keras.layers.Lambda(lambda x: ops.minimum(ops.abs(x), 2))(given)
    return keras.Model(given, keras.layers.Conv2D(2, 2)(Map()(limited)))


CASES = [
    Case(build.__name__, build)
    for build in (
        places_of_an_open_picture,
        pixels_from_channels,
        windows_of_an_open_picture,
        relative_shift,
        shares_of_two_lengths,
        nodes_in_front_as_rows,
        positions_of_rows,
        grids_of_an_open_picture,
        a_row_of_each_label,
    )
]
