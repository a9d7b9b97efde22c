"""Convolutions of pictures for few filters make several columns at once: the same numbers, the same weights back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

import porting
from porting.engine_factory import make_engine
from porting.neoml_side.engine import NeomlEngine
from porting.neoml_side.runtime import nets
from porting.network import Call, Input, Layer, Network, TensorRef
from porting.ported import PortedNetwork

CONV = {"data_format": "channels_last", "dilation_rate": [1, 1], "groups": 1, "activation": "linear", "use_bias": True}
NORM = {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True}
# Filters, kernel, strides, padding, picture, and how many columns at once.
WIDE: dict[str, tuple[int, Any, Any, str, Any, int]] = {
    "two columns": (16, [3, 3], [1, 1], "same", (6, 8, 3), 2),
    "four columns": (8, [3, 3], [1, 1], "valid", (6, 10, 3), 4),
    "grey": (6, [5, 5], [1, 1], "same", (7, 12, 1), 4),
    "strides, margins on one side": (4, [3, 2], [2, 2], "same", (9, 16, 2), 4),
    "strides over steps left out": (5, [2, 3], [3, 4], "valid", (8, 17, 4), 4),
    "strides that leave a rest": (5, [1, 2], [1, 3], "valid", (4, 12, 4), 4),
}
PLAIN: dict[str, tuple[int, Any, Any, str, Any, int]] = {
    "many filters": (17, [3, 3], [1, 1], "same", (6, 8, 3), 1),
    "many channels": (4, [3, 3], [1, 1], "same", (6, 8, 5), 1),
    "columns in odd number": (4, [3, 3], [1, 1], "same", (6, 9, 3), 1),
    "open width": (4, [3, 3], [1, 1], "same", (6, None, 3), 1),
    "one column wide": (4, [3, 1], [1, 1], "same", (6, 8, 3), 1),
}
CASES = {**WIDE, **PLAIN}


def network(case: str, normalized: bool = False, before: Optional[str] = None) -> Network:
    """A convolution, a BatchNormalization behind it, an activation before it."""
    filters, kernel, strides, padding, picture, _ = CASES[case]
    rng = np.random.default_rng(len(case))

    def drawn(*shape: int) -> Any:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)

    config = {**CONV, "filters": filters, "kernel_size": kernel, "strides": strides, "padding": padding}
    weights = {"kernel": drawn(*kernel, picture[-1], filters) - 1, "bias": drawn(filters)}
    layers = {"conv": Layer("conv", "Conv2D", config, weights)}
    if before is not None:
        layers = {"act": Layer("act", "Activation", {"activation": before}), **layers}
    if normalized:
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        layers["norm"] = Layer("norm", "BatchNormalization", NORM, {name: drawn(filters) for name in names})
    made = ["x", *layers]
    calls = tuple(Call(name, name, (TensorRef(feed),), {}) for feed, name in zip(made, layers))
    return Network("picture", (Input("x", (None, *picture)),), calls, layers, TensorRef(made[-1]))


def given(case: str) -> Any:
    picture = [size or 8 for size in CASES[case][4]]
    return np.random.default_rng(1).normal(size=(3, *picture)).astype(np.float32)


def filters_of(engine: Any) -> int:
    (node,) = [node for node in engine.main.nodes if node.kind == "Conv"]
    return int(node.settings["filter_count"])


@pytest.fixture(autouse=True)
def has_avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nets, "has_avx512", lambda: True)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_the_same_numbers_and_weights(case: str, normalized: bool) -> None:
    made = network(case, normalized)
    engine = NeomlEngine(made)
    assert filters_of(engine) == CASES[case][0] * CASES[case][-1]
    (found,) = engine.run({"x": given(case)}, made.output_refs()).values()
    (wanted,) = make_engine(made, "numpy", None).run({"x": given(case)}, made.output_refs()).values()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    saved = made.weights()
    assert all(np.array_equal(array, saved[name]) for name, array in engine.weights().items())


def test_only_what_is_fed_is_sure_to_be_finite() -> None:
    """0 times an infinite number of a window beside would be no number."""
    made = network("two columns", before="exponential")
    x = given("two columns")
    x[0, 3, 3] = 100
    (found,) = NeomlEngine(made).run({"x": x}, made.output_refs()).values()
    (wanted,) = make_engine(made, "numpy", None).run({"x": x}, made.output_refs()).values()
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
    assert np.isfinite(found[1:]).all()
    assert not np.isfinite(found[0]).all()


def test_a_filter_that_differs_from_column_to_column_is_no_longer_the_saved_one() -> None:
    made = network("two columns")
    engine = NeomlEngine(made)
    layer = engine.main.dnn.layers["conv"]
    changed = layer.filter
    changed.asarray()[...] *= 2
    layer.filter = changed
    np.testing.assert_array_equal(engine.weights()["conv/kernel"], 2 * made.weights()["conv/kernel"])


def test_other_processors_have_it_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nets, "has_avx512", lambda: False)
    assert filters_of(NeomlEngine(network("two columns"))) == 16


@pytest.mark.parametrize("normalized", [False, True])
def test_who_looks_at_the_net_sees_it_as_it_is(normalized: bool) -> None:
    made = network("two columns", normalized)
    engine = NeomlEngine(made)
    (before,) = engine.run({"x": given("two columns")}, made.output_refs()).values()
    assert engine.dnn.layers["conv"].filter.asarray().shape == (16, 3, 3, 3)
    (after,) = engine.run({"x": given("two columns")}, made.output_refs()).values()
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)
    assert filters_of(engine) == 16


@pytest.mark.parametrize("normalized", [False, True])
def test_a_stored_net_is_for_any_processor(normalized: bool, tmp_path: Path) -> None:
    made = network("two columns", normalized)
    net = PortedNetwork(made, NeomlEngine(made))
    wanted = net.predict(given("two columns"))
    stored = porting.load(net.store(tmp_path / "net"))
    assert stored.dnn.layers["conv"].filter.asarray().shape == (16, 3, 3, 3)
    np.testing.assert_allclose(stored.predict(given("two columns")), wanted, rtol=1e-5, atol=1e-5)
    found, saved = NeomlEngine(made).weights_in(stored.engine), made.weights()
    assert found.keys() == saved.keys()
    assert all(np.array_equal(found[name], saved[name]) for name in saved)


def test_other_weights_of_a_stored_net_are_found(tmp_path: Path) -> None:
    made = network("two columns")
    other = made.with_weights({**made.weights(), "conv/kernel": made.weights()["conv/kernel"] + 1})
    stored = porting.load(PortedNetwork(other, NeomlEngine(other)).store(tmp_path / "net"))
    found = NeomlEngine(made).weights_in(stored.engine)
    np.testing.assert_array_equal(found["conv/kernel"], other.weights()["conv/kernel"])
