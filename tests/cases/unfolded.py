"""Layers of a user's own without rules: their code is unfolded into the operations that it calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from tests.cases import Case


def transformer_block(keras: Any, width: int = 8, heads: int = 2) -> Any:
    class TransformerBlock(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.att = keras.layers.MultiHeadAttention(heads, width // heads)
            self.ffn = keras.Sequential([keras.layers.Dense(12, activation="relu"), keras.layers.Dense(width)])
            self.norms = [keras.layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
            self.dropout = keras.layers.Dropout(0.1)

        def call(self, inputs: Any, training: Any = None) -> Any:
            x = self.norms[0](inputs + self.dropout(self.att(inputs, inputs), training=training))
            return self.norms[1](x + self.dropout(self.ffn(x), training=training))

    return TransformerBlock


def token_and_position(keras: Any, mask_zero: bool, longest: int = 30, width: int = 8) -> Any:
    class TokenAndPosition(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.tokens = keras.layers.Embedding(9, width, mask_zero=mask_zero)
            self.positions = keras.layers.Embedding(longest, width)

        def call(self, ids: Any) -> Any:
            length = keras.ops.shape(ids)[-1]
            return self.tokens(ids) + self.positions(keras.ops.arange(0, length, 1))

        def compute_mask(self, ids: Any, mask: Any = None) -> Any:
            return self.tokens.compute_mask(ids)

    return TokenAndPosition


def transformer(length: Any, masked: bool) -> Any:
    def build(keras: Any) -> Any:
        ids = keras.Input((length,), dtype="int32")
        x = token_and_position(keras, masked)()(ids)
        x = keras.layers.LSTM(8, return_sequences=True)(x) if masked else x
        x = transformer_block(keras)()(transformer_block(keras)()(x))
        return keras.Model(ids, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(x)))

    return build


def causal_attention(keras: Any) -> Any:
    ops = keras.ops

    class CausalAttention(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.qkv, self.out = keras.layers.Dense(12), keras.layers.Dense(4)

        def call(self, x: Any) -> Any:
            batch, length = ops.shape(x)[0], ops.shape(x)[1]

            def split(t: Any) -> Any:
                return ops.transpose(ops.reshape(t, (batch, length, 2, 2)), (0, 2, 1, 3))

            q, k, v = map(split, ops.split(self.qkv(x), 3, axis=-1))
            scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / 2**0.5
            allowed = ops.arange(length)[:, None] >= ops.arange(length)[None, :]
            weights = ops.softmax(ops.where(allowed, scores, -1e9))
            return self.out(ops.reshape(ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3)), (batch, length, 4)))

    given = keras.Input((None, 4))
    return keras.Model(given, CausalAttention()(given))


def sinusoidal_positions(keras: Any) -> Any:
    ops = keras.ops

    class Sinusoidal(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            length, width = ops.shape(x)[1], x.shape[-1]
            places = ops.cast(ops.arange(length), "float32")[:, None]
            angles = places / ops.power(10000.0, 2 * ops.arange(width // 2, dtype="float32")[None, :] / width)
            return x + ops.concatenate([ops.sin(angles), ops.cos(angles)], -1)[None]

    given = keras.Input((None, 4))
    return keras.Model(
        given, keras.layers.Dense(2)(Sinusoidal()(keras.layers.Conv1D(4, 3, strides=2, padding="same")(given)))
    )


def shares_of_the_length(keras: Any) -> Any:
    """Numbers that go by the length itself: a mean by hand, places from 0 to 1."""
    ops = keras.ops

    class Shares(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            length = ops.shape(x)[1]
            mean = ops.sum(x, axis=1, keepdims=True) / ops.cast(length, "float32")
            places = ops.arange(length, dtype="float32") / ops.cast(length, "float32")
            return (x - mean) * ops.reshape(places, (1, -1, 1))

    given = keras.Input((None, 3))
    return keras.Model(given, Shares()(given))


def positions_from_the_end(keras: Any) -> Any:
    ops = keras.ops

    class FromTheEnd(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=(12, shape[-1]), name="table")

        def call(self, x: Any) -> Any:
            length = ops.shape(x)[1]
            behind = length - 1 - ops.arange(length)
            return x + ops.take(self.table, behind, axis=0) * ops.cast(ops.expand_dims(behind, -1), "float32")

    given = keras.Input((None, 3))
    return keras.Model(given, FromTheEnd()(given))


def rows_of_a_weight(keras: Any) -> Any:
    ops = keras.ops

    class Learned(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.places = self.add_weight(shape=(1, 14, shape[-1]), name="places")
            self.start = self.add_weight(shape=(1, 1, shape[-1]), name="start")

        def call(self, x: Any) -> Any:
            batch, length = ops.shape(x)[0], ops.shape(x)[1]
            start = ops.broadcast_to(self.start, (batch, 1, x.shape[-1]))
            return ops.concatenate([start, x + self.places[:, :length, :]], axis=1)

    given = keras.Input((None, 3))
    return keras.Model(given, Learned()(given))


def tied_logits(keras: Any) -> Any:
    class Tied(keras.layers.Layer):
        def __init__(self, table: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.table = table

        def call(self, x: Any) -> Any:
            return keras.ops.softmax(keras.ops.matmul(x, keras.ops.transpose(self.table.embeddings)))

    ids = keras.Input((None,), dtype="int32")
    table = keras.layers.Embedding(9, 4)
    return keras.Model(ids, Tied(table)(keras.layers.LSTM(4, return_sequences=True)(table(ids))))


def weights_of_weights(keras: Any) -> Any:
    ops = keras.ops

    class Computed(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.v = self.add_weight(shape=(shape[-1], 3), name="v")
            self.g = self.add_weight(shape=(3,), name="g")

        def call(self, x: Any) -> Any:
            return ops.matmul(x, self.v / ops.norm(self.v, axis=0) * ops.exp(self.g)) * self.g

    given = keras.Input((None, 4))
    return keras.Model(given, Computed()(given))


def slices(keras: Any) -> Any:
    """`keras.ops.slice` of a weight, of the data, and of what is made of sizes."""
    ops = keras.ops

    class Sliced(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.places = self.add_weight(shape=(15, shape[-1]), name="places")

        def call(self, x: Any) -> Any:
            batch, length = ops.shape(x)[0], ops.shape(x)[1]
            places = ops.slice(ops.convert_to_tensor(self.places), (0, 0), (length, x.shape[-1]))
            later = ops.slice(ops.cast(ops.arange(length + 2), "float32"), (1,), (length,))
            same = ops.slice(x, (0, 0, 0), (batch, length, 2))
            return ops.concatenate([x + ops.broadcast_to(places, ops.shape(x)), same], -1) * later[None, :, None]

    given = keras.Input((None, 3))
    return keras.Model(given, Sliced()(given))


def fewer_places_than_features(keras: Any) -> Any:
    """Positions of which there are fewer than features, as in BERT: rows of a weight, which learns."""
    ops = keras.ops

    class Places(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.places = self.add_weight(shape=(45, shape[-1]), name="places")

        def call(self, x: Any) -> Any:
            places = ops.slice(ops.convert_to_tensor(self.places), (0, 0), (ops.shape(x)[1], x.shape[-1]))
            return x + ops.broadcast_to(places, ops.shape(x))

    given = keras.Input((None, 50))
    return keras.Model(given, keras.layers.Dense(2)(Places()(given)))


def an_output_that_nobody_reads(keras: Any) -> Any:
    """A layer may return an array beside what it computes, as keras-hub's do where they are not told to keep scores."""

    class Beside(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2.0, keras.ops.zeros((0, 4)), keras.ops.mean(x, axis=-1, keepdims=True)

    given = keras.Input((4,))
    doubled, _, mean = Beside()(given)
    return keras.Model(given, doubled + mean)


def every_step_by_ones_own(length: Optional[int], masked: bool = False) -> Callable[[Any], Any]:
    """TimeDistributed of a layer of one's own, one called as Keras' Dense is, and of a model around it."""

    def build(keras: Any) -> Any:
        layers, ops = keras.layers, keras.ops

        class Dense(layers.Layer):
            def build(self, shape: Any) -> None:
                self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")

            def call(self, x: Any) -> Any:
                return ops.tanh(ops.matmul(x, self.kernel)) * ops.arange(1.0, 5.0)

            def compute_output_shape(self, shape: Any) -> Any:
                return (*shape[:-1], 4)

        class Pooled(layers.Layer):
            def __init__(self, **kwargs: Any) -> None:
                super().__init__(**kwargs)
                self.inner = Dense()

            def call(self, x: Any) -> Any:
                return ops.max(self.inner(x), axis=1) + ops.mean(x, axis=1)[:, :1]

            def compute_output_shape(self, shape: Any) -> Any:
                return shape[0], 4

        given = keras.Input((length, 3) if masked else (length, 5, 3))
        x = layers.Masking(0.5)(given) if masked else given
        x = layers.TimeDistributed(Dense() if masked else Pooled())(x)
        x = layers.TimeDistributed(Dense() if masked else keras.Sequential([layers.Dense(3), Dense()]))(x)
        return keras.Model(given, layers.LSTM(2)(x))

    return build


def cells_of_ones_own(masked: bool = False, **settings: Any) -> Callable[[Any], Any]:
    """RNN of a cell of one's own and of a stack of them; Bidirectional around it."""

    def build(keras: Any) -> Any:
        layers, ops = keras.layers, keras.ops

        @keras.saving.register_keras_serializable(package="tests")
        class Cell(layers.Layer):
            def __init__(self, units: int, **kwargs: Any) -> None:
                super().__init__(**kwargs)
                self.units = self.state_size = units

            def build(self, shape: Any) -> None:
                self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
                self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

            def call(self, x: Any, states: Any) -> Any:
                made = ops.tanh(ops.matmul(x, self.kernel) + ops.matmul(states[0], self.recurrent_kernel))
                return made, [made * 0.9]

            def get_config(self) -> dict[str, Any]:
                return {**super().get_config(), "units": self.units}

        given = keras.Input((3, 3))
        x = layers.Masking(0.5)(given) if masked else given
        one = layers.RNN(Cell(4), return_sequences=True, **settings)(x)
        two = layers.RNN(Cell(2), return_state=True, go_backwards=True, **settings)(one)
        if masked:
            return keras.Model(given, two)
        both = layers.Bidirectional(layers.RNN(Cell(3), return_sequences=True))(one)
        return keras.Model(given, [*two, both, layers.RNN([Cell(2), Cell(3)])(x)])

    return build


def rows_against_rows(keras: Any) -> Any:
    """Every row's likeness to every other row, as CLIP compares images and texts."""

    class Likeness(keras.layers.Layer):
        def call(self, x: Any, y: Any) -> Any:
            return keras.ops.matmul(x, keras.ops.transpose(y))

    given = keras.Input((3,)), keras.Input((3,))
    return keras.Model(list(given), Likeness()(*given))


def places_picked_by_row(keras: Any) -> Any:
    import tensorflow as tf

    class Picked(keras.layers.Layer):
        def call(self, x: Any, at: Any) -> Any:
            return tf.gather(x, at, batch_dims=1)

    given = keras.Input((6, 3))
    at = keras.layers.Embedding(5, 4, trainable=False)(keras.Input((2,), dtype="int32", name="ids"))
    places = keras.ops.argmax(at, axis=-1)
    return keras.Model([given, at._keras_history.operation.input], Picked()(given, places))


def lists_and_dicts(keras: Any) -> Any:
    class Stack(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.blocks = [keras.layers.Dense(4, "relu") for _ in range(3)]
            self.by_name = {"out": keras.layers.Dense(2)}

        def call(self, x: Any, beside: Any) -> Any:
            for block in self.blocks:
                x = x + block(x) * beside
            return {"y": self.by_name["out"](x), "x": x}

    given, beside = keras.Input((4,)), keras.Input((4,))
    made = Stack()(given, beside)
    return keras.Model([given, beside], [made["x"], made["y"]])


def masked_mean(keras: Any) -> Any:
    ops = keras.ops

    class MaskedMean(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, x: Any, mask: Any = None) -> Any:
            kept = ops.cast(ops.expand_dims(mask, -1), x.dtype)
            return ops.sum(x * kept, axis=1) / (ops.sum(kept, axis=1) + 1e-6)

        def compute_mask(self, x: Any, mask: Any = None) -> Any:
            return None

    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.LSTM(3, return_sequences=True)(keras.layers.Embedding(9, 4, mask_zero=True)(ids))
    return keras.Model(ids, keras.layers.Dense(2)(MaskedMean()(x)))


def a_mask_of_its_own(keras: Any) -> Any:
    class Loud(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, x: Any) -> Any:
            return 2.0 * x

        def compute_mask(self, x: Any, mask: Any = None) -> Any:
            above = x[..., 0] > -0.2
            return above if mask is None else keras.ops.logical_and(above, mask)

    given = keras.Input((None, 3))
    one = keras.layers.LSTM(2)(Loud()(given))
    two = keras.layers.Bidirectional(keras.layers.GRU(2))(Loud()(keras.layers.Masking(0.5)(given)))
    return keras.Model(given, [one, two])


def lambdas(keras: Any) -> Any:
    given, other = keras.Input((None, 4)), keras.Input((4,))
    x = keras.layers.Lambda(lambda x: keras.ops.mean(x, axis=1) * 2)(given)
    y = keras.layers.Lambda(lambda pair: abs(pair[0] - pair[1]))([x, other])
    return keras.Model([given, other], keras.layers.Lambda(lambda y: y[:, :2] ** 2 - 1 / (1 + abs(y[:, 2:])))(y))


def functions_of_ones_own(keras: Any) -> Any:
    def bent(x: Any) -> Any:
        return keras.ops.log1p(keras.ops.relu(x)) - 0.1 * keras.ops.relu(-x)

    given = keras.Input((8, 3))
    x = keras.layers.Conv1D(4, 3, activation=bent)(given)
    return keras.Model(given, keras.layers.Dense(2, activation=bent)(x))


def subclassed_model(keras: Any) -> Any:
    class Classifier(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.table = keras.layers.Embedding(9, 4, mask_zero=True)
            self.both = keras.layers.Bidirectional(keras.layers.LSTM(3))
            self.dropout = keras.layers.Dropout(0.3)
            self.top = keras.layers.Dense(3, activation="softmax")

        def call(self, ids: Any, training: bool = False) -> Any:
            return self.top(self.dropout(self.both(self.table(ids)), training=training))

    ids = keras.Input((None,), dtype="int32")
    return keras.Model(ids, Classifier()(ids))


def residual_blocks(keras: Any) -> Any:
    layers, ops = keras.layers, keras.ops

    class Block(layers.Layer):
        def __init__(self, filters: int, strides: int = 1, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.convolutions = [layers.Conv2D(filters, 3, one, padding="same", use_bias=False) for one in (strides, 1)]
            self.norms = [layers.BatchNormalization() for _ in range(2)]
            self.short = layers.Conv2D(filters, 1, strides) if strides > 1 else None

        def call(self, x: Any, training: Any = None) -> Any:
            y = ops.relu(self.norms[0](self.convolutions[0](x), training=training))
            y = self.norms[1](self.convolutions[1](y), training=training)
            return ops.relu(y + (x if self.short is None else self.short(x)))

    given = keras.Input((6, 6, 3))
    return keras.Model(given, layers.GlobalAveragePooling2D()(Block(4, 2)(Block(3)(given))))


def squeeze_and_excite(keras: Any) -> Any:
    layers, ops = keras.layers, keras.ops

    class SqueezeExcite(layers.Layer):
        def build(self, shape: Any) -> None:
            self.down, self.up = layers.Dense(2, "relu"), layers.Dense(shape[-1], "sigmoid")

        def call(self, x: Any) -> Any:
            y = self.up(self.down(ops.mean(x, axis=[1, 2])))
            return x * ops.reshape(y, (-1, 1, 1, x.shape[-1]))

    given = keras.Input((5, 5, 3))
    return keras.Model(given, SqueezeExcite()(layers.Conv2D(4, 3)(given)))


def patches(keras: Any) -> Any:
    layers, ops = keras.layers, keras.ops

    class Patches(layers.Layer):
        def call(self, x: Any) -> Any:
            batch = ops.shape(x)[0]
            x = ops.transpose(ops.reshape(x, (batch, 2, 3, 2, 3, 2)), (0, 1, 3, 2, 4, 5))
            return ops.reshape(x, (batch, 4, 18))

    class Encoder(layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.project, self.places = layers.Dense(6), layers.Embedding(5, 6)

        def build(self, shape: Any) -> None:
            self.cls = self.add_weight(name="cls", shape=(1, 1, 6))

        def call(self, x: Any) -> Any:
            cls = ops.broadcast_to(self.cls, (ops.shape(x)[0], 1, 6))
            return ops.concatenate([cls, self.project(x)], axis=1) + self.places(ops.arange(0, 5)[None])

    given = keras.Input((6, 6, 2))
    return keras.Model(given, Encoder()(Patches()(given)))


def bahdanau(keras: Any) -> Any:
    layers, ops = keras.layers, keras.ops

    class Bahdanau(layers.Layer):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.query, self.value, self.score = layers.Dense(units), layers.Dense(units), layers.Dense(1)

        def call(self, query: Any, values: Any) -> Any:
            hidden = ops.tanh(self.query(ops.expand_dims(query, 1)) + self.value(values))
            weights = ops.softmax(self.score(hidden), axis=1)
            return ops.sum(weights * values, axis=1), weights

    ids = keras.Input((None,), dtype="int32")
    x = layers.LSTM(4, return_sequences=True)(layers.Embedding(9, 3)(ids))
    context, weights = Bahdanau(4)(layers.GRU(4)(x), x)
    return keras.Model(ids, [layers.Dense(2)(context), weights])


def tensorflow_functions(keras: Any) -> Any:
    import tensorflow as tf
    from tensorflow.keras import backend as K

    class Gated(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.w = self.add_weight(name="w", shape=(shape[-1], 4))
            self.b = self.add_weight(name="b", shape=(4,))

        def call(self, x: Any) -> Any:
            batch = tf.shape(x)[0]
            y = tf.matmul(x, self.w) + self.b
            y = tf.nn.relu(y) * tf.sigmoid(y)
            heads = tf.transpose(tf.reshape(y, (batch, -1, 2, 2)), perm=[0, 2, 1, 3])
            scores = tf.nn.softmax(tf.matmul(heads, heads, transpose_b=True), axis=-1)
            y = tf.reshape(tf.transpose(tf.matmul(scores, heads), perm=[0, 2, 1, 3]), (batch, -1, 4))
            y = tf.concat([y - tf.reduce_mean(y, axis=1, keepdims=True), tf.square(y)], axis=-1)
            return K.sum(K.tanh(K.dot(y, tf.eye(8))) * y, axis=1)

    given = keras.Input((None, 3))
    return keras.Model(given, Gated()(given))


def only_in_training(keras: Any) -> Any:
    class Careful(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dropout, self.dense = keras.layers.Dropout(0.5), keras.layers.Dense(3)

        def call(self, x: Any, training: bool = False) -> Any:
            return self.dense(self.dropout(x, training=True) if training else x)

    given = keras.Input((4,))
    return keras.Model(given, Careful()(given))


def windows_as_rows(keras: Any) -> Any:
    """Windows of a picture as rows of the batch, as in Swin: attention within each, some places apart, and back."""
    layers, ops = keras.layers, keras.ops

    class Windows(layers.Layer):
        def __init__(self, shift: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.shift, self.qkv, self.out = shift, layers.Dense(12), layers.Dense(4)

        def call(self, x: Any) -> Any:
            x = ops.roll(x, [-self.shift, -self.shift], [1, 2])
            x = ops.transpose(ops.reshape(x, (-1, 2, 2, 3, 2, 4)), (0, 1, 3, 2, 4, 5))
            windows = ops.reshape(self.qkv(ops.reshape(x, (-1, 4, 4))), (-1, 4, 3, 2, 2))
            qkv = ops.transpose(windows, (2, 0, 3, 1, 4))
            q, k, v = (qkv[0], qkv[1], qkv[2]) if self.shift else ops.unstack(qkv, axis=0)
            scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2)))
            if self.shift:
                apart = ops.reshape(ops.arange(96, dtype="float32") % 5, (1, 6, 1, 4, 4)) * -1.0
                scores = ops.reshape(ops.reshape(scores, (-1, 6, 2, 4, 4)) + apart, (-1, 2, 4, 4))
            made = ops.transpose(ops.matmul(ops.softmax(scores), v), (0, 2, 1, 3))
            made = ops.reshape(self.out(ops.reshape(made, (-1, 4, 4))), (-1, 2, 3, 2, 2, 4))
            made = ops.reshape(ops.transpose(made, (0, 1, 3, 2, 4, 5)), (-1, 4, 6, 4))
            return ops.roll(made, [self.shift, self.shift], [1, 2])

    given = keras.Input((4, 6, 4))
    return keras.Model(given, Windows(1)(Windows(0)(given)))


def capitals_in_einsum(keras: Any) -> Any:
    """Attention of every place of a picture to every other, in letters large and small, as in the DDPM example."""
    ops = keras.ops

    class Places(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            batch, height, width = ops.shape(x)[0], ops.shape(x)[1], ops.shape(x)[2]
            scores = ops.reshape(ops.einsum("bhwc, bHWc->bhwHW", x, x), [batch, height, width, height * width])
            scores = ops.reshape(ops.softmax(scores, -1), [batch, height, width, height, width])
            return ops.einsum("bhwHW,bHWc->bhwc", scores, x)

    given = keras.Input((3, 2, 4))
    return keras.Model(given, Places()(given))


def nearest_codes(keras: Any) -> Any:
    """Every place of a picture as a row of its own: the code that is nearest to it, as in VQ-VAE."""
    layers, ops = keras.layers, keras.ops

    class Quantized(layers.Layer):
        def build(self, shape: Any) -> None:
            self.codes = self.add_weight(shape=(shape[-1], 5), name="codes")

        def call(self, x: Any) -> Any:
            shape = ops.shape(x)
            rows = ops.reshape(x, (-1, shape[-1]))
            apart = ops.sum(self.codes**2, axis=0) - 2 * ops.matmul(rows, self.codes)
            nearest = ops.one_hot(ops.argmin(apart, axis=1), 5)
            return ops.reshape(ops.matmul(nearest, ops.transpose(self.codes)), shape)

    given = keras.Input((3, 2, 4))
    return keras.Model(given, layers.Conv2D(2, 2)(Quantized()(given)))


def steps_as_rows(keras: Any) -> Any:
    """Every step of an open time as a row of its own, by -1 and by a product of sizes, and back by the sizes."""
    layers, ops = keras.layers, keras.ops

    class Rows(layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dense, self.bias = layers.Dense(4, "tanh"), layers.Dense(1)

        def call(self, x: Any) -> Any:
            batch, length = ops.shape(x)[0], ops.shape(x)[1]
            rows = self.dense(ops.reshape(x, (-1, 3)))
            rows = rows + ops.zeros((ops.shape(rows)[0], 1)) + self.bias(ops.reshape(x, (batch * length, 3)))
            return ops.reshape(rows, (batch, length, 4)) * ops.reshape(rows, (-1, length, 4))

    given = keras.Input((None, 3))
    return keras.Model(given, Rows()(given))


CASES = [
    Case("every_step_by_ones_own", every_step_by_ones_own(None)),
    Case("every_step_by_ones_own_of_fixed_time", every_step_by_ones_own(3)),
    Case("every_step_by_ones_own_masked", every_step_by_ones_own(None, masked=True)),
    Case("cells_of_ones_own", cells_of_ones_own()),
    Case("cells_of_ones_own_masked", cells_of_ones_own(masked=True)),
    Case("cells_of_ones_own_masked_with_zeros", cells_of_ones_own(masked=True, zero_output_for_mask=True)),
    Case("rows_against_rows", rows_against_rows, refused={"neoml": "the batch axis cannot be moved"}),
    Case("transformer", transformer(None, False)),
    Case("transformer_of_fixed_length", transformer(6, False)),
    Case("transformer_masked", transformer(None, True)),
    *(
        Case(build.__name__, build)
        for build in (
            causal_attention,
            sinusoidal_positions,
            shares_of_the_length,
            positions_from_the_end,
            rows_of_a_weight,
            tied_logits,
            weights_of_weights,
            slices,
            fewer_places_than_features,
            an_output_that_nobody_reads,
            places_picked_by_row,
            lists_and_dicts,
            masked_mean,
            a_mask_of_its_own,
            lambdas,
            functions_of_ones_own,
            subclassed_model,
            residual_blocks,
            squeeze_and_excite,
            patches,
            bahdanau,
            tensorflow_functions,
            only_in_training,
            windows_as_rows,
            nearest_codes,
            steps_as_rows,
            capitals_in_einsum,
        )
    ),
]
