"""What is trained in both environments: small networks, their data, losses and optimizers. Nothing but data.

A recipe trains one network from the same weights on the same batches in Keras (`record`) and in NeoML
(`test_recipes`), step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.training.recipes_own_layers import own_blocks, own_weights

STEPS = 100
KEPT_STEPS = (1, 10, 100)
BATCH = 8
TIME = 11
VOCABULARY = 30

Rng = np.random.Generator


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        net: key of `NETS`.
        loss: Keras' name, or (class, arguments); a list of them for several outputs.
        optimizer: (class, arguments).
        weights: how a sample counts: None, ``samples``, or ``heads`` for a weight of each output.
        fixed: layers that do not learn.
        ragged: batches are of several lengths.
        short: batches are of several numbers of rows, one among them.
        dense: the gradient of a table is one array, as in Keras on other backends than TensorFlow.
        drops: its layers drop, on both sides what `kept_places` says.
        options: for `compile`: ``loss_weights``.
    """

    net: str
    loss: Any
    optimizer: tuple[str, dict[str, Any]]
    weights: str = ""
    fixed: tuple[str, ...] = ()
    ragged: bool = False
    short: bool = False
    dense: bool = False
    drops: bool = False
    options: dict[str, Any] = field(default_factory=dict)


# ---- networks: functions of the keras module


def masked_bilstm(keras: Any) -> Any:
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(VOCABULARY, 6, mask_zero=True, name="embedding")(ids)
    x = layers.Dense(5, activation="tanh", name="projection")(x)
    x = layers.Bidirectional(layers.LSTM(4), name="bilstm")(x)
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    return keras.Model(ids, layers.Dense(1, activation="sigmoid", name="score")(x), name="masked_bilstm")


def dense(keras: Any) -> Any:
    layers = keras.layers
    x = given = keras.Input((12,), name="features")
    x = layers.Dense(10, activation="relu", kernel_regularizer="l2", bias_regularizer="l1", name="first")(x)
    x = layers.Dense(8, activation="gelu", name="second")(x)
    return keras.Model(given, layers.Dense(4, activation="softmax", name="classes")(x), name="dense")


def regression(keras: Any) -> Any:
    layers = keras.layers
    x = given = keras.Input((7,), name="features")
    x = layers.Dense(9, activation="silu", name="first")(x)
    return keras.Model(given, layers.Dense(3, name="numbers")(x), name="regression")


def text_cnn(keras: Any) -> Any:
    layers = keras.layers
    ids = keras.Input((TIME,), dtype="int32", name="ids")
    x = layers.Embedding(VOCABULARY, 6, name="embedding")(ids)
    parts = [layers.Conv1D(5, width, activation="relu", name=f"width_{width}")(x) for width in (2, 3)]
    parts = [layers.GlobalMaxPooling1D(name=f"pool_{at}")(part) for at, part in enumerate(parts)]
    x = layers.Concatenate(name="joined")(parts)
    return keras.Model(ids, layers.Dense(4, activation="softmax", name="classes")(x), name="text_cnn")


def repeated_words(keras: Any) -> Any:
    """Texts of few words over an open time: many windows are equal, and share the gradient of a maximum."""
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(VOCABULARY, 6, name="embedding")(ids)
    wide = layers.Conv1D(5, 3, activation="relu", name="wide")(x)
    narrow = layers.Conv1D(5, 2, padding="same", name="narrow")(x)
    parts = [layers.GlobalMaxPooling1D(name=f"pool_{at}")(part) for at, part in enumerate((wide, narrow))]
    x = layers.Concatenate(name="joined")(parts)
    return keras.Model(ids, layers.Dense(4, activation="softmax", name="classes")(x), name="repeated_words")


