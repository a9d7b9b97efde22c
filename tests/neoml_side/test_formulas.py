"""Functions of floats that NeoML has no layer for: how far each is from the exact one, in units in the last place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from porting.layers.rule import Refusal
from porting.neoml_side.graph import Graph
from porting.neoml_side.lowering import formulas
from porting.neoml_side.lowering.operations import NeomlOperations
from porting.neoml_side.runtime.blobs import as_array, as_blob
from porting.neoml_side.runtime.devices import math_engine_for
from porting.neoml_side.runtime.runner import Runner
from porting.network import Array, Input
from porting.operations import Weight
from tests.cases.functions import HARD

# The most units in the last place that were measured, rounded up.
MEASURED = {
    "arccos": 3.0,
    "arccosh": 3.5,
    "arcsin": 3.5,
    "arcsinh": 3.0,
    "arctan": 2.2,
    "arctanh": 3.0,
    "cbrt": 1.0,
    "expm1": 2.5,
    "log": 1.0,
    "log10": 2.2,
    "log1p": 2.5,
    "log2": 2.0,
}
LEAST = np.finfo(np.float32).tiny


def wide(count: int, seed: int) -> Array:
    """Numbers of every size, hard ones before them; none is subnormal, which NeoML and TensorFlow take for 0."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.uniform(-86, 88, count)) * rng.choice([-1, 1], count)
    near = [rng.normal(size=count), rng.uniform(-1, 1, count), 1 + rng.uniform(-1e-3, 1e-3, count)]
    return np.concatenate([HARD, sizes, *near]).astype(np.float32)


def made(function: Any, *arrays: Array) -> Array:
    """What NeoML makes of rows of numbers."""
    ops = NeomlOperations(Graph())
    wires = [ops.source(Input(f"x{at}", (None, len(one)), "float32")) for at, one in enumerate(arrays)]
    result = function(ops, *wires)
    runner = Runner(ops.graph.with_sinks({"made": result.port}), math_engine_for("cpu"))
    outputs = runner.run({f"x{at}": as_blob(one[None], wire) for at, (one, wire) in enumerate(zip(arrays, wires))})
    return as_array(outputs["made"], result)[0]


@np.errstate(all="ignore")
def ulps(got: Array, exact: Array) -> float:
    """The largest error; infinite for NaN or infinity elsewhere. What is subnormal may be 0."""
    want = exact.astype(np.float32)
    same = (got == want) | (np.isnan(got) & np.isnan(want)) | ((got == 0) & (np.abs(want) < LEAST))
    apart = np.abs(got.astype(np.float64) - exact) / np.spacing(np.abs(want))
    return float(np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart)).max())


@pytest.mark.parametrize("name", MEASURED)
def test_a_function_is_as_near_as_measured(name: str) -> None:
    x = wide(20_000, 1)
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(np.float64))
    assert ulps(made(lambda ops, wire: ops.unary(wire, name), x), exact) <= MEASURED[name]


def test_every_formula_of_one_number_is_measured() -> None:
    assert MEASURED.keys() | {"i0", "signbit", "sinc"} == formulas.OF_ONE.keys()


def test_a_bessel_function_is_as_near_as_measured() -> None:
    x = np.linspace(-85, 85, 20_001, dtype=np.float32)
    assert ulps(made(formulas.i0, x), np.i0(x.astype(np.float64))) <= 4.0


def test_an_angle_is_right_in_every_quarter_and_on_every_axis() -> None:
    y, x = np.repeat(HARD, len(HARD)), np.tile(HARD, len(HARD))
    y, x = (np.concatenate([one, wide(20_000, seed)]) for seed, one in ((2, y), (3, x)))
    got, exact = made(formulas.arctan2, y, x), np.arctan2(y.astype(np.float64), x.astype(np.float64))
    assert ulps(got, exact) <= 3.0
    assert (np.signbit(got) == np.signbit(y))[~np.isnan(got)].all()


