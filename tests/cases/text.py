"""Whole networks that take raw text and categories."""

from __future__ import annotations

from typing import Any

from tests.cases import Case

TEXTS = [
    "The cat sat on the mat",
    "a dog barked at the cat; the cat sat.",
    "Größe ÜBER alles",
    "Все счастливые семьи похожи",
    "what a day, what a day!",
]


def vectorizer(keras: Any, **settings: Any) -> Any:
    made = keras.layers.TextVectorization(**settings)
    made.adapt(keras.ops.convert_to_tensor(TEXTS, dtype="string"))
    return made


def ids_to_score(**settings: Any) -> Any:
    """Text → ids → embedding → mean → score."""

    def build(keras: Any) -> Any:
        layers = keras.layers
        text = keras.Input((1,), dtype="string", name="text")
        x = layers.Embedding(40, 5)(vectorizer(keras, **settings)(text))
        return keras.Model(text, layers.Dense(1, activation="sigmoid")(layers.GlobalAveragePooling1D()(x)))

    return build


def ids_to_lstm(rank: int, **settings: Any) -> Any:
    """Text → ids → masked embedding → LSTM → score."""

    def build(keras: Any) -> Any:
        layers = keras.layers
        text = keras.Input((1,) * (rank - 1), dtype="string", name="text")
        x = layers.Embedding(40, 5, mask_zero=True)(vectorizer(keras, **settings)(text))
        return keras.Model(text, layers.Dense(2)(layers.Bidirectional(layers.LSTM(3))(x)))

    return build


def counts_to_classes(**settings: Any) -> Any:
    """Text → a row of numbers → classes."""

    def build(keras: Any) -> Any:
        text = keras.Input((1,), dtype="string", name="text")
        x = vectorizer(keras, **settings)(text)
        return keras.Model(text, keras.layers.Dense(3, activation="softmax")(x))

    return build


def strings(keras: Any) -> Any:
    layers = keras.layers
    colour = keras.Input((1,), dtype="string", name="colour")
    one_hot = layers.StringLookup(vocabulary=["red", "green", "синий"], output_mode="one_hot")(colour)
    indices = layers.StringLookup(vocabulary=["red", "green"], num_oov_indices=3, mask_token="")(colour)
    x = layers.Concatenate()([one_hot, layers.Flatten()(layers.Embedding(7, 3)(indices))])
    return keras.Model(colour, layers.Dense(2)(x))


def one_unknown_string(keras: Any) -> Any:
    layers = keras.layers
    colour = keras.Input((1,), dtype="string", name="colour")
    indices = layers.StringLookup(vocabulary=["red", "green", "синий"], mask_token="none")(colour)
    return keras.Model(colour, layers.Dense(2)(layers.Flatten()(layers.Embedding(7, 3)(indices))))


def integers(keras: Any) -> Any:
    layers = keras.layers
    number = keras.Input((1,), dtype="int64", name="number")
    indices = layers.IntegerLookup(vocabulary=[3, 5, 9], num_oov_indices=2)(number)
    hot = layers.IntegerLookup(vocabulary=[1, 2], output_mode="multi_hot")(number)
    x = layers.Concatenate()([layers.Flatten()(layers.Embedding(6, 3)(indices)), hot])
    return keras.Model(number, layers.Dense(2)(x))


def words_of_indices(keras: Any) -> Any:
    layers = keras.layers
    index = keras.Input((3,), dtype="int64", name="index")
    words = layers.StringLookup(vocabulary=["red", "green", "синий"], invert=True)(index)
    scores = layers.Dense(2)(layers.StringLookup(vocabulary=["green", "синий"], output_mode="count")(words))
    return keras.Model(index, [words, scores])


def categories_alone(keras: Any) -> Any:
    """Nothing is left for an engine."""
    given = keras.Input((1,), dtype="int32")
    return keras.Model(given, keras.Sequential([keras.layers.CategoryEncoding(3, output_mode="one_hot")])(given))