def pooled_words(keras: Any) -> Any:
    """The same texts in pools of windows, where the first of equal numbers has the gradient."""
    layers = keras.layers
    ids = keras.Input((TIME,), dtype="int32", name="ids")
    x = layers.Embedding(VOCABULARY, 6, name="embedding")(ids)
    strided = layers.MaxPooling1D(3, strides=2, name="strided")(layers.Conv1D(5, 2, name="conv")(x))
    adaptive = layers.AdaptiveMaxPooling1D(3, name="adaptive")(x)
    parts = [layers.Flatten(name=f"flat_{at}")(part) for at, part in enumerate((strided, adaptive))]
    x = layers.Concatenate(name="joined")(parts)
    return keras.Model(ids, layers.Dense(4, activation="softmax", name="classes")(x), name="pooled_words")


def lines(keras: Any) -> Any:
    """Words to lines, lines to a text, any number of either; padded words and padded lines."""
    layers = keras.layers
    word = keras.Input((None,), dtype="int32", name="word")
    embedded = layers.Embedding(VOCABULARY, 4, mask_zero=True, name="embedding")(word)
    line = keras.Model(word, layers.LSTM(4, name="line")(embedded), name="reader")
    text = keras.Input((None, None), dtype="int32", name="text")
    x = layers.TimeDistributed(line, name="read")(text)
    x = layers.GRU(5, name="gru")(x)
    return keras.Model(text, layers.Dense(4, activation="softmax", name="classes")(x), name="lines")


def joined_ids(keras: Any) -> Any:
    """Ids that are brought together before they are looked up; the first ones of a text are looked up twice."""
    layers = keras.layers
    text = keras.Input((TIME,), dtype="int32", name="text")
    title = keras.Input((3, 2), dtype="int32", name="title")
    words = layers.Flatten(name="words")(layers.Permute((2, 1), name="turned")(title))
    ids = layers.Concatenate(name="ids")([words, text, text[:, :4]])
    x = layers.Flatten(name="flat")(layers.Embedding(VOCABULARY, 5, name="embedding")(ids))
    x = layers.Dense(6, activation="tanh", name="hidden")(x)
    return keras.Model([text, title], layers.Dense(4, activation="softmax", name="classes")(x), name="joined_ids")


def film(keras: Any) -> Any:
    """A convolution of every frame of a film of any length."""
    layers = keras.layers
    given = keras.Input((None, 6, 5, 2), name="frames")
    x = layers.TimeDistributed(layers.Conv2D(3, 2, activation="relu"), name="conv")(given)
    x = layers.TimeDistributed(layers.MaxPooling2D(2), name="pool")(x)
    x = layers.TimeDistributed(layers.Flatten(), name="flat")(x)
    x = layers.LSTM(4, name="lstm")(x)
    return keras.Model(given, layers.Dense(4, activation="softmax", name="classes")(x), name="film")


