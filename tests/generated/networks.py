"""Random networks as lines of Python: drawn by seed, built by Keras, made smaller where they fail.

A line is one of the templates below with its placeholders drawn. Keras decides whether it can stand: what Keras refuses
is drawn again. Nothing here knows what the port supports.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np

__all__ = ["Line", "Sketch", "built", "drawn", "smaller"]

FLOAT, INT, BOOL = "float32", "int32", "bool"
IDS = 12
# Of one row, with 8 for what is open: larger tensors only take time.
LARGEST = 3000

INPUTS = (
    ("keras.Input((None,), dtype='int32')", 3),
    ("keras.Input((7,), dtype='int32')", 2),
    ("keras.Input((None, 4))", 4),
    ("keras.Input((6, 3))", 3),
    ("keras.Input((5,))", 2),
    ("keras.Input((6,))", 1),
    ("keras.Input((1,))", 1),
    ("keras.Input((8, 6, 2))", 2),
    ("keras.Input((None, None, 2))", 1),
    ("keras.Input((None, 5, 3))", 1),
    ("keras.Input((None,), dtype='bool')", 1),
    ("keras.Input((4,), dtype='bool')", 1),
    ("keras.Input((None, 3), dtype='int32')", 1),
)

# By placeholder, what may stand in its place; what is written in braces there is drawn in turn.
WORDS: Mapping[str, tuple[str, ...]] = {
    "units": ("1", "2", "3", "4", "5", "6"),
    "few": ("1", "2", "3"),
    "flag": ("True", "False"),
    "number": ("0.5", "2.0", "-1.5", "3.0", "0.1"),
    "whole": ("2", "3", "-1", "5", "7"),
    "activation": (
        *("None", "'relu'", "'tanh'", "'sigmoid'", "'softmax'", "'gelu'", "'elu'", "'softplus'", "'hard_sigmoid'"),
        *("'leaky_relu'", "'selu'", "'silu'", "'softsign'", "'relu6'", "'mish'", "'exponential'"),
    ),
    "gate": ("'sigmoid'", "'sigmoid'", "'hard_sigmoid'", "'tanh'"),
    "squash": ("'tanh'", "'tanh'", "'relu'", "'sigmoid'", "'softsign'", "'elu'"),
    "padding": ("'valid'", "'same'"),
    "padding1": ("'valid'", "'same'", "'causal'"),
    "merge": ("'concat'", "'sum'", "'mul'", "'ave'"),
    "pool": ("MaxPooling", "AveragePooling"),
    "total": ("sum", "mean", "max", "min", "std", "var"),
    "unary": (
        *("tanh", "sigmoid", "abs", "square", "negative", "exp", "relu", "silu", "gelu", "softplus", "sign", "floor"),
        *("round", "ceil", "relu6", "leaky_relu", "elu", "selu", "hard_sigmoid", "softsign", "log_sigmoid", "erf"),
    ),
    "compare": (">", "<", ">=", "<=", "==", "!="),
    "logic": ("logical_and", "logical_or", "logical_xor"),
    "pair": ("+", "-", "*"),
    "merging": ("Add", "Multiply", "Average", "Maximum", "Minimum"),
    "slice": (
        *(":3", ":2", ":5", "2:", "1:", "1:-1", ":-1", ":-2", "-3:", "-2:", "-4:-1", "1:4", "2:3", "::2", "1::2"),
        *("::3", "::-1", "::-2", "-1::-2", "3::-1", ":5:2", "-3::2", "0", "-1", "1", ":1", "-1:", "1:-1:2", "-5:-2"),
    ),
    "rnn": (
        "L.LSTM({units}, return_sequences=True, recurrent_activation={gate}, activation={squash})",
        "L.LSTM({units}, return_sequences=True)",
        "L.LSTM({units}, return_sequences=True, go_backwards={flag}, use_bias={flag})",
        "L.GRU({units}, return_sequences=True, reset_after={flag}, go_backwards={flag})",
        "L.GRU({units}, return_sequences=True, activation={squash})",
        "L.SimpleRNN({units}, return_sequences=True, activation={squash})",
    ),
    "last": (
        "L.LSTM({units})",
        "L.LSTM({units}, go_backwards={flag}, activation={squash})",
        "L.GRU({units}, reset_after={flag}, go_backwards={flag})",
        "L.SimpleRNN({units}, activation={squash})",
    ),
    "cell": (
        "L.LSTM({units}, return_sequences={flag})",
        "L.GRU({units}, return_sequences={flag}, reset_after={flag})",
        "L.SimpleRNN({units}, return_sequences={flag}, activation={squash})",
    ),
    "norm": ("L.BatchNormalization({axis_})", "L.LayerNormalization({axis_})", "L.LayerNormalization(epsilon=0.01)"),
    "axis_": ("axis={axis}", "axis=-1", ""),
    "dense": (
        "L.Dense({units}, activation={activation})",
        "L.Dense({units})",
        "L.Dense({units}, use_bias=False)",
        "L.EinsumDense('...x,xy->...y', output_shape={units})",
    ),
    "conv1": (
        "L.Conv1D({units}, {few}, padding={padding1}, activation={activation})",
        "L.Conv1D({units}, {few}, strides=2, padding={padding})",
        "L.Conv1D({units}, {few}, dilation_rate=2, padding={padding1})",
        "L.SeparableConv1D({units}, {few}, padding={padding})",
        "L.DepthwiseConv1D({few}, depth_multiplier=2, padding={padding})",
        "L.Conv1DTranspose({units}, {few}, strides={few}, padding={padding})",
        "L.{pool}1D({few}, padding={padding})",
        "L.{pool}1D({few}, strides={few})",
        "L.UpSampling1D({few})",
        "L.ZeroPadding1D({few})",
        "L.Cropping1D((1, {few}))",
    ),
    "conv2": (
        "L.Conv2D({units}, {few}, padding={padding}, activation={activation})",
        "L.Conv2D({units}, ({few}, {few}), strides=({few}, {few}), padding={padding})",
        "L.SeparableConv2D({units}, {few}, padding={padding})",
        "L.DepthwiseConv2D({few}, padding={padding})",
        "L.Conv2DTranspose({units}, {few}, strides=2, padding={padding})",
        "L.{pool}2D(({few}, {few}), padding={padding})",
        "L.{pool}2D(2)",
        "L.UpSampling2D(({few}, {few}))",
        "L.ZeroPadding2D(({few}, {few}))",
        "L.Cropping2D((1, 1))",
    ),
    "pooled1": ("L.GlobalMaxPooling1D()", "L.GlobalAveragePooling1D()", "L.GlobalAveragePooling1D(keepdims=True)"),
    "pooled2": ("L.GlobalMaxPooling2D()", "L.GlobalAveragePooling2D()"),
    "elementwise": (
        "L.Activation({activation})",
        "L.ReLU(max_value={number}, negative_slope=0.1)",
        "L.LeakyReLU()",
        "L.PReLU()",
        "L.Dropout(0.3)",
        "L.Softmax({axis_})",
        "L.Rescaling(0.5, 1.0)",
    ),
    # Layers for each step of a sequence, whose steps have one axis or two.
    "step1": ("{dense}", "{elementwise}", "keras.Sequential([L.Dense({units}), L.LayerNormalization()])"),
    "step2": (
        *("{dense}", "{last}", "{rnn}", "L.Flatten()", "L.Conv1D({units}, {few}, padding={padding})", "{pooled1}"),
        "keras.Sequential([L.Conv1D({units}, 2, padding='same'), L.GlobalMaxPooling1D()])",
    ),
    "nest2": ("{dense}({x})", "L.BatchNormalization()(ops.flip({x}, axis=1))", "{dense}({x}[:, ::-1])"),
    "nest3": (
        *("{rnn}({x})", "{last}({x})", "{conv1}({x})"),
        *("{dense}({x}[:, {slice}])", "{dense}(ops.flip({x}, axis=1))"),
    ),
}

# What a line may be, by the dtype and rank of the tensor that it takes; `x` is that tensor and `y` one of its rank.
TEMPLATES: tuple[tuple[str, str, str, int], ...] = (
    (FLOAT, "2345", "{dense}({x})", 6),
    (FLOAT, "2345", "{elementwise}({x})", 3),
    (FLOAT, "2345", "{norm}({x})", 3),
    (FLOAT, "2345", "ops.{unary}({x})", 3),
    (FLOAT, "2345", "{x} {pair} {y}", 4),
    (FLOAT, "2345", "{x} {pair} {number}", 1),
    (FLOAT, "2345", "{number} {pair} {x}", 1),
    (FLOAT, "2345", "{x} / (ops.abs({y}) + 1.0)", 1),
    (FLOAT, "2345", "ops.maximum({x}, {y})", 1),
    (FLOAT, "2345", "ops.where({x} > {y}, {x}, {number})", 1),
    (FLOAT, "2345", "{x} {compare} {number}", 1),
    (FLOAT, "2345", "L.{merging}()([{x}, {y}])", 3),
    (FLOAT, "2345", "L.Concatenate(axis={axis})([{x}, {y}])", 3),
    (FLOAT, "2345", "L.Concatenate(axis={axis})([{x}, ops.flip({x}, axis={axis})])", 2),
    (FLOAT, "2345", "ops.flip({x}, axis={axis})", 4),
    (FLOAT, "2345", "ops.softmax({x}, axis={axis})", 2),
    (FLOAT, "2345", "ops.log_softmax({x}, axis={axis})", 1),
    (FLOAT, "2345", "ops.cumsum({x}, axis={axis})", 2),
    (FLOAT, "2345", "ops.roll({x}, 1, axis={axis})", 1),
    (FLOAT, "2345", "ops.repeat({x}, {few}, axis={axis})", 2),
    (FLOAT, "2345", "ops.{total}({x}, axis={axis})", 3),
    (FLOAT, "2345", "ops.{total}({x}, axis={axis}, keepdims=True)", 2),
    (FLOAT, "345", "ops.{total}({x}, axis=({axis}, {axis}))", 1),
    (FLOAT, "2345", "ops.argmax({x}, axis={axis})", 1),
    (FLOAT, "2345", "ops.expand_dims({x}, axis={axis})", 2),
    (FLOAT, "345", "ops.squeeze({x}, axis={axis})", 1),
    (FLOAT, "2345", "ops.stack([{x}, {y}], axis={axis})", 1),
    (FLOAT, "2345", "ops.clip({x}, -0.5, {number})", 1),
    (FLOAT, "2345", "ops.cast({x}, 'int32')", 1),
    (FLOAT, "2345", "{x} - ops.mean({x}, axis={axis}, keepdims=True)", 2),
    (FLOAT, "2345", "ops.normalize({x}, axis={axis})", 1),
    (FLOAT, "2345", "{x}[:, {slice}]", 4),
    (FLOAT, "2345", "{x}[..., {slice}]", 2),
    (FLOAT, "345", "{x}[:, :, {slice}]", 2),
    (FLOAT, "345", "{x}[:, {slice}, {slice}]", 2),
    (FLOAT, "345", "L.Flatten()({x})", 2),
    (FLOAT, "2345", "L.Reshape({target})({x})", 4),
    (FLOAT, "2", "L.RepeatVector({few})({x})", 2),
    (FLOAT, "3", "L.Permute((2, 1))({x})", 3),
    (FLOAT, "4", "L.Permute({permutation})({x})", 3),
    (FLOAT, "3", "ops.transpose({x}, (0, 2, 1))", 2),
    (FLOAT, "2", "L.GaussianNoise(0.1)({x})", 1),
    (FLOAT, "2", "nested(lambda a: {nest2:a}, {x})", 2),
    (FLOAT, "23", "both({dense}, {x}, {y})", 2),
    # sequences
    (FLOAT, "3", "{rnn}({x})", 8),
    (FLOAT, "3", "{last}({x})", 5),
    (FLOAT, "3", "L.Bidirectional({cell}, merge_mode={merge})({x})", 5),
    (FLOAT, "3", "L.Bidirectional({cell})({x})", 3),
    (FLOAT, "3", "L.LSTM({units}, return_state=True)({x})[{few}-1]", 1),
    (FLOAT, "3", "{cell}({x}, mask=ops.abs({x}[:, :, 0]) > 0.4)", 2),
    (FLOAT, "3", "L.LSTM(4)({x}, initial_state=[L.Dense(4)({x}[:, 0]), L.Dense(4)({x}[:, -1])])", 1),
    (FLOAT, "3", "L.RNN([L.LSTMCell({units}), L.GRUCell({units})], return_sequences={flag})({x})", 1),
    (FLOAT, "3", "L.Masking(0.0)({x})", 2),
    (FLOAT, "3", "{conv1}({x})", 6),
    (FLOAT, "3", "{pooled1}({x})", 3),
    (FLOAT, "3", "L.TimeDistributed({step1})({x})", 3),
    (FLOAT, "3", "L.SpatialDropout1D(0.3)({x})", 1),
    (FLOAT, "3", "L.MultiHeadAttention({few}, {units})({x}, {y}, use_causal_mask={flag})", 2),
    (FLOAT, "3", "L.Attention(use_scale={flag})([{x}, {x}])", 2),
    (FLOAT, "3", "L.AdditiveAttention()([{x}, {x}])", 1),
    (FLOAT, "3", "L.Dot(axes={axis})([{x}, {y}])", 2),
    (FLOAT, "3", "ops.matmul({x}, ops.transpose({y}, (0, 2, 1)))", 2),
    (FLOAT, "3", "ops.matmul(ops.transpose({x}, (0, 2, 1)), {y})", 2),
    (FLOAT, "3", "ops.sum(ops.softmax(L.Dense(1)({x}), axis=1) * {x}, axis=1)", 4),
    (FLOAT, "3", "{dense}(ops.sum(ops.softmax(L.Dense(1)({x}), axis=1) * {x}, axis=1))", 4),
    (FLOAT, "3", "ops.einsum('btk,bt->bk', {x}, ops.softmax({x}[:, :, 0], axis=1))", 2),
    (FLOAT, "3", "L.Dot(axes=1)([L.Softmax(axis=1)(L.Dense(1)({x})), {x}])", 2),
    (FLOAT, "3", "nested(lambda a: {nest3:a}, {x})", 3),
    (FLOAT, "3", "keras.Sequential([{rnn}, {last}, {dense}])({x})", 2),
    (FLOAT, "3", "keras.Sequential([{conv1}, {elementwise}, {pooled1}])({x})", 2),
    (FLOAT, "3", "both({rnn}, {x}, ops.flip({x}, axis=1))", 2),
    (FLOAT, "3", "L.GroupNormalization(1)({x})", 1),
    # pictures, and sequences of sequences
    (FLOAT, "4", "{conv2}({x})", 8),
    (FLOAT, "4", "{pooled2}({x})", 3),
    (FLOAT, "4", "L.TimeDistributed({step2})({x})", 4),
    (FLOAT, "4", "L.ConvLSTM1D({units}, 2, padding='same', return_sequences={flag})({x})", 1),
    (FLOAT, "4", "ops.transpose({x}, (0, 2, 1, 3))", 2),
    (FLOAT, "4", "L.GroupNormalization(2)({x})", 1),
    (FLOAT, "5", "L.Conv3D({units}, {few}, padding={padding})({x})", 3),
    (FLOAT, "5", "L.TimeDistributed({conv2})({x})", 2),
    # ids, whole numbers, truth
    (INT, "2", f"L.Embedding({IDS}, {{units}}, mask_zero={{flag}})({{x}})", 20),
    (INT, "23", "ops.one_hot({x}, 5)", 2),
    (INT, "234", "ops.cast({x}, 'float32')", 6),
    (INT, "234", "{x} {compare} {whole}", 2),
    (INT, "234", "{x} {pair} {whole}", 1),
    (INT, "234", "{x} {pair} {y}", 1),
    (INT, "234", "{x} // {few}", 1),
    (INT, "234", "{x} % {few}", 1),
    (INT, "234", "ops.flip({x}, axis={axis})", 2),
    (INT, "234", "{x}[:, {slice}]", 3),
    (INT, "34", "ops.{total}({x}, axis={axis})", 1),
    (INT, "234", "ops.maximum({x}, {whole})", 1),
    (INT, "2", f"L.Embedding({IDS}, {{units}})(ops.flip({{x}}, axis=1))", 2),
    (INT, "2", f"L.Embedding({IDS}, {{units}}, mask_zero={{flag}})({{x}}[:, {{slice}}])", 4),
    (BOOL, "234", "ops.cast({x}, 'float32')", 6),
    (BOOL, "234", "ops.cast({x}, 'int32')", 2),
    (BOOL, "234", "ops.logical_not({x})", 2),
    (BOOL, "234", "ops.{logic}({x}, {y})", 2),
    (BOOL, "234", "ops.flip({x}, axis={axis})", 1),
    (BOOL, "234", "{x}[:, {slice}]", 2),
    (BOOL, "234", "ops.any({x}, axis={axis})", 1),
    (BOOL, "234", "ops.all({x}, axis={axis}, keepdims=True)", 1),
    (BOOL, "23", "ops.where({x}, 1.0, {number})", 2),
)


@dataclass(frozen=True)
class Line:
    """``name = expression``."""

    name: str
    expression: str

    def __str__(self) -> str:
        return f"{self.name} = {self.expression}"

    def reads(self) -> set[str]:
        return set(re.findall(r"\b[ix]\d+\b", self.expression))


# The lines of a network, its inputs' among them; what no line reads is an output.
Sketch = tuple[Line, ...]


def nested(function: Any, x: Any) -> Any:
    """A model inside the model."""
    given = keras.Input(batch_shape=x.shape, dtype=x.dtype)
    return keras.Model(given, function(given))(x)


def both(layer: Any, x: Any, y: Any) -> Any:
    """One layer for two tensors."""
    return keras.layers.Concatenate(axis=-1)([layer(x), layer(y)])


def names() -> dict[str, Any]:
    """What lines are written with."""
    return {"keras": keras, "L": keras.layers, "ops": keras.ops, "nested": nested, "both": both}


def small(x: Any) -> bool:
    return isinstance(x, keras.KerasTensor) and prod(8 if size is None else size for size in x.shape[1:]) <= LARGEST


class Drawing:
    """A network that grows by lines that Keras takes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[Line] = []
        self.made = names()
        self.tensors: dict[str, Any] = {}

    def add(self, line: Line) -> bool:
        """Whether Keras takes the line."""
        try:
            made = eval(line.expression, self.made)
        except Exception:
            return False
        if not small(made) or len(made.shape) < 2 or 0 in made.shape:
            return False
        self.lines.append(line)
        self.made[line.name] = self.tensors[line.name] = made
        return True

    def grow(self) -> None:
        """One more line."""
        for _ in range(60):
            # The latest are taken more often: depth finds more than width.
            known = list(self.tensors)
            name = known[max(self.random.randrange(len(known)), self.random.randrange(len(known)))]
            x = self.tensors[name]
            fitting = [one for one in TEMPLATES if one[0] == x.dtype and str(len(x.shape)) in one[1]]
            if not fitting:
                continue
            (template,) = self.random.choices([one[2] for one in fitting], [one[3] for one in fitting])
            if self.add(Line(f"x{len(self.lines)}", self.filled(template, name, name))):
                return

    def filled(self, template: str, name: str, written: str) -> str:
        """The template with its placeholders drawn for a tensor, and the tensor under the name that it has there."""

        def draw(found: re.Match[str]) -> str:
            word, _, inside = found[1].partition(":")
            if word == "x":
                return written
            if word == "y":
                return written if written != name else self.partner(name)
            if word in DRAWN:
                return DRAWN[word](self.random, self.tensors[name])
            return self.filled(self.random.choice(WORDS[word]), name, inside or written)

        return re.sub(r"\{(\w+(?::\w+)?)\}", draw, template)

    def partner(self, name: str) -> str:
        """A tensor of the same rank and dtype; itself where there is no other."""
        x = self.tensors[name]
        like = [
            other
            for other, y in self.tensors.items()
            if len(y.shape) == len(x.shape) and y.dtype == x.dtype and (other != name or self.random.random() < 0.2)
        ]
        return self.random.choice(like) if like else name


