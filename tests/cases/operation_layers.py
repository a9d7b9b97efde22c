"""Keras' operations used as layers in functional models: each case a function of one or two tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np

from tests.cases import Case

Shape = tuple[Optional[int], ...]
ONLY_NUMPY = "NeoML has no layer for"
BATCH = "batch"


def of(
    name: str,
    function: Callable[..., Any],
    *shapes: Shape,
    dtype: str = "float32",
    refused: Optional[str] = None,
    positive: bool = False,
    both: bool = False,
) -> Case:
    """A case whose network is `function(keras.ops, *inputs)`; `refused` by NeoML, or by both engines."""

    def build(keras: Any) -> Any:
        inputs = [keras.Input(shape, dtype=dtype) for shape in shapes or ((None, 4),)]
        given = [keras.layers.Activation("exponential")(x) for x in inputs] if positive else inputs
        return keras.Model(inputs, function(keras.ops, *given))

    engines = ("neoml", "numpy") if both else ("neoml",)
    return Case(name, build, refused=dict.fromkeys(engines, refused) if refused else {})


def one(name: str, **arguments: Any) -> Callable[..., Any]:
    return lambda ops, x: getattr(ops, name)(x, **arguments)


ROW = np.linspace(-1, 1, 4, dtype="float32")
TABLE = np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)
ELEMENTWISE = [
    "abs",
    "absolute",
    "negative",
    "sign",
    "square",
    "exp",
    "exp2",
    "expm1",
    "sin",
    "cos",
    "sinh",
    "cosh",
    "tanh",
    "erf",
    "round",
    "floor",
    "ceil",
    "trunc",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "log_sigmoid",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "selu",
    "sparse_plus",
    "sparse_sigmoid",
    "tanh_shrink",
]
OF_POSITIVE = ["log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal"]
ONLY_ARRAYS = ["arctan", "arcsinh"]

CASES = [
    *(of(name, one(name)) for name in ELEMENTWISE),
    *(of(name, one(name), positive=True) for name in OF_POSITIVE),
    *(of(name, one(name), refused=ONLY_NUMPY) for name in ONLY_ARRAYS),
    of("leaky_relu", one("leaky_relu", negative_slope=0.1)),
    of("elu", one("elu", alpha=0.5)),
    of("celu", one("celu", alpha=2.0)),
    of("gelu", one("gelu", approximate=False)),
    of("gelu_tanh", one("gelu")),
    of("squareplus", one("squareplus", b=2)),
    of("hard_shrink", one("hard_shrink", threshold=0.3)),
    of("soft_shrink", one("soft_shrink", threshold=0.3)),
    of("threshold", one("threshold", threshold=0.3, default_value=-1.0)),
    of("add_number", lambda ops, x: x + 1.5),
    of("number_minus", lambda ops, x: 2 - x),
    of("number_over", lambda ops, x: 1 / (x * x + 1)),
    of("times_number", lambda ops, x: 3 * x),
    of("minus_number", lambda ops, x: x - 0.25),
    of("over_number", lambda ops, x: x / 3),
    of("negated", lambda ops, x: -abs(x)),
    of("power_2", lambda ops, x: x**2),
    of("power_3", lambda ops, x: x**3),
    of("power_7", lambda ops, x: x**7),
    of("power_half", lambda ops, x: x**0.5, positive=True),
    of("power_odd", lambda ops, x: [x**1.7, x**-1.3, x**17], positive=True),
    of("power_of_number", lambda ops, x: [2**x, ops.power(0.5, x)]),
    of("power_of_two", lambda ops, x, y: ops.exp(x) ** y, (4,), (4,), refused=ONLY_NUMPY),
    of("maximum_number", lambda ops, x: ops.maximum(x, 0.1)),
    of("minimum_number", lambda ops, x: ops.minimum(0.1, x)),
    *(
        of(f"{name}_of_two", lambda ops, x, y, name=name: getattr(ops, name)(x, y), (None, 4), (None, 4))
        for name in ("add", "subtract", "multiply", "maximum", "minimum")
    ),
    of("divide_of_two", lambda ops, x, y: x / (ops.abs(y) + 1), (None, 4), (None, 4)),
    of("add_spread", lambda ops, x, y: x + y, (3, 4), (1, 4)),
    of("multiply_spread_both", lambda ops, x, y: x * y, (3, 1), (1, 4)),
    of("add_constant", lambda ops, x: x + ROW),
    of("subtract_from_constant", lambda ops, x: ops.subtract(ROW, x)),
    of("multiply_constant", lambda ops, x: x * TABLE, (3, 4)),
    of("divide_by_constant", lambda ops, x: x / (ROW + 2.5), (3, 4)),
    of("maximum_constant", lambda ops, x: ops.maximum(x, ROW), (3, 4)),
    of(
        "integers",
        lambda ops, x: [x + 1, x * 2 - 3, -x, x**2, ops.abs(x - 3), x / 4, x + 0.5, x * 2.0],
        (None,),
        dtype="int32",
    ),
    of("integers_of_two", lambda ops, x, y: [x + y, ops.maximum(x, y), x - y, x * y], (5,), (5,), dtype="int32"),
    of("whole_division", lambda ops, x: [x % 3, x // 2, -x // 2, -x % 3], (None,), dtype="int32"),
    of(
        "steps_of_quotients",
        lambda ops, x: [
            *(ops.floor(x * 21 / 7), ops.cast(x * 180 / 60, "int32"), ops.ceil(x * 41 / 41), ops.trunc(x * 255 / -255)),
            *(ops.equal(x * 91 / 13, ops.cast(x * 7, "float32")), x * 41 / 41 >= 2, ops.cast(x * 21, "float32") // 7.0),
        ],
        (None,),
        dtype="int32",
    ),
    of(
        "floor_division_of_floats",
        lambda ops, x, y: [ops.round(x * 9) // 0.1, 2.0 // (ops.abs(x) + 0.5), x // (ops.abs(y) + 0.25), x // ROW],
        (4,),
        (4,),
    ),
    of("mod", lambda ops, x: x % 0.7, refused=ONLY_NUMPY),
    of("hypot", lambda ops, x, y: ops.hypot(x, y), (4,), (4,)),
    of("logaddexp", lambda ops, x, y: ops.logaddexp(x, y), (4,), (4,)),
    of("divide_no_nan", lambda ops, x, y: ops.divide_no_nan(x, ops.relu(y)), (4,), (4,)),
    of("deg2rad", one("deg2rad")),
    of(
        "states_of_numbers",
        lambda ops, x, y: [is_so(x / ops.relu(y)) for is_so in (ops.isnan, ops.isfinite, ops.isinf)],
        (4,),
        (4,),
    ),
    of("without_nan", lambda ops, x, y: ops.where(ops.isnan(x / ops.relu(y)), 0.0, y), (4,), (4,)),
    of("count_nonzero", one("count_nonzero", axis=1), (5,), dtype="int32"),
    of("average", one("average", axis=1)),
    of("moments", lambda ops, x: ops.moments(x, axes=[1, 2]), (3, 4)),
    of("tensordot", lambda ops, x: ops.tensordot(x, TABLE, axes=[[2], [1]]), (3, 4)),
    of("tensordot_2", lambda ops, x: ops.tensordot(x, TABLE, axes=2), (3, 4)),
    of("dot", lambda ops, x: ops.dot(x, TABLE.T), (3, 4)),
    of("dot_product_attention", lambda ops, x, y: ops.dot_product_attention(x, y, y), (4, 4, 3), (5, 2, 3)),
    of(
        "dot_product_attention_causal",
        lambda ops, x, y: ops.dot_product_attention(x, y, y, is_causal=True, scale=0.7),
        (None, 2, 3),
        (None, 2, 3),
    ),
    of("append", lambda ops, x, y: ops.append(x, y, axis=1), (2, 4), (3, 4)),
    of("tril", lambda ops, x: [ops.tril(x), ops.triu(x, k=1), ops.tril(x, k=-1)], (4, 5)),
    of("diff", lambda ops, x: ops.diff(x, n=2, axis=1), (5, 4)),
    of("max_pool", one("max_pool", pool_size=2, strides=1, padding="same"), (5, 3)),
    of("average_pool", one("average_pool", pool_size=(2, 3)), (6, 6, 2)),
    of("conv", lambda ops, x: ops.conv(x, TABLE.reshape(3, 2, 2), padding="same"), (None, 2)),
    of("floor_divide", lambda ops, x: x // 0.7),
    *(
        of(f"{name}_number", lambda ops, x, name=name: getattr(ops, name)(x, 0.5))
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ),
    of(
        "compare_integers", lambda ops, x: [ops.equal(x, 0), ops.not_equal(x, 2), x > 1, x <= 2], (None,), dtype="int32"
    ),
    of("compare_two", lambda ops, x, y: [x > y, ops.equal(x, y), x <= y], (3, 4), (1, 4)),
    of("compare_constant", lambda ops, x: [x > ROW, ops.less(ROW, x)], (3, 4)),
    of("logic", lambda ops, x: ops.logical_and(x > 0, ops.logical_not(ops.logical_or(x > 1, x < 0.1)))),
    of("logic_xor", lambda ops, x, y: ops.logical_xor(x > 0, y > 0), (4,), (4,)),
    of("logic_of_integers", lambda ops, x, y: ops.logical_and(x, y), (4,), (4,), dtype="int32"),
    of("where", lambda ops, x, y: ops.where(x > y, x, y), (None, 4), (None, 4)),
    of("where_number", lambda ops, x: ops.where(x > 0, x, -1.0)),
    of("where_numbers", lambda ops, x: ops.where(x > 0, 1.0, -1.0)),
    of("where_spread", lambda ops, x, y: ops.where(x > 0, y, 0.0), (3, 1), (3, 4)),
    of("where_constant", lambda ops, x: ops.where(x > 0, x, ROW)),
    of("clip", lambda ops, x: ops.clip(x, -0.5, 0.7)),
    of("clip_by_bounds_that_cross", lambda ops, x: ops.clip(x, 0.7, -0.5)),
    of("clip_integers", lambda ops, x: ops.clip(x, 1, 2), (4,), dtype="int32"),
    *(
        of(f"{name}_{label}", one(name, **arguments), (3, None, 4))
        for name in ("sum", "mean", "max", "min", "var", "std")
        for label, arguments in {
            "axis_1": {"axis": 1},
            "axis_2_kept": {"axis": 2, "keepdims": True},
            "last": {"axis": -1},
            "axes": {"axis": (1, 3)},
            "axes_kept": {"axis": [2, -1], "keepdims": True},
        }.items()
    ),
    of("sum_of_all_axes", one("sum", axis=[1, 2, 3]), (3, 2, 4)),
    of("sum_of_integers", one("sum", axis=-1), (5,), dtype="int32"),
    of("mean_of_integers", one("mean", axis=-1), (5,), dtype="int32"),
    of("max_of_integers", one("max", axis=1), (None,), dtype="int32"),
    of("sum_over_the_batch", one("sum", axis=0, keepdims=True), (4,), refused=BATCH),
    of("sum_of_bools", lambda ops, x: ops.sum(x > 0, axis=1), (4,)),
    of(
        "reductions_of_rank_6",
        lambda ops, x: [ops.mean(x, 3), ops.sum(x, (1, 2)), ops.max(x, -1, keepdims=True)],
        (2, 2, 3, 2, 4),
    ),
    of(
        "reductions_of_four_axes",
        lambda ops, x: [ops.mean(x, (1, 2, 3, 4)), ops.min(x, (1, 2, 3, 4), keepdims=True)],
        (2, 3, 2, 4),
    ),
    of("min_of_integers", one("min", axis=1), (5,), dtype="int32"),
    of("any_all", lambda ops, x: [ops.any(x > 1, axis=-1), ops.all(x > -1, axis=1, keepdims=True)], (3, 4)),
    of("prod", one("prod", axis=-1), (4,)),
    of("sort", one("sort", axis=-1), (4,)),
    of("cumprod", one("cumprod", axis=-1), (4,)),
    of("median", one("median", axis=1), (5,)),
    of("logsumexp", one("logsumexp", axis=-1)),
    of("logsumexp_kept", one("logsumexp", axis=[1, 2], keepdims=True)),
    of("softmax", one("softmax")),
    of("softmax_axis_1", one("softmax", axis=1)),
    of("log_softmax", one("log_softmax", axis=1)),
    of("sparsemax", one("sparsemax"), (3, 4)),
    of("sparsemax_axis_1", one("sparsemax", axis=1), (3, 4)),
    of("glu", one("glu")),
    of("glu_axis_1", one("glu", axis=1), (6, 3)),
    of("cumsum", one("cumsum", axis=1)),
    of("cumsum_last", one("cumsum", axis=-1)),
    of("cumsum_integers", one("cumsum", axis=1), (None,), dtype="int32"),
    of("argmax", one("argmax", axis=-1)),
    of("argmax_kept", one("argmax", axis=1, keepdims=True), (5, 4)),
    of("argmin", one("argmin", axis=1), (5, 4)),
    of("normalize", one("normalize")),
    of("normalize_axis_1", one("normalize", axis=1), (3, 4)),
    of("layer_normalization", lambda ops, x: ops.layer_normalization(x, ROW, ROW + 1, axis=-1, epsilon=1e-3)),
    of("rms_normalization", lambda ops, x: ops.rms_normalization(x, ROW, axis=-1, epsilon=1e-3)),
    of("matmul", lambda ops, x, y: ops.matmul(x, y), (3, 4), (4, 5)),
    of("matmul_rank_4", lambda ops, x, y: x @ ops.transpose(y, (0, 1, 3, 2)), (2, None, 4), (2, 3, 4)),
    of("matmul_spread", lambda ops, x, y: x @ y, (1, 3, 4), (2, 4, 5)),
    of("matmul_constant", lambda ops, x: ops.matmul(x, TABLE.T)),
    of("matmul_constant_on_the_left", lambda ops, x: ops.matmul(TABLE, x), (4, 5)),
    of("matmul_vector", lambda ops, x: ops.matmul(x, ROW), (3, 4)),
    of("matmul_with_itself", lambda ops, x: x @ ops.swapaxes(x, 1, 2)),
    of("einsum", lambda ops, x, y: ops.einsum("abc,abd->acd", x, y), (3, 4), (3, 5)),
    of("einsum_transposed", lambda ops, x, y: ops.einsum("btd,bsd->bst", x, y), (None, 4), (3, 4)),
    of("einsum_heads", lambda ops, x, y: ops.einsum("bthd,bshd->bhts", x, y), (None, 2, 4), (3, 2, 4)),
    of("einsum_one", lambda ops, x: ops.einsum("abc->acb", x), (3, 4)),
    of("einsum_sum", lambda ops, x: ops.einsum("abc->ac", x), (3, 4)),
    of("einsum_ellipsis", lambda ops, x: ops.einsum("...c,dc->...d", x, TABLE), (3, 4)),
    of("einsum_outer", lambda ops, x, y: ops.einsum("ab,ac->abc", x, y), (3,), (4,)),
    of("einsum_rows", lambda ops, x, y: ops.einsum("abc,abc->ab", x, y), (3, 4), (3, 4)),
    of("einsum_three", lambda ops, x, y: ops.einsum("abc,acd,ed->abe", x, y, TABLE), (3, 2), (2, 4)),
    of("einsum_diagonal", lambda ops, x: ops.einsum("abb->ab", x), (3, 3), refused="diagonal"),
    of("expand_dims", lambda ops, x: [ops.expand_dims(x, 1), ops.expand_dims(x, -1), x[..., None]]),
    of("expand_dims_of_ids", lambda ops, x: x[:, None, :], (5,), dtype="int32"),
    of("squeeze", lambda ops, x: [ops.squeeze(x, 2), ops.squeeze(x, (2, -1))], (3, 1, 4, 1)),
    of("reshape", lambda ops, x: ops.reshape(x, (-1, 4, 2)), (2, 4)),
    of("reshape_batch_mixed", lambda ops, x: ops.reshape(x, (-1, 2)), (2, 4), refused=BATCH, both=True),
    of("transpose", lambda ops, x: ops.transpose(x, (0, 3, 1, 2)), (2, None, 4)),
    of("swapaxes", one("swapaxes", axis1=1, axis2=-1), (2, 3, 4)),
    of("moveaxis", one("moveaxis", source=1, destination=-1), (2, 3, 4)),
    of("concatenate", lambda ops, x, y: ops.concatenate([x, y], axis=1), (2, 4), (None, 4)),
    of("concatenate_last", lambda ops, x, y: ops.concatenate([x, y, x], axis=-1), (None, 4), (None, 3)),
    of("concatenate_integers", lambda ops, x, y: ops.concatenate([x, y], axis=1), (3,), (4,), dtype="int32"),
    of("hstack", lambda ops, x, y: ops.hstack([x, y]), (2, 4), (3, 4)),
    of("stack", lambda ops, x, y: ops.stack([x, y], axis=1), (None, 4), (None, 4)),
    of("stack_last", lambda ops, x, y: ops.stack([x, y], axis=-1), (4,), (4,)),
    of("unstack", lambda ops, x: ops.unstack(x, axis=1), (3, 4)),
    of("split", lambda ops, x: ops.split(x, 2, axis=-1)),
    of("split_at", lambda ops, x: ops.split(x, [1, 3], axis=1), (5, 2)),
    of("repeat", one("repeat", repeats=3, axis=2)),
    of("repeat_time", one("repeat", repeats=2, axis=1)),
    of("tile", one("tile", repeats=(1, 2, 3))),
    of("broadcast_to", lambda ops, x: ops.broadcast_to(x, (2, 3, 4)), (1, 4), refused="batch", both=True),
    of("pad", lambda ops, x: ops.pad(x, ((0, 0), (1, 2), (0, 1)))),
    of("pad_value", lambda ops, x: ops.pad(x, ((0, 0), (0, 2), (0, 0)), constant_values=-1.5)),
    of("flip", one("flip", axis=1)),
    of("flip_last", one("flip", axis=(1, -1)), (3, 4)),
    of("roll", one("roll", shift=2, axis=1), (5, 4)),
    of("roll_back", one("roll", shift=-1, axis=-1), (5, 4)),
    of("item_first", lambda ops, x: x[:, 0]),
    of("item_last", lambda ops, x: x[:, -1]),
    of("item_features", lambda ops, x: [x[..., 0], x[..., -1], x[:, :, 1:3], x[..., :-1]]),
    of("item_slices", lambda ops, x: [x[:, 1:], x[:, :-1], x[:, 1:-1], x[:, -2:], x[:, :2]], (5, 4)),
    of("item_steps", lambda ops, x: [x[:, ::-1], x[:, ::2], x[:, 1::2], x[:, 3:0:-1]], (5, 4)),
    of("item_open_slices", lambda ops, x: [x[:, :1], x[:, -1:]]),
    of("item_open_places", lambda ops, x: [x[:, 1], x[:, -2], x[:, 1:3], x[:, -2:-1]]),
    of("matmul_rank_6", lambda ops, x, y: x @ y, (2, 1, 2, 3, 4), (2, 3, 1, 4, 2)),
    of("item_new_axes", lambda ops, x: [x[:, None], x[:, :, None, 1:], x[..., None, :]], (3, 4)),
    of("item_of_ids", lambda ops, x: [x[:, 0], x[:, 1:3]], (5,), dtype="int32"),
    of("take", lambda ops, x: [ops.take(x, 1, axis=2), ops.take(x, [2, 0, 2], axis=1)], (3, 4)),
    of("take_from_a_table", lambda ops, x: ops.take(TABLE, ops.clip(x, 0, 2), axis=0), (5,), dtype="int32"),
    of("take_at_any_place", lambda ops, x: ops.take(TABLE, x // 2, axis=0), (5,), dtype="int32"),
    of("ones_like", lambda ops, x: [ops.ones_like(x), ops.zeros_like(x), ops.full_like(x, 2.5), x + ops.ones_like(x)]),
    of("cast", lambda ops, x: [ops.cast(x > 0, "float32"), ops.cast(x > 0, "int32"), ops.cast(x * 3, "int32")]),
    of("cast_to_bool", lambda ops, x: ops.cast(x, "bool"), (4,), dtype="int32"),
    of("one_hot", lambda ops, x: ops.one_hot(x, 4), (5,), dtype="int32"),
    of("stop_gradient", lambda ops, x: ops.stop_gradient(x) * 2),
]