def conv_frozen_bn(keras: Any) -> Any:
    layers = keras.layers
    x = given = keras.Input((9, 8, 2), name="images")
    x = layers.Conv2D(4, 3, padding="same", strides=2, name="conv_1")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Conv2D(5, (1, 2), activation="relu", name="conv_2")(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(given, layers.Dense(4, name="logits")(x), name="conv_frozen_bn")


def masked_gru(keras: Any) -> Any:
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(VOCABULARY, 5, mask_zero=True, name="embedding")(ids)
    x = layers.GRU(4, return_sequences=True, name="gru")(x)
    x = layers.GRU(3, reset_after=False, go_backwards=True, name="old_gru")(x)
    return keras.Model(ids, layers.Dense(1, name="logit")(x), name="masked_gru")


def tagger(keras: Any) -> Any:
    """A label for each step; what is masked does not count."""
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(VOCABULARY, 5, mask_zero=True, name="embedding")(ids)
    x = layers.LSTM(4, return_sequences=True, name="lstm")(x)
    shared = layers.Dense(4, activation="tanh", name="shared")
    x = shared(shared(x))
    return keras.Model(ids, layers.Dense(4, activation="softmax", name="tags")(x), name="tagger")


def forked(keras: Any) -> Any:
    """One trunk, a classifier and a decoder."""
    layers = keras.layers
    given = keras.Input((12,), name="features")
    code = layers.Dense(5, activation="tanh", name="code")(given)
    classes = layers.Dense(4, activation="softmax", name="classes")(code)
    decoded = layers.Dense(12, name="decoded")(layers.Dense(6, activation="relu", name="up")(code))
    return keras.Model(given, [classes, decoded], name="forked")


def branches(keras: Any) -> Any:
    """Tensors that meet as maxima and products, and two heads."""
    layers = keras.layers
    given = keras.Input((12,), name="features")
    one = layers.Dense(6, activation="relu", name="one")(given)
    other = layers.Dense(6, activation="tanh", name="other")(given)
    both = layers.Maximum(name="larger")([one, other])
    classes = layers.Dense(4, activation="softmax", name="classes")(both)
    flag = layers.Dense(1, activation="sigmoid", name="flag")(layers.Multiply(name="product")([both, one]))
    return keras.Model(given, [classes, flag], name="branches")


def tied(keras: Any) -> Any:
    """A language model whose softmax is its word table."""
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    words = layers.ReversibleEmbedding(VOCABULARY, 5, mask_zero=True, name="words")
    x = layers.LSTM(6, return_sequences=True, name="lstm")(words(ids))
    x = layers.Dense(5, name="back")(x)
    return keras.Model(ids, layers.Softmax(name="next")(words(x, reverse=True)), name="tied")


def normed(keras: Any) -> Any:
    """Frozen normalisation and padded averages along a sequence."""
    layers = keras.layers
    x = given = keras.Input((TIME, 5), name="steps")
    x = layers.LSTM(6, return_sequences=True, name="lstm")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.AveragePooling1D(2, strides=1, padding="same", name="average")(x)
    x = layers.LSTM(4, name="last")(x)
    return keras.Model(given, layers.Dense(4, activation="softmax", name="classes")(x), name="normed")


def dropped(keras: Any) -> Any:
    """Recurrent layers that drop parts of their inputs and of their state: by gate, and all gates alike."""
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(VOCABULARY, 5, mask_zero=True, name="embedding")(ids)
    both = {"dropout": 0.3, "recurrent_dropout": 0.4}
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, **both), name="bilstm")(x)
    x = layers.GRU(6, return_sequences=True, go_backwards=True, name="gru", **both)(x)
    x = layers.GRU(5, return_sequences=True, reset_after=False, recurrent_dropout=0.3, name="old_gru")(x)
    x = layers.SimpleRNN(5, return_sequences=True, name="simple", **both)(x)
    x = layers.LSTM(4, return_sequences=True, dropout=0.4, name="alike")(x)
    cells = [layers.LSTMCell(4, dropout=0.4), layers.GRUCell(4, recurrent_dropout=0.2)]
    x, *states = layers.RNN(cells, return_state=True, name="stacked")(x)
    x = layers.GRU(4, dropout=0.3, name="gru_alike")(layers.RepeatVector(3)(x), initial_state=states[-1])
    return keras.Model(ids, layers.Dense(1, activation="sigmoid", name="score")(x), name="dropped")


def constrained(keras: Any) -> Any:
    """Weights that are held in bounds after every step, and tensors that add to the loss."""
    layers, constraints = keras.layers, keras.constraints
    given = keras.Input((8, 6), name="steps")
    within = constraints.MinMaxNorm(0.3, 0.6, rate=0.7, axis=[0, 1])
    x = layers.Conv1D(5, 2, kernel_constraint=within, bias_constraint="non_neg", name="conv")(given)
    x = layers.LSTM(
        4,
        recurrent_constraint=constraints.MaxNorm(0.8),
        activity_regularizer="l1",
        return_sequences=True,
        name="lstm",
    )(x)
    x = layers.ActivityRegularization(l1=0.01, l2=0.02, name="activity")(layers.Flatten(name="flat")(x))
    code = layers.Dense(
        4,
        activation="relu",
        kernel_constraint="unit_norm",
        activity_regularizer=keras.regularizers.L2(0.05),
        name="code",
    )(x)
    return keras.Model(given, layers.Dense(3, activity_regularizer="l2", name="numbers")(code), name="constrained")


