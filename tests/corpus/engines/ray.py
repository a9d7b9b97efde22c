"""A network in Ray Data; run by `nox -s engines`, in an environment with Ray."""

from __future__ import annotations

import numpy as np
import pytest
import ray

import porting
from porting.corpus.ray_data import Predict

from ..rows import SAVED, texts


def test_texts_through_actors() -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 << 20)
    net = porting.load(SAVED / "filter")
    given = texts(100)
    dataset = ray.data.from_items([{"id": at, "text": text} for at, text in enumerate(given)])
    scored = dataset.map_batches(Predict, fn_constructor_args=(net, "text"), batch_size=32, concurrency=1).take_all()
    ray.shutdown()
    scored.sort(key=lambda row: row["id"])
    assert [row["text"] for row in scored] == given
    np.testing.assert_allclose([row["dense_1"] for row in scored], net.predict(given), rtol=1e-5, atol=1e-7)


def test_batches_of_columns() -> None:
    predict = Predict(porting.load(SAVED / "plain", "numpy"), prefix="p_")
    batch = {"features": np.ones((4, 32), np.float32), "id": np.arange(4)}
    made = predict(batch)
    assert list(made) == ["features", "id", "p_classes"]
    np.testing.assert_array_equal(made["p_classes"], predict.net.predict(batch["features"]))
    with pytest.raises(porting.Mismatch, match="has no column 'features'; it has id, x"):
        predict({"id": np.arange(4), "x": np.arange(4)})
    with pytest.raises(porting.Mismatch, match="has a column 'p_classes'"):
        predict(made)
