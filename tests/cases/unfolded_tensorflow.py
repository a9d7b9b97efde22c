"""Layers of a user's own that call TensorFlow's functions, unfolded into Keras' operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np

from tests.cases import Case

Function = Callable[[Any, Any], Any]


def of(*functions: Function, shape: tuple[Optional[int], ...]) -> Callable[[Any], Any]:
    """A model whose outputs are these functions of TensorFlow and a tensor, each in a layer."""

    def build(keras: Any) -> Any:
        import tensorflow as tf

        class Calls(keras.layers.Layer):
            def __init__(self, function: Function, **kwargs: Any) -> None:
                super().__init__(**kwargs)
                self.function = function

            def call(self, x: Any) -> Any:
                return self.function(tf, x)

        given = keras.Input(shape)
        return keras.Model(given, [Calls(function)(given) for function in functions])

    return build


def kernel(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def places(tf: Any, x: Any) -> Any:
    """What a shape of TensorFlow's is asked for."""
    sizes = x.get_shape().as_list()
    return tf.reshape(x, (-1, sizes[1] * sizes[2])) * x.shape.rank + x.shape.ndims


def parts_of_shapes(tf: Any, x: Any) -> Any:
    batch, length, width = tf.unstack(tf.shape(x))
    flat = tf.reshape(x, tf.concat([tf.shape(x)[:1], [12]], 0))
    return tf.reshape(flat, tf.stack([batch, length, width])) * tf.cast(tf.size(x) / batch, "float32")


def choices(tf: Any, x: Any) -> Any:
    """Functions that are handed functions, and functions that TensorFlow has wrapped."""
    backend = tf.keras.backend
    squared = tf.function(lambda y: y * tf.abs(y))
    reversed_gradient = tf.custom_gradient(lambda y: (y * 2.0, lambda up: -up))
    _, doubled = tf.while_loop(lambda turn, _: turn < 3, lambda turn, y: (turn + 1, y * 1.5), (0, x))
    small = backend.switch(x > 0.1, squared(x), lambda: backend.softmax(reversed_gradient(x), axis=1))
    return backend.concatenate([small + doubled, tf.cond(tf.constant(True), lambda: x, lambda: -x)])


def short_time_spectrum(tf: Any, x: Any) -> Any:
    return tf.abs(tf.signal.stft(x, frame_length=6, frame_step=3))


def graph(keras: Any) -> Any:
    """Messages along a graph's edges, put together at its nodes, of which each row names one."""
    import tensorflow as tf

    features = kernel(6, 4)
    edges = np.array([[0, 1, 1, 2, 4, 4, 4], [1, 0, 3, 2, 5, 0, 3]])

    class Graph(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dense, self.out = keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)

        def call(self, ids: Any) -> Any:
            nodes = tf.constant(features)
            messages = tf.gather(nodes, edges[1])
            parts = [
                tf.math.unsorted_segment_mean(messages, edges[0], num_segments=6),
                tf.math.unsorted_segment_sqrt_n(messages, edges[0], num_segments=6),
                tf.math.unsorted_segment_sum(messages, edges[0], num_segments=6),
            ]
            picked = tf.gather(tf.concat([nodes, *parts], axis=1), ids)
            return self.out(tf.nn.l2_normalize(self.dense(picked), axis=-1))

    ids = keras.Input((), dtype="int32")
    return keras.Model(ids, Graph()(ids))


def scores_of_a_table(keras: Any) -> Any:
    """Rows against the rows of a weight: a product with a turned weight of tensors of two axes."""
    ops = keras.ops

    class Scores(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=(5, shape[-1]), name="table")

        def call(self, x: Any) -> Any:
            return ops.matmul(x, ops.transpose(self.table))

    given = keras.Input((4,))
    return keras.Model(given, Scores()(given))


def embedding_called_by_ones_own(keras: Any) -> Any:
    """A class derived from Keras' own, whose call adds to that of its parent."""

    class Scaled(keras.layers.Embedding):
        def call(self, ids: Any) -> Any:
            return super().call(ids) * keras.ops.sqrt(float(self.output_dim))

    ids = keras.Input((None,), dtype="int32")
    return keras.Model(ids, keras.layers.LSTM(3)(Scaled(9, 4, mask_zero=True)(ids)))


def parents_called_by_ones_own(keras: Any) -> Any:
    """Recurrent layers whose call adds to that of their parent, over any length and any mask."""

    class Louder(keras.layers.LSTM):
        def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training) * 3.0

    class Quieter(keras.layers.GRU):
        def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
            return keras.ops.tanh(super().call(sequences, mask=mask, training=training))

    ids = keras.Input((None,), dtype="int32")
    x = Louder(4, return_sequences=True)(keras.layers.Embedding(9, 4, mask_zero=True)(ids))
    return keras.Model(ids, keras.layers.LSTM(2)(Quieter(3, return_sequences=True)(x)))


