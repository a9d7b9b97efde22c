"""Layers of a user's own, ported by rules of the user's own; tables that several layers share."""

from __future__ import annotations

from typing import Any

from tests.cases import Case

ATTENTION_RULES = "scripts/attention_rules.py"
RULES = "tests/custom_rules.py"


def attention(masked: bool, both: bool) -> Any:
    def build(keras: Any) -> Any:
        from scripts.attention_layer import WordAttention

        ids = keras.Input((6,), dtype="int32")
        x = keras.layers.Embedding(9, 4, mask_zero=masked)(ids)
        x = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))(x)
        outputs = WordAttention(return_attention=both)(x)
        if not both:
            return keras.Model(ids, keras.layers.Dense(2, activation="softmax")(outputs))
        return keras.Model(ids, [keras.layers.Dense(2, activation="softmax")(outputs[0]), outputs[1]])

    return build


def attention_over_features(keras: Any) -> Any:
    from scripts.attention_layer import WordAttention

    given = keras.Input((5, 3))
    return keras.Model(given, WordAttention(return_attention=True)(keras.layers.Masking(0.5)(given)))


def weights_beside_tensors(keras: Any) -> Any:
    @keras.saving.register_keras_serializable(package="tests")
    class Scale(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            for name in ("gamma", "beta", "floor", "ceiling", "divisor"):
                setattr(self, name, self.add_weight(shape=(shape[-1],), name=name))

        def call(self, x: Any) -> Any:
            y = keras.ops.maximum(x * self.gamma + self.beta, self.floor)
            return (keras.ops.minimum(y, self.ceiling) - self.beta) / self.divisor

    given = keras.Input((None, 3))
    return keras.Model(given, Scale()(given))


def own_mask(keras: Any) -> Any:
    @keras.saving.register_keras_serializable(package="tests")
    class MaskSmall(keras.layers.Layer):
        def __init__(self, threshold: float = 0.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.supports_masking = True
            self.threshold = threshold

        def call(self, x: Any) -> Any:
            return 2.0 * x

        def compute_mask(self, x: Any, mask: Any = None) -> Any:
            above = x[..., 0] > self.threshold
            return above if mask is None else above & mask

        def get_config(self) -> Any:
            return {**super().get_config(), "threshold": self.threshold}

    given = keras.Input((None, 3))
    one = keras.layers.LSTM(2, return_sequences=True)(MaskSmall(threshold=-0.2)(given))
    two = keras.layers.Bidirectional(keras.layers.GRU(2))(MaskSmall()(keras.layers.Masking(0.5)(given)))
    return keras.Model(given, [one, two])


def tied_logits(masked: bool) -> Any:
    def build(keras: Any) -> Any:
        @keras.saving.register_keras_serializable(package="tests")
        class TiedLogits(keras.layers.Layer):
            def __init__(self, embedding: Any, **kwargs: Any) -> None:
                super().__init__(**kwargs)
                self.embedding = embedding

            def build(self, shape: Any) -> None:
                self.bias = self.add_weight(shape=(self.embedding.input_dim,), name="bias")

            def call(self, x: Any) -> Any:
                table = keras.ops.transpose(self.embedding.embeddings)
                return keras.ops.softmax(keras.ops.matmul(x, table) + self.bias)

            def get_config(self) -> Any:
                return {**super().get_config(), "embedding": keras.saving.serialize_keras_object(self.embedding)}

        ids = keras.Input((None,), dtype="int32")
        table = keras.layers.Embedding(9, 4, mask_zero=masked, name="table")
        x = keras.layers.LSTM(4, return_sequences=True)(table(ids))
        return keras.Model(ids, [TiedLogits(table, name="words")(x), TiedLogits(table, name="next")(x[:, -1])])

    return build


def reversible(**settings: Any) -> Any:
    def build(keras: Any) -> Any:
        ids = keras.Input((None,), dtype="int32")
        table = keras.layers.ReversibleEmbedding(9, 4, **settings)
        x = keras.layers.LSTM(4, return_sequences=True)(table(ids))
        return keras.Model(ids, [table(x, reverse=True), table(x[:, 0], reverse=True)])

    return build


def variable_in_the_graph(keras: Any) -> Any:
    given = keras.Input((4,))
    dense = keras.layers.Dense(4)
    return keras.Model(given, keras.ops.matmul(dense(given), dense.kernel))


def not_registered(keras: Any) -> Any:
    class PlainlyNamed(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], 2), name="kernel")

        def call(self, x: Any) -> Any:
            return keras.ops.matmul(x, self.kernel)

        def compute_output_shape(self, shape: Any) -> Any:
            return (*shape[:-1], 2)

    given = keras.Input((None, 3))
    return keras.Model(given, keras.layers.TimeDistributed(PlainlyNamed())(PlainlyNamed()(given)[..., None]))


