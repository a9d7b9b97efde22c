"""Inputs that NeoML would answer with garbage: shorter than a window, or not finite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting.neoml_side.engine import NeomlEngine
from porting.network import Call, Case, Input, Layer, Network, TensorRef
from porting.ported import PortedNetwork

X, OUTPUT = TensorRef("x"), TensorRef("pool")


def series(length: int) -> np.ndarray:
    return np.arange(2 * length * 2, dtype=np.float32).reshape(2, length, 2)


def network(strides: int, *before: int) -> Network:
    """A pool of windows of three steps, behind crops of so many."""
    layers: dict[str, Layer] = {}
    calls: list[Call] = []
    last = X
    for number, cropped in enumerate(before):
        layers[f"crop{number}"] = Layer(f"crop{number}", "Cropping1D", {"cropping": [cropped, 0]})
        calls.append(Call(f"crop{number}", f"crop{number}", (last,)))
        last = TensorRef(f"crop{number}")
    config: dict[str, Any] = {"pool_size": 3, "strides": strides, "padding": "valid", "data_format": "channels_last"}
    layers["pool"] = Layer("pool", "AveragePooling1D", config)
    cases = tuple(Case(str(length), {"x": series(length)}, {}) for length in (9, 12))
    return Network(
        "pool", (Input("x", (None, None, 2)),), (*calls, Call("pool", "pool", (last,))), layers, OUTPUT, cases
    )


@pytest.mark.parametrize(("before", "least"), [((), 3), ((1,), 4), ((2, 3), 8)])
@pytest.mark.parametrize("strides", [1, 3])
def test_inputs_shorter_than_a_window_are_refused(
    before: tuple[int, ...], least: int, strides: int, tmp_path: Path
) -> None:
    net = network(strides, *before)
    live = PortedNetwork(net, NeomlEngine(net))
    stored = porting.load(live.store(tmp_path / "net"))
    for length in (1, least - 1, least, 9, 20):
        x = series(length)
        for one in (live, stored):
            if length < least:
                with pytest.raises(porting.Mismatch, match=f"input 'x': .*axis 1 needs a size of at least {least}"):
                    one.predict(x)
                continue
            cut = x[:, sum(before) :]
            count = (cut.shape[1] - 3) // strides + 1
            wanted = np.stack([cut[:, at * strides : at * strides + 3].mean(1) for at in range(count)], 1)
            np.testing.assert_allclose(one.predict(x), wanted, rtol=1e-6)


def test_neoml_itself_takes_them() -> None:
    """The negative control: the mean of two steps, taken for three."""
    engine = NeomlEngine(network(3))
    engine.least_sizes = {}
    assert engine.run({"x": series(2)}, [OUTPUT])[OUTPUT].shape == (2, 1, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_numbers_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    net = network(1)
    live = PortedNetwork(net, NeomlEngine(net))
    stored = porting.load(live.store(tmp_path / "net"))
    x = series(5).astype(np.float64)
    x[1, 2, 1] = value
    for call in (live.predict, stored.predict, live.layer_outputs):
        with pytest.raises(porting.Mismatch, match=r"input 'x': holds -?(nan|inf), from which NeoML"):
            call(x)
    x[1, 2, 1] = 3e38  # finite, though the sum is not
    x[0, 2, 1] = 3e38
    assert np.isfinite(live.predict(x)).all()


def test_whole_numbers_that_int32_does_not_hold_are_refused() -> None:
    layers = {"maximum": Layer("maximum", "Maximum")}
    inputs = (Input("x", (None, 2), "int64"), Input("y", (None, 2), "int64"))
    calls = (Call("maximum", "maximum", ((TensorRef("x"), TensorRef("y")),)),)
    net = Network("whole", inputs, calls, layers, TensorRef("maximum"))
    live = PortedNetwork(net, NeomlEngine(net))
    small, large = np.array([[1, -2]]), np.array([[2**31 - 1, -(2**31)]])
    np.testing.assert_array_equal(live.predict([small, large]), np.array([[2**31 - 1, -2]]))
    for worst in (2**31, -(2**31) - 1):
        with pytest.raises(porting.Mismatch, match=f"input 'y': holds numbers from .*{worst}"):
            live.predict([small, np.array([[worst, 0]]) if worst < 0 else np.array([[0, worst]])])


@pytest.mark.parametrize(("setting", "value"), [("pool_size", 30), ("pool_size", 0), ("strides", 0), ("strides", -1)])
def test_windows_that_fit_no_reference_are_refused(setting: str, value: int) -> None:
    net = network(3)
    pool = net.layers["pool"]
    changed = replace(pool, config={**pool.config, setting: value})
    with pytest.raises(porting.Unsupported, match=r"does not fit an axis|must be above 0"):
        NeomlEngine(replace(net, layers={"pool": changed}))
