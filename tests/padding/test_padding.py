"""Padding is left out where that is proved, and nowhere else: runs without it against runs with it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import porting
from porting import PortedNetwork, PortingError
from porting.network import Array, Call, Layer, Network, TensorRef
from porting.numpy_side.engine import NumpyEngine
from porting.operations import Weight
from porting.padded import Filled, Padding, Sequences
from porting.padding import base, padding_of
from porting.padding.facts import Fact
from porting.padding.reader import Reader
from porting.predicting import _may_join, run_batches
from tests.cases.padding import LEAVES_OUT, SEES, STEPS
from tests.padding.rows import padded_rows, turned
from tests.recorded_cases import load

# Rows stand in blocks of other sizes, so that sums may be rounded elsewhere.
BETWEEN_RUNS = 1e-6
WHY = {
    "flat": "Flatten 'flatten' counts padded steps",
    "mean_of_all": "takes the mean over padded steps",
    "convolved": "Conv1D 'conv1d' mixes padded steps",
    "normalized_steps": "BatchNormalization 'batch_normalization' has statistics for each padded step",
    "dense_over_steps": "multiplies padded steps by weights of their own",
    "attention_of_all": "weighs padded steps",
    "summed_steps": "values differ from one padded step to the next",
    "without_its_mask": "LSTM 'lstm' walks over padded steps",
    "one_output_flat": "Flatten 'flatten' counts padded steps",
    "padding_counted": "takes the sum over padded steps",
    "attended": "hang on how many there are",
    "one_mask_of_two": "Bidirectional 'bidirectional' walks over padded steps",
}
loaded = cache(load)


def padding_in(key: str) -> Padding:
    return loaded(f"padding/{key}", "numpy").engine.padding


def run(net: PortedNetwork, inputs: Mapping[str, Any], padding: Padding, size: int) -> dict[TensorRef, Array]:
    engine = net.engine
    proved, engine._padding = engine.padding, padding
    try:
        return run_batches(engine, dict(inputs), list(net.network.output_refs()), size, 1)
    finally:
        engine._padding = proved


def difference_of_runs(net: PortedNetwork, inputs: Mapping[str, Any], size: int = 3) -> float:
    """How far a run without padding, of rows in another order, is from one of all rows with all their padding."""
    short = run(net, inputs, net.engine.padding, size)
    whole = run(net, inputs, Padding(), len(next(iter(inputs.values()))))
    far = 0.0
    for ref, array in whole.items():
        assert (short[ref].shape, short[ref].dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(np.isnan(short[ref]), np.isnan(array))
        far = max(far, float(np.nan_to_num(np.abs(short[ref] - array)).max()))
    return far


@pytest.mark.parametrize("key", LEAVES_OUT)
def test_padding_is_left_out(key: str) -> None:
    padding = padding_in(key)
    assert padding, str(padding)
    assert str(padding).startswith("padding is left out: ")


@pytest.mark.parametrize("key", SEES)
def test_padding_that_is_seen_is_run(key: str) -> None:
    padding = padding_in(key)
    assert not padding
    assert str(padding).startswith("padding is run: ")
    assert WHY[key] in str(padding)


@pytest.mark.parametrize("key", LEAVES_OUT)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(0, STEPS), min_size=1, max_size=7),
    steps=st.integers(1, STEPS + 3),
    left=st.integers(0, 2),
    seed=st.integers(0, 9),
)
def test_outputs_are_the_same_without_padding(key: str, lengths: list[int], steps: int, left: int, seed: int) -> None:
    net = loaded(f"padding/{key}", "numpy")
    assert difference_of_runs(net, padded_rows(net, lengths, steps, left, seed)) <= BETWEEN_RUNS


@pytest.mark.parametrize("key", LEAVES_OUT)
def test_outputs_are_the_same_without_padding_in_front(key: str) -> None:
    net = loaded(f"padding/{key}", "numpy")
    for left, lengths in ((0, [3, 9, 1, 4, 0, 2]), (2, [5, 5, 6, 1, 3, 4])):
        assert difference_of_runs(net, turned(padded_rows(net, lengths, STEPS, left, seed=left))) <= BETWEEN_RUNS


@pytest.mark.parametrize("key", LEAVES_OUT)
def test_neoml_gives_the_same_without_padding(key: str) -> None:
    net = loaded(f"padding/{key}", "neoml")
    assert net.engine.padding == padding_in(key)
    in_front = turned(padded_rows(net, [3, 9, 1, 4, 0, 2], STEPS, 0, seed=0))
    assert difference_of_runs(net, in_front) <= BETWEEN_RUNS
    for left, lengths in ((0, [3, 9, 1, 4, 0, 2]), (2, [5, 5, 6, 1, 3, 4])):
        inputs = padded_rows(net, lengths, STEPS, left, seed=left)
        assert difference_of_runs(net, inputs) <= BETWEEN_RUNS


def test_a_stored_net_leaves_out_what_the_network_beside_it_does_not_see(tmp_path: Path) -> None:
    net = loaded("padding/bidirectional_of_fixed_length", "neoml")
    stored = porting.load(net.store(tmp_path / "net"))
    assert stored.engine.padding == net.engine.padding
    inputs = padded_rows(net, [3, 9, 1, 4, 0, 2], STEPS, 0, 0)
    assert difference_of_runs(stored, inputs) <= BETWEEN_RUNS
    with pytest.raises(porting.Mismatch, match="needs"):
        stored.predict(inputs["ids"][:, :4])


def test_padding_is_proved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(*told: Any) -> Padding:
        asked.append(told)
        return padding_of(*told)

    monkeypatch.setattr("porting.engine_factory.padding_of", counted)
    for engine in ("neoml", "numpy"):
        net = load("padding/bidirectional_of_fixed_length", engine)
        assert net.engine.padding
        net.predict(padded_rows(net, [1, 7], STEPS, 0, 0))
        assert len(asked) == 1
        asked.clear()


def shapes_run(ids: dict[str, Any], size: int) -> list[tuple[int, ...]]:
    """The shapes of the batches that rows are run in."""
    net = loaded("padding/bidirectional_of_fixed_length", "numpy")
    seen: list[tuple[int, ...]] = []

    class Watched(type(net.engine)):  # type: ignore[misc]
        def run(self, inputs: Any, wanted: Any = None) -> Any:
            seen.append(inputs["ids"].shape)
            return super().run(inputs, wanted)

    engine = Watched(net.engine.network, net.engine.rules)
    engine.prove = padding_of
    run_batches(engine, ids, list(net.network.output_refs()), size, 1)
    return seen


def test_every_row_is_cut_with_others_of_its_length() -> None:
    ids = padded_rows(loaded("padding/bidirectional_of_fixed_length", "numpy"), [1, 7, 2, 6, 0], STEPS, 0, 0)
    ids["ids"][:4][ids["ids"][:4] == 0] = 0
    seen = shapes_run(ids, 2)
    # A row of padding alone keeps all of its steps.
    assert seen[0] == (2, STEPS)
    assert [steps for _, steps in seen] == sorted((steps for _, steps in seen), reverse=True)
    assert seen[-1][1] <= 2


def test_a_large_batch_holds_rows_of_like_length() -> None:
    def ids(lengths: list[int]) -> dict[str, Any]:
        return {"ids": (np.arange(STEPS) < np.array(lengths)[:, None]).astype(np.int32)}

    # A few rows run together whatever their lengths are.
    few = NumpyEngine.few
    assert shapes_run(ids([STEPS] * 10 + [2] * 90), 100) == [(few, STEPS), (100 - few, 2)]
    assert shapes_run(ids([STEPS] * 100), 64) == [(64, STEPS), (36, STEPS)]


def test_a_proof_that_takes_flatten_for_harmless_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Reader, x: Fact, shape: Any) -> Fact:
        return Fact(self.numpy.reshape(x.made, shape), asks=x.asks)

    monkeypatch.setattr(Reader, "reshape", careless)
    net = load("padding/flat", "numpy")
    assert net.engine.padding
    inputs = padded_rows(net, [3, 9, 1, 4], STEPS, 0, 0)
    with pytest.raises(PortingError, match="Dense 'dense'"):
        difference_of_runs(net, inputs)


def test_a_proof_that_takes_a_mean_for_a_masked_one_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Reader, x: Fact, name: str, axes: Any, keepdims: bool = False) -> Fact:
        return Fact(self.numpy.reduce(x.made, name, axes, keepdims), asks=x.asks)

    monkeypatch.setattr(Reader, "reduce", careless)
    net = load("padding/mean_of_all", "numpy")
    assert net.engine.padding
    assert difference_of_runs(net, padded_rows(net, [3, 9, 1, 4], STEPS, 0, 0)) > 1e-3
    report = net.check()
    assert not report.ok


# ---- what a cut heeds


IDS = np.array([[1, 2, 0, 0, 0], [1, 0, 2, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])


@pytest.mark.parametrize(
    ("settings_", "lengths"),
    [
        ({}, [2, 3, 3, 5, 5]),
        ({"keeps_step": True}, [3, 4, 4, 5, 5]),
        ({"real_first": frozenset({"ids"})}, [2, 3, 5, 5, 5]),
        ({"longest": 5}, [2, 3, 3, 5, 5]),
        ({"longest": 4}, [5, 5, 5, 5, 5]),
    ],
)
def test_lengths(settings_: dict[str, Any], lengths: list[int]) -> None:
    sequences = Sequences({"ids": 0.0}, **settings_)
    assert sequences.lengths({"ids": IDS}).tolist() == lengths
    assert sequences.lengths({"ids": IDS}, least=4).tolist() == [max(4, length) for length in lengths]


@pytest.mark.parametrize(
    ("settings_", "lengths"),
    [
        ({}, [5, 5, 3, 5, 5]),
        ({"keeps_step": True}, [5, 5, 4, 5, 5]),
        ({"real_first": frozenset({"ids"})}, [5, 5, 5, 5, 5]),
    ],
)
def test_lengths_of_padding_in_front(settings_: dict[str, Any], lengths: list[int]) -> None:
    sequences = Sequences({"ids": 0.0}, at_front=True, **settings_)
    assert sequences.lengths({"ids": IDS}).tolist() == lengths
    assert (
        sequences.lengths({"ids": IDS[:, ::-1]}).tolist()
        == Sequences({"ids": 0.0}, **settings_).lengths({"ids": IDS}).tolist()
    )
    assert sequences.cut(IDS, 3).tolist() == IDS[:, 2:].tolist()


def test_padding_is_left_out_where_there_is_more_of_it() -> None:
    padding = padding_in("bidirectional_of_fixed_length")
    behind, in_front = {"ids": IDS}, {"ids": IDS[:, ::-1]}
    assert padding.best_for(behind, {})[0] is padding
    assert padding.best_for(in_front, {})[0] is padding.leading
    assert "'ids' before its first step that is not 0" in str(padding)


@pytest.mark.parametrize("key", ["first_of_attention", "causal_attention"])
def test_padding_in_front_that_is_seen_is_run(key: str) -> None:
    """A first step that may be padding, and steps that are numbered from it."""
    assert padding_in(key)
    assert padding_in(key).leading is None


def test_steps_of_numbers_are_padding_where_all_are() -> None:
    rows = np.zeros((3, 4, 2), np.float32)
    rows[0, 1, 1] = rows[1, 2] = 1.0
    rows[2, 0] = 1000.0
    assert Sequences({"x": 0.0}).lengths({"x": rows}).tolist() == [2, 3, 1]
    assert Sequences({"x": 0.0}, small=frozenset({"x"})).lengths({"x": rows}).tolist() == [2, 3, 4]
    rows[0, 3, 0] = np.nan
    assert Sequences({"x": 0.0}).lengths({"x": rows}).tolist() == [4, 3, 1]


def test_inputs_are_cut_together_to_the_longer_one() -> None:
    sequences = Sequences({"ids": 0.0, "tags": 0.0, "more": None})
    arrays = {"ids": IDS, "tags": IDS[[0, 2, 1, 0, 0]], "more": np.ones_like(IDS)}
    assert sequences.lengths(arrays).tolist() == [2, 3, 3, 5, 5]


@pytest.mark.parametrize("at_front", [False, True])
def test_outputs_are_filled_with_their_padded_step(at_front: bool) -> None:
    output = np.arange(6).reshape(2, 3)
    filled = Filled(1, 0, at_front).fill(output, 5)
    wanted = [[0, 0, 0, 1, 2], [3, 3, 3, 4, 5]] if at_front else [[0, 1, 2, 2, 2], [3, 4, 5, 5, 5]]
    assert filled.tolist() == wanted


def test_rows_that_may_get_their_first_padded_step_are_not_joined_with_longer_ones() -> None:
    """A text that is the longest of its batch has no padding, as Keras pads it."""
    batches = [{"ids": IDS[:1, :2]}, {"ids": IDS[1:2]}]
    assert _may_join(Padding((Sequences({"ids": 0.0}),)), batches)
    assert not _may_join(Padding((Sequences({"ids": 0.0}, keeps_step=True),)), batches)
    assert not _may_join(Padding((Sequences({"ids": 0.0}),)), [*batches, {"ids": IDS[3:4]}])


# ---- rows that hang on each other


def test_rows_that_are_mixed_are_run_as_they_are() -> None:
    network = loaded("padding/masked_mean", "numpy").network
    (output,) = network.output_refs()
    mixed = _followed_by(network, Layer("mixed", "ops.Mean", {"name": "mixed", "axis": 0, "keepdims": True}), output)
    assert padding_of(network)
    assert "mixes rows" in padding_of(mixed).why


def _followed_by(network: Network, layer: Layer, output: TensorRef) -> Network:
    call = Call(layer.name, layer.name, (output,))
    layers = {**network.layers, layer.name: layer}
    return replace(network, calls=(*network.calls, call), layers=layers, outputs=TensorRef(layer.name))


def test_the_largest_number_of_a_table_is_found_without_a_copy_of_it() -> None:
    table = np.zeros(1 << 20, np.float32)
    table[5], table[7] = 2, -3
    tracemalloc.start()
    found = base.largest(Weight("table", table))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == 3
    assert peak < table.nbytes // 10
    for odd in (np.nan, np.inf, -np.inf):
        table[9] = odd
        assert base.largest(Weight("table", table)) == np.inf
