"""Networks over padded ids: of some padding may be left out, others see it (`tests/padding/test_padding.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from tests.cases import Case

WORDS, WIDTH, STEPS = 12, 6, 9
Build = Callable[[Any], Any]


def over_ids(top: Callable[[Any, Any, Any], Any], steps: Optional[int] = None) -> Build:
    """A network of ids and their masked embeddings: ``top(keras, ids, x)``."""

    def build(keras: Any) -> Any:
        ids = keras.Input((steps,), dtype="int32", name="ids")
        return keras.Model(ids, top(keras, ids, keras.layers.Embedding(WORDS, WIDTH, mask_zero=True)(ids)))

    return build


def over_two(top: Callable[[Any, Any, Any], Any], second_masked: bool = True) -> Build:
    """A network of two inputs of ids."""

    def build(keras: Any) -> Any:
        inputs = [keras.Input((None,), dtype="int32", name=name) for name in ("words", "others")]
        embedded = [
            keras.layers.Embedding(WORDS, WIDTH, mask_zero=masked)(one)
            for one, masked in zip(inputs, (True, second_masked))
        ]
        return keras.Model(inputs, top(keras, *embedded))

    return build


# ---- padding that is not seen


def masked_mean(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(x))


def mean_by_hand(keras: Any, ids: Any, x: Any) -> Any:
    ops = keras.ops
    kept = ops.expand_dims(ops.cast(ops.not_equal(ids, 0), "float32"), -1)
    return ops.sum(x * kept, axis=1) / ops.maximum(ops.sum(kept, axis=1), 1.0)


def bidirectional(keras: Any, ids: Any, x: Any) -> Any:
    layers = keras.layers
    return layers.Dense(2, activation="softmax")(layers.Bidirectional(layers.LSTM(4))(x))


def tags(keras: Any, ids: Any, x: Any) -> Any:
    layers = keras.layers
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    return [layers.Dense(3, activation="softmax")(both), layers.GRU(3, return_sequences=True, go_backwards=True)(x)]


def zeros_behind(keras: Any, ids: Any, x: Any) -> Any:
    """The last step of masked zeros is 0 where there is padding, and only there."""
    return keras.layers.LSTM(4, zero_output_for_mask=True)(x)


def largest_of_all(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.GlobalMaxPooling1D()(x)


def largest_state(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.GlobalMaxPooling1D()(keras.layers.GRU(4, return_sequences=True)(x))


def last_step(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.Dense(2)(x[:, -1])


def first_of_attention(keras: Any, ids: Any, x: Any) -> Any:
    y = keras.layers.MultiHeadAttention(2, 3)(x, x)
    return keras.layers.LayerNormalization()(x + y)[:, 0]


def attention_mean(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.GlobalAveragePooling1D()(keras.layers.Attention()([x, x]))


def causal_attention(keras: Any, ids: Any, x: Any) -> Any:
    y = keras.layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    kept = keras.ops.expand_dims(keras.ops.not_equal(ids, 0), -1)
    return keras.ops.max(keras.ops.where(kept, y, -1e9), axis=1)


def weighed(keras: Any, ids: Any, x: Any) -> Any:
    """Attention to steps, by operations."""
    ops = keras.ops
    scores = ops.squeeze(keras.layers.Dense(1, activation="tanh")(x), -1)
    weights = ops.softmax(ops.where(ops.not_equal(ids, 0), scores, -1e9), axis=-1)
    return ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), x), 1)


def two_lengths(keras: Any, first: Any, second: Any) -> Any:
    layers = keras.layers
    return layers.Dense(2)(layers.Concatenate()([layers.LSTM(3)(first), layers.GlobalAveragePooling1D()(second)]))


def two_of_one_length(keras: Any, first: Any, second: Any) -> Any:
    return keras.layers.Bidirectional(keras.layers.GRU(3))(keras.layers.Concatenate()([first, second]))


def normalized_outputs(keras: Any, ids: Any, x: Any) -> Any:
    """Statistics of the batch are taken over rows alone."""
    layers = keras.layers
    return layers.Dense(2)(layers.BatchNormalization()(layers.LSTM(4)(x)))


def normalized_words(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.GlobalAveragePooling1D()(keras.layers.BatchNormalization()(x))


def normalized_padding(keras: Any, ids: Any, x: Any) -> Any:
    """In training the statistics count every step: the mask is lost before, and made again behind."""
    ops = keras.ops
    normalized = keras.layers.BatchNormalization()(x + 0.0)
    return ops.max(ops.where(ops.expand_dims(ops.not_equal(ids, 0), -1), normalized, -1e9), axis=1)


def dropped_outputs(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.Dense(2)(keras.layers.Dropout(0.4)(keras.layers.GRU(4)(x)))


def dropped_words(keras: Any, ids: Any, x: Any) -> Any:
    """In training a number is drawn for every step."""
    return keras.layers.Bidirectional(keras.layers.GRU(4))(keras.layers.Dropout(0.4)(x))


def mask_of_one_for_two(keras: Any) -> Any:
    """Steps of one input that another input's mask leaves out."""
    words, others = (keras.Input((None,), dtype="int32", name=name) for name in ("words", "others"))
    both = keras.ops.add(*(keras.layers.Embedding(WORDS, WIDTH)(one) for one in (words, others)))
    return keras.Model([words, others], keras.layers.GRU(3)(both, mask=keras.ops.not_equal(words, 0)))


