"""What a stored NeoML net promises: line 17 of docs/security.md."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting.archive import LIMITS, read_network
from porting.neoml_side.engine import NeomlEngine
from porting.neoml_side.stored.description import VERSION, description_path, read_description
from porting.neoml_side.stored.network import network_path, read_stored
from porting.network import Call, Case, Input, Layer, Network, TensorRef
from tests.archive.forging import _edit, _places
from tests.neoml_side.descriptions import sealed
from tests.tampering import with_weight

SAVED = Path(__file__).parent.parent.parent / "saved_weights"
TUTORIAL = SAVED / "tutorial"
IDS = np.array([[0, 1], [2, 3], [4, 1]], np.int32)


@pytest.fixture(scope="module")
def net() -> porting.PortedNetwork:
    return porting.load(TUTORIAL, engine="neoml")


@pytest.fixture
def stored(net: porting.PortedNetwork, tmp_path: Path) -> Path:
    return net.store(tmp_path / "net.neoml")


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(porting.BadArchive) as caught:
        porting.load(path, **options)
    assert all(problem.way_out for problem in caught.value.problems)
    return str(caught.value)


def test_promise_17_any_flipped_bit_of_the_archive_is_refused(stored: Path) -> None:
    archive = stored.read_bytes()
    for at in range(0, len(archive), 97):
        stored.write_bytes(archive[:at] + bytes([archive[at] ^ 1 << at % 8]) + archive[at + 1 :])
        assert "the sha256 differs" in refusal(stored)
    for other in (b"", archive[:-1], archive + b"\0"):
        stored.write_bytes(other)
        assert "the sha256 differs" in refusal(stored)


def test_promise_17_any_flipped_bit_of_the_description_is_refused(stored: Path) -> None:
    described = description_path(stored)
    text = described.read_bytes()
    for at in range(0, len(text), 5):
        described.write_bytes(text[:at] + bytes([text[at] ^ 1 << at % 8]) + text[at + 1 :])
        refusal(stored)
    described.write_bytes(text)
    porting.load(stored)


def test_promise_17_an_archive_of_another_net_is_refused_and_loaded_on_purpose(stored: Path, tmp_path: Path) -> None:
    network = read_network(TUTORIAL)
    dense = network.layers["dense"]
    weights = {name: 2 * array for name, array in dense.weights.items()}
    changed = replace(network, layers={**network.layers, "dense": replace(dense, weights=weights)})
    other = porting.PortedNetwork(changed, NeomlEngine(changed))
    os.replace(other.store(tmp_path / "other"), stored)
    assert "trust=True" in refusal(stored)
    trusted = porting.load(stored, trust=True).predict(IDS)
    for got, wanted in zip(trusted, other.predict(IDS)):
        np.testing.assert_array_equal(got, wanted)


def test_promise_17_every_further_net_is_compared_again(stored: Path) -> None:
    """A thread's net is loaded when the thread first asks; the file may have been replaced in the meantime."""
    opened = porting.load(stored)
    wanted = opened.predict(IDS, threads=1)
    archive = bytearray(stored.read_bytes())
    archive[len(archive) // 2] ^= 1
    stored.write_bytes(bytes(archive))
    for got, want in zip(opened.predict(IDS, threads=1), wanted):
        np.testing.assert_array_equal(got, want)
    refused = []

    def another() -> None:
        try:
            opened.predict(IDS)
        except porting.BadArchive as error:
            refused.append(str(error))

    with opened.engine._pool.borrowed():  # type: ignore[attr-defined]
        thread = threading.Thread(target=another)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert "the sha256 differs" in refused[0]


def test_the_description_is_read_in_one_spelling(stored: Path) -> None:
    described = description_path(stored)
    text = described.read_bytes()
    parsed = json.loads(text)
    assert parsed["archive"]["sha256"] == read_description(stored).archive_sha256
    newer = text.replace(f'"version": {VERSION}'.encode(), f'"version": {VERSION + 1}'.encode())
    for changed, told in (
        (newer, f"is of version {VERSION + 1} of the format; this porting reads up to version {VERSION}"),
        (json.dumps(parsed).encode(), "does not begin as a 'porting stored net' does"),
        (b"", "does not begin as"),
        (b"[" * 100_000, "does not begin as"),
        (text[:-80], "cut short"),
    ):
        described.write_bytes(changed)
        assert told in refusal(stored)
        assert told in refusal(stored, trust=True)
    described.unlink()
    assert "there is no description net.neoml.json beside it" in refusal(stored)
    os.mkfifo(described)
    assert "is not a plain file" in refusal(stored)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("sources", 0, "layout"), "BB", "is not of the letters"),
        (("sources", 0, "layout"), "B", "has 1 letters, its shape 2 axes"),
        (("sources", 0, "dimensions"), ["batch_width"], "not those of its layout"),
        (("sources", 0, "ids_below"), 0, "needs an integer from 1"),
        (("sources", 0, "ids_below"), 2**40, "needs an integer from 1"),
        (("sources", 0, "ids_below"), "5", "needs an integer from 1"),
        (("sources", 0, "dtype"), "float64", "which no net has"),
        (("sources", 0, "name"), "words", "is neither an input nor a step's"),
        (("sources", 0, "at_least"), [1], "has 1 sizes, its shape 2"),
        (("sources", 0, "extra"), 1, "which the format does not know"),
        (("sources",), [], "its sources are"),
        (("sinks", 0, "name"), "nothing:0", "is neither a sink nor a step's"),
        (("sinks",), [], "is neither a sink nor a step's"),
        (("outputs",), {"tensor": "nothing:0"}, "is neither a sink nor a step's"),
        (("outputs",), 3, "not a tensor, a tuple or a dict"),
        (("inputs",), [], "has no inputs"),
        (("archive", "sha256"), "x", "is not a sha256"),
        (("archive", "bytes"), -1, "needs an integer from 1"),
        (("preprocessing",), [1], "is not an object"),
        (("name",), "", "is empty or holds control"),
        (("network",), 1, "is not an object"),
        (("network", "calls"), [], "is called nowhere"),
        (("network", "layers"), [], "is not among the layers"),
        (("network", "cases"), [], "there are 0 of at least 2"),
        (("network", "cases", 0, "inputs"), [], "'ids' is missing"),
        (("network", "name"), "tutorial", "which the format does not know"),
    ],
)
def test_a_description_with_sound_hashes_is_checked_all_the_same(
    stored: Path, path: tuple[Any, ...], value: Any, told: str
) -> None:
    description = json.loads(description_path(stored).read_text())
    holder = description
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    description_path(stored).write_bytes(sealed(description))
    assert told in refusal(stored)


