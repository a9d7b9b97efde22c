"""A training run's whole state in one file: weights, optimizer, place in the data, callbacks.

The file is a numpy archive of plain arrays and one JSON text; nothing in it is executed. It is written beside its
place and moved there, so there is always a whole one.
"""

from __future__ import annotations

import glob
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Union

import numpy as np

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from ..archive.folder import sync_folder
from ..errors import BadArchive, MissingFile, Problem
from ..network import Array

FORMAT = 2


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_rate(value: Any) -> bool:
    return value is None or (is_number(value) and math.isfinite(value) and value >= 0)


def lists(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(of(one) for one in value)


def dicts(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(of(one) for one in value.values())


def is_text(value: Any) -> bool:
    return isinstance(value, str)


# What is kept beside the arrays, and of which kind.
KEPT: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("epoch", "step", "steps", "iterations"), is_whole),
    "stop": lambda value: isinstance(value, bool),
    "learns": lists(is_text),
    "optimizer": is_text,
    "learning_rate": is_rate,
    "optimizer_numbers": dicts(is_number),
    "tally": dicts(lists(is_number)),
    "history": dicts(lists(is_number)),
    "epochs_done": lists(is_whole),
    "kept_callbacks": lists(is_text),
    "callbacks": lists(dicts(is_number)),
}
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class State:
    """What a run needs to go on.

    Attributes:
        arrays: by name: ``weights``, ``before``, ``optimizer/WEIGHT/SLOT``, ``callback/N/NAME``.
        numbers: everything else, as JSON values.
    """

    arrays: Mapping[str, Array]
    numbers: Mapping[str, Any]


def write_state(state: State, path: Union[str, Path]) -> None:
    """Write a state in one piece: whoever reads the path sees the old file or the new one.

    Raises:
        BadArchive: the file cannot be written.
    """
    target = Path(path)
    text = np.array(json.dumps({"format": FORMAT, **asdict(state)["numbers"]}))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(target)
        file, name = _unfinished(target)
        try:
            with file:
                _write_arrays(file, {"state": text, **{f"array/{key}": one for key, one in state.arrays.items()}})
                file.flush()
                os.fsync(file.fileno())
                if fcntl is not None:  # while the lock is held, so that no other writer takes the file for a leftover
                    os.replace(name, target)
            if fcntl is None:
                os.replace(name, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise BadArchive(str(target), f"cannot be written: {error.strerror or error}") from error


def _write_arrays(file: IO[bytes], arrays: Mapping[str, Array]) -> None:
    """As np.savez does; that leaves a zip file open when the disk is full, which complains when it is collected."""
    write_array: Any = np.lib.format.write_array
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                write_array(member, np.asarray(array), allow_pickle=False)


def _unfinished(target: Path) -> tuple[IO[bytes], str]:
    """A file of this writer's own beside the target, locked as long as it is open."""
    while True:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=UNFINISHED)
        file = os.fdopen(handle, "wb")
        if fcntl is None:
            return file, name
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.path.exists(name):
            return file, name
        file.close()  # another writer took it for a leftover before it was locked


def _remove_unfinished(target: Path) -> None:
    """Remove what processes that were killed while they wrote this checkpoint have left; nobody locks it any more."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.????????{UNFINISHED}"):
        with suppress(OSError), open(left, "rb") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
        if fcntl is None:  # what is open cannot be removed there
            with suppress(OSError):
                left.unlink()


def read_state(path: Union[str, Path]) -> State:
    """Read a state that `write_state` wrote.

    Raises:
        BadArchive: no such file, or a damaged one, or one of another kind.
    """
    where = str(path)
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            numbers = json.loads(str(file["state"]))
            arrays = {key[len("array/") :]: file[key] for key in file.files if key.startswith("array/")}
            unknown = [key for key in file.files if key != "state" and not key.startswith("array/")]
    except OSError as error:
        kind = MissingFile if isinstance(error, FileNotFoundError) else BadArchive
        raise kind(Problem(where, f"cannot be read: {error.strerror or error}")) from error
    except Exception as error:  # zipfile and numpy have many kinds for damaged files
        what = f"is not a sound checkpoint: {type(error).__name__}: {error}"
        raise BadArchive(where, what, "use one before it") from error
    if not isinstance(numbers, dict) or numbers.pop("format", None) != FORMAT:
        raise BadArchive(where, "is a checkpoint of another version", "train from the start")
    problems = [
        Problem(f"{where}: {key}", "is missing, or not of its kind")
        for key, is_sound in KEPT.items()
        if key not in numbers or not is_sound(numbers[key])
    ]
    problems += [Problem(f"{where}: {key}", "is not known") for key in [*(numbers.keys() - KEPT.keys()), *unknown]]
    problems += [
        Problem(f"{where}: {key}", f"holds {array.dtype} of shape {array.shape}, needs float32")
        for key, array in arrays.items()
        if array.dtype != np.float32 and not key.startswith("callback/")
    ]
    if "weights" not in arrays:
        problems.append(Problem(f"{where}: weights", "are missing"))
    BadArchive.raise_for(problems)
    return State(arrays, numbers)
