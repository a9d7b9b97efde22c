"""A stored NeoML net trains, checks and saves as the network that it was built from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting.neoml_side.stored.description import VERSION, description_path, read_description
from porting.neoml_side.stored.network import network_path
from porting.training.callbacks import Checkpoint

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "out" / "recorded-training"
STORED = {
    version: ROOT / "tests" / "golden" / f"stored-v{version}" / "tutorial.neoml" for version in range(1, VERSION + 1)
}

# Several outputs, texts, masks and a cell, normalisation that inference folds away, moving statistics, what holds
# weights in bounds, a table that is used twice.
FOLDERS = {
    "tutorial": ROOT / "saved_weights" / "tutorial",
    "filter": ROOT / "saved_weights" / "filter",
    "masked_gru": RECORDED / "masked_gru",
    "conv_frozen_bn": RECORDED / "conv_frozen_bn",
    "conv_bn": RECORDED / "conv_bn",
    "masked_bn": RECORDED / "masked_bn",
    "constrained": RECORDED / "constrained",
    "tied": RECORDED / "tied",
}
FROZEN = {"conv_frozen_bn": ["norm"]}


def settings(name: str) -> dict[str, Any]:
    return {"optimizer": "adam", "loss": "mse", "frozen": FROZEN.get(name, ())}


def loaded(name: str) -> porting.PortedNetwork:
    return porting.load(FOLDERS[name], engine="neoml")


def batch_for(net: porting.PortedNetwork) -> tuple[Any, Any]:
    """The first inputs of the references, and labels of the shapes that come out."""
    inputs = net.network.cases[0].inputs
    generator = np.random.default_rng(0)
    made = net.predict(inputs)
    several = isinstance(made, list)
    labels = [generator.random(one.shape).astype(np.float32) for one in (made if several else [made])]
    return inputs, labels if several else labels[0]


def train(net: porting.PortedNetwork, name: str, batch: tuple[Any, Any], steps: int = 3) -> list[float]:
    return [
        net.train_on_batch(*batch, **(settings(name) if step == 0 else {}), return_dict=True)["loss"]
        for step in range(steps)
    ]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_stored_net_learns_as_the_network_that_was_stored(name: str, tmp_path: Path) -> None:
    net = loaded(name)
    batch = batch_for(net)
    first = net.weights()
    train(net, name, batch)
    stored = porting.load(net.store(tmp_path / "net.neoml"))
    inputs = batch[0]
    assert np.array_equal(np.asarray(stored.predict(inputs)[0]), np.asarray(net.predict(inputs)[0]))
    net.save(tmp_path / "folder")
    saved = porting.load(tmp_path / "folder", engine="neoml")
    losses = train(stored, name, batch)
    assert losses == train(saved, name, batch)
    assert same(stored.weights(), saved.weights())
    assert not same(stored.weights(), first)
    assert stored.moved() == saved.moved()
    assert np.array_equal(np.asarray(stored.predict(inputs)[0]), np.asarray(saved.predict(inputs)[0]))
    again = porting.load(stored.store(tmp_path / "net.neoml", overwrite=True))
    assert same(again.weights(), saved.weights())


@pytest.mark.parametrize("name", FOLDERS)
def test_a_stored_net_is_checked_and_goes_back_to_keras(name: str, tmp_path: Path) -> None:
    net = loaded(name)
    stored = porting.load(net.store(tmp_path / "net.neoml"))
    assert same(stored.weights(), net.weights())
    report = stored.check()
    assert report.ok
    assert "the references were not made by Keras: computed by numpy" in str(report)
    assert "not made by Keras" not in str(net.check())
    case = net.network.cases[0]
    assert stored.layer_outputs(case.inputs).keys() == net.layer_outputs(case.inputs).keys()
    stored.save(tmp_path / "folder")
    back = porting.load(tmp_path / "folder", engine="neoml")
    assert back.check().ok
    assert same(back.weights(), net.weights())
    assert back.network.origin["references"] == "computed by numpy"
    assert [sorted(one.masks) for one in back.network.cases] == [sorted(one.masks) for one in net.network.cases]


def test_the_check_of_a_stored_net_finds_another_weight(tmp_path: Path) -> None:
    """The negative control: the network's weights, of which references are made, are not those that run."""
    stored = porting.load(loaded("tutorial").store(tmp_path / "net.neoml"))
    kernel = stored.weights()["dense/kernel"]
    stored._network = stored.network.with_weights({"dense/kernel": np.float32(1.01) * kernel})
    assert "dense" in str(stored.check().headline())
    assert not stored.check().ok


