"""A network in Beam; run by `nox -s engines`, in an environment with apache-beam."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.ml.inference.base import RunInference
from apache_beam.testing.util import assert_that

import porting
from porting.corpus.beam import PortedModelHandler

from ..rows import SAVED, texts


def test_texts_through_run_inference() -> None:
    net = porting.load(SAVED / "filter")
    given = texts(100)
    expected = dict(zip(given, net.predict(given)[:, 0].tolist()))

    def check(results: Any) -> None:
        assert sorted(one.example for one in results) == sorted(given)
        made = [one.inference.item() for one in results]
        np.testing.assert_allclose(made, [expected[one.example] for one in results], rtol=1e-5, atol=1e-7)

    with beam.Pipeline() as pipeline:
        results = pipeline | beam.Create(given) | RunInference(PortedModelHandler(net, max_batch_size=16))
        assert_that(results, check)


def test_examples_by_name_and_their_size() -> None:
    handler = PortedModelHandler(porting.load(SAVED / "seq2seq", "numpy"))
    net = handler.load_model()
    rows = [{"source": np.array([1, 2, at]), "target": np.array([3, 4])} for at in (1, 2)]
    made = list(handler.run_inference(rows, net))
    expected = net.predict({name: np.stack([row[name] for row in rows]) for name in rows[0]})
    np.testing.assert_array_equal(np.stack([one.inference for one in made]), expected)
    assert handler.get_num_bytes(["abc", np.zeros(2)]) == 19
    with pytest.raises(porting.Mismatch):
        list(handler.run_inference([{"source": [1]}], net))
