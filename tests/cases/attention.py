"""Attention layers, and the blocks of a Transformer."""

from __future__ import annotations

from typing import Any

from tests.cases import Case, layer

PAIR = ((None, 4), (5, 4))
TRIPLE = ((3, 4), (5, 4), (5, 4))


def attention(name: str, kind: str, inputs: Any = PAIR, masked: bool = False, call: Any = None, **kwargs: Any) -> Case:
    """Attention's kin take their inputs as one list."""
    return Case(name, layer(kind, **kwargs), inputs, masked=masked, together=True, call=call or {})


def multi_head(name: str, inputs: Any = PAIR, masked: bool = False, call: Any = None, **kwargs: Any) -> Case:
    settings = {"num_heads": 2, "key_dim": 3, **kwargs}
    return Case(name, layer("MultiHeadAttention", **settings), inputs, masked=masked, call=call or {})


def grouped(name: str, inputs: Any = PAIR, masked: bool = False, call: Any = None, **kwargs: Any) -> Case:
    settings = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2, **kwargs}
    return Case(name, layer("GroupQueryAttention", **settings), inputs, masked=masked, call=call or {})


def self_attention(keras: Any) -> Any:
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(7, 4, mask_zero=True)(ids)
    x = keras.layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    return keras.Model(ids, keras.layers.LSTM(3)(x))


def asked_mask(keras: Any) -> Any:
    """attention_mask given as an input."""
    query, value = keras.Input((4, 6)), keras.Input((5, 6))
    mask = keras.Input((4, 5), dtype="bool")
    made = keras.layers.MultiHeadAttention(2, 3)(query, value, attention_mask=mask)
    return keras.Model([query, value, mask], made)


def asked_mask_by_head(keras: Any) -> Any:
    query, mask = keras.Input((4, 6)), keras.Input((2, 4, 4), dtype="int32")
    made, scores = keras.layers.MultiHeadAttention(2, 3)(
        query, query, attention_mask=mask, return_attention_scores=True, use_causal_mask=True
    )
    return keras.Model([query, mask], [made, scores])


def asked_masks(keras: Any) -> Any:
    """Masks given to Attention as inputs."""
    query, value = keras.Input((4, 3)), keras.Input((5, 3))
    masks = [keras.Input((4,), dtype="bool"), keras.Input((5,), dtype="bool")]
    made = keras.layers.Attention()([query, value], mask=masks, use_causal_mask=True)
    return keras.Model([query, value, *masks], made)


def encoder_block(keras: Any, x: Any, norm_first: bool, causal: bool = False) -> Any:
    layers = keras.layers
    inner = layers.LayerNormalization()(x) if norm_first else x
    attended = layers.MultiHeadAttention(2, 4, dropout=0.1)(inner, inner, use_causal_mask=causal)
    x = layers.Add()([x, layers.Dropout(0.1)(attended)])
    x = x if norm_first else layers.LayerNormalization(epsilon=1e-6)(x)
    inner = layers.LayerNormalization()(x) if norm_first else x
    inner = layers.Dense(8, activation="gelu")(inner)
    x = layers.Add()([x, layers.Dense(8)(inner)])
    return x if norm_first else layers.LayerNormalization(epsilon=1e-6)(x)


def encoder(norm_first: bool) -> Any:
    def build(keras: Any) -> Any:
        ids = keras.Input((None,), dtype="int32")
        x = keras.layers.Embedding(9, 8, mask_zero=True)(ids)
        for _ in range(2):
            x = encoder_block(keras, x, norm_first)
        return keras.Model(ids, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(x)))

    return build


def decoder(keras: Any) -> Any:
    layers = keras.layers
    source, target = keras.Input((None,), dtype="int32"), keras.Input((6,), dtype="int32")
    memory = encoder_block(keras, layers.Embedding(9, 8, mask_zero=True)(source), True)
    x = encoder_block(keras, layers.Embedding(9, 8, mask_zero=True)(target), False, causal=True)
    crossed = layers.MultiHeadAttention(2, 4)(x, memory)
    x = layers.LayerNormalization()(layers.Add()([x, crossed]))
    return keras.Model([source, target], layers.Dense(9, activation="softmax")(x))