LEAVES_OUT: dict[str, Build] = {
    "masked_mean": over_ids(masked_mean),
    "mean_by_hand": over_ids(mean_by_hand),
    "bidirectional_of_fixed_length": over_ids(bidirectional, STEPS),
    "tags": over_ids(tags),
    "tags_of_fixed_length": over_ids(tags, STEPS),
    "zeros_behind": over_ids(zeros_behind),
    "largest_of_all": over_ids(largest_of_all),
    "largest_state": over_ids(largest_state),
    "last_step": over_ids(last_step),
    "first_of_attention": over_ids(first_of_attention),
    "attention_mean": over_ids(attention_mean),
    "causal_attention": over_ids(causal_attention),
    "weighed": over_ids(weighed),
    "normalized_outputs": over_ids(normalized_outputs),
    "normalized_words": over_ids(normalized_words),
    "normalized_padding": over_ids(normalized_padding),
    "dropped_outputs": over_ids(dropped_outputs),
    "dropped_words": over_ids(dropped_words),
    "two_lengths": over_two(two_lengths),
    "two_of_one_length": over_two(two_of_one_length),
    "mask_of_one_for_two": mask_of_one_for_two,
}


# ---- padding that is seen


def flat(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.Dense(2)(keras.layers.Flatten()(x))


def mean_of_all(keras: Any, ids: Any, x: Any) -> Any:
    return keras.ops.mean(x, axis=1)


def convolved(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.GlobalMaxPooling1D()(keras.layers.Conv1D(4, 3, padding="same")(x))


def normalized_steps(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.GlobalAveragePooling1D()(keras.layers.BatchNormalization(axis=1)(x))


def dense_over_steps(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.Dense(2)(keras.layers.Permute((2, 1))(x))


def attention_of_all(keras: Any, ids: Any, x: Any) -> Any:
    """Scores of padding count, for their mask was lost."""
    y = x + 0.0
    weights = keras.ops.softmax(keras.ops.matmul(y, keras.ops.transpose(y, (0, 2, 1))), axis=-1)
    return keras.ops.sum(keras.ops.matmul(weights, y), axis=1)


def summed_steps(keras: Any, ids: Any, x: Any) -> Any:
    return keras.ops.cumsum(x, axis=1)


def without_its_mask(keras: Any, ids: Any, x: Any) -> Any:
    return keras.layers.LSTM(3)(x + 0.0)


def one_output_flat(keras: Any, ids: Any, x: Any) -> Any:
    return [keras.layers.LSTM(3)(x), keras.layers.Flatten()(x)]


def padding_counted(keras: Any, ids: Any, x: Any) -> Any:
    padded = keras.ops.sum(keras.ops.cast(keras.ops.equal(ids, 0), "float32"), axis=1, keepdims=True)
    return keras.layers.GlobalAveragePooling1D()(x) * padded


def attended(keras: Any, ids: Any, x: Any) -> Any:
    """What padded queries see is the mean of all values."""
    return keras.layers.MultiHeadAttention(2, 3)(x, x)


SEES: dict[str, Build] = {
    "flat": over_ids(flat, STEPS),
    "mean_of_all": over_ids(mean_of_all),
    "convolved": over_ids(convolved),
    "normalized_steps": over_ids(normalized_steps, STEPS),
    "dense_over_steps": over_ids(dense_over_steps, STEPS),
    "attention_of_all": over_ids(attention_of_all),
    "summed_steps": over_ids(summed_steps),
    "without_its_mask": over_ids(without_its_mask),
    "one_output_flat": over_ids(one_output_flat, STEPS),
    "padding_counted": over_ids(padding_counted),
    "attended": over_ids(attended),
    "one_mask_of_two": over_two(two_of_one_length, second_masked=False),
}

CASES = [Case(name, build) for name, build in (*LEAVES_OUT.items(), *SEES.items())]
