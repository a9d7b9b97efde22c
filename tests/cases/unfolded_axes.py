"""Layers of a user's own that move the batch off the front, or multiply data with what sizes and weights make."""

from __future__ import annotations

from typing import Any

from tests.cases import Case


def heads_in_front(keras: Any) -> Any:
    """Heads split off and stacked in front of the batch, over any length; their mean, and each beside the others."""
    ops = keras.ops

    class Heads(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.out, self.norm = (
                keras.layers.Dense(8),
                keras.layers.Dense(3, "tanh"),
                keras.layers.LayerNormalization(),
            )

        def call(self, x: Any) -> Any:
            heads = ops.stack(ops.split(self.dense(x), 2, axis=-1))
            scores = ops.matmul(heads, ops.swapaxes(heads, 2, 3)) / 2.0
            made = self.norm(self.out(ops.matmul(ops.softmax(scores, axis=-1), heads)))
            beside = ops.squeeze(ops.concatenate(ops.split(made, 2), axis=-1), 0)
            return ops.concatenate([ops.mean(made, axis=0), beside, ops.relu(made)[1] * made[0]], axis=-1)

    given = keras.Input((None, 4))
    return keras.Model(given, Heads()(given))


def places_in_front(keras: Any) -> Any:
    """Axes of each row moved before the batch, multiplied there, shaped, and moved back."""
    import tensorflow as tf

    class Crossed(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(1, 9, 5), name="kernel")

        def call(self, x: Any) -> Any:
            columns = tf.split(x, 4 * [1], 2)
            crossed = tf.reshape(tf.matmul(columns, columns, transpose_b=True), (4, -1, 9))
            moved = tf.transpose(crossed, [1, 0, 2])
            outer = keras.ops.einsum("bhd,bmd->hbm", x, x)
            return tf.concat([tf.nn.conv1d(moved, self.kernel, 1, "VALID"), moved[..., :2]], -1), outer[0] - outer[2]

    given = keras.Input((3, 4))
    return keras.Model(given, Crossed()(given))


def subscripts_of_weights_and_sizes(keras: Any) -> Any:
    """Einsums and tensordots with rows of a weight by the distance of two steps, and with a slice of one."""
    ops = keras.ops

    class Relative(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=(5, shape[-1]), name="table")
            self.kernel = self.add_weight(shape=(2, shape[-1], 3), name="kernel")

        def call(self, x: Any) -> Any:
            steps = ops.arange(ops.shape(x)[1])
            near = ops.take(self.table, ops.clip(steps[None, :] - steps[:, None], -2, 2) + 2, axis=0)
            weights = ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1))) + ops.einsum("bqd,qkd->bqk", x, near))
            made = ops.matmul(weights, x) + ops.einsum("bqk,qkd->bqd", weights, near)
            return ops.einsum("bqd,dz->bqz", made, self.kernel[0]) + ops.tensordot(made, self.kernel[1], (-1, 0))

    given = keras.Input((None, 4))
    return keras.Model(given, Relative()(given))


def layers_beside_weights(keras: Any) -> Any:
    """Layers of Keras' called on a weight, and on zeros for every row, beside the data."""
    ops = keras.ops

    class Latent(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.queries, self.norm = keras.layers.Dense(4), keras.layers.LayerNormalization()
            self.attention, self.gru = (
                keras.layers.Attention(use_scale=True),
                keras.layers.GRU(4, return_sequences=True),
            )

        def build(self, shape: Any) -> None:
            self.latent = self.add_weight(shape=(3, 4), name="latent")

        def call(self, x: Any) -> Any:
            start = self.gru.get_initial_state(ops.shape(x)[0])[0]
            x = self.gru(x, initial_state=start)
            latent = ops.expand_dims(self.latent, 0)
            return latent + self.attention([self.queries(self.norm(latent)), x])

    given = keras.Input((None, 4))
    return keras.Model(given, Latent()(given))


def lengths_behind_splits(keras: Any) -> Any:
    """-1 for the batch beside a length that a split, a product and a transposition handed on."""
    ops = keras.ops

    class Heads(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = keras.layers.Dense(12)

        def call(self, x: Any) -> Any:
            length = ops.shape(x)[1]
            split = (ops.reshape(one, (-1, length, 2, 2)) for one in ops.split(self.qkv(x), 3, axis=-1))
            q, k, v = (ops.transpose(one, (0, 2, 1, 3)) for one in split)
            steps = ops.cast(ops.arange(length), "float32")
            scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) - ops.abs(steps[None, :] - steps[:, None])
            return ops.reshape(ops.transpose(ops.matmul(ops.softmax(scores), v), (0, 2, 1, 3)), (-1, length, 4))

    given = keras.Input((None, 4))
    return keras.Model(given, Heads()(given))


def spectrum_of_any_length(keras: Any) -> Any:
    """A block of FNet over texts of any length."""
    ops = keras.ops

    class Mixed(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x + ops.fft2((x, ops.zeros_like(x)))[0]

    given = keras.Input((None, 4))
    return keras.Model(given, keras.layers.Dense(2)(Mixed()(given)))


CASES = [
    Case(build.__name__, build)
    for build in (
        heads_in_front,
        places_in_front,
        subscripts_of_weights_and_sizes,
        layers_beside_weights,
        lengths_behind_splits,
        spectrum_of_any_length,
    )
]