@pytest.mark.parametrize("name", ["fmod", "mod"])
def test_a_remainder_is_exact_to_the_bit(name: str) -> None:
    """Whole multiples too, and numbers next to them; what is left may be subnormal, which is 0 then."""
    rng = np.random.default_rng(4)
    y = (np.exp(rng.uniform(-70, 80, 40_000)) * rng.choice([-1, 1], 40_000)).astype(np.float32)
    times = np.exp(rng.uniform(-3, 22.5, y.shape)) * rng.choice([-1, 1], y.shape)
    times[::2] = np.round(times[::2])
    with np.errstate(all="ignore"):
        x = (y.astype(np.float64) * times).astype(np.float32)
        exact = getattr(np, name)(x, y)
    known = np.isfinite(x) & (np.abs(exact) >= LEAST)
    got = made(formulas.OF_TWO[name], x, y)
    assert known.sum() > 20_000
    assert np.array_equal(got[known], exact[known])


def test_a_remainder_of_too_many_multiples_is_no_number() -> None:
    x, y = np.array([2.0**33, 2.0**32, 1e30], np.float32), np.array([1.0, 1.0, 1.0], np.float32)
    assert np.isnan(made(formulas.mod, x, y)).tolist() == [True, False, True]


def test_a_polynomial_cut_short_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formulas, "ARC", formulas.ARC[1:])
    x = wide(1_000, 1)
    assert ulps(made(lambda ops, wire: ops.unary(wire, "arctan"), x), np.arctan(x.astype(np.float64))) > 100


def test_rows_without_a_number_have_no_quantile() -> None:
    """numpy warns of them, so that no case may hold them."""
    x = np.array([np.nan, np.nan, np.nan], np.float32)
    assert np.isnan(made(lambda ops, wire: ops.array_function("nanmedian", [wire], axis=(1,)), x))


@pytest.mark.parametrize("name", sorted(formulas.OF_ONE.keys() - {"log", "log10", "log1p", "log2", "expm1", "signbit"}))
def test_nothing_learns_through_what_is_chosen_by_comparisons(name: str) -> None:
    ops = NeomlOperations(training=True)
    given = ops.source(Input("x", (None, 3), "float32"))
    assert ops.array_function(name, [given]).shape == (None, 3)
    hidden = ops.dense(given, Weight("dense/kernel", np.ones((3, 2), np.float32)))
    with pytest.raises(Refusal, match=f"{name} has no gradient"):
        ops.array_function(name, [hidden])


PROVED = {
    "nothing": lambda ops, x: x,
    "not_negative": lambda ops, x: ops.unary(x, "abs"),
    "above_0": lambda ops, x: ops.add(ops.activation(x, "relu"), 1e-3),
    "a_share": lambda ops, x: ops.add(ops.softmax(x, (-1,)), 1e-7),
    "within_1": lambda ops, x: ops.activation(x, "sigmoid"),
    "less_than_it_was": lambda ops, x: ops.add(ops.unary(x, "abs"), -1.0),
    "turned": lambda ops, x: ops.multiply(ops.activation(x, "relu"), -1.0),
    "square": lambda ops, x: ops.multiply(x, x),
}


@pytest.mark.parametrize("proved", PROVED)
def test_what_is_proved_of_a_number_leaves_its_logarithm_exact(proved: str) -> None:
    x = wide(1000, 2) if proved != "a_share" else np.linspace(-90, 9, 100, dtype=np.float32)
    given = made(PROVED[proved], x)
    with np.errstate(all="ignore"):
        exact = np.log(np.where(np.abs(given) < LEAST, 0, given).astype(np.float64))
    assert ulps(made(lambda ops, wire: ops.unary(PROVED[proved](ops, wire), "log"), x), exact) <= 1.0


def test_logarithms_of_proved_numbers_are_not_repaired() -> None:
    def layers(proved: str) -> int:
        ops = NeomlOperations(Graph())
        x = PROVED[proved](ops, ops.source(Input("x", (None, 4), "float32")))
        before = len(ops.graph.nodes)
        ops.unary(x, "log")
        return len(ops.graph.nodes) - before

    assert {name: layers(name) for name in ("nothing", "not_negative", "above_0", "a_share")} == {
        "nothing": 11,
        "not_negative": 9,
        "above_0": 4,
        "a_share": 1,
    }
