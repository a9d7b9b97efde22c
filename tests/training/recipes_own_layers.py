"""Networks to train whose layers are the user's own, unfolded into Keras' operations. Functions of the keras module."""

from __future__ import annotations

from typing import Any

__all__ = ["own_blocks", "own_weights"]

VOCABULARY, LONGEST, WIDTH = 30, 16, 8


def own_blocks(keras: Any) -> Any:
    """A masked Transformer as tutorials write it: words and positions, two blocks, a masked mean, a head."""
    layers, ops = keras.layers, keras.ops

    class TokenAndPosition(layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="embed")
            self.words = layers.Embedding(VOCABULARY, WIDTH, mask_zero=True)
            self.places = layers.Embedding(LONGEST, WIDTH)

        def call(self, ids: Any) -> Any:
            return self.words(ids) + self.places(ops.arange(ops.shape(ids)[-1]))

        def compute_mask(self, ids: Any, mask: Any = None) -> Any:
            return self.words.compute_mask(ids)

    class TransformerBlock(layers.Layer):
        def __init__(self, name: str) -> None:
            super().__init__(name=name)
            self.supports_masking = True
            self.attention = layers.MultiHeadAttention(2, 4, use_bias=False)
            self.ffn = keras.Sequential([layers.Dense(12, activation="gelu"), layers.Dense(WIDTH)])
            self.norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
            self.dropout = layers.Dropout(0.0)

        def call(self, x: Any, training: Any = None) -> Any:
            x = self.norms[0](x + self.dropout(self.attention(x, x), training=training))
            return self.norms[1](x + self.ffn(x))

    class Head(layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="head")
            self.pool = layers.GlobalAveragePooling1D()
            self.classes = layers.Dense(4, activation="softmax")

        def call(self, x: Any, mask: Any = None) -> Any:
            return self.classes(self.pool(x, mask=mask))

    ids = keras.Input((None,), dtype="int32", name="ids")
    x = TokenAndPosition()(ids)
    for name in ("block_1", "block_2"):
        x = TransformerBlock(name)(x)
    return keras.Model(ids, Head()(x), name="own_blocks")


def own_weights(keras: Any) -> Any:
    """Weights of `add_weight`: causal attention, a root mean square, a gate; the last layer is the table of words."""
    layers, ops = keras.layers, keras.ops

    class Block(layers.Layer):
        def build(self, shape: Any) -> None:
            width = shape[-1]
            self.scale = self.add_weight(name="scale", shape=(width,), initializer="ones")
            self.queries, self.keys, self.values, self.gate, self.up = (
                self.add_weight(name=name, shape=(width, width)) for name in ("q", "k", "v", "gate", "up")
            )

        def call(self, x: Any) -> Any:
            y = x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-6) * self.scale
            scores = ops.matmul(y @ self.queries, ops.transpose(y @ self.keys, (0, 2, 1))) / WIDTH**0.5
            steps = ops.arange(ops.shape(x)[1])
            scores = ops.where(steps[:, None] >= steps[None, :], scores, -1e9)
            x = x + ops.softmax(scores) @ (y @ self.values)
            return x + ops.silu(x @ self.gate) * (x @ self.up)

    class Tied(layers.Layer):
        def __init__(self, words: Any) -> None:
            super().__init__(name="tied")
            self.words = words

        def call(self, x: Any) -> Any:
            return ops.matmul(x, ops.transpose(self.words.embeddings))

    ids = keras.Input((None,), dtype="int32", name="ids")
    words = layers.Embedding(VOCABULARY, WIDTH, name="words")
    x = Block(name="block")(words(ids))
    return keras.Model(ids, Tied(words)(x), name="own_weights")