def bounded(keras: Any) -> Any:
    """A regularizer that looks at what a loss reads before its activation."""
    layers = keras.layers
    given = keras.Input((12,), name="features")
    x = layers.Dense(5, activation="relu", name="hidden")(given)
    last = layers.Dense(1, activation="sigmoid", activity_regularizer=keras.regularizers.L1L2(0.1, 0.2), name="score")
    return keras.Model(given, last(x), name="bounded")


def kept_places(size: int, rate: float, gate: int) -> np.ndarray:
    """What dropout multiplies a vector of this size by, where it is not to be random: zeros, and 1 / (1 − rate)."""
    kept = np.random.default_rng([size, int(100 * rate), gate]).random(size) >= rate
    return kept.astype(np.float32) / np.float32(1 - rate)


def conv_bn(keras: Any) -> Any:
    """Statistics of each batch, of images, along the last axis and another."""
    layers = keras.layers
    x = given = keras.Input((9, 8, 2), name="images")
    x = layers.BatchNormalization(axis=1, momentum=0.8, name="rows")(x)
    x = layers.Conv2D(4, 3, padding="same", strides=2, use_bias=False, name="conv_1")(x)
    x = layers.BatchNormalization(epsilon=1e-5, name="norm_1")(x)
    x = layers.Activation("silu", name="silu")(x)
    x = layers.Conv2D(5, (1, 2), activation="tanh", name="conv_2")(x)
    x = layers.BatchNormalization(scale=False, momentum=0.9, name="norm_2")(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(given, layers.Dense(4, name="logits")(x), name="conv_bn")


def shared_bn(keras: Any) -> Any:
    """One normalisation that is called twice, and one of two that stays."""
    layers = keras.layers
    given = keras.Input((7,), name="features")
    shared = layers.BatchNormalization(momentum=0.7, gamma_regularizer="l2", name="shared")
    left = shared(layers.Dense(6, activation="tanh", name="left")(given))
    right = shared(layers.Dense(6, activation="softplus", name="right")(given))
    x = layers.BatchNormalization(center=False, scale=False, name="plain")(
        layers.Multiply(name="product")([left, right])
    )
    x = layers.BatchNormalization(name="stays")(layers.Dense(5, activation="silu", name="middle")(x))
    return keras.Model(given, layers.Dense(3, name="numbers")(x), name="shared_bn")


def masked_bn(keras: Any) -> Any:
    """Statistics of the steps that a mask leaves."""
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(VOCABULARY, 6, mask_zero=True, name="embedding")(ids)
    x = layers.BatchNormalization(name="norm_1")(x)
    x = layers.LSTM(4, return_sequences=True, name="lstm")(x)
    x = layers.BatchNormalization(momentum=0.9, name="norm_2")(x)
    x = layers.GRU(3, name="gru")(x)
    x = layers.BatchNormalization(name="norm_3")(x)
    return keras.Model(ids, layers.Dense(1, activation="sigmoid", name="score")(x), name="masked_bn")


def steps_bn(keras: Any) -> Any:
    """Statistics along time, and of each step by itself."""
    layers = keras.layers
    x = given = keras.Input((TIME, 5), name="steps")
    x = layers.BatchNormalization(axis=1, name="along_time")(x)
    x = layers.LSTM(6, return_sequences=True, name="lstm")(x)
    x = layers.TimeDistributed(layers.BatchNormalization(), name="each_step")(x)
    x = layers.LSTM(4, name="last")(x)
    return keras.Model(given, layers.Dense(4, activation="softmax", name="classes")(x), name="steps_bn")


NETS: dict[str, Callable[[Any], Any]] = {
    function.__name__: function
    for function in (
        masked_bilstm,
        dense,
        regression,
        text_cnn,
        repeated_words,
        pooled_words,
        lines,
        joined_ids,
        film,
        conv_frozen_bn,
        masked_gru,
        tagger,
        forked,
        branches,
        tied,
        normed,
        dropped,
        constrained,
        bounded,
        conv_bn,
        shared_bn,
        masked_bn,
        steps_bn,
        own_blocks,
        own_weights,
    )
}


# ---- data


def ids(rng: Rng, masked: bool, time: int = TIME) -> np.ndarray:
    """Ids with repeats; where masked, rows of every length and some with holes."""
    given = rng.integers(1, VOCABULARY // 2, (BATCH, time)).astype(np.int32)
    if masked:
        for row in range(BATCH):
            given[row, rng.integers(1, time + 1) :] = 0
            if row % 3 == 0:
                given[row, rng.integers(0, time)] = 0
    return given


def few_words(rng: Rng) -> np.ndarray:
    """Texts of three words and a padded end; one holds one word alone."""
    given = rng.integers(1, 4, (BATCH, TIME)).astype(np.int32)
    for row in range(BATCH):
        given[row, rng.integers(1, TIME + 1) :] = 0
    given[0] = 2
    return given


def padded_lines(rng: Rng) -> np.ndarray:
    """Texts of four lines of five words, some lines empty, some short."""
    given = rng.integers(1, VOCABULARY // 2, (BATCH, 4, 5)).astype(np.int32)
    for row in range(BATCH):
        given[row, rng.integers(4), rng.integers(5) :] = 0
    given[0, 2:] = 0
    return given


def features(*shape: int) -> Callable[[Rng], np.ndarray]:
    return lambda rng: rng.normal(size=(BATCH, *shape)).astype(np.float32)


def binary(rng: Rng) -> np.ndarray:
    return rng.integers(0, 2, (BATCH, 1)).astype(np.float32)


def classes(rng: Rng) -> np.ndarray:
    return rng.integers(0, 4, BATCH).astype(np.int32)


def one_hot(rng: Rng) -> np.ndarray:
    return np.eye(4, dtype=np.float32)[classes(rng)]


INPUTS: dict[str, Callable[[Rng], Any]] = {
    "masked_bilstm": lambda rng: ids(rng, True),
    "masked_gru": lambda rng: ids(rng, True),
    "tagger": lambda rng: ids(rng, True),
    "text_cnn": lambda rng: ids(rng, False),
    "repeated_words": few_words,
    "pooled_words": few_words,
    "lines": padded_lines,
    "joined_ids": lambda rng: [ids(rng, False), rng.integers(1, 9, (BATCH, 3, 2)).astype(np.int32)],
    "film": features(3, 6, 5, 2),
    "dense": features(12),
    "regression": features(7),
    "conv_frozen_bn": features(9, 8, 2),
    "forked": features(12),
    "branches": features(12),
    "tied": lambda rng: ids(rng, True),
    "normed": features(TIME, 5),
    "dropped": lambda rng: ids(rng, True),
    "constrained": features(8, 6),
    "bounded": features(12),
    "conv_bn": features(9, 8, 2),
    "shared_bn": features(7),
    "masked_bn": lambda rng: ids(rng, True),
    "steps_bn": features(TIME, 5),
    "own_blocks": lambda rng: ids(rng, True),
    "own_weights": lambda rng: ids(rng, False),
}
LABELS: dict[str, Callable[[Rng], Any]] = {
    "masked_bilstm": binary,
    "masked_gru": binary,
    "tagger": lambda rng: rng.integers(0, 4, (BATCH, TIME)).astype(np.int32),
    "text_cnn": classes,
    "repeated_words": classes,
    "pooled_words": classes,
    "lines": classes,
    "joined_ids": classes,
    "film": classes,
    "dense": classes,
    "regression": features(3),
    "conv_frozen_bn": classes,
    "forked": classes,
    "branches": lambda rng: [classes(rng), binary(rng)],
    "tied": lambda rng: rng.integers(0, VOCABULARY, (BATCH, TIME)).astype(np.int32),
    "normed": classes,
    "dropped": binary,
    "constrained": features(3),
    "bounded": binary,
    "conv_bn": classes,
    "shared_bn": features(3),
    "masked_bn": binary,
    "steps_bn": classes,
    "own_blocks": classes,
    "own_weights": lambda rng: ids(rng, False),
}


def batches(recipe: Recipe) -> Iterator[tuple[Any, Any, Any]]:
    """Inputs, labels and sample weights of every step; the same in both environments."""
    rng = np.random.default_rng(7)
    for step in range(STEPS):
        x = INPUTS[recipe.net](rng)
        if recipe.ragged:
            x = np.ascontiguousarray(x[:, : (TIME, 4, 1)[step % 3]])
        labels = one_hot if recipe.net == "dense" and recipe.loss != SPARSE else LABELS[recipe.net]
        y: Any = [labels(rng), x] if recipe.net == "forked" else labels(rng)
        weights: Any = None
        if recipe.weights == "samples":
            weights = rng.uniform(0, 2, BATCH).astype(np.float32)
        elif recipe.weights == "heads":
            labelled = (rng.uniform(size=BATCH) < 0.4).astype(np.float32)
            weights = [labelled, np.ones(BATCH, np.float32)]
        if recipe.short:
            x, y = x[: (BATCH, 3, 1)[step % 3]], y[: (BATCH, 3, 1)[step % 3]]
        yield x, y, weights


# ---- recipes

SCHEDULE = ("CosineDecay", {"initial_learning_rate": 0.01, "decay_steps": 80, "alpha": 0.1})
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "slow": ("SGD", {"learning_rate": 0.002, "momentum": 0.9}),
    "nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "adam": ("Adam", {"learning_rate": 0.003}),
    "amsgrad": ("Adam", {"learning_rate": 0.003, "amsgrad": True}),
    "adamw": ("AdamW", {"learning_rate": 0.003, "weight_decay": 0.05}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.002}),
    "centred_rmsprop": ("RMSprop", {"learning_rate": 0.002, "centered": True, "momentum": 0.5}),
    "adagrad": ("Adagrad", {"learning_rate": 0.02}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "adamax": ("Adamax", {"learning_rate": 0.003}),
    "nadam": ("Nadam", {"learning_rate": 0.003}),
    "clipnorm": ("Adam", {"learning_rate": 0.003, "clipnorm": 0.05}),
    "global_clipnorm": ("SGD", {"learning_rate": 0.1, "global_clipnorm": 0.1}),
    "clipvalue": ("Adam", {"learning_rate": 0.003, "clipvalue": 0.005}),
    "decay": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01}),
    "averaged": ("AdamW", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 7}),
    "gathered": ("Adam", {"learning_rate": SCHEDULE, "gradient_accumulation_steps": 4, "clipnorm": 0.05}),
    "schedule": ("Adam", {"learning_rate": SCHEDULE}),
}
# Rates that jump at steps where TensorFlow's compilers round a division to the other side.
JUMPS: dict[str, Any] = {
    "cycle": ("PolynomialDecay", {"initial_learning_rate": 0.05, "decay_steps": 7, "power": 2.0, "cycle": True}),
    "staircase": (
        "ExponentialDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 41, "decay_rate": 0.3, "staircase": True},
    ),
    "restarts": ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 41, "t_mul": 1.0}),
}
FLAGS = "binary_crossentropy"
SPARSE = "sparse_categorical_crossentropy"
SMOOTH = ("CategoricalCrossentropy", {"label_smoothing": 0.1})

