"""What NeoML holds of whole numbers, and what is refused because it may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import porting
from porting.layers import RULES, Rule
from porting.neoml_side.engine import NeomlEngine
from porting.neoml_side.lowering.whole_numbers import corners
from porting.network import Array, Call, Case, Constant, Input, Layer, Network, TensorRef
from porting.numpy_side.engine import NumpyEngine
from porting.ported import PortedNetwork

X = TensorRef("x")


def of_operations(dtype: str, *calls: tuple[str, tuple[Any, ...]], **config: Any) -> Network:
    """A chain of Keras' operations on one input of four numbers: each has the one before, or x, for its None."""
    made, layers, before = [], {}, X
    for at, (name, arguments) in enumerate(calls):
        given = tuple(before if one is None else one for one in arguments)
        layers[f"op{at}"] = Layer(f"op{at}", f"ops.{name}", config)
        made.append(Call(f"op{at}", f"op{at}", given))
        before = TensorRef(f"op{at}")
    return Network("chain", (Input("x", (None, 4), dtype),), tuple(made), layers, before)


PROVED = {
    "a remainder first": (("Mod", (None, 1000)), ("Multiply", (None, 1000)), ("Add", (None, 5))),
    "quotients": (("FloorDivide", (None, 65536)), ("Multiply", (None, None))),
    "a cut": (("Maximum", (None, 0)), ("Minimum", (None, 46340)), ("Square", (None,))),
    "a sign": (("Sign", (None,)), ("Multiply", (None, 2**31 - 1))),
}
UNPROVED = {
    "a sum": (("Add", (None, 1)),),
    "a product": (("Mod", (None, 65536)), ("Multiply", (None, 65536))),
    "a square": (("Square", (None,)),),
    "a negative": (("Negative", (None,)),),
}
SETTINGS = {"input_dim": 3, "output_dim": 2, "mask_zero": False}
VALUES = np.array([[0, 2**31 - 1, -(2**31), -7], [16777217, 99, 65535, -65537]])


@pytest.mark.parametrize("name", PROVED)
def test_what_is_proved_to_fit_int32_is_exact(name: str) -> None:
    net = of_operations("int64", *PROVED[name])
    got, want = (PortedNetwork(net, engine(net)).predict(VALUES) for engine in (NeomlEngine, NumpyEngine))
    assert got.dtype == want.dtype == np.int64
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", UNPROVED)
def test_what_passes_int32_is_told(name: str) -> None:
    net = of_operations("int64", *UNPROVED[name])
    by_neoml, by_numpy = (PortedNetwork(net, engine(net)) for engine in (NeomlEngine, NumpyEngine))
    small = np.array([[0, 7, 3, 30000], [16000, 99, 5, 1]])
    np.testing.assert_array_equal(by_neoml.predict(small), by_numpy.predict(small))
    with pytest.raises(porting.Mismatch, match=r"(?s)whole numbers that it computes are beyond int32.*numpy engine"):
        by_neoml.predict(VALUES)
    NeomlEngine(of_operations("int32", *UNPROVED[name]))  # which wraps


@pytest.mark.parametrize(("dtype", "outside"), [("int64", (2.0**31, -3e9, 1e20)), ("uint32", (2.0**31, -1.0, 1e20))])
def test_floats_beyond_int32_are_told_where_they_are_cast_to_more(dtype: str, outside: tuple[float, ...]) -> None:
    layers = {"op": Layer("op", "ops.Cast", {"dtype": dtype})}
    net = Network("cast", (Input("x", (None, 4), "float32"),), (Call("op", "op", (X,)),), layers, TensorRef("op"))
    live = PortedNetwork(net, NeomlEngine(net))
    held = np.array([[0.0, -0.9, 7.9, 2.1e9]], np.float32)
    np.testing.assert_array_equal(live.predict(held), held.astype("int64").astype(dtype))
    for one in outside:
        with pytest.raises(porting.Mismatch, match="1 of the whole numbers that it computes are beyond int32"):
            live.predict(np.array([[1.0, one, 2.0, 3.0]], np.float32))


@pytest.mark.parametrize("name", ["Sum", "Cumsum"])
def test_sums_over_an_open_axis_are_told_by_what_they_come_to(name: str) -> None:
    settings = {"axis": 1, "keepdims": False} if name == "Sum" else {"axis": 1}
    net = of_operations("int64", (name, (None,)), **settings)
    net = replace(net, inputs=(Input("x", (None, None), "int64"),))
    by_neoml, by_numpy = (PortedNetwork(net, engine(net)) for engine in (NeomlEngine, NumpyEngine))
    held = np.array([[10**9, 10**9, 10**8, 4, -(10**9)], [-(10**9), -(10**9), 5, 6, 7]])
    np.testing.assert_array_equal(by_neoml.predict(held), by_numpy.predict(held))
    with pytest.raises(porting.Mismatch, match="2 of the whole numbers that it computes are beyond int32"):
        by_neoml.predict(held[:, :3] + [[10**8], [0]])


