"""What is written beside a stored NeoML net: which blob dimension holds which axis, where ids end, and hashes.

The text is canonical as that of a saved network is (`porting.archive.canonical`), so it holds its own hash and is read
in one spelling only.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ...archive import canonical
from ...archive.arrays import DTYPES
from ...archive.decode import DIGEST, NAME, Decoder
from ...archive.folder import open_plain
from ...archive.limits import LIMITS, Limits, bad_archive
from ...archive.metadata import metadata_problems
from ...archive.sketch import Plain
from ...archive.strangers import file_told_apart
from ...errors import MissingFile, Problem
from ...network import Argument, Array, Call, Input, Layer, Network, TensorRef, only_tensors, tensors_in
from ...text import LAYERS
from ..slots import DIMENSIONS
from ..values import Terminal
from .network import PARTS, check_stored_network, describe_network

FORMAT = "porting stored net"
VERSION = 6
STRINGS = "str"
LARGEST_ID = 1 << 31
_LAYOUT = re.compile(r"(?!.*(.).*\1)[LBSHWDC]{1,7}\Z")


def network_version(version: int) -> int:
    """The version of the saved network's format that a description of a version speaks of its network in."""
    return 1 if version < 4 else version - 2


def description_path(path: Path) -> Path:
    """Where a stored net's description is: ``NAME.json`` beside ``NAME``."""
    return path.with_name(path.name + ".json")


@dataclass(frozen=True)
class StoredDescription:
    """What a stored net's description says.

    Attributes:
        name: the network's.
        archive_bytes, archive_sha256: of the archive beside it.
        inputs: what `predict` takes.
        sources, sinks: of the NeoML net.
        preprocessing: calls of layers of text and categories, and the layers: what happens to inputs before they are a
            source's.
        outputs: the structure that `predict` returns.
        whole: the sketch of the network that the net was built from; None where it was not stored.
        version: of the format; 1 knows no `whole`, 2 no sinks that tell of ids, 3 no outputs of Keras' and no
            noise, 4 no metadata, and 5 no infinity in JSON.
        metadata: the network's.
    """

    name: str
    archive_bytes: int
    archive_sha256: str
    inputs: tuple[Input, ...]
    sources: tuple[Terminal, ...]
    sinks: tuple[Terminal, ...]
    preprocessing: tuple[tuple[Call, Layer], ...]
    outputs: Argument
    whole: Optional[Network] = None
    version: int = VERSION
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def encoded(self, limits: Limits = LIMITS) -> bytes:
        """The description's text.

        Raises:
            BadArchive: listing every setting that JSON does not hold.
        """
        plain = Plain(limits, self.version > 5)
        described = {
            "format": FORMAT,
            "version": self.version,
            "name": self.name,
            "archive": {"bytes": self.archive_bytes, "sha256": self.archive_sha256},
            "inputs": [{"name": one.name, "shape": list(one.shape), "dtype": one.dtype} for one in self.inputs],
            "sources": [one.to_json(self.version > 3) for one in self.sources],
            "sinks": [one.to_json(self.version > 3) for one in self.sinks],
            "preprocessing": [_step_to_json(*step, plain) for step in self.preprocessing],
            "outputs": plain.argument(self.outputs, "outputs"),
        }
        if self.version > 4:
            described["metadata"] = plain.value(self.metadata, "metadata")
        if plain.problems:
            raise bad_archive(plain.problems)
        if self.version > 1:
            described["network"] = (
                None if self.whole is None else describe_network(self.whole, limits, network_version(self.version))
            )
        return canonical.encode(described)


def _step_to_json(call: Call, layer: Layer, plain: Plain) -> dict[str, Any]:
    where = f"step {call.name!r}"
    return {
        "call": call.name,
        "inputs": [plain.argument(one, where) for one in call.inputs],
        "arguments": plain.arguments(call.arguments, where),
        "layer": layer.name,
        "class": layer.class_name,
        "config": plain.value(layer.config, where),
        "weights": [
            {
                "name": name,
                "dtype": STRINGS if array.dtype.kind in "OU" else array.dtype.name,
                "shape": list(array.shape),
                "values": plain.value(array.reshape(-1).tolist(), f"{where} weight {name!r}"),
            }
            for name, array in sorted(layer.weights.items())
        ],
    }


def read_description(path: Path, limits: Limits = LIMITS) -> StoredDescription:
    """Read the description beside a stored net.

    Args:
        path: of the archive.
        limits: caps on the description.

    Raises:
        BadArchive: there is none, or it is not what porting wrote.
    """
    described = description_path(path)
    kind = canonical.Kind(described.name, FORMAT, VERSION)
    try:
        with open_plain(described) as file:
            text = _read(file, limits, kind)
    except FileNotFoundError as error:
        raise MissingFile(_without_description(path, described.name)) from error
    except OSError as error:
        raise kind.bad(f"cannot be read: {error.strerror or error}") from error
    decoder = _StoredDecoder(limits, kind.file)
    description = decoder.description(canonical.parse(text, limits, kind))
    problems = decoder.problems or check_whole(description, limits)
    if problems:
        raise bad_archive(problems)
    if description.encoded() != text:
        raise kind.bad("says what it says in another way than this format writes it", "store the net again")
    return description


