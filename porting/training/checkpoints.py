"""A training run's whole state in one file: weights, optimizer, place in the data, callbacks.

The file is a numpy archive of plain arrays and one JSON text; nothing in it is executed. It is written beside its
place and moved there, so there is always a whole one.
"""

from __future__ import annotations

import glob
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Union

import numpy as np

from ..errors import BadArchive, Problem
from ..network import Array

__all__ = ["State", "read_state", "write_state"]

FORMAT = 2
KEPT = {
    *("epoch", "step", "stop", "steps", "learns", "optimizer", "iterations", "learning_rate", "optimizer_numbers"),
    *("tally", "history", "epochs_done", "kept_callbacks", "callbacks"),
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
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=UNFINISHED)
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, state=text, **{f"array/{key}": array for key, array in state.arrays.items()})
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
        _sync_folder(target.parent)
    except OSError as error:
        raise BadArchive(Problem(str(target), f"cannot be written: {error.strerror or error}")) from error


def _remove_unfinished(target: Path) -> None:
    """Remove what a process that was killed while it wrote this checkpoint has left."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.????????{UNFINISHED}"):
        with suppress(OSError):
            left.unlink()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_state(path: Union[str, Path]) -> State:
    """Read a state that `write_state` wrote.

    Raises:
        BadArchive: no such file, or a damaged one, or one of another kind.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            numbers = json.loads(str(file["state"]))
            if numbers.pop("format", None) != FORMAT:
                raise BadArchive(Problem(str(path), "is a checkpoint of another version", "train from the start"))
            arrays = {key[len("array/") :]: file[key] for key in file.files if key.startswith("array/")}
    except OSError as error:
        raise BadArchive(Problem(str(path), f"cannot be read: {error.strerror or error}")) from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, TypeError) as error:
        raise BadArchive(Problem(str(path), f"is not a sound checkpoint: {error}", "use one before it")) from error
    if "weights" not in arrays or not numbers.keys() >= KEPT:
        raise BadArchive(Problem(str(path), "is not a whole checkpoint", "use one before it"))
    return State(arrays, numbers)
