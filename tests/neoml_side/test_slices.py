"""Slices of an axis of open size: numpy's steps at every length, or a refusal that does not hang on the length."""

from __future__ import annotations

from itertools import product
from typing import Optional

import numpy as np
import pytest

from porting.layers.rule import Refusal
from porting.neoml_side.graph import Graph
from porting.neoml_side.lowering.operations import NeomlOperations
from porting.neoml_side.runtime.blobs import as_array, as_blob
from porting.neoml_side.runtime.devices import math_engine_for
from porting.neoml_side.runtime.runner import Runner
from porting.network import Array, Input

PLACES = (None, 0, 1, 2, 4, -1, -2, -4)
STEPS = (1, 2, 3, -1, -2)
LENGTHS = range(1, 8)


def rows(length: int, dtype: str) -> Array:
    return np.arange(3 * length * 2, dtype=dtype).reshape(3, length, 2)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("layout", ["BHC", "BLC", "BCS"])
@pytest.mark.parametrize("step", STEPS)
def test_slices_of_an_open_axis(step: int, layout: str, dtype: str) -> None:
    places = [(start, stop) for start, stop in product(PLACES, PLACES) if layout == "BHC" or start in (None, 1, -2)]
    for start, stop in places:
        lengths = [n for n in LENGTHS if len(range(n)[start:stop:step])]
        ops = NeomlOperations(Graph())
        x = ops.source(Input("x", (None, None, 2), dtype), layout)
        try:
            made = ops.slice(ops.flip(x, 2), 1, start, stop, step)
        except Refusal:
            assert refused(start, stop, step) or not lengths, (start, stop)
            continue
        runner = Runner(ops.graph.with_sinks({"made": made.port}), math_engine_for("cpu"))
        for length in lengths:
            array = rows(length, dtype)
            got = as_array(runner.run({"x": as_blob(array, x)})["made"], made)
            want = array[:, start:stop:step, ::-1]
            assert got.shape == want.shape, (start, stop, length)
            assert np.array_equal(got, want), (start, stop, length)
            assert made.shape[1] in (None, want.shape[1]), (start, stop, length)


def refused(start: Optional[int], stop: Optional[int], step: int) -> bool:
    """From a place counted from the end to one counted from the front: no layer of NeoML's knows both."""
    if step < 0:
        start, stop = (None if place is None else -1 - place for place in (start, stop))
    return (start or 0) < 0 <= (-1 if stop is None else stop)


@pytest.mark.parametrize("size", [5, 6])
@pytest.mark.parametrize("step", STEPS)
def test_slices_of_a_known_axis(step: int, size: int) -> None:
    array = rows(size, "float32")
    for start, stop in product(PLACES, PLACES):
        want = array[:, start:stop:step]
        ops = NeomlOperations(Graph())
        x = ops.source(Input("x", (None, size, 2), "float32"))
        if not want.size:
            with pytest.raises(Refusal, match="empty slice"):
                ops.slice(x, 1, start, stop, step)
            continue
        for given, wanted in ((x, want), (ops.flip(x, 1), array[:, ::-1][:, start:stop:step])):
            made = ops.slice(given, 1, start, stop, step)
            runner = Runner(ops.graph.with_sinks({"made": made.port}), math_engine_for("cpu"))
            got = as_array(runner.run({"x": as_blob(array, x)})["made"], made)
            assert np.array_equal(got, wanted), (start, stop)
            assert made.shape == (None, *wanted.shape[1:]), (start, stop)