def _without_description(path: Path, beside: str) -> Problem:
    missing = f"is not a stored net: there is no description {beside} beside it"
    try:
        told = file_told_apart(path)
    except OSError:
        told = None
    return told or Problem(str(path), missing, "give what porting build or net.store wrote, with its description")


def check_whole(description: StoredDescription, limits: Limits) -> list[Problem]:
    """All problems of the network that a net was built from, beside those of its values."""
    if description.whole is None:
        return []
    kept = {TensorRef(call.name) for call, _ in description.preprocessing}
    if description.version > 3:
        kept |= description.whole.made_outputs()
    return check_stored_network(description.whole, kept, limits)


def _read(file: io.FileIO, limits: Limits, kind: canonical.Kind) -> bytes:
    size = os.fstat(file.fileno()).st_size
    text = b"" if size > limits.description_bytes else file.read(limits.description_bytes + 1)
    if max(size, len(text or b"")) > limits.description_bytes:
        raise kind.bad(f"has more than {limits.description_bytes} bytes", "raise Limits.description_bytes")
    return text or b""


class _StoredDecoder(Decoder):
    """Everything is checked that a run relies on: a wrong layout or a missing tensor would show only there."""

    def __init__(self, limits: Limits, file: str) -> None:
        super().__init__(limits)
        self.file = file

    def description(self, value: Any) -> StoredDescription:
        version: int = value["version"]
        self.version = network_version(version)
        keys = ("format", "version", "name", "archive", "inputs", "sources", "sinks", "preprocessing", "outputs")
        parts = self.record(value, self.file, *keys, *(("network",) if version > 1 else ()), *self.later(version))
        archive = self.record(parts["archive"], "archive", "bytes", "sha256")
        digest = self.matching(archive["sha256"], "archive sha256", DIGEST, "is not a sha256 in hexadecimal")
        found = StoredDescription(
            self.text(parts["name"], "name"),
            self.integer(archive["bytes"], "archive bytes", 1, 1 << 62),
            digest,
            tuple(self.input(one, "input") for one in self.items(parts["inputs"], "inputs", "inputs")),
            tuple(self.terminal(one, "source", version) for one in self.items(parts["sources"], "sources", "inputs")),
            tuple(self.terminal(one, "sink", version) for one in self.items(parts["sinks"], "sinks", "calls")),
            tuple(self.step(one) for one in self.items(parts["preprocessing"], "preprocessing", "calls")),
            self.argument(parts["outputs"], "outputs"),
            self.whole(parts) if parts.get("network") is not None else None,
            version,
            self.mapping(parts.get("metadata", {}), "metadata", self.plain),
        )
        self.problems += metadata_problems(found.metadata)
        self.unique([one.name for one in found.inputs], self.file, "inputs")
        self.unique([one.name for one in found.sources], self.file, "sources")
        self.unique([one.name for one in found.sinks], self.file, "sinks")
        for what in _unresolved(found):
            self.refuse(self.file, what, "store the net again")
        return found

    @staticmethod
    def later(version: int) -> tuple[str, ...]:
        """Keys that came with version 5."""
        return ("metadata",) if version > 4 else ()

    def whole(self, parts: Mapping[str, Any]) -> Network:
        """The network's sketch; its name, inputs and outputs are the net's."""
        shared = {key: parts[key] for key in ("format", "name", "inputs", "outputs")}
        shared["version"] = network_version(parts["version"])
        shared.update({key: parts[key] for key in self.later(parts["version"])})
        ordered = parts["version"] > 5 and isinstance(parts["network"], dict) and "order" in parts["network"]
        network = self.record(parts["network"], "network", *PARTS, *(("order",) if ordered else ()))
        order = self.order(network.pop("order", []))
        return replace(self.network({**shared, **network}), order=order)

    def terminal(self, value: Any, kind: str, version: int) -> Terminal:
        keys = ("name", "shape", "dtype", "keras_dtype", "layout", "dimensions", "ids_below", "at_least")
        parts = self.record(value, kind, *keys, *(("at_most",) if version > 3 else ()))
        name = self.text(parts["name"], f"{kind} name")
        where = f"{kind} {name!r}"
        shape = self.sizes(parts["shape"], f"{where} shape", 1, may_be_open=True)
        layout = self.matching(parts["layout"], f"{where} layout", _LAYOUT, "is not of the letters LBSHWDC, each once")
        if len(layout) != len(shape):
            self.refuse(f"{where} layout", f"has {len(layout)} letters, its shape {len(shape)} axes")
        if parts["dimensions"] != [DIMENSIONS[letter] for letter in layout if letter in DIMENSIONS]:
            self.refuse(f"{where} dimensions", "are not those of its layout")
        dtype, keras_dtype = parts["dtype"], parts["keras_dtype"]
        if dtype not in ("float32", "int32", "bool") or keras_dtype not in (*DTYPES, "string"):
            self.refuse(where, f"is of {str(dtype)[:20]!r} and {str(keras_dtype)[:20]!r}, which no net has")
            dtype = keras_dtype = "float32"
        ids_below = parts["ids_below"]
        if ids_below is not None:
            ids_below = self.integer(ids_below, f"{where} ids_below", 1, LARGEST_ID)
        at_least = self.sizes(parts["at_least"], f"{where} at_least", 0)
        if len(at_least) not in (0, len(shape)):
            self.refuse(f"{where} at_least", f"has {len(at_least)} sizes, its shape {len(shape)}")
        at_most = self.sizes(parts["at_most"], f"{where} at_most", 1, may_be_open=True) if version > 3 else ()
        if len(at_most) not in (0, len(shape)):
            self.refuse(f"{where} at_most", f"has {len(at_most)} sizes, its shape {len(shape)}")
        least = tuple(size or 1 for size in at_least)
        return Terminal(name, shape, dtype, layout, keras_dtype, ids_below, least, at_most)

    def step(self, value: Any) -> tuple[Call, Layer]:
        parts = self.record(value, "step", "call", "inputs", "arguments", "layer", "class", "config", "weights")
        name, layer = self.name(parts["call"], "step call"), self.name(parts["layer"], "step layer")
        where = f"step {name!r}"
        weights = [self.weight(one, where) for one in self.items(parts["weights"], f"{where} weights", "arrays")]
        self.unique([one for one, _ in weights], where, "weights")
        class_name = self.text(parts["class"], f"{where} class")
        if class_name not in LAYERS:
            self.refuse(where, f"is of the class {class_name[:60]!r}, no layer of text or categories")
        inputs = self.items(parts["inputs"], f"{where} inputs", "values")
        return (
            Call(
                name,
                layer,
                tuple(self.argument(one, where) for one in inputs),
                self.mapping(parts["arguments"], f"{where} arguments", self.argument),
            ),
            Layer(layer, class_name, self.mapping(parts["config"], f"{where} config", self.plain), dict(weights)),
        )

    def weight(self, value: Any, where: str) -> tuple[str, Array]:
        parts = self.record(value, where, "name", "dtype", "shape", "values")
        name = self.name(parts["name"], f"{where} weight")
        shape = self.shape(parts["shape"], f"{where} weight {name!r} shape", 0)
        values = self.items(parts["values"], f"{where} weight {name!r}", "values")
        try:
            return name, _array(values, parts["dtype"], shape)
        except (ValueError, TypeError, OverflowError) as error:
            self.refuse(f"{where} weight {name!r}", f"is not an array of {str(parts['dtype'])[:20]!r}: {error}"[:200])
            return name, np.zeros(0, np.float32)