def test_a_checkpoint_of_the_folder_resumes_in_the_stored_net(tmp_path: Path) -> None:
    net = loaded("masked_gru")
    stored = net.store(tmp_path / "net.neoml")
    x, y = batch_for(net)
    state, kept = tmp_path / "state.npz", tmp_path / "kept.npz"
    arguments: dict[str, Any] = {"batch_size": 2, "verbose": 0, "callbacks": [Checkpoint(state)]}
    arguments.update(settings("masked_gru"))
    net.fit(x, y, epochs=2, **arguments)
    shutil.copy(state, kept)
    net.fit(x, y, epochs=4, resume=state, **arguments)
    opened = porting.load(stored)
    opened.fit(x, y, epochs=4, resume=kept, **arguments)
    assert same(opened.weights(), net.weights())


def refusal(net: porting.PortedNetwork, error: type[porting.PortingError] = porting.Unsupported) -> str:
    with pytest.raises(error) as caught:
        net.compile("sgd", "mse")
    assert all(problem.way_out for problem in caught.value.problems)
    return str(caught.value)


def test_without_its_network_a_stored_net_predicts_and_says_why_it_does_no_more(tmp_path: Path) -> None:
    net = loaded("tutorial")
    inputs = net.network.cases[0].inputs
    path = net.store(tmp_path / "net.neoml")
    network_path(path).unlink()
    opened = porting.load(path)
    assert "has no net.neoml.network.npz beside it" in refusal(opened)
    net.store(path, overwrite=True)
    assert network_path(path).exists()
    net.store(path, overwrite=True, with_network=False)
    assert not network_path(path).exists()
    opened = porting.load(path)
    assert "store it with with_network=True" in refusal(opened)
    for attempt in (opened.weights, opened.check, lambda: opened.layer_outputs(inputs), lambda: opened.save("x")):
        with pytest.raises(porting.Unsupported, match="was stored without its network"):
            attempt()
    for got, want in zip(opened.predict(inputs), net.predict(inputs)):
        np.testing.assert_array_equal(got, want)
    with pytest.raises(porting.BadArchive, match=r"net\.neoml'?: exists"):
        net.store(path)


def test_what_stands_beside_is_as_strict_as_a_saved_network(tmp_path: Path) -> None:
    path = loaded("filter").store(tmp_path / "net.neoml")
    beside = network_path(path)
    sound = beside.read_bytes()
    for at in range(0, len(sound), len(sound) // 40):
        beside.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << at % 8]) + sound[at + 1 :])
        assert "net.neoml.network.npz" in refusal(porting.load(path), porting.BadArchive)
    for other in (b"", sound[:-1], sound + b"\0"):
        beside.write_bytes(other)
        assert "with the arrays that its description lists" in refusal(porting.load(path), porting.BadArchive)
    beside.write_bytes(sound)
    porting.load(path).compile("sgd", "mse")


def test_an_archive_that_was_exchanged_is_not_trained(tmp_path: Path) -> None:
    """Its weights are others than those beside it, whatever the caller trusts."""
    net = loaded("tutorial")
    path = net.store(tmp_path / "net.neoml")
    train(net, "tutorial", batch_for(net))
    shutil.copy(net.store(tmp_path / "other.neoml"), path)
    opened = porting.load(path, trust=True)
    assert opened.predict(net.network.cases[0].inputs)[0].shape
    assert "the sha256 differs" in refusal(opened, porting.BadArchive)


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_net_that_an_older_porting_stored_still_predicts(version: int) -> None:
    assert read_description(STORED[version]).version == version
    assert f'"version": {version}'.encode() in description_path(STORED[version]).read_bytes()
    net, opened = loaded("tutorial"), porting.load(STORED[version])
    for case in net.network.cases:
        for got, want in zip(opened.predict(case.inputs), net.predict(case.inputs)):
            np.testing.assert_array_equal(got, want)
    if version == 1:
        assert "was stored without its network" in refusal(opened)
    else:
        assert same(opened.weights(), net.weights())


def test_what_is_stored_now_is_what_was_stored_by_this_version(tmp_path: Path) -> None:
    """Byte for byte beside the archive, whose bytes are NeoML's."""
    net, opened = loaded("tutorial"), porting.load(STORED[VERSION])
    assert same(opened.weights(), net.weights())
    assert opened.check().ok
    path = net.store(tmp_path / "tutorial.neoml")
    assert network_path(path).read_bytes() == network_path(STORED[VERSION]).read_bytes()
    described = (
        json.loads(description_path(path).read_text()),
        json.loads(description_path(STORED[VERSION]).read_text()),
    )
    for one in described:
        del one["archive"], one["sha256"]
    assert described[0] == described[1]
    assert len(train(opened, "tutorial", batch_for(opened))) == 3
