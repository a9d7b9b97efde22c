"""Operations and layers on whole numbers and truths of every dtype, at values that wrap and that float32 does not hold.

A network for each kind of operation and dtype, an output for each operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np

from tests.cases import Case

Functions = Sequence[Callable[..., Any]]

SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32")
NARROW = ("int8", "int16", "uint8", "uint16")
BEYOND = "beyond int32"
ROW = np.array([1, 100000, 3, 70000], "int32")
DIVISORS = np.array([7, 3, 5, 100], "int32")
EDGES = np.array([0, 2, 5], "float32")

ARITHMETIC: Functions = [
    lambda ops, x, y: x + y,
    lambda ops, x, y: x - y,
    lambda ops, x, y: x * y,
    lambda ops, x, y: x + 3,
    lambda ops, x, y: 3 - x,
    lambda ops, x, y: x * 5,
    lambda ops, x, y: x + ROW,
    lambda ops, x, y: x * ROW,
    lambda ops, x, y: ops.square(x),
    lambda ops, x, y: x**3,
    lambda ops, x, y: ops.fmod(x, 7),
    lambda ops, x, y: ops.subtract(x[:, :1], y),
]
OF_SIGNED: Functions = [
    lambda ops, x, y: -x,
    lambda ops, x, y: ops.abs(x),
    lambda ops, x, y: x // -3,
    lambda ops, x, y: x % -3,
    lambda ops, x, y: x // -1,
]
BOUNDED: Functions = [
    lambda ops, x, y: ops.sign(x),
    lambda ops, x, y: ops.relu(x),
    lambda ops, x, y: ops.relu6(x),
    lambda ops, x, y: ops.round(x),
    lambda ops, x, y: ops.trunc(x),
    lambda ops, x, y: x % 7,
    lambda ops, x, y: x % 100,
    lambda ops, x, y: x // 7,
    lambda ops, x, y: x // 100,
    lambda ops, x, y: x % DIVISORS,
    lambda ops, x, y: (x % 100) * 100000 % 7 + y % 3,
    lambda ops, x, y: ops.maximum(x, y),
    lambda ops, x, y: ops.minimum(x, y),
    lambda ops, x, y: ops.maximum(x, 3),
    lambda ops, x, y: ops.clip(x, 1, 3),
    lambda ops, x, y: ops.where(x > y, x, y),
    lambda ops, x, y: ops.where(x > 1, x, 7),
    lambda ops, x, y: ops.threshold(x, 1, 0),
]
COMPARISONS: Functions = [
    lambda ops, x, y: ops.equal(x, y),
    lambda ops, x, y: ops.not_equal(x, y),
    lambda ops, x, y: x < y,
    lambda ops, x, y: x <= y,
    lambda ops, x, y: x > y,
    lambda ops, x, y: x >= y,
    lambda ops, x, y: ops.equal(x, 3),
    lambda ops, x, y: x >= 3,
    lambda ops, x, y: ops.isclose(x, y),
    lambda ops, x, y: ops.isin(x, np.array([1, 2, 3], "int32")),
    lambda ops, x, y: ops.logical_and(x, y),
    lambda ops, x, y: ops.logical_xor(x, y),
    lambda ops, x, y: ops.logical_not(x),
    lambda ops, x, y: ops.where(x > y, 1, 0),
    lambda ops, x, y: ops.where(x > y, 1.0, 0.0),
    lambda ops, x, y: ops.one_hot(x, 4),
    lambda ops, x, y: ops.digitize(x, EDGES),
]
SUMS: Functions = [
    lambda ops, x, y: ops.sum(x, axis=1),
    lambda ops, x, y: ops.sum(x, axis=1, keepdims=True),
    lambda ops, x, y: ops.cumsum(x, axis=1),
    lambda ops, x, y: ops.ptp(x, axis=1),
    lambda ops, x, y: ops.diff(x, axis=1),
]
REDUCTIONS: Functions = [
    lambda ops, x, y: ops.max(x, axis=1),
    lambda ops, x, y: ops.min(x, axis=1, keepdims=True),
    lambda ops, x, y: ops.argmax(x, axis=1),
    lambda ops, x, y: ops.argmin(x, axis=1),
    lambda ops, x, y: ops.any(x, axis=1),
    lambda ops, x, y: ops.all(x, axis=1),
    lambda ops, x, y: ops.count_nonzero(x, axis=1),
    lambda ops, x, y: ops.mean(x, axis=1),
]
MOVES: Functions = [
    lambda ops, x, y: ops.pad(x, ((0, 0), (1, 2))),
    lambda ops, x, y: ops.pad(x, ((0, 0), (1, 2)), constant_values=1),
    lambda ops, x, y: ops.flip(x, 1),
    lambda ops, x, y: ops.concatenate([x, y], axis=1),
    lambda ops, x, y: ops.stack([x, y], axis=1),
    lambda ops, x, y: ops.take(x, [2, 0], axis=1),
    lambda ops, x, y: x[:, 1:3],
    lambda ops, x, y: x[:, ::2],
    lambda ops, x, y: ops.repeat(x, 2, axis=1),
    lambda ops, x, y: ops.tile(x, (1, 2)),
    lambda ops, x, y: ops.roll(x, 1, axis=1),
    lambda ops, x, y: ops.transpose(ops.reshape(x, (-1, 2, 2)), (0, 2, 1)),
    lambda ops, x, y: ops.tril(ops.reshape(x, (-1, 2, 2))),
    lambda ops, x, y: ops.ones_like(x),
    lambda ops, x, y: ops.full_like(x, 3),
]
FLOATS: Functions = [
    lambda ops, x, y: ops.tanh(x),
    lambda ops, x, y: ops.floor(x),
    lambda ops, x, y: x / 3,
    lambda ops, x, y: x + 2.5,
    lambda ops, x, y: x * 0.5,
    lambda ops, x, y: ops.where(x > y, x, 0.5),
    lambda ops, x, y: ops.cast(x, "float32"),
    lambda ops, x, y: ops.matmul(x, np.ones((4, 2), "float32")),
]
BITS: Functions = [
    lambda ops, x, y: ops.bitwise_and(x, y),
    lambda ops, x, y: ops.bitwise_or(x, DIVISORS),
    lambda ops, x, y: ops.bitwise_xor(x, DIVISORS),
    lambda ops, x, y: ops.left_shift(x, y),
    lambda ops, x, y: ops.right_shift(x, y),
    lambda ops, x, y: ops.right_shift(x, DIVISORS),
    lambda ops, x, y: ops.left_shift(x, 3),
    lambda ops, x, y: ops.right_shift(x, 40),
    lambda ops, x, y: ops.bitwise_and(x, DIVISORS),
    lambda ops, x, y: ops.bitwise_not(x),
]
SORTED: Functions = [
    lambda ops, x, y: ops.sort(x, axis=1),
    lambda ops, x, y: ops.argsort(x, axis=1),
    lambda ops, x, y: ops.prod(x, axis=1),
    lambda ops, x, y: ops.cumprod(x, axis=1),
    lambda ops, x, y: ops.top_k(x, 2)[0],
    lambda ops, x, y: ops.top_k(x, 2)[1],
    lambda ops, x, y: ops.median(x, axis=1),
]
TRUTHS: Functions = [
    lambda ops, x, y: x + 1,
    lambda ops, x, y: ops.logical_or(x, y),
    lambda ops, x, y: ops.where(x, y, x),
    lambda ops, x, y: ops.where(x, 1, 2),
    lambda ops, x, y: ops.square(x),
    lambda ops, x, y: ops.cast(x, "uint8"),
    lambda ops, x, y: x * 2.5,
    lambda ops, x, y: ops.pad(x, ((0, 0), (1, 2))),
    lambda ops, x, y: ops.flip(x, 1),
    lambda ops, x, y: ops.concatenate([x, y], axis=1),
    lambda ops, x, y: ops.diff(x, axis=1),
    lambda ops, x, y: ops.tril(ops.reshape(x, (-1, 2, 2))),
]


def casts(dtypes: Sequence[str]) -> Functions:
    return [lambda ops, x, y, to=to: ops.cast(x, to) for to in dtypes]


def layers(keras: Any, x: Any, y: Any) -> list[Any]:
    """Layers that hand whole numbers on, or merge them."""
    wide = keras.layers.Reshape((2, 2))(x)
    moved = [
        keras.layers.Flatten()(wide),
        keras.layers.Permute((2, 1))(wide),
        keras.layers.RepeatVector(3)(x),
        keras.layers.ZeroPadding1D(1)(wide),
        keras.layers.Cropping1D((1, 0))(wide),
        keras.layers.UpSampling1D(2)(wide),
        keras.layers.Dropout(0.5)(x),
    ]
    merged = [getattr(keras.layers, name)()([x, y]) for name in ("Concatenate", "Maximum", "Minimum")]
    return [*moved, *merged, keras.layers.ReLU()(x), keras.layers.Activation("relu")(x)]


def sums_of_layers(keras: Any, x: Any, y: Any) -> list[Any]:
    return [getattr(keras.layers, name)()([x, y]) for name in ("Add", "Subtract", "Multiply", "Average")]


def declared_otherwise(keras: Any, x: Any, y: Any) -> list[Any]:
    """Models inside that declare another dtype, which Keras casts their inputs to."""
    made = []
    for dtype in ("float32", "int32", "uint8"):
        given = [keras.Input((4,), dtype=dtype, name=name) for name in ("second", "first")]
        flipped, doubled = keras.ops.flip(given[0], 1), given[1] + given[1]
        inside = keras.Model(given, [flipped, doubled])
        by_name = keras.Model(dict(zip(("second", "first"), given)), flipped)
        made += [*inside([x, y]), by_name({"first": y, "second": x})]
    return made


def values(dtype: str, seed: int) -> Any:
    """Small numbers, and those at the ends of what the dtype and float32 hold."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random((8, 4)) > 0.5
    info = np.iinfo(dtype)
    low, high = max(int(info.min), -(2**31)), min(int(info.max), 2**31 - 1)
    known = [0, 1, 2, 3, 7, 100, -1, -3, -7, low, low + 1, high, high - 1, high // 3, 65537, 2**24 + 1, 123456789]
    return rng.choice(np.array([one for one in known if low <= one <= high], dtype), (8, 4))


def of(name: str, functions: Functions, dtype: str, refused: str = "", most: Optional[int] = None) -> Case:
    def build(keras: Any) -> Any:
        inputs = [keras.Input((4,), dtype=dtype, name=letter) for letter in "xy"]
        return keras.Model(inputs, [function(keras.ops, *inputs) for function in functions])

    return case(name, build, dtype, refused, most)


def of_layers(name: str, make: Callable[..., Any], dtype: str, refused: str = "") -> Case:
    def build(keras: Any) -> Any:
        inputs = [keras.Input((4,), dtype=dtype, name=letter) for letter in "xy"]
        return keras.Model(inputs, make(keras, *inputs))

    return case(name, build, dtype, refused)


def case(name: str, build: Any, dtype: str, refused: str, most: Optional[int] = None) -> Case:
    samples = {letter: values(dtype, seed) for seed, letter in enumerate("xy")}
    if most is not None:
        samples = {letter: made.clip(-most, most) for letter, made in samples.items()}
    return Case(f"{name}_{dtype}", build, samples=samples, refused={"neoml": refused} if refused else {})


def bucket(keras: Any) -> Any:
    """A feature cross: ids computed far beyond 2²⁴, and known to lie within the table."""
    user, item = (keras.Input((1,), dtype="int32", name=name) for name in "xy")
    crossed = keras.ops.mod(user * 10000019 + item, 50)
    return keras.Model([user, item], keras.layers.Embedding(50, 3)(crossed))


def sequence(keras: Any) -> Any:
    """Open axes: what NeoML moves and sums goes through floats in halves, or by running sums."""
    x = keras.Input((None,), dtype="int32", name="x")
    ops = keras.ops
    return keras.Model(x, [x[:, 1:], x[:, -1], ops.flip(x, 1), ops.sum(x, axis=1), ops.max(x, axis=1), x[:, :-1] * 3])


def steps(keras: Any, frames: Any) -> Any:
    """What TimeDistributed hands back of whole numbers that float32 does not hold."""
    x = keras.Input((frames, 4, 2), dtype="int32", name="x")
    made = keras.layers
    held = [made.Flatten(), made.Permute((2, 1)), made.Cropping1D(1), made.ZeroPadding1D(1), made.GlobalMaxPooling1D()]
    return keras.Model(x, [made.TimeDistributed(one)(x) for one in held])


def frames() -> dict[str, Any]:
    return {"x": np.stack([values("int32", seed) for seed in range(6)]).reshape(8, 3, 4, 2)}


def wide_from_floats(keras: Any) -> Any:
    """Numbers of dtypes that NeoML does not have, made of floats: within int32, which the net itself watches."""
    x = keras.Input((4,), name="x")
    ops = keras.ops
    whole, natural = ops.cast(x * 10, "int64"), ops.cast(ops.abs(x) * 10, "uint32")
    rows = keras.layers.Embedding(11, 3)(whole % 11)
    return keras.Model(x, [whole, whole * 3 + 1, ops.sum(whole * whole, axis=1), natural + natural, rows])


WIDE = ("int64", "uint32")

CASES = [
    Case("wide_from_floats", wide_from_floats),
    of("small_arithmetic", ARITHMETIC, "int64", most=1000),
    of("small_signed", OF_SIGNED, "int64", most=1000),
    of("small_sums", SUMS, "int64", most=1000),
    *(of("arithmetic", ARITHMETIC, dtype, BEYOND if dtype in WIDE else "") for dtype in (*SIGNED, *UNSIGNED)),
    *(of("signed", OF_SIGNED, dtype, BEYOND if dtype in WIDE else "") for dtype in SIGNED),
    *(of("bounded", BOUNDED, dtype) for dtype in (*SIGNED, *UNSIGNED)),
    *(of("comparisons", COMPARISONS, dtype) for dtype in ("int8", "int32", "int64", "uint8")),
    *(of("sums", SUMS, dtype, BEYOND if dtype in WIDE else "") for dtype in (*SIGNED, "uint8")),
    *(of("reductions", REDUCTIONS, dtype) for dtype in ("bool", "int16", "int32", "int64", "uint8")),
    *(of("moves", MOVES, dtype) for dtype in ("int32", "int64", "uint8")),
    *(of("floats", FLOATS, dtype) for dtype in ("int32", "int64", "uint8")),
    *(of("bits", BITS, dtype, BEYOND if dtype in WIDE else "") for dtype in (*SIGNED, *UNSIGNED)),
    of("small_bits", [*BITS[:3], *BITS[4:]], "int64", most=1000),
    *(of("sorted", SORTED, dtype, BEYOND if dtype in WIDE else "") for dtype in ("int8", "int32", "int64")),
    *(of("casts", casts(("bool", "int8", "uint8", "int16", "uint16", "int32")), dtype) for dtype in SIGNED),
    *(of("wide_casts", casts(("int32", "uint32", "int64", "float32")), dtype) for dtype in UNSIGNED),
    of("truths", TRUTHS, "bool"),
    *(of_layers("layers", layers, dtype) for dtype in ("int32", "int64", "uint8")),
    *(of_layers("sums_of_layers", sums_of_layers, dtype) for dtype in ("int32", "uint8")),
    *(of_layers("declared_otherwise", declared_otherwise, dtype) for dtype in ("int32", "uint8")),
    Case("bucket", bucket),
    Case("sequence", sequence, samples={"x": np.concatenate([values("int32", seed) for seed in (1, 2)], 1)}),
    Case("steps_fixed", lambda keras: steps(keras, 3), samples=frames()),
    Case("steps_open", lambda keras: steps(keras, None), samples=frames()),
]
