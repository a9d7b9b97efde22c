"""The dtypes that operands meet in, against Keras' own rule for every combination of up to three."""

from __future__ import annotations

import itertools

import keras
import pytest

from porting.dtypes import result_type

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float16", "bfloat16", "float32"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_dtype_of_a_result(count: int) -> None:
    for operands in itertools.product([*DTYPES, "float64", int, float], repeat=count):
        assert result_type(*operands) == keras.backend.result_type(*operands), operands
