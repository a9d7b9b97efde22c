"""TimeDistributed of layers and of models, over a fixed and an open time."""

from __future__ import annotations

from typing import Any

from tests.cases import Case, Spec, layer

INNER: dict[str, tuple[Spec, tuple[int, ...]]] = {
    "dense": (layer("Dense", 3, activation="tanh"), (4,)),
    "conv2d": (layer("Conv2D", 3, 2, strides=2, padding="same"), (5, 4, 2)),
    "max_pooling": (layer("MaxPooling2D", 2), (4, 5, 3)),
    "global_pooling": (layer("GlobalAveragePooling2D"), (4, 5, 3)),
    "flatten": (layer("Flatten"), (2, 3, 2)),
    "reshape": (layer("Reshape", (2, 6)), (4, 3)),
    "lstm": (layer("LSTM", 3), (5, 2)),
    "lstm_sequences": (layer("LSTM", 3, return_sequences=True), (5, 2)),
    "bidirectional": (layer("Bidirectional", layer("GRU", 2)), (4, 3)),
    "batch_normalization": (layer("BatchNormalization"), (2, 3)),
    "dropout": (layer("Dropout", 0.3), (4,)),
    "upsampling": (layer("UpSampling2D", 2), (2, 3, 2)),
    "time_distributed": (layer("TimeDistributed", layer("Dense", 2)), (3, 4)),
    "depthwise": (layer("DepthwiseConv1D", 2), (4, 3)),
}


def words(keras: Any, length: Any, lines: Any) -> Any:
    """Words to lines, lines to a text: a recurrent model in TimeDistributed, masked by the words' ids."""
    word = keras.Input((length,), dtype="int32")
    embedded = keras.layers.Embedding(7, 3, mask_zero=True)(word)
    states = keras.layers.Bidirectional(keras.layers.LSTM(2, return_sequences=True))(embedded)
    last = keras.layers.LSTM(3)(states)
    line = keras.Model(word, keras.layers.Concatenate()([last, keras.layers.Dense(2)(last)]))
    text = keras.Input((lines, length), dtype="int32")
    encoded = keras.layers.TimeDistributed(line)(text)
    return keras.Model(text, keras.layers.GRU(2)(encoded))


def images(keras: Any, frames: Any) -> Any:
    """A Sequential within a Sequential, over frames."""
    inner = keras.Sequential([keras.Input((3, 3, 2)), keras.layers.Conv2D(2, 2), keras.layers.Flatten()])
    frame = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 2, activation="relu"), inner])
    film = keras.Input((frames, 4, 4, 1))
    return keras.Model(film, keras.layers.LSTM(3)(keras.layers.TimeDistributed(frame)(film)))


def branches(keras: Any) -> Any:
    """A model with a shared layer, a merge and a Keras operation."""
    given = keras.Input((4,))
    shared = keras.layers.Dense(4)
    once = shared(given)
    twice = keras.layers.Activation("relu")(shared(once))
    merged = keras.layers.Add()([once, twice])
    each = keras.Model(given, keras.layers.Dense(2)(keras.layers.Concatenate()([merged, given])))
    steps = keras.Input((None, 4))
    return keras.Model(steps, keras.layers.TimeDistributed(each)(steps))


def model_with_operations(keras: Any) -> Any:
    """Operations that have the names of layers, inside a model that TimeDistributed holds."""
    inner = keras.Input((5, 4))
    hidden = keras.layers.Dense(4)(inner) * 2.0 + inner
    given = keras.Input((None, 5, 4))
    held = keras.Model(inner, keras.ops.softmax(keras.ops.mean(hidden, axis=1)))
    return keras.Model(given, keras.layers.TimeDistributed(held)(given))


def pipeline(keras: Any) -> Any:
    steps = [keras.layers.Rescaling(0.1), keras.layers.CenterCrop(6, 6), keras.layers.RandomFlip()]
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Pipeline(steps), keras.layers.Conv2D(2, 3)])


CASES = [
    *(
        Case(f"time_distributed_{name}", layer("TimeDistributed", inner), ((3, *shape),))
        for name, (inner, shape) in INNER.items()
    ),
    *(
        Case(f"time_distributed_{name}_open", layer("TimeDistributed", inner), ((None, *shape),))
        for name, (inner, shape) in INNER.items()
    ),
    Case("time_distributed_open_inside", layer("TimeDistributed", layer("Conv2D", 3, 2)), ((3, None, None, 2),)),
    Case(
        "time_distributed_all_open", layer("TimeDistributed", layer("Conv1D", 3, 2, padding="same")), ((None, None, 2),)
    ),
    Case("time_distributed_sizes_open", layer("TimeDistributed", layer("Conv2D", 3, 2)), ((None, None, None, 2),)),
    Case(
        "time_distributed_conv1d_masked",
        (
            layer("TimeDistributed", layer("Reshape", (3, 2))),
            layer("TimeDistributed", layer("Conv1D", 4, 2)),
            layer("TimeDistributed", layer("GlobalMaxPooling1D")),
            layer("LSTM", 2),
        ),
        ((None, 6),),
        masked=True,
    ),
    Case(
        "time_distributed_masked",
        (layer("TimeDistributed", layer("Dense", 3)), layer("LSTM", 2)),
        ((None, 4),),
        masked=True,
    ),
    Case(
        "time_distributed_batch_axis_1",
        layer("TimeDistributed", layer("BatchNormalization", axis=1)),
        ((None, 3, 2, 4),),
    ),
    Case(
        "time_distributed_batch_normalization_masked",
        (layer("TimeDistributed", layer("BatchNormalization")), layer("LSTM", 2)),
        ((4, 3),),
        masked=True,
    ),
    Case("words_fixed", lambda keras: words(keras, 5, 3)),
    Case("words_open_lines", lambda keras: words(keras, 5, None)),
    Case("words_open", lambda keras: words(keras, None, None)),
    Case("film_fixed", lambda keras: images(keras, 3)),
    Case("film_open", lambda keras: images(keras, None)),
    Case("branches", branches),
    Case("model_with_operations", model_with_operations),
    Case("pipeline", pipeline),
]