def axis(source: random.Random, x: Any) -> str:
    at = source.randrange(1, len(x.shape))
    return str(at if source.random() < 0.7 else at - len(x.shape))


def permutation(source: random.Random, x: Any) -> str:
    axes = list(range(1, len(x.shape)))
    source.shuffle(axes)
    return str(tuple(axes))


def target(source: random.Random, x: Any) -> str:
    """A shape for the same numbers, with a -1 for what is open."""
    sizes = x.shape[1:]
    if None in sizes:
        last = [size for size in (1, 2, 3, 4) if size == 1 or (sizes[-1] or 1) % size == 0]
        return str((-1, source.choice([*last, sizes[-1] or 1])))
    total = prod(sizes)
    first = source.choice([size for size in range(1, total + 1) if total % size == 0])
    rest = total // first
    second = source.choice([size for size in range(1, rest + 1) if rest % size == 0])
    return str(source.choice([(total,), (first, -1), (first, rest), (first, second, -1)]))


DRAWN = {"axis": axis, "permutation": permutation, "target": target}


def drawn(seed: int) -> Sketch:
    """The network of a seed."""
    keras.utils.set_random_seed(seed)
    drawing = Drawing(seed)
    source = drawing.random
    for number in range(source.choice((1, 1, 1, 2, 2, 3))):
        (given,) = source.choices([one for one, _ in INPUTS], [weight for _, weight in INPUTS])
        drawing.add(Line(f"i{number}", given))
    for _ in range(source.randrange(1, 9)):
        drawing.grow()
    return used(tuple(drawing.lines))


