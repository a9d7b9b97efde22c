"""The ported network as users meet it: threads, weights, the live net, stored archives."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import porting
from porting.archive import read_network
from tests.recorded_cases import folder_of

FOLDER = Path(__file__).parent.parent / "saved_weights" / "tutorial"


@pytest.fixture(scope="module")
def net() -> porting.PortedNetwork:
    return porting.load(FOLDER, engine="neoml")


def test_one_network_in_eight_threads(net: porting.PortedNetwork) -> None:
    batches = [np.random.default_rng(n).integers(0, 5, (1 + n % 5, 1 + n % 7)) for n in range(80)]
    wanted = [net.predict(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(net.predict, batches))
    for got, want in zip(made, wanted):
        for one, other in zip(got, want):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_weights_come_back_to_the_bit(engine: str) -> None:
    found = porting.load(FOLDER, engine=engine).weights()
    saved = read_network(FOLDER).weights()
    assert found.keys() == saved.keys()
    for name, array in saved.items():
        assert found[name].tobytes() == array.tobytes(), name


def test_weights_are_read_from_the_live_net() -> None:
    net = porting.load(FOLDER, engine="neoml")
    layer = net.dnn.layers["dense"]
    blob = layer.weights
    moved = blob.asarray(copy=True, keep_dims=True) + 1
    import neoml

    layer.weights = neoml.Blob.asblob(net.engine.math_engine, moved, moved.shape, True)  # type: ignore[attr-defined]
    change = net.weights()["dense/kernel"] - read_network(FOLDER).weights()["dense/kernel"]
    np.testing.assert_allclose(change, 1.0, atol=1e-6)


def test_layers_have_keras_names(net: porting.PortedNetwork) -> None:
    names = set(net.dnn.layers)
    assert {"embedding", "dense", "bidirectional/forward_layer", "bidirectional/backward_layer"} <= names
    assert {"dense:0", "bidirectional:0", "bidirectional:2", "bidirectional:4"} <= names


def test_numpy_has_no_dnn() -> None:
    with pytest.raises(porting.Unsupported, match="no NeoML net"):
        _ = porting.load(FOLDER, engine="numpy").dnn


def test_a_stored_net_predicts_the_same(net: porting.PortedNetwork, tmp_path: Path) -> None:
    stored = net.store(tmp_path / "tutorial.neoml")
    opened = porting.load(stored)
    for case in net.network.cases:
        for got, want in zip(opened.predict(case.inputs), net.predict(case.inputs)):
            np.testing.assert_array_equal(got, want)
    with pytest.raises(porting.Mismatch, match="outside 0 … 4"):
        opened.predict([[5]])


def test_progress_is_shown_where_it_is_asked_for(
    net: porting.PortedNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = np.array([[0, 1], [2, 3], [4, 1]], np.int32)
    quiet = net.predict(ids, verbose=0)
    assert capsys.readouterr().err == ""
    for got, want in zip(net.predict(ids, batch_size=2, verbose=1), quiet):
        np.testing.assert_array_equal(got, want)
    assert capsys.readouterr().err == "\r3/3 rows\n"


def test_a_stored_net_runs_in_plain_neoml(net: porting.PortedNetwork, tmp_path: Path) -> None:
    import neoml

    stored = net.store(tmp_path / "tutorial.neoml")
    described = json.loads((tmp_path / "tutorial.neoml.json").read_text())
    engine = neoml.MathEngine.CpuMathEngine()
    dnn = neoml.Dnn.Dnn(engine)
    dnn.load(str(stored))
    (source,) = described["sources"]
    assert source["dimensions"] == ["batch_width", "batch_length"]
    ids = np.array([[0, 1], [2, 3], [4, 1]], np.int32)
    blob = neoml.Blob.asblob(engine, np.ascontiguousarray(ids.T), (2, 3, 1, 1, 1, 1, 1), True)
    outputs = dnn.run({"ids": blob})
    dense = outputs["dense:0"].asarray(copy=True, keep_dims=True).reshape(2, 3, 2).swapaxes(0, 1)
    np.testing.assert_array_equal(dense, net.predict(ids)[0])


def test_a_changed_archive_is_not_loaded(net: porting.PortedNetwork, tmp_path: Path) -> None:
    stored = net.store(tmp_path / "tutorial.neoml")
    damaged = bytearray(stored.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    stored.write_bytes(bytes(damaged))
    with pytest.raises(porting.BadArchive, match="sha256 differs"):
        porting.load(stored)


def test_nothing_is_overwritten_silently(net: porting.PortedNetwork, tmp_path: Path) -> None:
    stored = net.store(tmp_path / "tutorial.neoml")
    before = stored.read_bytes()
    with pytest.raises(porting.BadArchive, match="exists"):
        net.store(stored)
    assert net.store(stored, overwrite=True).read_bytes() == before


def test_an_archive_without_description_is_refused(net: porting.PortedNetwork, tmp_path: Path) -> None:
    stored = net.store(tmp_path / "tutorial.neoml")
    (tmp_path / "tutorial.neoml.json").unlink()
    with pytest.raises(porting.BadArchive, match="no description"):
        porting.load(stored)


def test_unknown_engines_and_devices_are_named() -> None:
    with pytest.raises(porting.Unsupported, match="engine 'torch'"):
        porting.load(FOLDER, engine="torch")
    with pytest.raises(porting.Unsupported, match="device 'tpu'"):
        porting.load(FOLDER, engine="neoml", device="tpu")
    with pytest.raises(porting.Unsupported, match="device 'gpu'"):
        porting.load(FOLDER, engine="numpy", device="gpu")


def test_rows_that_are_compared_with_each_other_run_as_one_batch() -> None:
    network = porting.load(folder_of("unfolded/rows_against_rows"), engine="numpy")
    one, other = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    likeness = network.predict([one, other], batch_size=2)
    np.testing.assert_allclose(likeness, one @ other.T, rtol=1e-6)
