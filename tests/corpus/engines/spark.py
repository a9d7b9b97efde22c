"""A network in Spark; run by `nox -s engines`, in an environment with pyspark and where there is a Java."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

import porting
from porting.corpus.spark import Predict

from ..rows import SAVED, texts


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    # Without it Spark starts its workers with whatever python3 is on the path.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    yield session
    session.stop()


def test_texts_through_python_workers(spark: Any) -> None:
    net = porting.load(SAVED / "filter")
    given = texts(100)
    frame = spark.createDataFrame(list(enumerate(given)), "id long, text string").repartition(3)
    predict = Predict(net)
    scored = frame.mapInPandas(predict, predict.schema(frame.schema)).orderBy("id").collect()
    assert [row["text"] for row in scored] == given
    made = np.array([row["dense_1"] for row in scored], np.float32)
    np.testing.assert_allclose(made, net.predict(given)[:, 0], rtol=1e-5, atol=1e-7)


def test_lists_and_several_outputs(spark: Any) -> None:
    net = porting.load(SAVED / "tutorial", "numpy")
    rows = [[1, 2, 3], [4, 1], [2, 3, 4]]
    frame = spark.createDataFrame([(ids, "x") for ids in rows], "ids array<int>, id string")
    predict = Predict(net, prefix="p_")
    scored = frame.mapInPandas(predict, predict.schema(frame.schema)).collect()
    for row in scored:
        expected = net.predict(np.array([row["ids"]], np.int32))
        np.testing.assert_allclose(row["p_dense"], expected[0][0], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(row["p_bidirectional:2"], expected[2][0], rtol=1e-5, atol=1e-7)
    with pytest.raises(porting.Mismatch, match="has no column 'ids'"):
        predict.schema(frame.select("id", frame.ids.alias("other")).schema)
    clash = frame.withColumnRenamed("id", "p_dense").schema
    with pytest.raises(porting.Mismatch, match="has a column 'p_dense'"):
        predict.schema(clash)
