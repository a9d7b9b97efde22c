"""Networks on their way to the processes that run them, where each is made once."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import BadArchive, Unsupported
from ..predicting import Predictor

# Nets that a process keeps; those used last stay.
MOST_NETS = 4
_nets: dict[str, Predictor] = {}
_lock = threading.Lock()


class Carried(Protocol):
    """A network that can be pickled at little cost or once, and is live where it arrives."""

    def live(self) -> Predictor:
        """The network, made once in a process; it keeps a net of NeoML's for each thread that runs it."""


def _made_once(key: str, make: Callable[[], Predictor]) -> Predictor:
    with _lock:
        net = _nets.pop(key) if key in _nets else make()
        _nets[key] = net
        while len(_nets) > MOST_NETS:
            del _nets[next(iter(_nets))]
        return net


@dataclass(frozen=True)
class CarriedPath:
    """A saved network's folder, or a stored net, that every process reads from a file system they share.

    Attributes:
        path: of the folder or the archive.
        digest: what `digest_of` said of it when the run began.
        engine, device, rules: as `porting.load` takes them.
        load: `porting.load`.
    """

    path: str
    digest: str
    engine: str
    device: str
    rules: tuple[str, ...]
    load: Callable[..., Predictor]

    def live(self) -> Predictor:
        """See `Carried.live`.

        Raises:
            BadArchive: it is not to be read here, or is another network than that of the run.
            Unsupported: the engine is not installed here.
        """
        return _made_once(repr((self.path, self.digest, self.engine, self.device, self.rules)), self._load)

    def _load(self) -> Predictor:
        net = self.load(self.path, self.engine, self.device, self.rules)
        if digest_of(Path(self.path), self.rules) != self.digest:
            what = "is another network here than where the run was started"
            raise BadArchive(self.path, what, "let all workers read the same files")
        return net


@dataclass(frozen=True)
class CarriedBytes:
    """A network as bytes, as it was when they were made."""

    digest: str
    data: bytes

    def live(self) -> Predictor:
        """See `Carried.live`. Raises Unsupported where the engine is not installed."""
        return _made_once(self.digest, self._load)

    def _load(self) -> Predictor:
        net: Predictor = pickle.loads(self.data)
        return net


def carry(net: Predictor) -> CarriedBytes:
    """A live network as bytes, with its weights as they are now.

    Raises:
        Unsupported: rules that are functions of no module.
    """
    data = pickled(net.network.name, net)
    return CarriedBytes(hashlib.sha256(data).hexdigest(), data)


def pickled(name: str, value: Any) -> bytes:
    """What belongs to a network of this name, as bytes. Raises Unsupported as `carry`."""
    try:
        return pickle.dumps(value, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        way_out = "give the rules as the path of a Python file that all processes read"
        raise Unsupported(name, f"cannot be sent to other processes: {error}", way_out) from error


def digest_of(path: Path, rules: tuple[str, ...] = ()) -> str:
    """The sha256 of what a network is: of its description, which holds the hashes of all arrays, and of rule files.

    Raises:
        BadArchive: it cannot be read.
    """
    description = path.with_name(path.name + ".json") if path.is_file() else path / "network.json"
    digest = hashlib.sha256()
    for one in (description, *map(Path, rules)):
        try:
            digest.update(hashlib.sha256(one.read_bytes()).digest())
        except OSError as error:
            raise BadArchive(str(one), f"cannot be read: {error.strerror}", "give the path as saved") from error
    return digest.hexdigest()