def layers_in_attributes(keras: Any) -> Any:
    layers = keras.layers

    @keras.saving.register_keras_serializable(package="tests")
    class Mixer(layers.Layer):
        """Holds layers that its get_config() does not tell of."""

        def __init__(self, depth: int = 2, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.depth = depth
            self.norm = layers.LayerNormalization(epsilon=0.1)
            self.attention = layers.MultiHeadAttention(2, 3)
            feed = keras.Sequential([layers.Dense(5, activation="relu"), layers.Dense(4)])
            self.blocks = [layers.Dense(4, activation="tanh"), feed][:depth]
            self.convolution = layers.Conv1D(3, 5)

        def build(self, shape: Any) -> None:
            self.positions = self.add_weight(shape=(12, 4), name="positions")
            self.attention.build(shape, shape)
            for held in (self.norm, *self.blocks, self.convolution):
                held.build(shape)

        def call(self, x: Any) -> Any:
            x = self.norm(x + self.positions[: x.shape[1]])
            x = x + self.attention(x, x)
            for block in self.blocks:
                x = block(x)
            return self.convolution(keras.ops.pad(x, ((0, 0), (2, 2), (0, 0)), mode="reflect"))

        def get_config(self) -> Any:
            return {**super().get_config(), "depth": self.depth}

    given = keras.Input((6, 4))
    return keras.Model(given, Mixer()(given))


def derived_from_keras_class(keras: Any) -> Any:
    @keras.saving.register_keras_serializable(package="tests")
    class ScaledReversal(keras.layers.LSTM):
        """Steps from the last to the first, in the order of the inputs; a setting and a weight of its own."""

        def __init__(self, units: int, factor: float = 2.0, **kwargs: Any) -> None:
            super().__init__(units, **{**kwargs, "go_backwards": True, "return_sequences": True})
            self.factor = factor

        def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
            super().build(sequences_shape)
            self.scale = self.add_weight(shape=(self.units,), name="scale")

        def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
            made = super().call(sequences, initial_state, mask, training)
            return keras.ops.flip(made, 1) * self.scale * self.factor

        def get_config(self) -> Any:
            return {**super().get_config(), "factor": self.factor}

    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    return keras.Model(ids, keras.layers.Dense(2)(ScaledReversal(3, 0.5)(x)))


CASES = [
    Case("derived_from_keras_class", derived_from_keras_class, rules=RULES),
    Case("layers_in_attributes", layers_in_attributes, rules=RULES),
    *(
        Case(f"attention{'_masked' * masked}{'_both' * both}", attention(masked, both), rules=ATTENTION_RULES)
        for masked in (False, True)
        for both in (False, True)
    ),
    Case("attention_over_features", attention_over_features, rules=ATTENTION_RULES),
    Case("weights_beside_tensors", weights_beside_tensors, rules=RULES),
    Case("own_mask", own_mask, rules=RULES),
    Case("own_layer_held_by_another", not_registered, rules=RULES),
    Case("tied_logits", tied_logits(False), rules=RULES),
    Case("tied_logits_masked", tied_logits(True), rules=RULES),
    Case("variable_in_the_graph", variable_in_the_graph),
    Case("reversible_embedding", reversible()),
    Case("reversible_embedding_masked", reversible(mask_zero=True, logit_soft_cap=3.0)),
    Case("reversible_embedding_untied", reversible(tie_weights=False, mask_zero=True)),
]