def numbers_in_bins(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input((3,), name="numbers")
    bins = layers.Discretization([-0.5, 0.0, 0.5, 1.0])(x)
    encoded = layers.CategoryEncoding(5, output_mode="multi_hot")(bins)
    counted = layers.CategoryEncoding(5, output_mode="count")(bins)
    return keras.Model(x, layers.Dense(2)(layers.Concatenate()([encoded, counted])))


def bins_inside(keras: Any) -> Any:
    """Bins of what the network computes, of several ranks, looked up."""
    layers, ops = keras.layers, keras.ops
    x = keras.Input((None, 3), name="numbers")
    y = layers.Rescaling(0.5, offset=0.25)(x)
    outputs = [
        layers.Embedding(5, 2)(layers.Discretization([-0.5, 0.0, 0.25, 1.0])(y)),
        layers.Embedding(3, 2)(layers.Discretization([-1.0, 1.0])(ops.mean(y, axis=(1, 2)))),
        layers.Discretization([0.0])(layers.LSTM(4)(y)),
    ]
    return keras.Model(x, outputs)


def hashing_of_strings(keras: Any) -> Any:
    layers = keras.layers
    word = keras.Input((1,), dtype="string", name="word")
    plain = layers.Flatten()(layers.Embedding(8, 2)(layers.Hashing(8)(word)))
    salted = layers.Flatten()(layers.Embedding(8, 2)(layers.Hashing(8, salt=[133, 137], mask_value="")(word)))
    return keras.Model(word, layers.Dense(2)(layers.Concatenate()([plain, salted])))


def crossing(keras: Any) -> Any:
    layers = keras.layers
    first = keras.Input((1,), dtype="string", name="first")
    second = keras.Input((1,), dtype="string", name="second")
    crossed = layers.HashedCrossing(9, output_mode="one_hot")((first, second))
    return keras.Model([first, second], layers.Dense(2)(crossed))


def text_beside_numbers(keras: Any) -> Any:
    layers = keras.layers
    text = keras.Input((1,), dtype="string", name="text")
    numbers = keras.Input((4,), name="numbers")
    x = layers.Embedding(40, 5)(vectorizer(keras, output_sequence_length=7)(text))
    x = layers.Concatenate()([layers.GlobalMaxPooling1D()(x), layers.Dense(3, activation="tanh")(numbers)])
    return keras.Model([text, numbers], {"score": layers.Dense(1)(x), "pooled": x})


CASES = [
    Case("categories_alone", categories_alone),
    Case("filter", ids_to_score(max_tokens=40, output_sequence_length=6)),
    Case("filter_lower", ids_to_score(standardize="lower", output_sequence_length=5)),
    Case("filter_strip_punctuation", ids_to_score(standardize="strip_punctuation", output_sequence_length=5)),
    Case("filter_as_it_stands", ids_to_score(standardize=None, output_sequence_length=5)),
    Case("filter_of_characters", ids_to_score(split="character", max_tokens=40, output_sequence_length=12)),
    Case("filter_of_pairs", ids_to_score(ngrams=(2,), max_tokens=40, output_sequence_length=5)),
    Case("lstm", ids_to_lstm(2, output_sequence_length=8)),
    Case("lstm_to_the_longest", ids_to_lstm(1)),
    Case("multi_hot", counts_to_classes(output_mode="multi_hot")),
    Case("multi_hot_padded", counts_to_classes(output_mode="multi_hot", max_tokens=50, pad_to_max_tokens=True)),
    Case("count_of_pairs", counts_to_classes(output_mode="count", ngrams=2)),
    Case("tf_idf", counts_to_classes(output_mode="tf_idf")),
    Case("tf_idf_of_characters", counts_to_classes(output_mode="tf_idf", split="character")),
    Case("strings", strings),
    Case("one_unknown_string", one_unknown_string),
    Case("integers", integers),
    Case("words_of_indices", words_of_indices),
    Case("numbers_in_bins", numbers_in_bins),
    Case("bins_inside", bins_inside),
    Case("hashing_of_strings", hashing_of_strings),
    Case("crossing", crossing),
    Case("text_beside_numbers", text_beside_numbers),
]
