"""What a folder keeps of what Keras computed: bounded, and still a proof of every layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import porting
from porting.archive import read_network
from porting.checking import check_network
from porting.engine_factory import make_engine
from porting.keras_side import cases, thinning
from porting.keras_side.save import describe
from porting.keras_side.thinning import thinned, to_sample
from porting.network import Case, TensorRef, places
from tests.tampering import with_weight


def pictures() -> Any:
    """A net whose tensors are much larger than its weights."""
    keras.utils.set_random_seed(3)
    given = keras.Input((30, 30, 3))
    made = given
    for at in range(3):
        made = keras.layers.Conv2D(6, 3, padding="same", name=f"conv{at}")(made)
        made = keras.layers.BatchNormalization(name=f"norm{at}")(made)
        made = keras.layers.ReLU(name=f"relu{at}")(made)
    made = keras.layers.GlobalAveragePooling2D(name="pool")(made)
    model = keras.Model(given, keras.layers.Dense(3, name="dense")(made))
    draw = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(draw.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "BESIDES", 50_000)
    monkeypatch.setattr(thinning, "PLACES", 64)
    monkeypatch.setattr(cases, "PLACES", 64)


def numbers(network: porting.network.Network) -> int:
    return sum(thinning.numbers_of(case) for case in network.cases)


@pytest.mark.usefixtures("small_budget")
def test_large_tensors_are_sampled_and_every_layer_is_still_proved(tmp_path: Path) -> None:
    porting.save(pictures(), tmp_path / "net")
    network = read_network(tmp_path / "net")
    weights = sum(array.size for array in network.weights().values())
    assert numbers(network) <= 2 * weights + 50_000 + 20_000  # samples and inputs are kept whatever they take
    assert all(case.sampled and case.outputs for case in network.cases)
    assert max(len(case.inputs[network.inputs[0].name]) for case in network.cases) > 1
    report = porting.load(tmp_path / "net", engine="numpy").check()
    assert report.proved, str(report)
    assert all(layer.alone is not None for layer in report.layers)
    whole = describe(pictures(), references="all")
    assert not any(case.sampled for case in whole.cases)
    assert numbers(whole) > 3 * numbers(network)


@pytest.mark.usefixtures("small_budget")
@pytest.mark.parametrize("layer", ["conv0", "norm1", "conv2", "norm2", "dense"])
def test_a_fault_is_found_where_it_is_though_inputs_were_not_kept(layer: str) -> None:
    network = describe(pictures())
    name = "gamma" if layer.startswith("norm") else "kernel"
    rounded = with_weight(network, layer, name, lambda kernel: kernel * np.float32(1.002))
    engine = make_engine(rounded, "numpy", None)
    report = check_network(replace(network, layers=rounded.layers), engine)
    first = report.first_departure
    assert first is not None
    assert (first.call, first.status) == (layer, "departs")


@pytest.mark.usefixtures("small_budget")
def test_weights_are_shown_by_tensors_that_were_not_kept(tmp_path: Path) -> None:
    network = describe(pictures())
    report = check_network(network, make_engine(network, "numpy", None), weights=True)
    assert [layer.call for layer in report.layers if layer.unshown] == [], report.remarks()


def test_outputs_alone_prove_the_network_and_no_layer(tmp_path: Path) -> None:
    network = describe(pictures(), references="outputs")
    assert all(case.outputs.keys() == {TensorRef("dense")} == case.noise.keys() for case in network.cases)
    report = check_network(network, make_engine(network, "numpy", None))
    assert report.ok
    assert [layer.call for layer in report.layers if layer.status != "not recorded"] == ["dense"]
    assert "1 of 11 layers proved, 10 not recorded" in report.headline()
    wrong = with_weight(network, "conv1", "kernel", lambda kernel: kernel * 1.1)
    report = check_network(network, make_engine(wrong, "numpy", None))
    assert not report.ok


def test_without_references_nothing_is_compared_and_that_is_said(tmp_path: Path) -> None:
    porting.save(pictures(), tmp_path / "net", references="none")
    report = porting.load(tmp_path / "net", engine="numpy").check()
    assert not report.ok
    assert "NOTHING WAS COMPARED" in report.headline()
    with pytest.raises(porting.Mismatch, match="nothing was compared"):
        report.raise_if_bad()


def test_another_word_for_references_is_refused() -> None:
    with pytest.raises(porting.Mismatch, match="give one of sampled, all, outputs, none"):
        describe(pictures(), references="some")


def test_the_smallest_are_kept_whole_and_of_equals_some_here_and_there() -> None:
    shapes = {
        "a": (2, 9000),
        "b": (2, 9000),
        "c": (2, 9000),
        "d": (2, 9000),
        "e": (2, 5000),
        "out": (2, 50000),
        "s": (2, 9),
    }
    outputs = {TensorRef(name): np.zeros(shape, np.float32) for name, shape in shapes.items()}
    case = Case("", {}, outputs)
    sampled = to_sample(case, {TensorRef("out")}, 100_018 + 10_000 + 18_000 + 5 * 2048)
    assert {ref.call for ref in sampled} == {"a", "b", "d"}
    assert {ref.call for ref in to_sample(case, {TensorRef("out")}, 0)} == {"a", "b", "c", "d", "e"}
    kept = thinned(case, sampled)
    assert kept.sampled[TensorRef("a")].values.shape == (2, 1024)
    assert kept.shape(TensorRef("a")) == (2, 9000)


@pytest.mark.parametrize("size", [1, 7, 4096, 9000, 112 * 112 * 96, 2**15 * 3])
def test_places_are_different_and_spread(size: int) -> None:
    found = places(size, 1024)
    assert len(set(found.tolist())) == len(found) == min(size, 1024)
    assert found.min() == 0
    assert found.max() < size
    assert np.diff([*found, size]).max() <= max(1, 4 * size // 1024)
    if size > 4096:
        assert len(set((found % 96).tolist())) > 90
