"""A ported network as a native NeoML archive, and the description beside it.

The archive alone is what a C++ or Python NeoML program loads. The description (``PATH.json``) tells it, and
`porting.load`, which blob dimension holds which axis, where ids end, and the archive's sha256: NeoML's own loader can
be crashed by one flipped bit, so an archive is loaded only when its hash matches.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ..errors import BadArchive, Problem, Unsupported
from ..layers import Rule
from ..network import Array, Call, Input, Network, TensorRef, map_tensors
from ..preprocessing import (
    TEXT_FUNCTIONS,
    Front,
    FrontedEngine,
    Functions,
    functions_in,
    refs_from_json,
    step_from_json,
    step_to_json,
)
from .engine import NetPool, as_array, as_blob, run_checked
from .wires import Terminal

if TYPE_CHECKING:
    from ..ported import PortedNetwork

__all__ = ["StoredEngine", "load_net", "store_net"]

FORMAT = "porting stored net"
VERSION = 1
LARGEST_DESCRIPTION = 1 << 26
CHUNK = 1 << 20


def description_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


# ---- writing


def store_net(net: PortedNetwork, path: Path, overwrite: bool) -> Path:
    """Write archive and description; see `PortedNetwork.store`."""
    described = description_path(path)
    if not overwrite:
        there = [
            Problem(str(one), "exists", "give another path, or overwrite=True")
            for one in (path, described)
            if one.exists()
        ]
        if there:
            raise BadArchive(there)
    engine: Any = net.engine
    front: Optional[Front] = getattr(engine, "front", None)
    sources, sinks = engine.terminals()
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
            written = Path(scratch) / "net"
            engine.dnn.store(str(written))
            description = {
                "format": FORMAT,
                "version": VERSION,
                "name": net.network.name,
                "bytes": written.stat().st_size,
                "sha256": hash_of(written),
                "sources": [source.to_json() for source in sources],
                "sinks": [sink.to_json() for sink in sinks],
                "inputs": [
                    {"name": one.name, "shape": list(one.shape), "dtype": one.dtype} for one in net.network.inputs
                ],
                "preprocessing": [step_to_json(step) for step in front.steps] if front else [],
                "outputs": map_tensors(net.network.outputs, lambda ref: {"tensor": str(ref)}),
            }
            text = Path(scratch) / "description"
            text.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
            # The archive goes first: between the two renames its hash does not match and nothing loads it.
            os.replace(written, path)
            os.replace(text, described)
    except (OSError, RuntimeError) as error:
        raise BadArchive(Problem(str(path), f"cannot be written: {error}", "check the folder and the disk")) from error
    return path


def hash_of(path: Path) -> str:
    """sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# ---- reading


def load_net(
    path: Path, engine: Optional[str], device: Any, rules: Mapping[str, Rule], *, trust: bool = False
) -> PortedNetwork:
    """Open a stored net.

    Args:
        path: of the archive; its description is beside it.
        engine: ``neoml`` or None.
        device: see `porting.load`.
        rules: those of text functions count; a stored net holds its layers.
        trust: load the archive although its hash is another. Only for archives whose origin is known: a damaged
            or hostile one can crash the process.

    Raises:
        BadArchive: no description, one that does not fit, or another hash.
        Unsupported: an engine that cannot open NeoML's archives.
    """
    from ..ported import PortedNetwork

    if engine not in (None, "neoml"):
        what = "a stored NeoML net runs in NeoML only"
        raise Unsupported(Problem(f"engine {engine!r}", what, "load the saved network's folder instead"))
    own = functions_in(rules)
    description = read_description(path, own)
    if not trust:
        check_hash(path, description)
    stored = StoredEngine(path, description, device or "cpu")
    steps = tuple(step_from_json(step, own) for step in description["preprocessing"])
    if not steps:
        return PortedNetwork(stored.network, stored)
    inputs = tuple(Input(one["name"], tuple(one["shape"]), one["dtype"]) for one in description["inputs"])
    network = Network(stored.network.name, inputs, (), {}, stored.network.outputs)
    return PortedNetwork(network, FrontedEngine(Front(steps, stored.network.inputs), stored, network))


