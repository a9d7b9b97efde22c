"""Wrong answers of Keras and TensorFlow are no references."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import porting
from porting.archive import read_network

pytestmark = pytest.mark.skipif(not hasattr(keras, "ops"), reason="these are Keras 3's")

Build = Callable[[Any], Any]


def einsum_dense(x: Any) -> Any:
    return keras.layers.EinsumDense("...x,xy->...y", output_shape=5, bias_axes="y", activation="relu")(x)


def einsum(x: Any) -> Any:
    return keras.ops.einsum("...xy,...yz->...xz", x, keras.ops.transpose(x, (0, 1, 3, 2)))


@pytest.mark.parametrize("build", [einsum_dense, einsum])
@pytest.mark.parametrize("off", [0.0, 1.0])
def test_products_are_compared_with_numpys(
    build: Build, off: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = keras.Input((4, 3, 2))
    model = keras.Model(given, build(given))
    real = keras.ops.einsum
    monkeypatch.setattr(keras.ops, "einsum", lambda *words: real(*words) * (1 + off))
    if not off:
        porting.save(model, tmp_path / "net")
        return
    with pytest.raises(porting.Unsupported, match=r"(?s)einsum.*wrong.*→ set the environment variable TF_ENABLE"):
        porting.save(model, tmp_path / "net")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="these are TensorFlow's")
def test_sums_along_another_axis_are_refused(tmp_path: Path) -> None:
    given, column = keras.Input((4, 3, 4)), np.arange(4.0, dtype="float32").reshape(4, 1, 1)
    model = keras.Model(given, keras.ops.add(given, column))
    x = np.zeros((2, 4, 3, 4), "float32")
    assert not np.allclose(model(x), x + column)  # Keras is wrong; once it is not, the refusal should go
    with pytest.raises(porting.Unsupported, match=r"(?s)adds terms.*another axis.*→ use data_format='channels_last'"):
        porting.save(model, tmp_path / "net")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="these are TensorFlow's")
def test_sizes_at_which_heads_are_taken_for_steps_are_no_references(tmp_path: Path) -> None:
    """As many heads as steps, each of one number: their biases are added to the steps."""
    given = keras.Input((None, 4))
    attention = keras.layers.MultiHeadAttention(2, 1, bias_initializer="uniform")
    model = keras.Model(given, attention(given, given))
    x = np.ones((2, 2, 4), "float32")
    assert np.ptp(np.asarray(attention.query_dense(x)) - np.asarray(attention.query_dense(x[:, :1])), axis=1).max() > 0
    porting.save(model, tmp_path / "net")
    lengths = {array.shape[1] for case in read_network(tmp_path / "net").cases for array in case.inputs.values()}
    assert len(lengths) > 2
    assert 2 not in lengths
