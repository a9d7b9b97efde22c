"""Trained Keras networks, running in NeoML and in plain numpy, proved layer by layer.

::

    porting.save(model, "folder")         # where Keras is
    net = porting.load("folder")          # where NeoML is, or numpy alone
    print(net.check())
    net.predict(inputs)
    net.fit(inputs, labels, loss="mse")   # NeoML only
    net.save("tuned")
    porting.restore("tuned", model)       # where Keras is
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional, Union

if TYPE_CHECKING:
    from .archive.limits import Limits
    from .checking import Report
    from .corpus.run import Report as RunReport
    from .corpus.run import Summary
    from .engine import EngineName
    from .errors import BadArchive, Mismatch, MissingFile, PortingError, Problem, Unsupported
    from .keras_side.restore import restore
    from .keras_side.save import save
    from .layers import Refusal, rule
    from .layers.rule_files import RulesGiven
    from .network import Case, Network
    from .ported import PortedNetwork
    from .predicting import Progress
    from .text.functions import text_function

__all__ = [
    "BadArchive",
    "Case",
    "Mismatch",
    "MissingFile",
    "Network",
    "PortedNetwork",
    "PortingError",
    "Problem",
    "Refusal",
    "Report",
    "Unsupported",
    "check",
    "load",
    "predict_files",
    "restore",
    "rule",
    "save",
    "standalone",
    "text_function",
]

__version__ = "0.1.0"

Folder = Union[str, Path]

# Imported when it is first asked for: help needs neither numpy nor a room.
LATER = {
    **dict.fromkeys(("BadArchive", "Mismatch", "MissingFile", "PortingError", "Problem", "Unsupported"), "errors"),
    **dict.fromkeys(("Refusal", "rule"), "layers"),
    **dict.fromkeys(("Case", "Network"), "network"),
    "PortedNetwork": "ported",
    "Report": "checking",
    "restore": "keras_side.restore",
    "save": "keras_side.save",
    "text_function": "text.functions",
}
ROOMS = ("optimizers", "schedules", "training")

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in ROOMS:
            return import_module(f".{name}", __name__)
        if name not in LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found = getattr(import_module(f".{LATER[name]}", __name__), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *ROOMS})


def load(
    folder: Union[Folder, Network],
    engine: Optional[EngineName] = None,
    device: Optional[str] = None,
    rules: RulesGiven = None,
    *,
    trust: bool = False,
    limits: Optional[Limits] = None,
) -> PortedNetwork:
    """Load a saved network, or a stored NeoML net, onto an engine.

    Args:
        folder: a saved network's folder, the path that `PortedNetwork.store` wrote, or a network as `save` returns it.
        engine: ``neoml`` or ``numpy``; by default NeoML where it is installed, else numpy.
        device: ``cpu`` (default), ``gpu`` or ``gpu:1``; NeoML only.
        rules: rules of your own for this network: the path of a Python file with `@porting.rule` functions (it is
            run), a list of paths, or rules by class name. They come before those that are registered.
        trust: load a stored net although its archive is another than was stored; see docs/security.md.
        limits: how large what is read may be; see `porting.archive.limits.Limits`.

    Raises:
        BadArchive: the folder is not a sound saved network; `MissingFile`, also a FileNotFoundError, where there is
            none.
        Unsupported: listing every layer and setting that the engine cannot express.
    """
    from .archive import read_network
    from .archive.limits import LIMITS
    from .engine_factory import make_engine
    from .errors import Unsupported
    from .layers.rule_files import check_rules_are_asked, gather_rules
    from .network import Network
    from .ported import PortedNetwork

    if not isinstance(folder, Network) and Path(folder).is_file():
        from .neoml_side.stored.store import load_net

        given = (Path(folder), engine, device, gather_rules(rules), make_engine)
        return PortedNetwork(*load_net(*given, trust=trust, limits=limits or LIMITS))
    if trust:
        raise Unsupported("trust", "is for stored nets; a saved network's hashes always count", "leave it out")
    network = folder if isinstance(folder, Network) else read_network(folder, limits=limits or LIMITS)
    gathered = gather_rules(rules)
    check_rules_are_asked(network, gathered)
    return PortedNetwork(network, make_engine(network, engine, device, gathered))


def predict_files(
    network: Folder,
    corpus: Folder,
    out: Folder,
    column: Optional[str] = None,
    *,
    prefix: str = "",
    engine: Optional[EngineName] = None,
    device: Optional[str] = None,
    rules: Union[Folder, Iterable[Folder]] = (),
    batch_size: Optional[int] = None,
    scheduler: Optional[str] = None,
    workers: Optional[int] = None,
    patience: float = 60.0,
    overwrite: bool = False,
    progress: Optional[RunReport] = None,
) -> Summary:
    """Score a corpus of parquet and csv files that all workers read from one file system; needs the extra ``dask``.

    Every file becomes parquet files with its columns and, behind them, a column for each output. A part is written
    whole or not at all; a run that is started again goes on where it stood, and refuses files, a network or options
    that have changed. Rows that the network does not take are named in ``_errors.jsonl``, and the rest goes on.

    Args:
        network: a saved network's folder, or a stored net.
        corpus: a folder of parquet and csv files, or one file.
        out: the folder to write to.
        column: of the texts or numbers, where the network takes one input; the columns called as the inputs are read
            otherwise.
        prefix: stands in front of the outputs' names.
        engine, device: as `load` takes them.
        rules: the paths of files with rules, as `load` takes them.
        batch_size: as `PortedNetwork.predict` takes it; 256 by default, where texts are not padded to the longest.
        scheduler: the address of a dask scheduler whose workers score.
        workers: so many processes of this machine score. Without either this process does.
        patience: seconds to wait for a scheduler or workers that do not answer.
        overwrite: begin anew where a run has been.
        progress: called with a `porting.corpus.run.Progress` as parts are done.

    Returns:
        A `porting.corpus.run.Summary`; bad rows and damaged files do not raise: see its ``bad`` and ``failed``.

    Raises:
        Mismatch: columns that are not there, or files or options that are not those of the run that stands in `out`.
        Unsupported: workers that cannot run the network, or what `load` refuses.
        BadArchive: outputs that cannot be written, and what `load` cannot read.
        porting.corpus.connection.Unfinished: the scheduler or its workers stay away.
    """
    from .errors import Unsupported

    try:
        from .corpus.run import predict_corpus
    except ImportError as error:
        if (error.name or "").split(".")[0] != "pyarrow":
            raise
        what = f"pyarrow cannot be imported: {error}"
        raise Unsupported("predict_files", what, "in a checkout of porting: pip install '.[dask]'") from error
    return predict_corpus(
        load,
        Path(network),
        Path(corpus),
        Path(out),
        column=column,
        prefix=prefix,
        engine=engine,
        device=device or "cpu",
        rules=[rules] if isinstance(rules, (str, Path)) else rules,
        batch_size=batch_size,
        scheduler=scheduler,
        workers=workers,
        patience=patience,
        overwrite=overwrite,
        report=progress,
    )


def check(
    folder: Union[Folder, Network],
    engine: Optional[EngineName] = None,
    device: Optional[str] = None,
    tolerance: Optional[float] = None,
    progress: Optional[Progress] = None,
    rules: RulesGiven = None,
) -> Report:
    """Load a saved network and compare every layer with its references.

    Raises:
        BadArchive, Unsupported: as `load`. A departure does not raise: see ``report.ok``.
    """
    return load(folder, engine, device, rules).check(tolerance, progress)


def standalone(
    folder: Folder,
    out: Folder,
    rules: RulesGiven = None,
    overwrite: bool = False,
    tolerance: Optional[float] = None,
    references: Literal["all", "outputs", "none"] = "all",
) -> Path:
    """Write a saved network as one readable Python file and one npz that need numpy alone, not even porting.

    Args:
        folder: a saved network's folder.
        out: the folder to write to; the files carry the network's name.
        rules: as `load` takes them.
        overwrite: replace files that exist.
        tolerance: what the file's own ``--check`` allows, in |a − b| ≤ t + t·|b|; by default what float32 can hold.
        references: which of the folder's go into the file: all, the network's outputs, or none, so that there is
            nothing to check.

    Returns:
        the Python file; ``python FILE --check`` compares every layer with Keras' outputs.

    Raises:
        BadArchive: the folder is not a sound saved network, or the files exist or cannot be written.
        Unsupported: listing every layer that cannot be written as numpy statements.
    """
    from .archive import read_network
    from .layers.rule_files import gather_rules
    from .writer import write_standalone

    return write_standalone(
        read_network(Path(folder)), Path(out), gather_rules(rules), overwrite, tolerance, references
    )