@pytest.mark.parametrize("folder", ["tutorial", "filter"])
def test_any_forged_description_is_read_or_refused(folder: str, tmp_path: Path) -> None:
    path = porting.load(SAVED / folder, engine="neoml").store(tmp_path / "net")
    described = description_path(path)
    sound = json.loads(described.read_text())
    generator = random.Random(folder)
    read = refused = 0
    for _ in range(300):
        description = copy.deepcopy(sound)
        description.pop("sha256")
        for _ in range(generator.choice((1, 1, 2))):
            places = [place for place in _places(description) if place[1] != "values"]
            holder, key = generator.choice(places)
            _edit(holder, key, places, generator)
        described.write_bytes(sealed(description))
        try:
            found = read_description(path)
            assert found.encoded() == described.read_bytes()
            if found.whole is not None:
                read_stored(network_path(path), found.whole, LIMITS)
        except porting.BadArchive:
            refused += 1
        else:
            read += 1
    assert refused > 100
    assert read > 0


def test_a_store_that_ends_between_its_renames_leaves_what_is_refused(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, calls = os.replace, []

    def failing(one: Any, other: Any) -> None:
        calls.append(other)
        if len(calls) == 2:
            raise OSError(5, "input/output error")
        rename(one, other)

    network = with_weight(read_network(TUTORIAL), "dense", "kernel", lambda kernel: kernel * 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        with pytest.raises(porting.BadArchive, match=r"cannot be written: .*input/output error"):
            porting.PortedNetwork(network, NeomlEngine(network)).store(stored, overwrite=True)
    assert sorted(os.listdir(stored.parent)) == ["net.neoml", "net.neoml.json", "net.neoml.network.npz"]
    assert "the sha256 differs" in refusal(stored)


@pytest.mark.parametrize("name", ["missing/net", "x" * 300, "a\0b"])
def test_paths_that_cannot_be_written_are_refused(net: porting.PortedNetwork, tmp_path: Path, name: str) -> None:
    with pytest.raises(porting.BadArchive):
        net.store(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_the_description_has_a_cap(stored: Path) -> None:
    assert "raise Limits.description_bytes" in refusal(stored, limits=replace(LIMITS, description_bytes=100))


def test_what_no_archive_holds_is_refused(
    net: porting.PortedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("porting.neoml_side.stored.store.LARGEST_ARCHIVE", 100)
    with pytest.raises(porting.Unsupported, match="NeoML's archives hold less than 100"):
        net.store(tmp_path / "net")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_full_is_noticed(net: porting.PortedNetwork, tmp_path: Path) -> None:
    """A file may have half of an archive's bytes; NeoML itself stores the half and says nothing."""
    whole = len(net.store(tmp_path / "whole").read_bytes())
    program = (
        "import resource, signal, sys, porting; from porting.neoml_side.stored import store as storing\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); net = porting.load(sys.argv[1], engine='neoml')\n"
        "net.dnn; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)\n"
        "storing.LARGE_WEIGHTS = int(sys.argv[4])\n"
        "try: net.store(sys.argv[2])\n"
        "except porting.BadArchive as error: print(error)\n"
    )
    half = str(whole // 2)
    for large in ("1000000000", "0"):
        command = [sys.executable, "-c", program, str(TUTORIAL), str(tmp_path / "half"), half, large]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        assert "cannot be written" in ran.stdout
        assert sorted(os.listdir(tmp_path)) == ["whole", "whole.json", "whole.network.npz"]


def test_weights_are_compared_without_copies_of_them_and_given_as_copies() -> None:
    net = porting.load(TUTORIAL, engine="neoml")
    saved, seen, given = net.network.weights(), net.engine.weights_in(net.engine), net.weights()
    assert saved.keys() == seen.keys() == given.keys()
    assert all(seen[name] is array for name, array in saved.items())
    assert not any(np.shares_memory(given[name], array) for name, array in saved.items())


def test_a_net_stores_outputs_that_keras_calls_float64(tmp_path: Path) -> None:
    """The blob is of floats; the wider name is Keras', and comes back with what is loaded."""
    kernel = np.arange(8, dtype="float32").reshape(4, 2)
    layers = {
        "dense": Layer("dense", "Dense", {"units": 2, "activation": "linear", "use_bias": False}, {"kernel": kernel}),
        "wider": Layer("wider", "ops.Cast", {"dtype": "float64"}),
    }
    x, dense, wider = TensorRef("x"), TensorRef("dense"), TensorRef("wider")
    calls = (Call("dense", "dense", (x,)), Call("wider", "wider", (dense,)))
    made = IDS.repeat(2, 1).astype("float32")
    known = [
        Case(name, {"x": rows}, {dense: rows @ kernel, wider: np.float64(rows @ kernel)})
        for name, rows in (("three", made), ("one", made[:1]))
    ]
    network = Network("wider", (Input("x", (None, 4)),), calls, layers, wider, tuple(known))
    net = porting.load(network, engine="neoml")
    again = porting.load(net.store(tmp_path / "net.neoml"))
    assert again.predict(made).dtype == net.predict(made).dtype == np.float64
    np.testing.assert_array_equal(again.predict(made), made @ kernel)