def test_references_beyond_int32_are_refused_by_what_made_them_first() -> None:
    net = of_operations("int64", ("Square", (None,)), ("Add", (None, 1)))
    for largest, named in ((46340, None), (46341, "ops.Square 'op0'"), (2**31, "input 'x'")):
        given = {"x": np.array([[0, largest, 1, 2]])}
        case = Case("large", given, NumpyEngine(net).run(given))
        seen = replace(net, cases=(case,))
        if named is None:
            assert PortedNetwork(seen, NeomlEngine(seen)).check().ok
            continue
        with pytest.raises(porting.Unsupported, match="in the reference 'large' its numbers go from 0 to") as caught:
            NeomlEngine(seen)
        assert [one.where for one in caught.value.problems] == [named]


def test_divisors_that_may_be_0_are_refused_by_neoml_and_tried_by_numpy() -> None:
    net = of_operations("int32", ("Mod", (7, None)))
    with pytest.raises(porting.Unsupported, match="the divisor may be 0"):
        NeomlEngine(net)
    live = PortedNetwork(net, NumpyEngine(net))
    np.testing.assert_array_equal(live.predict(np.array([[1, 2, 3, -4]])), [[0, 1, 1, -1]])
    with pytest.raises(porting.Mismatch, match="by 0, which Keras refuses"):
        live.predict(np.array([[1, 2, 0, 4]]))


def test_a_quotient_that_ends_the_process_is_none() -> None:
    """-2³¹ divided by -1 is an exception of the processor."""
    for name in ("FloorDivide", "Mod"):
        net = of_operations("int32", (name, (None, -1)))
        got, want = (PortedNetwork(net, engine(net)).predict(VALUES) for engine in (NeomlEngine, NumpyEngine))
        np.testing.assert_array_equal(got, want)


def test_ids_that_are_proved_to_lie_in_the_table_need_no_check() -> None:
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    embedding = Layer("embedding", "Embedding", SETTINGS, {"embeddings": table})
    for rows, fits in ((3, True), (4, False)):
        net = of_operations("int32", ("Mod", (None, rows)))
        calls = (*net.calls, Call("embedding", "embedding", (TensorRef("op0"),)))
        whole = Network("ids", net.inputs, calls, {**net.layers, "embedding": embedding}, TensorRef("embedding"))
        engine = NeomlEngine(whole)
        live = PortedNetwork(whole, engine)
        assert bool(engine.plan.graph.guards) != fits
        few = VALUES[:1] if fits else VALUES[:1] // 4 * 4
        np.testing.assert_array_equal(live.predict(few), table[few % rows])
        if not fits:
            with pytest.raises(porting.Mismatch, match=r"keras\.ops\.where\(ids < 0, ids \+ 3, ids\)"):
                live.predict(few + 3)


def test_a_slice_of_ids_is_not_taken_apart() -> None:
    """Ids lie below the size of their table, which float32 holds: one layer cuts them, not one for each half."""
    table = Layer("embedding", "Embedding", SETTINGS, {"embeddings": np.ones((3, 2), np.float32)})
    cut = Layer("cut", "ops.GetItem")
    calls = (
        Call("cut", "cut", (X, (slice(None), slice(1, 3)))),
        Call("embedding", "embedding", (TensorRef("cut"),)),
    )
    net = Network("ids", (Input("x", (None, 4), "int64"),), calls, {"cut": cut, "embedding": table}, TensorRef("cut"))
    kinds = [node.kind for node in NeomlEngine(net).plan.graph.nodes if node.scope == "cut"]
    assert kinds.count("ImageResize") == 1
    assert "EltwiseDiv" not in kinds


def test_constants_beyond_int32_are_refused() -> None:
    weights: Mapping[str, Array] = {"constant": np.array([1, 2**40, 3, 4])}
    layer = Layer("op", "ops.Maximum", {}, weights)
    net = Network(
        "constant", (Input("x", (None, 4), "int64"),), (Call("op", "op", (X, Constant("constant"))),), {"op": layer}, X
    )
    net = Network(net.name, net.inputs, net.calls, net.layers, TensorRef("op"))
    with pytest.raises(porting.Unsupported, match="holds numbers beyond int32"):
        NeomlEngine(net)
    np.testing.assert_array_equal(
        PortedNetwork(net, NumpyEngine(net)).predict(VALUES), np.maximum(VALUES, weights["constant"])
    )


def test_another_dtype_than_keras_gives_is_refused() -> None:
    """A rule that makes floats of whole numbers is refused when the network is loaded, by every engine."""
    net = of_operations("int32", ("Relu", (None,)))
    values = VALUES.astype(np.int32)
    case = Case("one", {"x": values}, {TensorRef("op0"): np.maximum(values, 0)})
    net = Network(net.name, net.inputs, net.calls, net.layers, net.outputs, (case,))
    wrong = Rule("ops.Relu", lambda layer, x, ops: ops.activation(ops.cast(x, "float32"), "relu"))
    for engine in (NumpyEngine, NeomlEngine):
        engine(net)
        with pytest.raises(porting.Unsupported, match="gives float32 here and int32 in Keras"):
            engine(net, {**RULES, "ops.Relu": wrong})


def test_corners() -> None:
    assert corners(lambda x, y: x * y, (-3, 2), (-5, 7)) == (-21, 15)
    assert corners(lambda x, y: x // y, (-8, 9), (2, 4)) == (-4, 4)
