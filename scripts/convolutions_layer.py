"""The text convolution example's own Keras layer: nothing here knows that the model will be ported.

A convolution that skips chosen places of its window: of a window of five words it may see the first, the third and the
last. A dilated convolution skips every second place; this one skips whichever it is told to.
"""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable(package="scripts")
class SkippingConv1D(keras.layers.Layer):
    """(batch, time, features) to (batch, time − window + 1, filters), by a kernel (places seen, features, filters)."""

    def __init__(self, filters: int, window: int, skipped: list[int], activation: str | None = None, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.window, self.skipped = filters, window, list(skipped)
        self.seen = [place for place in range(window) if place not in self.skipped]
        self.activation = keras.activations.get(activation)

    def build(self, shape):
        sizes = (len(self.seen), shape[-1], self.filters)
        self.kernel = self.add_weight(shape=sizes, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, x):
        steps = keras.ops.shape(x)[1] - self.window + 1
        terms = [keras.ops.matmul(x[:, at : at + steps], self.kernel[place]) for place, at in enumerate(self.seen)]
        return self.activation(sum(terms) + self.bias)

    def compute_output_shape(self, shape):
        return (shape[0], None if shape[1] is None else shape[1] - self.window + 1, self.filters)

    def get_config(self):
        own = {"filters": self.filters, "window": self.window, "skipped": self.skipped}
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}
