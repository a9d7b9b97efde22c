"""A small network that uses all of the format, and ways to compare and to forge saved networks."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from porting.archive import LIMITS, Limits, canonical, read_network
from porting.archive.folder import FILES
from porting.errors import BadArchive
from porting.network import Call, Case, Constant, Input, Layer, Network, Noise, Sampled, TensorRef

X, TOKENS = TensorRef("x"), TensorRef("tokens")
SPLIT, JOIN, LAST = TensorRef("encoder/Split"), TensorRef("join"), TensorRef("join@2")


def make_network(**changes: Any) -> Network:
    """Two inputs, three calls of two layers, two cases; strings, masks, constants, slices and tied weights."""
    parts: dict[str, Any] = {
        "name": "net with everything",
        "inputs": (Input("x", (None, 2)), Input("tokens", (None, None), "int32")),
        "calls": (
            Call("encoder/Split", "encoder/Split", (X,), {"at": slice(1, None, TOKENS), "mask": None}, outputs=2),
            Call("join", "join", ((SPLIT, TensorRef("encoder/Split", 1)), Constant("table")), unmasked=(SPLIT,)),
            Call("join@2", "join", (JOIN,), {"how": {"b": 1.0, "a": (1, "é")}, "fill": (-math.inf, math.nan)}),
        ),
        "layers": {
            "encoder/Split": Layer(
                "encoder/Split",
                "package>Split",
                {"units": 2, "rate": 1e-7, "nested": {"b": [None, True, math.inf], "a": "text"}},
                {"kernel": np.array([[1, 2], [3, np.inf]], np.float32), "Kernel": np.zeros((0, 3), np.float16)},
            ),
            "join": Layer(
                "join",
                "Join",
                {},
                {"table": np.array([["a\0é", ""], ["𝄞", "\n"]], object), "forward_layer/count": np.array(7, np.uint64)},
                trainable=False,
                tied={"shared": "encoder/Split/kernel"},
            ),
        },
        "outputs": {"first": TensorRef("join@2"), "rest": (TensorRef("encoder/Split", 1),)},
        "cases": (make_case("batch 2", 2), make_case("batch 3, padded", 3)),
        "origin": {"keras": "3.1.0", "backend": "numpy"},
        "metadata": {"title": "Everything", "labels": ["a", "é"], "notes": "two\nlines", "more": {"rate": 0.5}},
    }
    return Network(**{**parts, **changes})


# As Keras might list the weights of `make_network`, with one that is not saved.
ORDER = ("join/table", "encoder/Split/Kernel", None, "encoder/Split/kernel", "join/forward_layer/count")


def make_case(name: str, batch: int) -> Case:
    numbers = np.arange(batch * 2, dtype=np.float32).reshape(batch, 2)
    joined = np.where(numbers == 1, np.float32(np.nan), numbers)
    padded = np.where(numbers == 2, np.float32(-np.inf), joined)
    return Case(
        name,
        {"x": numbers, "tokens": np.arange(batch * 3, dtype=np.int32).reshape(batch, 3)},
        {
            SPLIT: numbers[:, :1],
            TensorRef("encoder/Split", 1): -numbers[:, 1:],
            JOIN: joined,
        },
        {TOKENS: np.ones((batch, 3), bool), SPLIT: numbers[:, 0] > 0},
        {SPLIT: Noise((1e-7, 2.5e-8), (0.0, 3.4028234663852886e38))},
        {LAST: Sampled((batch, 2, 5), padded)},
        {SPLIT: Sampled((batch, 1), numbers[:, 1:])},
    )


def as_version(version: int) -> Network:
    """`make_network` as a folder of a version has it: 1 no noise, 2 metadata, 3 samples, infinity in JSON, 4 shifts."""
    network = make_network() if version > 2 else make_network(metadata={})
    if version > 4:
        return network
    network = replace(network, cases=tuple(replace(case, shifted={}) for case in network.cases))
    if version > 3:
        return network
    cases = []
    for case in network.cases:
        noise = case.noise if version > 1 else {}
        cases.append(replace(case, noise=noise, outputs={**case.outputs, LAST: case.outputs[JOIN]}, sampled={}))
    *calls, last = network.calls
    first = network.layers["encoder/Split"]
    config = {**first.config, "nested": {"b": [None, True], "a": "text"}}
    return replace(
        network,
        calls=(*calls, replace(last, arguments={"how": last.arguments["how"]})),
        layers={**network.layers, "encoder/Split": replace(first, config=config)},
        cases=tuple(cases),
    )


def content(network: Network) -> Any:
    """A network as plain values that compare equal where it says the same: lists for tuples, bytes for arrays."""
    return _plain(vars(network))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "OU":
            return ("str", value.shape, value.ravel().tolist())
        little = value.astype(value.dtype.newbyteorder("<"))
        return (value.dtype.name, value.shape, little.tobytes())
    if isinstance(value, (TensorRef, Constant)):
        return (type(value).__name__, str(value))
    if isinstance(value, slice):
        return ("slice", _plain([value.start, value.stop, value.step]))
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float) and math.isnan(value):
        return ("float", "nan")
    if value is None or isinstance(value, (bool, int, float, str)):
        return (type(value).__name__, value)
    return _plain(vars(value))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files as they are into a folder, which is made."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def refusal(folder: Path, limits: Limits = LIMITS) -> str:
    """The text with which a folder is refused."""
    with pytest.raises(BadArchive) as caught:
        read_network(folder, limits=limits)
    return str(caught.value)


def loads(text: bytes) -> dict[str, Any]:
    """A description's JSON, without its hash."""
    parsed = json.loads(text)
    del parsed["sha256"]
    return dict(parsed)


def seal(description: Mapping[str, Any]) -> bytes:
    """The canonical text of a description, sound or not, with its hash."""
    return canonical.encode(description)


def seal_text(body: str) -> bytes:
    """Text in the place of a description's members, not canonical perhaps, with its hash."""
    begun = f"{body}{canonical._DIGEST_KEY}".encode("utf-8", "surrogatepass")
    return begun + hashlib.sha256(begun).hexdigest().encode() + b'"\n}\n'


def body_of(text: bytes) -> str:
    """The text of a description up to its hash."""
    return text[: text.rindex(b',\n  "sha256"')].decode()