def _array(values: list[Any], dtype: Any, shape: tuple[int, ...]) -> Array:
    made: Array
    if dtype == STRINGS:
        if not all(isinstance(one, str) for one in values):
            raise ValueError("not all of its values are strings")
        made = np.empty(len(values), object)
        made[:] = values
    else:
        if dtype not in DTYPES:
            raise ValueError("no dtype that is stored")
        wanted = {"b": bool, "f": float}.get(np.dtype(dtype).kind, int)
        if not all(type(one) is wanted for one in values):
            raise ValueError(f"not all of its values are of the type {wanted.__name__}")
        made = np.array(values, dtype)
        if made.tolist() != values:
            raise ValueError("it does not hold all of its values")
    if made.size != int(np.prod(shape, dtype=object)):
        raise ValueError(f"{made.size} values do not fill the shape {shape}")
    return made.reshape(shape)


def _unresolved(found: StoredDescription) -> Iterator[str]:
    """Tensors that are read but made nowhere, and outputs that are no tensors."""
    made = {one.ref for one in found.inputs}
    for call, _ in found.preprocessing:
        for ref in (*tensors_in(call.inputs), *tensors_in(call.arguments)):
            if ref not in made:
                yield f"step {call.name!r} reads '{ref}', which nothing before it makes"
        made.add(TensorRef(call.name))
    for source in found.sources:
        if not NAME.match(source.name) or TensorRef(source.name) not in made:
            yield f"source {source.name!r} is neither an input nor a step's"
    told, odd = _told(found)
    yield from odd
    made |= told
    outputs = list(tensors_in(found.outputs))
    for ref in outputs:
        if ref not in made:
            yield f"its output '{ref}' is neither a sink nor a step's"
    if not outputs or not only_tensors(found.outputs):
        yield "its outputs are not a tensor, a tuple or a dict of tensors"
    if not found.inputs:
        yield "has no inputs"


def _told(found: StoredDescription) -> tuple[set[TensorRef], list[str]]:
    """The tensors that sinks give, and what is odd about sinks."""
    tensors, odd = set(), []
    for sink in found.sinks:
        if sink.ids_below is not None:
            if found.version < 3:
                odd.append(
                    f"sink {sink.name!r} tells of ids, which version {found.version} of the format does not know"
                )
            continue
        try:
            tensors.add(TensorRef.parse(sink.name))
        except ValueError:
            odd.append(f"sink {sink.name!r} is not a tensor")
    return tensors, odd
