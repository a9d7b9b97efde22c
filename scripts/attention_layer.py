"""The attention example's own Keras layer: nothing here knows that the model will be ported.

A score for each word, from the word and its place: e = tanh(x·W + b_t). The weights a = exp(e)·mask / (Σ + ε), where Σ
is the sum of exp(e)·mask, say which words count; the result is the weighted sum of the words: Σ x·a.
"""

from __future__ import annotations

import keras

EPSILON = 1e-7


@keras.saving.register_keras_serializable(package="scripts")
class WordAttention(keras.layers.Layer):
    """(batch, time, features) to (batch, features); with `return_attention` also the weights, (batch, time, 1)."""

    def __init__(self, return_attention: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.return_attention = return_attention

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 1), initializer="glorot_normal", name="kernel")
        self.bias = self.add_weight(shape=(shape[1], 1), initializer="zeros", name="bias")

    def call(self, x, mask=None):
        e = keras.ops.tanh(keras.ops.matmul(x, self.kernel) + self.bias)
        a = keras.ops.exp(e)
        if mask is not None:
            a = a * keras.ops.cast(keras.ops.expand_dims(mask, -1), a.dtype)
        a = a / (keras.ops.sum(a, axis=1, keepdims=True) + EPSILON)
        result = keras.ops.sum(x * a, axis=1)
        return [result, a] if self.return_attention else result

    def compute_mask(self, x, mask=None):
        return [None, None] if self.return_attention else None

    def compute_output_shape(self, shape):
        result = (shape[0], shape[-1])
        return [result, (shape[0], shape[1], 1)] if self.return_attention else result

    def get_config(self):
        return {**super().get_config(), "return_attention": self.return_attention}