def used(sketch: Sketch) -> Sketch:
    """Without inputs that no line reads."""
    read = set().union(*(line.reads() for line in sketch))
    return tuple(line for line in sketch if line.name in read or not line.name.startswith("i"))


def built(sketch: Sketch, seed: int) -> Any:
    """The Keras model; its weights are random, and none is 0 or 1 everywhere."""
    keras.utils.set_random_seed(seed)
    made = names()
    for line in sketch:
        made[line.name] = eval(line.expression, made)
    read = set().union(*(line.reads() for line in sketch))
    outputs = [made[line.name] for line in sketch if line.name not in read]
    model = keras.Model([made[line.name] for line in sketch if line.name.startswith("i")], outputs)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype.startswith("float") and np.ptp(np.asarray(weight)) == 0:
            noise = 0.3 * rng.normal(size=weight.shape)
            weight.assign(np.asarray(weight) + (np.abs(noise) if "variance" in weight.path else noise))
    return model


def smaller(sketch: Sketch) -> Iterator[Sketch]:
    """Sketches with a line less: it and what reads it are gone, or another tensor stands in its place."""
    for line in reversed(sketch):
        if line.name.startswith("i"):
            continue
        gone = {line.name}
        kept = []
        for other in sketch:
            if other.name in gone or other.reads() & gone:
                gone.add(other.name)
            else:
                kept.append(other)
        if any(other.name.startswith("x") for other in kept):
            yield used(tuple(kept))
        for instead in sorted(line.reads()):
            swapped = [
                Line(other.name, re.sub(rf"\b{line.name}\b", instead, other.expression))
                for other in sketch
                if other is not line
            ]
            if any(other.name.startswith("x") for other in swapped):
                yield used(tuple(swapped))