RECIPES: dict[str, Recipe] = {
    f"masked_bilstm-{name}": Recipe("masked_bilstm", "binary_crossentropy", made)
    for name, made in OPTIMIZERS.items()
    if name != "slow"
}
RECIPES |= {f"dense-{name}": Recipe("dense", SPARSE, OPTIMIZERS[name]) for name in ("sgd", "adam", "nadam", "adadelta")}
RECIPES |= {
    f"text_cnn-{name}": Recipe("text_cnn", SPARSE, OPTIMIZERS[name]) for name in ("momentum", "adam", "rmsprop")
}
RECIPES |= {
    f"repeated_words-{name}": Recipe("repeated_words", SPARSE, OPTIMIZERS[name]) for name in ("adam", "rmsprop")
}
RECIPES |= {
    f"{net}-adam": Recipe(net, SPARSE, OPTIMIZERS["adam"]) for net in ("pooled_words", "lines", "joined_ids", "film")
}
RECIPES |= {
    f"conv_frozen_bn-{name}": Recipe(
        "conv_frozen_bn", ("SparseCategoricalCrossentropy", {"from_logits": True}), OPTIMIZERS[name], fixed=("norm",)
    )
    for name in ("momentum", "adam", "adagrad")
}
RECIPES |= {
    f"regression-{loss}": Recipe("regression", loss, OPTIMIZERS["adam"])
    for loss in ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")
}
RECIPES |= {f"own_blocks-{name}": Recipe("own_blocks", SPARSE, OPTIMIZERS[name]) for name in ("momentum", "adam")}
RECIPES |= {
    f"own_weights-{name}": Recipe(
        "own_weights", ("SparseCategoricalCrossentropy", {"from_logits": True}), OPTIMIZERS[name]
    )
    for name in ("slow", "adam")
}
RECIPES |= {
    "dense-smooth": Recipe("dense", SMOOTH, OPTIMIZERS["adam"]),
    "dense-weighted": Recipe("dense", SPARSE, OPTIMIZERS["adam"], weights="samples"),
    "masked_bilstm-smooth": Recipe(
        "masked_bilstm", ("BinaryCrossentropy", {"label_smoothing": 0.1}), OPTIMIZERS["adam"], weights="samples"
    ),
    "masked_bilstm-frozen": Recipe(
        "masked_bilstm", "binary_crossentropy", OPTIMIZERS["adam"], fixed=("embedding", "bilstm")
    ),
    "masked_bilstm-frozen_between": Recipe(
        "masked_bilstm", "binary_crossentropy", OPTIMIZERS["adam"], fixed=("bilstm", "score")
    ),
    "masked_gru-frozen_between": Recipe(
        "masked_gru", ("BinaryCrossentropy", {"from_logits": True}), OPTIMIZERS["momentum"], fixed=("gru", "logit")
    ),
    "text_cnn-frozen_between": Recipe("text_cnn", SPARSE, OPTIMIZERS["momentum"], fixed=("width_2", "classes")),
    "masked_bilstm-clipped_as_one": Recipe(
        "masked_bilstm", "binary_crossentropy", ("Adam", {"learning_rate": 0.003, "global_clipnorm": 0.05})
    ),
    **{
        # Derivatives of more than a million, which NeoML would cut off.
        f"regression-steep_{name}": Recipe("regression", "mse", made, options={"loss_weights": [1e8]})
        for name, made in {"sgd": ("SGD", {"learning_rate": 1e-9}), "nadam": OPTIMIZERS["nadam"]}.items()
    },
    "dense-flags": Recipe("dense", FLAGS, OPTIMIZERS["adam"]),
    **{
        f"dense-{number}": Recipe("dense", loss, OPTIMIZERS["adam"], weights="samples")
        for number, loss in {
            "categorical_hinge": "categorical_hinge",
            "cosine": "cosine_similarity",
            "focal": ("CategoricalFocalCrossentropy", {"label_smoothing": 0.1}),
            "focal_logits": ("CategoricalFocalCrossentropy", {"from_logits": True, "gamma": 3.0, "alpha": 0.5}),
        }.items()
    },
    "masked_bilstm-focal": Recipe(
        "masked_bilstm", ("BinaryFocalCrossentropy", {"gamma": 1.5, "label_smoothing": 0.1}), OPTIMIZERS["adam"]
    ),
    "masked_gru-focal": Recipe(
        "masked_gru",
        ("BinaryFocalCrossentropy", {"from_logits": True, "apply_class_balancing": True}),
        OPTIMIZERS["adam"],
        weights="samples",
    ),
    "tagger-ignored": Recipe("tagger", ("SparseCategoricalCrossentropy", {"ignore_class": 2}), OPTIMIZERS["adam"]),
    "conv_frozen_bn-ignored": Recipe(
        "conv_frozen_bn",
        ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 0}),
        OPTIMIZERS["adam"],
        fixed=("norm",),
        weights="samples",
    ),
    **{
        f"regression-{name}": Recipe("regression", "mse", ("SGD", {"learning_rate": made}))
        for name, made in JUMPS.items()
    },
    "masked_bilstm-dense": Recipe("masked_bilstm", "binary_crossentropy", OPTIMIZERS["adam"], dense=True),
    "masked_bilstm-ragged": Recipe("masked_bilstm", "binary_crossentropy", OPTIMIZERS["adam"], ragged=True),
    "masked_gru-adam": Recipe("masked_gru", ("BinaryCrossentropy", {"from_logits": True}), OPTIMIZERS["adam"]),
    "masked_gru-momentum": Recipe("masked_gru", ("BinaryCrossentropy", {"from_logits": True}), OPTIMIZERS["momentum"]),
    "tagger-adam": Recipe("tagger", SPARSE, OPTIMIZERS["adam"]),
    "tagger-momentum": Recipe("tagger", SPARSE, OPTIMIZERS["momentum"]),
    "forked-adam": Recipe(
        "forked", [SPARSE, "mse"], OPTIMIZERS["adam"], weights="heads", options={"loss_weights": [0.7, 1.5]}
    ),
    "branches-adam": Recipe(
        "branches",
        [SPARSE, "binary_crossentropy"],
        OPTIMIZERS["adam"],
        weights="heads",
        options={"loss_weights": [0.5, 2.0]},
    ),
    "dropped-adam": Recipe("dropped", "binary_crossentropy", OPTIMIZERS["adam"], drops=True),
    "dense-gathered": Recipe("dense", SPARSE, ("Nadam", {"learning_rate": 0.01, "gradient_accumulation_steps": 3})),
    "bounded-adam": Recipe("bounded", "binary_crossentropy", OPTIMIZERS["adam"]),
    "constrained-adam": Recipe("constrained", "mse", OPTIMIZERS["adam"]),
    "constrained-sgd": Recipe("constrained", "huber", OPTIMIZERS["sgd"], weights="samples"),
    "tied-adam": Recipe("tied", SPARSE, OPTIMIZERS["adam"]),
    "normed-nadam": Recipe("normed", SPARSE, OPTIMIZERS["nadam"], fixed=("norm",)),
    "steps_bn-momentum": Recipe("steps_bn", SPARSE, OPTIMIZERS["momentum"]),
    "shared_bn-short": Recipe("shared_bn", "mse", OPTIMIZERS["adam"], fixed=("stays",), short=True),
    "masked_bn-ragged": Recipe("masked_bn", "binary_crossentropy", OPTIMIZERS["adam"], ragged=True),
}
RECIPES |= {
    f"conv_bn-{name}": Recipe("conv_bn", ("SparseCategoricalCrossentropy", {"from_logits": True}), OPTIMIZERS[name])
    for name in ("slow", "adam", "rmsprop")
}
RECIPES |= {
    f"shared_bn-{name}": Recipe("shared_bn", "mse", OPTIMIZERS[name], fixed=("stays",)) for name in ("sgd", "adam")
}
RECIPES |= {
    f"masked_bn-{name}": Recipe("masked_bn", "binary_crossentropy", OPTIMIZERS[name]) for name in ("adam", "adagrad")
}
