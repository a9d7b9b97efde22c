"""The recorded cases: how they are written down, read, and compared. Knows no Keras."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from porting.network import Array
from porting.text import LAYERS

__all__ = ["CASES", "Recorded", "decode_array", "encode_array", "mismatches", "read_cases", "write_cases"]

CASES = Path(__file__).with_name("cases.json.gz")


@dataclass(frozen=True)
class Recorded:
    """A Keras layer as saved, what it was called on, and what it returned."""

    name: str
    layer: str
    config: Mapping[str, Any]
    weights: Mapping[str, Array]
    arguments: tuple[Any, ...]
    output: Array

    def run(self) -> Array:
        return LAYERS[self.layer](self.config, self.weights)(*self.arguments)


def mismatches(case: Recorded, output: Array) -> list[str]:
    """What differs between an output and the recorded one; nothing when dtype, shape and every value are the same."""
    wanted = case.output
    if output.dtype != wanted.dtype:
        return [f"dtype {output.dtype}, not {wanted.dtype}"]
    if output.shape != wanted.shape:
        return [f"shape {output.shape}, not {wanted.shape}"]
    places = np.argwhere(output != wanted)
    return [f"at {tuple(place)} {output[tuple(place)]!r}, not {wanted[tuple(place)]!r}" for place in places[:5]]


def encode_array(array: Array) -> dict[str, Any]:
    """An array as JSON: dtype, shape and values; bytes among strings as hexadecimal digits."""
    values = array.ravel().tolist()
    if array.dtype.kind == "O":
        values = [{"hex": value.hex()} if isinstance(value, bytes) else value for value in values]
    elif array.dtype.kind == "f":
        values = [float(value).hex() for value in values]
    return {"dtype": array.dtype.name, "shape": list(array.shape), "values": values}


def decode_array(data: Mapping[str, Any]) -> Array:
    values = data["values"]
    dtype = np.dtype(data["dtype"])
    if dtype.kind == "O":
        array = np.empty(len(values), object)
        array[:] = [bytes.fromhex(value["hex"]) if isinstance(value, dict) else value for value in values]
    elif dtype.kind == "f":
        array = np.array([float.fromhex(value) for value in values], dtype)
    else:
        array = np.array(values, dtype)
    return array.reshape(data["shape"])


def write_cases(cases: list[Recorded], path: Path = CASES) -> None:
    """Inputs stand once and are named by number; the file is the same for the same cases."""
    inputs: list[Any] = []
    described = []
    for case in cases:
        numbers = []
        for argument in case.arguments:
            encoded = (
                [encode_array(part) for part in argument] if isinstance(argument, tuple) else encode_array(argument)
            )
            if encoded not in inputs:
                inputs.append(encoded)
            numbers.append(inputs.index(encoded))
        described.append(
            {
                "name": case.name,
                "layer": case.layer,
                "config": dict(case.config),
                "weights": {name: encode_array(array) for name, array in case.weights.items()},
                "arguments": numbers,
                "output": encode_array(case.output),
            }
        )
    text = json.dumps({"inputs": inputs, "cases": described}, separators=(",", ":"), allow_nan=False)
    path.write_bytes(gzip.compress(text.encode("ascii"), 9, mtime=0))


def read_cases(path: Path = CASES) -> list[Recorded]:
    data = json.loads(gzip.decompress(path.read_bytes()))
    inputs = [
        tuple(map(decode_array, encoded)) if isinstance(encoded, list) else decode_array(encoded)
        for encoded in data["inputs"]
    ]
    return [
        Recorded(
            case["name"],
            case["layer"],
            case["config"],
            {name: decode_array(array) for name, array in case["weights"].items()},
            tuple(inputs[number] for number in case["arguments"]),
            decode_array(case["output"]),
        )
        for case in data["cases"]
    ]
