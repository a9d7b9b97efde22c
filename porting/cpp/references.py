"""What a net's program is checked with: Keras' inputs and outputs, and how far a value may be from them.

The file is a row of records, little-endian: a text is its length and bytes, an array its rank, its sizes and its
values. First the format and the archive's hash; then the number of batches, and for each its name, the inputs, and
the outputs, each followed by the allowed differences.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Optional

import numpy as np

from ..checking.judging import Judge
from ..neoml_side.values import Terminal
from ..network import Array, Case, Input, TensorRef
from ..text.strings import to_bytes

FORMAT = "porting references 1"


def fitting(cases: Sequence[Case], sources: Sequence[Terminal], outputs: Sequence[TensorRef]) -> list[Case]:
    """The cases that tell of every output, of sizes that the net can be run on."""
    return [case for case in cases if _tells(case, outputs) and all(_fits(case, one) for one in sources)]


def _tells(case: Case, outputs: Sequence[TensorRef]) -> bool:
    return all(_wanted(case, ref) is not None for ref in outputs)


def _fits(case: Case, source: Terminal) -> bool:
    if source.name not in case.inputs:
        return True
    shape = case.inputs[source.name].shape
    least = source.at_least or (1,) * len(shape)
    most = source.at_most or (None,) * len(shape)
    return all(
        size >= low and (high is None or size <= high) and (axis == 0 or fixed in (None, size))
        for axis, (size, low, high, fixed) in enumerate(zip(shape, least, most, source.shape))
    )


def _wanted(case: Case, ref: TensorRef) -> Optional[Array]:
    made = case.outputs.get(ref)
    return case.inputs.get(ref.call) if made is None and not ref.output else made


def encode_references(
    sha256: str, cases: Sequence[Case], inputs: Sequence[Input], outputs: Sequence[TensorRef], judge: Optional[Judge]
) -> bytes:
    """The file's bytes; without a judge there are no cases."""
    records = [_text(FORMAT.encode()), _text(sha256.encode()), _number(len(cases))]
    for case in cases:
        assert judge is not None
        records.append(_text(to_bytes(case.name)))
        records += [_array(case.inputs[one.name], one.dtype) for one in inputs]
        for ref in outputs:
            records += _output(case, ref, judge)
    return b"".join(records)


def _output(case: Case, ref: TensorRef, judge: Judge) -> Iterator[bytes]:
    want = _wanted(case, ref)
    assert want is not None
    yield _array(want, want.dtype.name)
    yield _array(judge.allowed(case, ref) if ref in case.outputs else np.zeros(want.shape), "float64")


def _number(value: int) -> bytes:
    return struct.pack("<I", value)


def _text(data: bytes) -> bytes:
    return _number(len(data)) + data


def _array(array: Array, dtype: str) -> bytes:
    head = b"".join(map(_number, (array.ndim, *array.shape)))
    if dtype == "string":
        return head + b"".join(_text(to_bytes(text)) for text in array.reshape(-1).tolist())
    plain = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<"))
    return head + plain.tobytes()
