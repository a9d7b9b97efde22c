"""Every operation takes every layout: no matter which blob dimension an axis lies in, numpy's numbers come out.

The layouts are enumerated: the batch in its dimension or in the width, the other axes of the input in any of the other
six. All of them stand in one net, so an operation costs one run. What is refused must be refused in every layout.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Optional

import numpy as np
import pytest

from porting.checking import needed_tolerance
from porting.layers.rule import Refusal
from porting.neoml_side.graph import Graph
from porting.neoml_side.lowering.operations import NeomlOperations
from porting.neoml_side.runtime.blobs import as_array, as_blob
from porting.neoml_side.runtime.devices import math_engine_for
from porting.neoml_side.runtime.runner import Runner
from porting.neoml_side.slots import AXES
from porting.neoml_side.values import Wire
from porting.network import Array, Input
from porting.numpy_side.operations import NumpyOperations
from porting.numpy_side.values import Value
from porting.operations import Cell, EngineOperations, TrainingOperations, Weight
from tests.along_an_axis import ALONG

TOLERANCE = 1e-5
SIZES = (2, 3, 4, 2, 3)
ROWS_OF_TABLE = 7


def weight(*shape: int) -> Weight:
    return Weight(f"layer/{shape}", np.random.default_rng(shape).normal(size=shape).astype(np.float32))


DIVISIONS = ("floor_divide", "mod")


@dataclass(frozen=True)
class Taken:
    """An operation on one tensor, `x`, and others of its shape, `y` and `z`, that lie as NeoML has them by default.

    Attributes:
        name: of the method.
        ranks: of `x`.
        applied: ``(ops, x, y)`` to what it makes: tensors, some of them None.
        kind: of x: ``f``, ``i`` or ``b``.
    """

    name: str
    ranks: tuple[int, ...]
    applied: Callable[[Any, Any, Any], Any]
    kind: str = "f"


def last(x: Any) -> int:
    """The size of the last axis, which is never open."""
    return int(x.shape[-1])


def recurrent(kind: str, gates: int, **more: Any) -> Callable[[Any, Any, Any], Any]:
    def applied(ops: Any, x: Any, y: Any) -> Any:
        masked = more.get("masked", False)
        starts = [ops.squeeze(ops.slice(ops.slice(y, 1, 0, 1), 2, 0, 2), 1)] if more.get("starts") else None
        bias = (2, gates * 2) if more.get("reset_after") else (gates * 2,)
        cell = Cell(
            kind,
            weight(last(x), gates * 2),
            weight(2, gates * 2),
            weight(*bias),
            ("relu" if kind == "simple_rnn" and not starts else "tanh", {}),
            reset_after=more.get("reset_after", False),
        )
        mask = ops.compare(ops.squeeze(ops.slice(x, 2, 0, 1), 2), 0.1, "greater") if masked else None
        sequence, state, states = ops.recurrent(
            cell, x, mask=mask, initial_state=starts, go_backwards=more.get("backwards", False)
        )
        return [sequence, state, *states]

    return applied


def sliced(axis: int, *cuts: tuple[Optional[int], ...]) -> Callable[[Any, Any, Any], Any]:
    return lambda ops, x, y: [ops.slice(x, axis, *one) for one in cuts]


def by_steps(ops: Any, x: Any, y: Any) -> Any:
    return ops.batch_to_time(ops.dense(ops.time_to_batch(x), weight(last(x), 5)), x)


def convolved(ops: Any, x: Any, window: int, **more: Any) -> Any:
    axes = len(x.shape) - 2
    settings = {"strides": (1,) * axes, "padding": "same", "dilation": (1,) * axes, **more}
    return ops.convolution(x, weight(*(window,) * axes, last(x), 5), weight(5), **settings)


TAKEN = [
    Taken("cast", (2, 3, 4), lambda ops, x, y: ops.cast(x, "bool")),
    Taken("dense", (2, 3, 4, 5), lambda ops, x, y: ops.dense(x, weight(last(x), 5), weight(5))),
    Taken("embedding", (2, 3), lambda ops, x, y: ops.embedding(x, weight(ROWS_OF_TABLE, 5)), "i"),
    Taken("matmul", (3, 4), lambda ops, x, y: ops.matmul(x, y, transpose_b=True)),
    Taken("matmul", (3, 4), lambda ops, x, y: ops.matmul(y, x, transpose_b=True)),
    Taken("matmul", (2, 3, 4), lambda ops, x, y: ops.matmul(x, weight(last(x), 5))),
    Taken("einsum", (3,), lambda ops, x, y: ops.einsum("btk,bsk->bts", [x, y])),
    Taken("einsum", (3,), lambda ops, x, y: ops.einsum("btk,kq->btq", [x, weight(last(x), 5)])),
    Taken("activation", (2, 3, 4), lambda ops, x, y: ops.activation(x, "gelu")),
    *(
        Taken(name, (2, 3, 4), lambda ops, x, y, name=name: [getattr(ops, name)(x, y), getattr(ops, name)(y, x)])
        for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum")
    ),
    Taken("add", (2, 3, 4), lambda ops, x, y: ops.add(x, weight(last(x)))),
    Taken("multiply", (3, 4), lambda ops, x, y: ops.multiply(x, ops.reduce(y, "sum", (1,), keepdims=True))),
    Taken("multiply", (3, 4), lambda ops, x, y: ops.multiply(ops.reduce(x, "sum", (-1,), keepdims=True), y)),
    Taken("whole_division", (2, 3), lambda ops, x, y: [ops.whole_division(x, 3, name) for name in DIVISIONS], "i"),
    Taken("add", (2, 3, 4), lambda ops, x, y: [ops.add(x, y), ops.subtract(x, y), ops.multiply(x, 3)], "i"),
    Taken("compare", (2, 3), lambda ops, x, y: [ops.compare(x, y, "less"), ops.maximum(x, y)], "i"),
    Taken("reduce", (2, 3), lambda ops, x, y: [ops.reduce(x, name, (-1,)) for name in ("sum", "max", "min")], "i"),
    Taken("slice", (2, 3), lambda ops, x, y: [ops.slice(x, 1, 1, None), ops.flip(x, 1), ops.cumsum(x, 1)], "i"),
    Taken("unary", (2, 3, 4), lambda ops, x, y: ops.unary(x, "exp")),
    Taken("power", (2, 3, 4), lambda ops, x, y: ops.power(ops.unary(x, "abs"), 0.5)),
    Taken("compare", (2, 3, 4), lambda ops, x, y: [ops.compare(x, y, "less"), ops.compare(y, x, "greater_equal")]),
    Taken("logical_and", (2, 3), lambda ops, x, y: ops.logical_and(x, y), "b"),
    Taken("logical_or", (2, 3), lambda ops, x, y: ops.logical_or(y, x), "b"),
    Taken("logical_not", (2, 3), lambda ops, x, y: ops.logical_not(x), "b"),
    Taken("where", (2, 3, 4), lambda ops, x, y: ops.where(ops.compare(x, 0.0, "less"), y, x)),
    Taken("where", (2, 3, 4), lambda ops, x, y: ops.where(ops.compare(y, 0.0, "less"), x, 2.0)),
    Taken("dropout", (2, 3, 4), lambda ops, x, y: ops.training.dropout(x, 0.5) if ops.training else x),
    *(
        Taken("reduce", (2, 3, 4, 5), lambda ops, x, y, name=name: ops.reduce(x, name, (-1,)))
        for name in ("sum", "mean", "max", "min")
    ),
    Taken("reduce", (3, 4), lambda ops, x, y: ops.reduce(x, "max", (1,), keepdims=True)),
    Taken("reduce", (3, 4), lambda ops, x, y: ops.reduce(x, "sum", (1, 2))),
    Taken("reduce", (3,), lambda ops, x, y: [ops.reduce(x, "any", (1,)), ops.reduce(x, "all", (2,))], "b"),
    Taken("fourier", (3, 4), lambda ops, x, y: [*ops.fourier(x, None, 2), *ops.fourier(x, y, 2, inverse=True)]),
    Taken("softmax", (2, 3, 4, 5), lambda ops, x, y: [ops.softmax(x, (-1,)), ops.softmax(x, (1,))]),
    Taken("softmax", (3, 4), lambda ops, x, y: [ops.softmax(x, (1, 2)), ops.softmax(x, (1,), log=True)]),
    Taken("reshape", (2, 3, 4), lambda ops, x, y: ops.reshape(x, (-1, last(x)))),
    Taken("reshape", (3, 4), lambda ops, x, y: ops.reshape(x, (1, -1))),
    Taken("transpose", (3,), lambda ops, x, y: ops.transpose(x, (0, 2, 1))),
    Taken("transpose", (4,), lambda ops, x, y: ops.transpose(x, (0, 3, 1, 2))),
    Taken("expand_dims", (2, 3, 4), lambda ops, x, y: [ops.expand_dims(x, 1), ops.expand_dims(x, -1)]),
    Taken("squeeze", (3, 4), lambda ops, x, y: ops.squeeze(ops.slice(x, -1, 0, 1), -1)),
    Taken("repeat", (2, 3, 4), lambda ops, x, y: [ops.repeat(x, 2, 1), ops.repeat(x, 3, -1)]),
    Taken("concatenate", (2, 3, 4), lambda ops, x, y: [ops.concatenate([x, y], -1), ops.concatenate([y, x], 1)]),
    Taken("concatenate", (2, 3), lambda ops, x, y: ops.concatenate([x, y], 1), "i"),
    Taken("flip", (2, 3, 4), lambda ops, x, y: [ops.flip(x, 1), ops.flip(x, -1), ops.flip(ops.flip(x, 1), 1)]),
    Taken("flip", (2, 3), lambda ops, x, y: ops.flip(x, -1), "i"),
    Taken("slice", (2, 3, 4), sliced(1, (0, 2), (-2, None), (1, -1), (0, 1))),
    Taken("slice", (2, 3, 4), sliced(-1, (1, None), (None, None, -1))),
    Taken("slice", (2, 3, 4), sliced(1, (None, None, 2), (None, None, -2))),
    Taken("positions", (2, 3, 4), lambda ops, x, y: ops.add(ops.multiply(x, 0.0), ops.positions(x, 1))),
    Taken("full_like", (2, 3, 4), lambda ops, x, y: ops.full_like(x, 3.0)),
    Taken("table", (2, 3, 4), lambda ops, x, y: ops.table(weight(9, 5), x, [((x, 1), "first", 1)])),
    Taken("table", (2, 3, 4), lambda ops, x, y: ops.table(weight(9, 5), x, [((x, 1), "last", 0)])),
    Taken("cumsum", (2, 3, 4), lambda ops, x, y: [ops.cumsum(x, 1), ops.cumsum(x, -1, reverse=True)]),
    Taken("argmax", (2, 3), lambda ops, x, y: [ops.argmax(x, 1), ops.argmax(x, -1)]),
    Taken("normalize", (2, 3, 4, 5), lambda ops, x, y: ops.normalize(x, (-1,), 1e-3, weight(last(x)), None)),
    Taken("normalize", (3, 4), lambda ops, x, y: ops.normalize(x, (-2, -1), 1e-3, None, None)),
    Taken("convolution", (3, 4, 5), lambda ops, x, y: [convolved(ops, x, 2), convolved(ops, x, 1)]),
    Taken("convolution", (4,), lambda ops, x, y: convolved(ops, x, 2, padding="valid", dilation=(2, 1))),
    Taken(
        "depthwise_convolution",
        (3, 4),
        lambda ops, x, y: ops.depthwise_convolution(
            x,
            weight(*(2,) * (len(x.shape) - 2), last(x), 2),
            strides=(1,) * (len(x.shape) - 2),
            padding="same",
            dilation=(1,) * (len(x.shape) - 2),
        ),
    ),
    Taken(
        "transposed_convolution",
        (3, 4),
        lambda ops, x, y: ops.transposed_convolution(
            x,
            weight(*(2,) * (len(x.shape) - 2), 5, last(x)),
            weight(5),
            strides=(2,) * (len(x.shape) - 2),
            padding="same",
            output_padding=None,
            dilation=(1,) * (len(x.shape) - 2),
        ),
    ),
    *(
        Taken(
            "pool",
            (3, 4),
            lambda ops, x, y, name=name: ops.pool(
                x, name, (2,) * (len(x.shape) - 2), (1,) * (len(x.shape) - 2), "valid"
            ),
        )
        for name in ("max", "mean")
    ),
    Taken("pad", (2, 3, 4), lambda ops, x, y: ops.pad(x, [(1, 2)] * (len(x.shape) - 1), 0.5)),
    Taken("pad", (3, 4), lambda ops, x, y: ops.pad(x, [(1, 0), (0, 2), (0, 0)][: len(x.shape) - 1], 0.5)),
    Taken("upsample", (3, 4), lambda ops, x, y: ops.upsample(x, (2, 3, 1)[: len(x.shape) - 2] + (1,))),
    Taken("resample", (2, 3, 4), lambda ops, x, y: ops.resample(x, -1, np.ones((5, last(x)), np.float32))),
    Taken(
        "scale_and_shift",
        (2, 3, 4, 5),
        lambda ops, x, y: ops.scale_and_shift(x, weight(last(x)).value, weight(last(x)).value, -1),
    ),
    Taken(
        "batch_normalization",
        (2, 3, 4, 5),
        lambda ops, x, y: ops.batch_normalization(
            x, weight(last(x)), Weight("v", np.ones(last(x), np.float32)), epsilon=1e-3, axis=-1
        ),
    ),
    Taken("time_to_batch", (3, 4), lambda ops, x, y: ops.time_to_batch(x)),
    Taken("batch_to_time", (3, 4), by_steps),
    Taken("recurrent", (3,), recurrent("lstm", 4)),
    Taken("recurrent", (3,), recurrent("lstm", 4, masked=True)),
    Taken("recurrent", (3,), recurrent("gru", 3, reset_after=True, masked=True)),
    Taken("recurrent", (3,), recurrent("gru", 3, backwards=True)),
    Taken("recurrent", (3,), recurrent("simple_rnn", 1)),
    Taken("recurrent", (3,), recurrent("simple_rnn", 1, starts=True)),
]
# What takes no tensor, is only for nets that learn, or is not a layer of NeoML's.
WITHOUT_LAYOUT = {"constant", "computed", "drawn", "array_function", "normalize_batch"}


def layouts(rank: int) -> Iterator[str]:
    for batch in "BW":
        for rest in permutations([letter for letter in AXES if letter != batch], rank - 1):
            yield batch + "".join(rest)


def array(kind: str, shape: tuple[int, ...], seed: int) -> Array:
    rng = np.random.default_rng(seed)
    if kind == "i":
        return rng.integers(0, ROWS_OF_TABLE, shape).astype(np.int32)
    return rng.normal(size=shape).astype(np.float32) if kind == "f" else rng.random(shape) < 0.5


def tensors(made: Any) -> list[Any]:
    return made if isinstance(made, list) else [made]


def fed(ops: NeomlOperations, name: str, value: Array, layout: Optional[str], is_open: bool) -> Wire:
    shape = (None, *value.shape[1:])
    if is_open:
        shape = (None, None, *shape[2:])
    dtype = {"f": "float32", "i": "int32", "b": "bool"}[value.dtype.kind]
    layout = layout or "BHWDS"[: value.ndim]
    port = ops.graph.add("Source", name=name)
    return Wire(shape, dtype, layout, port, ops.graph, ids_from=frozenset([name]))


CASES = [
    pytest.param(
        taken, rank, is_open, training, id=f"{taken.name}-{at}-{rank}{'-open' * is_open}{'-learns' * training}"
    )
    for at, taken in enumerate(TAKEN)
    for rank in taken.ranks
    for is_open, training in ((False, False), (True, False), (False, True))
    if rank in (3, 4) or not is_open
    if (rank < 4 and taken.name != "embedding") or not training
]


def departures(taken: Taken, rank: int, is_open: bool, training: bool) -> dict[str, float]:
    """The layouts in which an operation makes other numbers than numpy, and how far off they are."""
    x, y = (array(taken.kind, SIZES[:rank], seed) for seed in (1, 2))
    wanted = [one.value for one in tensors(taken.applied(NumpyOperations(), Value(x), Value(y)))]
    ops = NeomlOperations(Graph(), training)
    other = fed(ops, "y", y, None, is_open)
    feeds, made, refused = {"y": as_blob(y, other)}, {}, {}
    for layout in layouts(rank):
        wire = fed(ops, layout, x, layout, is_open)
        feeds[layout] = as_blob(x, wire)
        try:
            made[layout] = tensors(taken.applied(ops, wire, other))
        except Refusal as refusal:
            refused[layout] = refusal.what
    assert not (made and refused), f"refused in some layouts only: {refused}"
    assert made or is_open or training, refused
    sinks = {f"{layout} {at}": wire.port for layout, wires in made.items() for at, wire in enumerate(wires)}
    runner = Runner(ops.graph.with_sinks(sinks), math_engine_for("cpu"))
    outputs = runner.run({name: feeds[name] for name in runner.reads}) if made else {}
    apart = {
        f"{layout}, output {at}": needed_tolerance(as_array(outputs[f"{layout} {at}"], wire), wanted[at])
        for layout, wires in made.items()
        for at, wire in enumerate(wires)
    }
    return {place: difference for place, difference in apart.items() if difference > TOLERANCE}


@pytest.mark.parametrize(("taken", "rank", "is_open", "training"), CASES)
def test_an_operation_takes_every_layout(taken: Taken, rank: int, is_open: bool, training: bool) -> None:
    assert departures(taken, rank, is_open, training) == {}


def test_an_operation_that_requires_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "require", lambda self, places, others="": self)
    softmax = next(taken for taken in TAKEN if taken.name == "softmax")
    assert departures(softmax, 3, is_open=False, training=False)


@pytest.mark.parametrize("name", ALONG)
def test_what_goes_over_the_batch_is_refused(name: str) -> None:
    ops = NeomlOperations(Graph())
    x = fed(ops, "x", array("f", SIZES[:3], 1), None, is_open=False)
    with pytest.raises(Refusal):
        ALONG[name](ops, x, 0)


@pytest.mark.parametrize("axis", [[1, 2], (1,), None])
def test_several_axes_are_no_axis(axis: Any) -> None:
    graph = Graph()
    x = Wire((None, 3, 4), "float32", "BHC", graph.add("Source", name="x"), graph)
    ops: Any = NeomlOperations(graph)
    for go in (lambda: ops.flip(x, axis), lambda: ops.repeat(x, 2, axis), lambda: ops.slice(x, axis, 0, 1)):
        with pytest.raises(Refusal, match="is not an axis: the operation takes one"):
            go()


def test_every_operation_is_there() -> None:
    contracts = (EngineOperations, TrainingOperations)
    methods = {name for one in contracts for name, _ in inspect.getmembers(one, inspect.isfunction) if name[0] != "_"}
    assert {taken.name for taken in TAKEN} == methods - WITHOUT_LAYOUT


@pytest.mark.parametrize(
    ("training", "layout", "wished"), [(True, None, {"x": {"WH": 1}}), (True, "BLC", {}), (False, None, {})]
)
def test_a_maximum_over_the_time_wants_it_first_where_it_learns(
    training: bool, layout: Optional[str], wished: dict[str, dict[str, int]]
) -> None:
    ops = NeomlOperations(Graph(), training)
    x = ops.source(Input("x", (None, 5, 3), "float32"), layout)
    ops.reduce(x, "max", (1,))
    assert {name: counts for name, counts in ops.moves.items() if "WH" in counts} == wished
