"""`predict` on dask's collections: the numbers of one process, and refusals before anything is computed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import porting
from porting.corpus import carrying
from porting.corpus.carrying import carry
from porting.corpus.outputs import outputs_of

from .files import SAVED, texts

ENGINES = ("neoml", "numpy")


@pytest.fixture(autouse=True)
def synchronous() -> Any:
    with dask.config.set(scheduler="synchronous"):
        yield


def ids(shape: tuple[int, ...], top: int = 10, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, top, shape).astype(np.int32)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_array_is_predicted_chunk_by_chunk(engine: str) -> None:
    net = porting.load(SAVED / "plain", engine)
    given = np.random.default_rng(0).normal(size=(103, 32)).astype(np.float32)
    lazy = net.predict(da.from_array(given, chunks=(20, 7)))
    expected = net.predict(given)
    assert lazy.dtype == expected.dtype == lazy._meta.dtype
    assert (lazy.shape, lazy.chunks[0]) == (expected.shape, (20, 20, 20, 20, 20, 3))
    np.testing.assert_allclose(lazy.compute(), expected, rtol=1e-6, atol=1e-7)
    assert lazy.sum().compute() == pytest.approx(expected.sum(), rel=1e-5)


def test_chunks_of_unknown_length_and_empty_ones() -> None:
    net = porting.load(SAVED / "plain", "numpy")
    given = np.random.default_rng(0).normal(size=(40, 32)).astype(np.float32)
    lazy = da.from_array(given, chunks=(10, 32))
    some = lazy[da.from_array(np.arange(40) >= 15, chunks=10)]
    np.testing.assert_allclose(net.predict(some).compute(), net.predict(given[15:]), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("engine", ENGINES)
def test_several_inputs_and_outputs(engine: str) -> None:
    net = porting.load(SAVED / "seq2seq", engine)
    source, target = ids((12, 6)), ids((12, 9), seed=1)
    expected = net.predict([source, target])
    for given in (
        [da.from_array(source, chunks=(5, 6)), da.from_array(target, chunks=(4, 3))],
        {"target": da.from_array(target, chunks=4), "source": da.from_array(source, chunks=12)},
    ):
        np.testing.assert_allclose(net.predict(given).compute(), expected, rtol=1e-5, atol=1e-6)
    many = porting.load(SAVED / "digits", engine)
    images = np.random.default_rng(0).random((9, 8, 8, 1)).astype(np.float32)
    made, wanted = many.predict(da.from_array(images, chunks=(4, 8, 8, 1))), many.predict(images)
    assert made.keys() == wanted.keys()
    (computed,) = dask.compute(made)
    for name, one in computed.items():
        np.testing.assert_allclose(one, wanted[name], rtol=1e-5, atol=1e-6)


def test_the_network_runs_once_for_all_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    net = porting.load(SAVED / "digits", "numpy")
    images = np.zeros((9, 8, 8, 1), np.float32)
    made = net.predict(da.from_array(images, chunks=(3, 8, 8, 1)))
    calls = []
    kept = porting.PortedNetwork.predict

    def counted(self: Any, *given: Any) -> Any:
        calls.append(len(given[0]))
        return kept(self, *given)

    monkeypatch.setattr(porting.PortedNetwork, "predict", counted)
    dask.compute(made)
    assert len(calls) == 3


def test_texts_in_arrays_bags_series_and_frames() -> None:
    net = porting.load(SAVED / "filter", "numpy")
    given = texts(50)
    expected = net.predict(given)
    column = np.array(given, object)[:, None]
    made = net.predict(da.from_array(column, chunks=(17, 1)))
    np.testing.assert_array_equal(made.compute(), expected)
    bag = net.predict(db.from_sequence(given, npartitions=4)).compute()
    np.testing.assert_array_equal(np.stack(bag), expected)
    by_name = net.predict(db.from_sequence([{"text": text} for text in given], npartitions=3)).compute()
    np.testing.assert_array_equal(np.stack(by_name), expected)
    frame = pd.DataFrame({"text": given, "id": range(50)}, index=range(100, 150))
    lazy = dd.from_pandas(frame, npartitions=4)
    for part in (lazy, lazy["text"], lazy[["text"]]):
        scores = net.predict(part)
        assert list(scores.columns) == ["dense_1"]
        assert dict(scores.dtypes) == {"dense_1": np.float32}
        scores = scores.compute()
        assert list(scores.index) == list(frame.index)
        np.testing.assert_array_equal(scores.to_numpy(), expected)


def test_a_frame_beside_its_outputs() -> None:
    net = porting.load(SAVED / "filter", "numpy")
    frame = dd.from_pandas(pd.DataFrame({"text": texts(20)}), npartitions=3)
    both = frame.assign(score=net.predict(frame)["dense_1"]).compute()
    np.testing.assert_array_equal(both["score"].to_numpy(), net.predict(list(both["text"]))[:, 0])


def test_ragged_ids_of_a_frame_are_padded_with_nothing() -> None:
    net = porting.load(SAVED / "sentiment", "numpy")
    rows = [ids((size,), seed=size) for size in (3, 9, 3, 1, 5, 9)]
    # dask would make texts of the arrays.
    with dask.config.set({"dataframe.convert-string": False}):
        frame = dd.from_pandas(pd.DataFrame({"ids": pd.Series(rows, dtype=object)}), npartitions=2)
    made = net.predict(frame).compute()["score"]
    alone = [net.predict(row[None]).item() for row in rows]
    np.testing.assert_allclose(made, alone, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda: da.zeros((5, 31), chunks=2), "needs"),
        (lambda: da.zeros((5, 32, 2), chunks=2), "needs"),
        (lambda: da.from_array(np.full((5, 32), "a"), chunks=2), "needs float32"),
        (lambda: [da.zeros((5, 32)), da.zeros((5, 32))], "has shape|2 given|takes"),
        (lambda: da.zeros(()), "has no axis of rows"),
        (lambda: dask.delayed(3), "none of dask's arrays, bags and dataframes"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_computed(given: Any, words: str) -> None:
    with pytest.raises(porting.Mismatch, match=words):
        porting.load(SAVED / "plain", "numpy").predict(given())


def test_inputs_that_do_not_go_together() -> None:
    net = porting.load(SAVED / "seq2seq", "numpy")
    with pytest.raises(porting.Mismatch, match="batches differ"):
        net.predict([da.ones((5, 3), dtype="int32"), da.ones((6, 3), dtype="int32")])
    with pytest.raises(porting.Mismatch, match="beside dask arrays"):
        net.predict([da.ones((5, 3), dtype="int32"), np.ones((5, 3), "int32")])
    frame = dd.from_pandas(pd.DataFrame({"text": ["a"], "number": [1.0]}), npartitions=1)
    text = porting.load(SAVED / "filter", "numpy")
    with pytest.raises(porting.Mismatch, match="holds float64, the network takes texts"):
        text.predict(frame["number"])
    with pytest.raises(porting.Mismatch, match="has no column 'ids'; it has text, number"):
        porting.load(SAVED / "sentiment", "numpy").predict(frame)
    with pytest.raises(porting.Unsupported, match="ProgressBar"):
        text.predict(frame, verbose=1)
    for name in ("batch_size", "threads", "steps"):
        with pytest.raises(porting.Unsupported, match=name):
            text.predict(frame, **{name: 0})


def test_bad_rows_of_a_partition_are_named_when_it_is_computed() -> None:
    net = porting.load(SAVED / "filter", "numpy")
    frame = pd.DataFrame({"text": ["a", None, "b"]}, index=["x", "y", "z"])
    with pytest.raises(porting.Mismatch, match="row 'y': is null"):
        net.predict(dd.from_pandas(frame, npartitions=1)).compute()
    with pytest.raises(porting.Mismatch, match="id"):
        porting.load(SAVED / "sentiment", "numpy").predict(da.full((4, 3), 10**6, dtype="int32")).compute()


def test_a_network_travels_as_it_is_and_is_live_once_in_a_process() -> None:
    net = porting.load(SAVED / "plain", "neoml")
    carried = pickle.loads(pickle.dumps(carry(net)))
    assert carried.live() is carried.live()
    assert carry(net).live() is carried.live()
    given = np.ones((2, 32), np.float32)
    before = net.predict(given)
    lazy = net.predict(da.from_array(given, chunks=1))
    net.fit(given, np.eye(10, dtype=np.float32)[:2], loss="categorical_crossentropy", epochs=3)
    assert np.abs(net.predict(given) - before).max() > 1e-3
    np.testing.assert_allclose(lazy.compute(), before, rtol=1e-6)


def test_few_nets_stay_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "MOST_NETS", 2)
    for name in ("plain", "plain_deep", "filter"):
        carry(porting.load(SAVED / name, "numpy")).live()
    assert len(carrying._nets) == 2


def test_outputs_of_a_stored_net_without_references(tmp_path: Path) -> None:
    for name, shape in (("tied", (None, 2002)), ("filter", (1,)), ("sentiment", (1,))):
        stored = porting.load(SAVED / name, "neoml").store(tmp_path / name, with_network=False)
        (output,) = outputs_of(porting.load(stored))
        assert (output.dtype, output.shape) == (np.float32, shape)
