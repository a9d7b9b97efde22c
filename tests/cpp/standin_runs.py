"""What the stand-in of NeoML is told: the blobs that Python feeds, and those that a run leaves."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import porting
from porting.neoml_side.runtime.blobs import as_blob
from porting.neoml_side.slots import blob_array
from porting.network import Array, TensorRef
from tests.cpp.building import number, text

__all__ = ["runs_of", "runs_of_inputs"]

TYPES = {np.dtype(np.float32): 1, np.dtype(np.int32): 2}


def runs_of(net: Path) -> bytes:
    """A stored net's cases, with Keras' outputs."""
    engine = porting.load(net).engine
    cases = engine.whole()[0].cases
    return runs(engine, [case.inputs for case in cases], [case.outputs for case in cases])


def runs_of_inputs(net: Path, inputs: Sequence[Mapping[str, Array]]) -> bytes:
    """Inputs of one's own, with NeoML's outputs."""
    engine = porting.load(net).engine
    return runs(engine, inputs, [engine.run(one) for one in inputs])


def runs(engine: Any, inputs: Sequence[Mapping[str, Array]], outputs: Sequence[Mapping[TensorRef, Array]]) -> bytes:
    """For each batch the blobs of the sources that are in the archive, and of all sinks."""
    sources, sinks = engine.terminals()
    there = set(engine.dnn.input_layers)
    records = [number(len(inputs))]
    for given, made in zip(inputs, outputs):
        known = {TensorRef(name): array for name, array in given.items()}
        tensors = engine.front.run(given) if engine.front else known
        records.append(
            blobs({one.name: as_blob(tensors[TensorRef(one.name)], one) for one in sources if one.name in there})
        )
        records.append(blobs({one.name: sink_blob(made.get(TensorRef.parse(one.name)), one) for one in sinks}))
    return b"".join(records)


def sink_blob(output: Any, sink: Any) -> Array:
    # The sinks that tell of ids have no reference: all ids were in their tables.
    array = np.zeros((1,) * len(sink.shape), np.float32) if output is None else output
    return blob_array(array.astype(np.int32 if sink.dtype == "int32" else np.float32), sink.layout)


def blobs(arrays: Mapping[str, Array]) -> bytes:
    records = [number(len(arrays))]
    for name, array in arrays.items():
        head = text(name.encode()) + number(TYPES[array.dtype])
        records.append(head + struct.pack("<7i", *array.shape) + array.tobytes())
    return b"".join(records)
