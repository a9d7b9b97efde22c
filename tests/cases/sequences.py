"""Whole networks over masked sequences, with references at 200 steps too: every kind of padding in one batch."""

from __future__ import annotations

from typing import Any

from tests.cases import Case

WORDS, WIDTH = 30, 8
LONG = (5, 200)
# Twice the noise that float32 has over 200 steps, in Keras itself as well.
TOLERANCE = 2e-6


def ids_and_embedding(keras: Any) -> tuple[Any, Any]:
    ids = keras.Input((None,), dtype="int32", name="ids")
    return ids, keras.layers.Embedding(WORDS, WIDTH, mask_zero=True)(ids)


def stacked_bidirectional(keras: Any) -> Any:
    layers = keras.layers
    ids, x = ids_and_embedding(keras)
    for _ in range(2):
        x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)
    return keras.Model(ids, layers.Dense(3, activation="softmax")(layers.Bidirectional(layers.LSTM(6))(x)))


def tagger_with_states(keras: Any) -> Any:
    layers = keras.layers
    ids, x = ids_and_embedding(keras)
    lstm = layers.LSTM(6, return_sequences=True, return_state=True)
    sequence, *states = layers.Bidirectional(lstm)(x)
    tags = layers.TimeDistributed(layers.Dense(4, activation="softmax"))(sequence)
    return keras.Model(ids, [tags, *states])


def lstm_then_gru(keras: Any) -> Any:
    layers = keras.layers
    ids, x = ids_and_embedding(keras)
    x = layers.GRU(5)(layers.LSTM(6, return_sequences=True)(x))
    return keras.Model(ids, layers.Dense(2)(x))


def through_dropout_and_dense(keras: Any) -> Any:
    layers = keras.layers
    ids, x = ids_and_embedding(keras)
    x = layers.Dense(7, activation="tanh")(layers.Dropout(0.3)(x))
    x = layers.Bidirectional(layers.GRU(5, return_sequences=True), merge_mode="sum")(x)
    return keras.Model(ids, [x, layers.GlobalAveragePooling1D()(layers.Dense(3)(layers.Dropout(0.2)(x)))])


def masked_features(keras: Any) -> Any:
    layers = keras.layers
    given = keras.Input((None, 4), name="features")
    x = layers.Masking(0.5)(given)
    x = layers.SimpleRNN(5, return_sequences=True)(x)
    return keras.Model(given, layers.LSTM(4, go_backwards=True)(x))


def reader_and_writer(keras: Any) -> Any:
    """An encoder whose states start the decoder, which looks at what was read."""
    layers = keras.layers
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target"))
    embedding = layers.Embedding(WORDS, WIDTH, mask_zero=True)
    read, *states = layers.LSTM(6, return_sequences=True, return_state=True)(embedding(source))
    written = layers.LSTM(6, return_sequences=True)(embedding(target), initial_state=states)
    seen = layers.Attention()([written, read])
    return keras.Model(
        [source, target], layers.Dense(WORDS, activation="softmax")(layers.Concatenate()([written, seen]))
    )


def gru_with_attention(keras: Any) -> Any:
    layers = keras.layers
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target"))
    embedding = layers.Embedding(WORDS, WIDTH, mask_zero=True)
    read = layers.Bidirectional(layers.GRU(3, return_sequences=True))(embedding(source))
    written = layers.GRU(6, return_sequences=True)(embedding(target))
    seen = layers.AdditiveAttention()([written, read])
    return keras.Model([source, target], layers.GRU(4)(layers.Add()([written, seen])))


def old_gru(keras: Any) -> Any:
    layers = keras.layers
    ids, x = ids_and_embedding(keras)
    settings = {"reset_after": False, "recurrent_activation": "hard_sigmoid"}
    x = layers.GRU(6, return_sequences=True, **settings)(x)
    return keras.Model(ids, layers.Bidirectional(layers.GRU(5, **settings))(x))


def backwards_chain(keras: Any) -> Any:
    layers = keras.layers
    ids, x = ids_and_embedding(keras)
    for kind in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        x = kind(5, go_backwards=True, return_sequences=True)(x)
    return keras.Model(ids, layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], go_backwards=True)(x))


NETWORKS = (
    stacked_bidirectional,
    tagger_with_states,
    lstm_then_gru,
    through_dropout_and_dense,
    masked_features,
    reader_and_writer,
    gru_with_attention,
    old_gru,
    backwards_chain,
)
CASES = [Case(network.__name__, network, long=LONG, scale=0.35, tolerance=TOLERANCE) for network in NETWORKS]