CASES = [
    attention("attention", "Attention"),
    attention("attention_key", "Attention", TRIPLE),
    attention("attention_scale", "Attention", use_scale=True, dropout=0.3),
    attention("attention_concat", "Attention", score_mode="concat"),
    attention("attention_concat_scale", "Attention", score_mode="concat", use_scale=True),
    attention("attention_scores", "Attention", call={"return_attention_scores": True}),
    attention("attention_causal", "Attention", ((None, 4), (None, 4)), call={"use_causal_mask": True}),
    attention("attention_causal_fixed", "Attention", ((4, 3), (6, 3)), call={"use_causal_mask": True}),
    attention("attention_masked", "Attention", masked=True),
    attention(
        "attention_masked_all", "Attention", TRIPLE, True, {"use_causal_mask": True, "return_attention_scores": True}
    ),
    attention("attention_rank_4", "Attention", ((2, 3, 4), (2, 5, 4))),
    Case("attention_masks", asked_masks),
    attention("additive", "AdditiveAttention"),
    attention("additive_no_scale", "AdditiveAttention", TRIPLE, use_scale=False),
    attention("additive_masked", "AdditiveAttention", masked=True, call={"return_attention_scores": True}),
    attention("additive_causal", "AdditiveAttention", ((None, 4), (None, 4)), True, {"use_causal_mask": True}),
    multi_head("multi_head"),
    multi_head("multi_head_open", ((None, 4), (None, 4))),
    multi_head("multi_head_value_dim", value_dim=5, num_heads=3),
    multi_head("multi_head_output_shape", output_shape=7, use_bias=False),
    multi_head("multi_head_output_shape_2", output_shape=(2, 3)),
    multi_head("multi_head_one_head", num_heads=1, key_dim=1),
    multi_head("multi_head_scores", call={"return_attention_scores": True}),
    multi_head("multi_head_dropout_masked", masked=True, dropout=0.2),
    multi_head("multi_head_masked", masked=True),
    multi_head("multi_head_masked_causal", ((None, 4), (None, 4)), True, {"use_causal_mask": True}),
    multi_head("multi_head_causal_fixed", ((6, 4), (4, 4)), call={"use_causal_mask": True}),
    multi_head(
        "multi_head_masked_scores", masked=True, call={"return_attention_scores": True, "use_causal_mask": True}
    ),
    multi_head("multi_head_window", ((7, 4), (7, 4)), sliding_window=2, call={"use_causal_mask": True}),
    multi_head("multi_head_gate", use_gate=True),
    multi_head("multi_head_rank_4", ((2, 3, 4), (2, 5, 4)), attention_axes=2),
    multi_head("multi_head_rank_4_first", ((4, 3, 4), (2, 3, 4)), attention_axes=(1,)),
    multi_head("multi_head_two_axes", ((2, 3, 4), (2, 5, 4))),
    multi_head("multi_head_two_axes_scores", ((2, 3, 4), (3, 2, 4)), call={"return_attention_scores": True}),
    multi_head("multi_head_rank_5", ((2, 3, 2, 4), (2, 3, 2, 4)), attention_axes=(2, 3)),
    multi_head("multi_head_rank_4_open", ((None, None, 4), (None, None, 4)), attention_axes=2),
    Case("multi_head_self", self_attention),
    Case("multi_head_attention_mask", asked_mask),
    Case("multi_head_attention_mask_by_head", asked_mask_by_head),
    grouped("grouped"),
    grouped("grouped_masked", masked=True, use_bias=False),
    grouped("grouped_scores", masked=True, call={"return_attention_scores": True}),
    grouped("grouped_causal", ((None, 4), (None, 4)), call={"use_causal_mask": True}),
    grouped("grouped_one", num_key_value_heads=1, dropout=0.1),
    grouped("grouped_gate", ((7, 4), (7, 4)), sliding_window=3, use_gate=True),
    Case("encoder_norm_first", encoder(True)),
    Case("encoder_norm_last", encoder(False)),
    Case("decoder", decoder),
]
