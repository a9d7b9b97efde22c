"""A ported network as a native NeoML archive, and what stands beside it.

The archive alone is what a C++ or Python NeoML program loads. The description (``PATH.json``) tells it, and
`porting.load`, which blob dimension holds which axis, where ids end, and the archive's sha256: NeoML's own loader can
be crashed by one flipped bit, so an archive is loaded only when its hash matches. ``PATH.network.npz`` is read when
more than predictions is asked for; see `stored_network`.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional, Union

from ...archive.folder import open_plain, path_of
from ...archive.hashing import sha256_of_file
from ...archive.limits import LIMITS, Limits
from ...engine import Engine
from ...errors import BadArchive, MissingFile, PortingError, Problem, Unsupported
from ...layers import Rule
from ...layers.rule import makes_mask
from ...layers.rule_files import portable
from ...network import Array, Call, Input, Network, Shape, TensorRef
from ...padded import Padding
from ...preprocessing.engine import FrontedEngine, fronted
from ..runtime.blobs import as_array, as_blob, run_checked
from ..runtime.devices import math_engine_for, math_engine_of_fork
from ..runtime.pool import LARGE_WEIGHTS, NetPool
from ..sizes import MANY, check_guards, check_ids, check_inputs_of_net, check_most_sizes, check_small_numbers
from ..values import Terminal
from .description import StoredDescription, description_path, read_description
from .network import network_path, read_stored, write_stored

Prove = Callable[[Engine, Engine], None]
MakeEngine = Callable[[Network, Optional[str], Any, Mapping[str, Rule]], Engine]
# NeoML counts an archive's bytes in 31 bits; its layers' own records need little.
LARGEST_ARCHIVE = (1 << 31) - (1 << 24)
# The first version of the description whose nets compute on whole numbers beyond 2²⁴ exactly.
EXACT_WHOLE_NUMBERS = 4
# Bytes that are free on a disk that has not been filled.
SPARE = 1 << 20


def store_net(
    network: Network,
    engine: Engine,
    path: Path,
    prove: Prove,
    overwrite: bool,
    with_network: bool,
    shape: Any = None,
) -> Path:
    """Write archive, arrays and description; see `PortedNetwork.store`.

    `prove` is given an engine over what was written and one over the live net before anything takes its place, and
    raises where they differ.
    """
    # An engine without a net says so before anything is looked at.
    engine.terminals()
    path_of(path)
    arrays, described = network_path(path), description_path(path)
    check_free_net(path, overwrite)
    engine = _of_one_net(engine, shape)
    size = sum(array.nbytes for array in network.weights().values())
    if size >= LARGEST_ARCHIVE:
        what = f"has {size} bytes of weights; NeoML's archives hold less than {LARGEST_ARCHIVE}"
        raise Unsupported(network.name, what, "keep the saved network's folder, which has no such limit")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name[:40]}-", dir=path.parent) as scratch:
            written, kept, text = (Path(scratch) / name for name in ("net", "network", "description"))
            _write_archive(engine.dnn, written, size)
            description = _description_of(network, engine, written)
            if with_network and _has_references(network):
                wanted = network.made_outputs().union(TensorRef(call.name) for call, _ in description.preprocessing)
                description = replace(description, whole=write_stored(kept, network, wanted, LIMITS))
            prove(_opened(written, description, engine), engine)
            with open(text, "xb") as target:
                target.write(description.encoded())
                target.flush()
                os.fsync(target.fileno())
            # The archive goes first: between the renames its hash does not match and nothing loads it.
            os.replace(written, path)
            if description.whole is not None:
                os.replace(kept, arrays)
            os.replace(text, described)
        if description.whole is None:
            arrays.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        raise BadArchive(str(path), f"cannot be written: {error}", "check the folder and the disk") from error
    return path


def check_free_net(path: Path, overwrite: bool) -> None:
    """Refuse to replace a stored net, or what lies beside it, without being told to. Raises BadArchive."""
    there = [
        Problem(str(one), "exists", "choose another name, or overwrite=True")
        for one in (path, network_path(path), description_path(path))
        if os.path.lexists(one) and not overwrite
    ]
    BadArchive.raise_for(there)


def _opened(path: Path, description: StoredDescription, engine: Engine) -> Engine:
    """An engine for what was just written, behind the front of the engine that it was written from."""
    stored = StoredEngine(path, description, engine.device, engine.rules, _no_whole)
    return stored if engine.front is None else FrontedEngine(engine.front, stored, stored.network)


def _no_whole(network: Network, engine: Optional[str], device: Any, rules: Mapping[str, Rule]) -> Engine:
    raise AssertionError("what was just written is run and nothing else")


def _has_references(network: Network) -> bool:
    """Whether there is a case, and every one tells of the outputs."""
    refs = network.output_refs()
    return bool(network.cases) and all(ref in case.outputs for case in network.cases for ref in refs)


def _write_archive(dnn: Any, path: Path, weights: int) -> None:
    """Store a net to a new file.

    NeoML does not notice that a disk is full. So it stores to memory, and what it stores is written from there; a
    large net goes to the disk at once, and the disk is looked at afterwards.

    Raises:
        OSError: as the system reports it, or a disk that has been filled.
    """
    from ..runtime.archives import check_file_limit, stored

    if weights <= LARGE_WEIGHTS:
        with open(path, "xb") as file:
            file.write(stored(dnn))
        return
    dnn.store(str(path))
    check_file_limit(path.stat().st_size)
    full = hasattr(os, "statvfs") and os.statvfs(path).f_bavail * os.statvfs(path).f_frsize < SPARE
    if full or path.stat().st_size < weights:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _of_one_net(engine: Engine, shape: Any) -> Engine:
    """The engine whose net is stored. Raises Unsupported where each size has another net, and none is named."""
    if shape is not None:
        return engine.at(shape)
    if engine.hangs_on_sizes is None:
        return engine
    shapes = [source.shape[1:] for source in engine.terminals()[0]]
    example = shapes[0] if len(shapes) == 1 else shapes
    way_out = f"name the size that is stored: shape={example!r}, or the like"
    raise Unsupported(
        Problem(one.where, f"an archive holds the net of one size, and this hangs on it: {one.what}", way_out)
        for one in engine.hangs_on_sizes.problems
    )


def _description_of(network: Network, engine: Engine, archive: Path) -> StoredDescription:
    """What stands beside an archive that was just written, and is on the disk from now on."""
    with open_plain(archive) as file:
        digest, size = sha256_of_file(file)
        os.fsync(file.fileno())
    sources, sinks = engine.terminals()
    steps = tuple((step.call, step.layer) for step in (engine.front.steps if engine.front else ()))
    return StoredDescription(
        network.name,
        size,
        digest,
        network.inputs,
        tuple(sources),
        tuple(sinks),
        steps,
        network.outputs,
        metadata=network.metadata,
    )


def load_net(
    path: Path,
    engine: Optional[str],
    device: Any,
    rules: Mapping[str, Rule],
    make_engine: MakeEngine,
    *,
    trust: bool = False,
    limits: Limits = LIMITS,
) -> tuple[Network, Engine]:
    """Open a stored net: what it tells of its network, and an engine.

    Args:
        path: of the archive; its description is beside it.
        engine: ``neoml`` or None.
        device: see `porting.load`.
        rules: those of text functions count; a stored net holds its layers.
        make_engine: `porting.engine_factory.make_engine`, for the network that lies beside the archive.
        trust: load the archive although its hash is another. Only for archives whose origin is known: a damaged
            or hostile one can crash the process.
        limits: caps on the description.

    Raises:
        BadArchive: no description, one that does not fit, or another hash.
        Unsupported: an engine that cannot open NeoML's archives.
    """
    if engine not in (None, "neoml"):
        what = "a stored NeoML net runs in NeoML only"
        raise Unsupported(f"engine {engine!r}", what, "load the saved network's folder instead")
    description = read_description(path, limits)
    stored = StoredEngine(path, description, device or "cpu", rules, make_engine, trust, limits)
    if not description.preprocessing:
        return stored.network, stored
    network = replace(stored.network, inputs=description.inputs)
    return network, fronted(description.preprocessing, stored.network.inputs, stored, network)


def check_archive(path: Path, description: StoredDescription) -> None:
    """Compare an archive with its hash. Raises BadArchive where it is another, or cannot be read."""
    try:
        with open_plain(path) as file:
            found = sha256_of_file(file)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        kind = MissingFile if isinstance(error, FileNotFoundError) else BadArchive
        raise kind(Problem(str(path), what, "store the net again")) from error
    if found != (description.archive_sha256, description.archive_bytes):
        what = "is not the archive that its description names: the sha256 differs"
        raise BadArchive(str(path), what, "store the net again; see docs/security.md about trust=True")


def _input(source: Terminal, declared: Sequence[Input]) -> Input:
    """What a source takes of users; a size that the network declares where the net would take any."""
    shape = next((one.shape for one in declared if one.name == source.name), source.shape)
    sizes = (size if size is not None else fixed for size, fixed in zip(source.shape, shape))
    return Input(source.name, tuple(sizes), source.keras_dtype)


class StoredEngine(Engine):
    """`porting.engine.Engine` over a stored net: it predicts. `whole` gives what does the rest.

    `archive` is what was read from `path`, where the engine comes out of a pickle.
    """

    name = "neoml"
    is_partial = True

    def __init__(
        self,
        path: Path,
        description: StoredDescription,
        device: Any,
        rules: Mapping[str, Rule],
        make_engine: MakeEngine,
        trust: bool = False,
        limits: Limits = LIMITS,
        archive: Optional[bytes] = None,
    ) -> None:
        self.path = path
        self._archive = archive
        self.device = device
        self.math_engine = math_engine_for(device)
        self.sources, self.sinks = list(description.sources), list(description.sinks)
        self.guards = {one.name: one.ids_below for one in self.sinks if one.ids_below is not None}
        self.id_limits = {one.name: one.ids_below for one in self.sources if one.ids_below is not None}
        self._least_sizes = {one.name: one.at_least for one in self.sources}
        self.most_sizes = {one.name: [MANY if size is None else size for size in one.at_most] for one in self.sources}
        inputs = tuple(_input(one, description.inputs) for one in self.sources)
        self.network = Network(description.name, inputs, (), {}, description.outputs, metadata=description.metadata)
        self.description = description
        self.trust = trust
        self.rules = rules
        self._make_engine = make_engine
        self.limits = limits
        self._pool = NetPool(self._load, self._forked, 1 if description.archive_bytes > LARGE_WEIGHTS else None)
        self.check_terminals()

    @property
    def weight_bytes(self) -> int:
        return self.description.archive_bytes

    def __reduce__(self) -> tuple[Any, ...]:
        archive = self._archive
        if archive is None:
            if not self.trust:
                check_archive(self.path, self.description)
            archive = self.path.read_bytes()
        told = (self.path, self.description, self.device, portable(self.rules), self._make_engine)
        return StoredEngine, (*told, self.trust, self.limits, archive)

    @property
    def least_sizes(self) -> Mapping[str, Sequence[int]]:
        return self._least_sizes

    def _forked(self) -> None:
        self.math_engine = math_engine_of_fork(self.math_engine, self.device)

    def _load(self) -> StoredNet:
        """A live net. The archive is compared anew for every net: it may have been replaced since the one before."""
        if not self.trust and self._archive is None:
            check_archive(self.path, self.description)
        source = str(self.path) if self._archive is None else self._archive
        try:
            return StoredNet(source, self.math_engine, self.id_limits, self.guards)
        except RuntimeError as error:
            raise BadArchive(str(self.path), f"is not loaded by NeoML: {error}", "store the net again") from error

    def check_terminals(self) -> None:
        """Raises BadArchive when the archive's sources and sinks are not those described."""
        for what, have, told in (
            ("sources", set(self.dnn.input_layers), self.sources),
            ("sinks", set(self.dnn.output_layers), self.sinks),
        ):
            want = {one.name for one in told}
            if (have - want) if what == "sources" else (want - have):
                text = f"its {what} are {sorted(have)}, described are {sorted(want)}"
                raise BadArchive(str(self.path), text, "store the net again")

    @property
    def dnn(self) -> Any:
        return self._pool.first.dnn

    def terminals(self) -> tuple[list[Terminal], list[Terminal]]:
        return self.sources, self.sinks

    def declared_shapes(self) -> Mapping[str, Shape]:
        return {one.name: one.shape for one in self.sources}

    def run(self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None) -> dict[TensorRef, Array]:
        """The sinks, for checked inputs by name. Raises Mismatch as `NeomlEngine.run` does."""
        check_inputs_of_net(inputs, self._least_sizes)
        check_most_sizes(inputs, self.most_sizes)
        if self.description.version < EXACT_WHOLE_NUMBERS:
            check_small_numbers(inputs)
        with self._pool.borrowed() as net:
            blobs = {one.name: as_blob(inputs[one.name], one) for one in self.sources if one.name in net.reads}
            outputs = run_checked(net, blobs)
        try:
            told = [one for one in self.sinks if one.name not in self.guards]
            return {TensorRef.parse(one.name): as_array(outputs[one.name], one) for one in told}
        except AssertionError as error:
            raise BadArchive(str(self.path), f"is described wrongly: {error}", "store it again") from error

    @property
    def has_whole(self) -> bool:
        """Whether the network that the net was built from is beside it."""
        return self._archive is None and self.description.whole is not None and network_path(self.path).exists()

    def _look_for_padding(self) -> Padding:
        """That of the network beside it, which is read where it has masks."""
        sketch = self.description.whole
        if (
            sketch is None
            or not self.has_whole
            or not any(makes_mask(layer.config) for layer in sketch.layers.values())
        ):
            return Padding()
        try:
            found = self.whole()[1].padding
        except PortingError:
            return Padding(why="the network beside the net cannot be read")
        cut = [one for one in self.sources if one.name in found.inputs]
        return Padding() if any(one.shape[1] is not None for one in cut) else found

    def whole(self) -> tuple[Network, Engine]:
        """The network that the net was built from, and an engine for it.

        Raises:
            BadArchive: its arrays are not as described, or the archive is another.
            Unsupported: it was not stored, or is not there any more.
        """
        sketch = self.description.whole
        arrays = network_path(self.path)
        if self._archive is not None:
            raise self._only_predicts("came out of a pickle without its network", "store it with with_network=True")
        if sketch is None:
            raise self._only_predicts("was stored without its network", "store it with with_network=True")
        check_archive(self.path, self.description)
        try:
            network = read_stored(arrays, sketch, self.limits)
        except FileNotFoundError as error:
            raise self._only_predicts(f"has no {arrays.name} beside it", "put it there again") from error
        except OSError as error:
            what = f"cannot be read: {error.strerror or error}"
            raise BadArchive(str(arrays), what, "store the net again") from error
        return network, self._make_engine(network, "neoml", self.device, self.rules)

    def _only_predicts(self, what: str, way_out: str) -> Unsupported:
        told = f"the stored net {what}: it predicts, and does nothing else"
        return Unsupported(str(self.path), told, f"{way_out}, or load the saved network's folder")

    def run_alone(
        self, call: Call, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]
    ) -> tuple[list[Array], list[Optional[Array]]]:
        return self.whole()[1].run_alone(call, tensors, masks)

    def weights(self) -> dict[str, Array]:
        return self.whole()[1].weights()


class StoredNet:
    """One live net from an archive whose hash was checked: a path, or what was read from it."""

    def __init__(
        self, source: Union[str, bytes], math_engine: Any, ids_below: Mapping[str, int], guards: Mapping[str, int]
    ) -> None:
        from ..runtime.archives import loaded, opened, teach_wrappers
        from ..runtime.build import blob_of, from_blob

        teach_wrappers()
        self.dnn = loaded(source, math_engine) if isinstance(source, bytes) else opened(source, math_engine)
        self.reads = set(self.dnn.input_layers)
        self._blob_of = blob_of
        self._from_blob = from_blob
        self._math_engine = math_engine
        self._ids_below = ids_below
        self._guards = guards

    def run(self, blobs: Mapping[str, Array]) -> dict[str, Array]:
        check_ids(blobs, self._ids_below)
        outputs = self.dnn.run({name: self._blob_of(self._math_engine, blobs[name]) for name in self.reads})
        found = {name: self._from_blob(blob) for name, blob in outputs.items()}
        check_guards(found, self._guards)
        return found

    def renew(self) -> None:
        """See `porting.neoml_side.runtime.runner.Runner.renew`."""
        from ..runtime.archives import copy_of

        self.dnn = copy_of(self.dnn, self._math_engine)