def read_description(path: Path, own: Functions = TEXT_FUNCTIONS) -> dict[str, Any]:
    described = description_path(path)
    try:
        if described.stat().st_size > LARGEST_DESCRIPTION:
            raise BadArchive(Problem(str(described), "is too large for a description"))
        description = json.loads(described.read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise BadArchive(Problem(str(described), f"describes a {description['format']!r}"))
        if description["version"] != VERSION:
            what = f"has version {description['version']!r}, this porting reads {VERSION}"
            raise BadArchive(Problem(str(described), what, "store the net again, or update porting"))
        for one in (*description["sources"], *description["sinks"]):
            Terminal.from_json(one)
        for step in description["preprocessing"]:
            step_from_json(step, own)
        for one in description["inputs"]:
            Input(one["name"], tuple(one["shape"]), one["dtype"])
        return dict(description)
    except FileNotFoundError as error:
        what = f"has no description {described.name} beside it"
        raise BadArchive(Problem(str(path), what, "store the net with porting; see docs/security.md")) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadArchive(Problem(str(described), f"is no description of a stored net: {error}")) from error


def check_hash(path: Path, description: Mapping[str, Any]) -> None:
    size = path.stat().st_size
    if size != description["bytes"] or hash_of(path) != description["sha256"]:
        what = "is not the archive that its description names: the sha256 differs"
        raise BadArchive(Problem(str(path), what, "store the net again; see docs/security.md about trust=True"))


class StoredEngine:
    """`porting.engine.Engine` over a stored net: it predicts; layers and references stayed in the saved folder."""

    name = "neoml"
    default_batch_size = 32

    def __init__(self, path: Path, description: Mapping[str, Any], device: Any) -> None:
        from .devices import math_engine_for

        self.path = path
        self.device = device
        self.math_engine = math_engine_for(device)
        self.sources = [Terminal.from_json(one) for one in description["sources"]]
        self.sinks = [Terminal.from_json(one) for one in description["sinks"]]
        self.id_limits = {one.name: one.ids_below for one in self.sources if one.ids_below is not None}
        inputs = tuple(Input(one.name, one.shape, one.keras_dtype) for one in self.sources)
        self.network = Network(str(description["name"]), inputs, (), {}, refs_from_json(description["outputs"]))
        self._pool = NetPool(lambda: StoredNet(self.path, self.math_engine))
        self.check_terminals()

    def check_terminals(self) -> None:
        """Raises BadArchive when the archive's sources are not those described."""
        have, want = set(self.dnn.input_layers), {one.name for one in self.sources}
        if not have <= want:
            raise BadArchive(Problem(str(self.path), f"its sources are {sorted(have)}, described are {sorted(want)}"))

    @property
    def dnn(self) -> Any:
        return self._pool.first.dnn

    def terminals(self) -> tuple[list[Terminal], list[Terminal]]:
        return self.sources, self.sinks

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        """The sinks, for checked inputs by name."""
        with self._pool.borrowed() as net:
            blobs = {one.name: as_blob(inputs[one.name], one) for one in self.sources if one.name in net.reads}
            outputs = run_checked(net, blobs)
        return {TensorRef.parse(one.name): as_array(outputs[one.name], one) for one in self.sinks}

    def run_alone(
        self, call: Call, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]
    ) -> tuple[list[Array], list[Optional[Array]]]:
        raise self._only_predicts("layers cannot be run alone")

    def weights(self) -> dict[str, Array]:
        raise self._only_predicts("Keras' weights cannot be named")

    def _only_predicts(self, what: str) -> Unsupported:
        way_out = "load the saved network's folder; the live layers are in .dnn.layers"
        return Unsupported(Problem(str(self.path), f"is a stored NeoML net: {what}", way_out))


class StoredNet:
    """One live net from an archive whose hash was checked."""

    def __init__(self, path: Path, math_engine: Any) -> None:
        import neoml

        from .build import blob_of, from_blob
        from .cells import teach_wrappers

        teach_wrappers()
        self.dnn = neoml.Dnn.Dnn(math_engine)
        self.dnn.load(str(path))
        self.reads = set(self.dnn.input_layers)
        self._blob_of = blob_of
        self._from_blob = from_blob
        self._math_engine = math_engine

    def run(self, blobs: Mapping[str, Array]) -> dict[str, Array]:
        outputs = self.dnn.run({name: self._blob_of(self._math_engine, blobs[name]) for name in self.reads})
        return {name: self._from_blob(blob) for name, blob in outputs.items()}

    def renew(self) -> None:
        """See `porting.neoml_side.build.Runner.renew`."""
        from .cells import copy_of

        self.dnn = copy_of(self.dnn, self._math_engine)
