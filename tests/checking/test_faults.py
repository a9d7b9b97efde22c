"""Faults planted one at a time into running ports: found, and at the right place. See `faults`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import porting
from porting.archive import read_network
from porting.checking import check_network
from porting.checking.runs import WAYS
from porting.engine_factory import make_engine
from porting.keras_side.thinning import thinned
from porting.neoml_side.stored import store
from porting.network import Array, TensorRef
from tests.checking.faults import FAULTS, unread_row
from tests.tampering import with_weight

SAVED = Path(__file__).parent.parent.parent / "saved_weights"
ENGINES = ("numpy", "neoml")
FOLDERS = sorted({fault.folder for fault in FAULTS.values()})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("folder", FOLDERS)
def test_without_a_fault_nothing_departs(folder: str, engine: str) -> None:
    network = read_network(SAVED / folder)
    report = check_network(network, make_engine(network, engine, None))
    assert report.proved, str(report)
    assert all(run.ok and run.tried for run in report.runs)
    assert [layer.weights for layer in report.layers] == [
        True if network.layers[call.layer].weights else None for call in network.calls
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found_where_they_are(name: str, engine: str) -> None:
    fault = FAULTS[name]
    network = read_network(SAVED / fault.folder)
    report = check_network(network, fault.plant(network, engine))
    assert not report.ok
    first = report.first_departure
    if fault.layer is not None:
        assert first is not None
        assert (first.call, first.status) == (fault.layer, fault.status)
        assert fault.why in first.why
    else:
        assert first is None
        run = next(run for run in report.runs if run.name == fault.run)
        assert not run.ok
        assert fault.why in run.why
        assert "first when it predicts" in report.headline()
        with pytest.raises(porting.Mismatch, match=run.name):
            report.raise_if_bad()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.layer is not None])
def test_faults_are_found_where_large_tensors_are_not_kept_whole(name: str, engine: str) -> None:
    fault = FAULTS[name]
    sound = read_network(SAVED / fault.folder)
    outputs = set(sound.output_refs())

    def is_large(ref: TensorRef, array: Array) -> bool:
        return array.dtype.kind == "f" and array[0].size > 16 and ref not in outputs

    cases = [
        thinned(case, [ref for ref, one in case.outputs.items() if is_large(ref, one)], 16) for case in sound.cases
    ]
    assert any(case.sampled for case in cases)
    network = replace(sound, cases=tuple(cases))
    report = check_network(network, make_engine(network, engine, None))
    assert report.ok, str(report)
    first = check_network(network, fault.plant(network, engine)).first_departure
    assert first is not None
    assert (first.call, first.status) == (fault.layer, fault.status)


def with_another_live_table(folder: str, layer: str) -> porting.PortedNetwork:
    """As NeoML's own user may have it: through ``net.dnn``, after everything was built."""
    from porting.neoml_side.runtime.build import blob_of

    net = porting.load(SAVED / folder, engine="neoml")
    live = net.dnn.layers[layer]
    values = live.get_embeddings(0).asarray(copy=True, keep_dims=True)
    values[...] += 1e-3
    live.set_embeddings(0, blob_of(net.engine.math_engine, values))
    return net


def test_a_live_weight_that_was_changed_is_found() -> None:
    report = with_another_live_table("tutorial", "embedding").check()
    assert report.first_departure is not None
    assert (report.first_departure.call, report.first_departure.weights) == ("embedding", False)
    assert not report.runs[0].ok


@pytest.mark.parametrize("copy", ["letters", "letters@2"])
def test_each_copy_of_a_layer_that_is_called_twice_is_read_back(copy: str) -> None:
    net = with_another_live_table("seq2seq", copy)
    table, saved = net.weights()["letters/embeddings"], net.network.weights()["letters/embeddings"]
    assert table == pytest.approx(saved + 1e-3)
    assert [layer.call for layer in net.check().layers if layer.weights is False] == ["letters", "letters@2"]


def test_what_is_stored_is_run_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, other = (porting.load(SAVED / "tutorial", engine="neoml") for _ in range(2))
    other.train_on_batch(
        dict(net.network.cases[0].inputs),
        [array * 0 for array in net.predict(net.network.cases[0].inputs)],
        loss="mse",
        optimizer="sgd",
    )
    true = store._write_archive
    monkeypatch.setattr(store, "_write_archive", lambda dnn, path, weights: true(other.engine.dnn, path, weights))
    with pytest.raises(porting.Mismatch, match="the archive of tutorial"):
        net.store(tmp_path / "net.neoml")
    assert list(tmp_path.iterdir()) == []


def store_another_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of sentiment hold another number where no sample looks."""
    network = read_network(SAVED / "sentiment")
    other = make_engine(with_weight(network, "embedding", "embeddings", unread_row), "neoml", None)
    true = store._write_archive
    monkeypatch.setattr(store, "_write_archive", lambda dnn, path, weights: true(other.dnn, path, weights))


def test_a_row_that_no_sample_looks_up_is_stored_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = porting.load(SAVED / "sentiment", engine="neoml")
    store_another_row(monkeypatch)
    with pytest.raises(porting.Mismatch, match="holds the weight 'embedding/embeddings'"):
        net.store(tmp_path / "net.neoml")


def test_an_archive_with_another_weight_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = porting.load(SAVED / "sentiment", engine="neoml")
    store_another_row(monkeypatch)
    monkeypatch.setattr("porting.ported.compare_engines", lambda *engines: None)
    report = porting.load(net.store(tmp_path / "net.neoml")).check()
    assert [run.name for run in report.runs if not run.ok] == ["from the archive with its weights"]
    assert "'embedding/embeddings'" in next(run.why for run in report.runs if not run.ok)
    assert not report.ok


def test_a_stored_archive_is_compared_with_keras(tmp_path: Path) -> None:
    net = porting.load(SAVED / "tutorial", engine="neoml")
    report = porting.load(net.store(tmp_path / "net.neoml")).check()
    assert report.ok
    ways = [f"from the archive {way}" for way in (*WAYS, "with its weights")]
    assert [run.name for run in report.runs if run.tried][:5] == ways


@pytest.mark.parametrize("version", [2, 3])
def test_an_older_stored_net_says_what_it_cannot_prove(version: int) -> None:
    report = porting.load(SAVED.parent / "tests" / "golden" / f"stored-v{version}" / "tutorial.neoml").check()
    assert report.ok
    assert any("stored by an older porting" in remark for remark in report.remarks())