def one_number_of_a_weight(keras: Any) -> Any:
    """A layer that computes with another's weights, turned, and with one number of them."""

    class Uses(keras.layers.Layer):
        def __init__(self, other: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.other = other

        def call(self, x: Any) -> Any:
            return keras.ops.matmul(x, keras.ops.transpose(self.other.kernel)) + self.other.bias[0]

    given, dense = keras.Input((3,)), keras.layers.Dense(5)
    return keras.Model(given, Uses(dense)(dense(given)))


def masked_kernel(keras: Any) -> Any:
    """A kernel that the call cuts to a mask, as in PixelCNN."""

    class Masked(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.convolution = keras.layers.Conv2D(2, 3, padding="same")

        def build(self, shape: Any) -> None:
            self.convolution.build(shape)
            self.mask = np.ones((3, 3, 1, 1), np.float32)
            self.mask[1, 1:] = self.mask[2] = 0.0

        def call(self, x: Any) -> Any:
            self.convolution.kernel.assign(self.convolution.kernel * self.mask)
            return self.convolution(x)

    given = keras.Input((5, 4, 1))
    return keras.Model(given, keras.layers.Dense(2)(Masked()(given)))


def functions_of_steps(keras: Any) -> Any:
    """A function of each step of a known time, and states that go from step to step."""
    import tensorflow as tf

    ops = keras.ops

    class Steps(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(4)

        def call(self, x: Any) -> Any:
            steps, start = ops.transpose(x, (1, 0, 2)), ops.zeros_like(x[:, 0])
            last, kept = ops.scan(lambda state, y: (ops.tanh(self.dense(state) + y), 2.0 * state), start, steps)
            made = [kept, ops.map(self.dense, steps), tf.scan(lambda a, y: 0.5 * a + y, steps, reverse=True)]
            summed = tf.foldl(lambda a, y: a + y, steps)
            return last, summed, tf.map_fn(tf.nn.relu, steps)[0], *(ops.transpose(one, (1, 0, 2)) for one in made)

    given = keras.Input((3, 4))
    return keras.Model(given, Steps()(given))


CASES = [
    Case("graph", graph),
    Case("masked_kernel", masked_kernel),
    Case("parents_called_by_ones_own", parents_called_by_ones_own),
    Case("one_number_of_a_weight", one_number_of_a_weight),
    Case("scores_of_a_table", scores_of_a_table),
    Case("shapes", of(places, parts_of_shapes, shape=(4, 3))),
    Case("choices", of(choices, shape=(4, 3))),
    Case("functions_of_steps", functions_of_steps),
    Case("embedding_called_by_ones_own", embedding_called_by_ones_own),
    Case(
        "convolutions",
        of(
            lambda tf, x: tf.nn.depthwise_conv2d(x, kernel(3, 3, 3, 2), [1, 1, 1, 1], "SAME"),
            lambda tf, x: tf.nn.separable_conv2d(x, kernel(2, 2, 3, 1), kernel(1, 1, 3, 2), [1, 2, 2, 1], "VALID"),
            lambda tf, x: tf.nn.convolution(x, kernel(3, 3, 3, 2), padding="SAME", dilations=2),
            lambda tf, x: tf.nn.conv2d(x, kernel(3, 3, 3, 2), strides=[1, 2, 2, 1], padding="SAME"),
            lambda tf, x: tf.nn.max_pool(x, 2, 2, "SAME"),
            lambda tf, x: tf.nn.avg_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID"),
            lambda tf, x: tf.nn.crelu(x),
            shape=(5, 6, 3),
        ),
    ),
    Case(
        "convolutions_of_steps",
        of(
            lambda tf, x: tf.nn.conv1d(x, kernel(3, 4, 2), 1, "SAME"),
            lambda tf, x: tf.nn.max_pool1d(x, 2, 1, "VALID"),
            shape=(7, 4),
        ),
    ),
    Case(
        "pictures",
        of(
            lambda tf, x: tf.image.per_image_standardization(x),
            lambda tf, x: tf.image.adjust_brightness(x, 0.1),
            lambda tf, x: tf.image.central_crop(x, 0.5),
            lambda tf, x: tf.image.resize_with_crop_or_pad(x, 4, 8),
            lambda tf, x: tf.image.crop_to_bounding_box(x, 1, 2, 3, 4),
            lambda tf, x: tf.image.grayscale_to_rgb(x[..., :1]),
            lambda tf, x: tf.image.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"),
            lambda tf, x: tf.image.total_variation(x),
            shape=(6, 6, 3),
        ),
    ),
    Case("contrast", of(lambda tf, x: tf.image.adjust_contrast(x, 2.0), shape=(6, 6, 3))),
    Case(
        "matrices",
        of(
            lambda tf, x: tf.matmul(x, x, transpose_a=True),
            lambda tf, x: tf.linalg.band_part(x, 1, 0),
            lambda tf, x: tf.linalg.set_diag(x, tf.linalg.diag_part(x) * 2.0),
            lambda tf, x: tf.linalg.diag(x),
            lambda tf, x: tf.linalg.normalize(tf.linalg.matrix_transpose(x), axis=-1)[0],
            lambda tf, x: tf.clip_by_norm(x, 1.0, axes=[2]),
            shape=(4, 4),
        ),
    ),
    Case(
        "entries",
        of(
            lambda tf, x: tf.cumsum(x, axis=1, exclusive=True) + tf.cumsum(x, axis=1, reverse=True),
            lambda tf, x: tf.boolean_mask(x, np.array([True, False, True, True]), axis=1),
            lambda tf, x: tf.repeat(x, [1, 2, 0, 1], axis=1),
            lambda tf, x: (
                x * tf.sequence_mask(tf.cast(tf.reduce_sum(tf.abs(x), [1, 2]), "int32"), 3, tf.float32)[:, None]
            ),
            lambda tf, x: tf.pad(x, tf.constant([[0, 0], [1, 1], [0, 0]]), constant_values=1.0),
            shape=(4, 3),
        ),
    ),
    Case(
        "spectra",
        of(
            lambda tf, x: tf.math.real(tf.signal.fft2d(tf.cast(tf.signal.frame(x, 4, 2), tf.complex64))),
            short_time_spectrum,
            shape=(12,),
        ),
    ),
]
