"""What a path holds that is neither a saved network nor a stored net: a guess, for people only."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Optional

from ..errors import Problem

DESCRIPTION = "network.json"
BESIDE_A_NET = (".network.npz", ".json")
H5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\3\4"
# One of them stands first in the zip file; a name begins at byte 30.
KERAS_MEMBERS = (b"metadata.json", b"config.json", b"model.weights.h5")
SAVE_IT = "a Keras model is saved first, where Keras is: porting save MODEL FOLDER"
MOST_NAMES = 5
MOST_ENTRIES = 1000


def told_apart(folder: Path) -> Optional[list[Problem]]:
    """What a folder is that holds none of a saved network's files; None where nothing is known of it."""
    with os.scandir(folder) as entries:
        found = {entry.name for entry in islice(entries, MOST_ENTRIES)}
    if "saved_model.pb" in found:
        return [Problem(str(folder), "is a SavedModel, not a saved network", SAVE_IT)]
    inner = sorted(name for name in found if (folder / name / DESCRIPTION).is_file())
    if inner:
        names = ", ".join(inner[:MOST_NAMES]) + (" …" if len(inner) > MOST_NAMES else "")
        return [Problem(str(folder), f"holds saved networks and is none itself: {names}", f"give {folder / inner[0]}")]
    what = "is an empty folder" if not found else f"is a folder without {DESCRIPTION}: not a saved network"
    return [Problem(str(folder), what, "give the folder that porting save wrote")]


def file_for_folder(path: Path) -> Problem:
    """What a file is that is given as a saved network's folder."""
    if Path(f"{path}.json").is_file():
        return Problem(str(path), "is a stored net, not a saved network", "give the folder that the net was built from")
    way_out = "give the folder that porting save wrote"
    return file_told_apart(path) or Problem(str(path), "is a file, not a saved network's folder", way_out)


def file_told_apart(path: Path) -> Optional[Problem]:
    """What a file is that has no stored net's description beside it; None where nothing is known of it."""
    where = str(path)
    if path.name in (DESCRIPTION, "weights.npz", "references.npz") and (path.parent / DESCRIPTION).is_file():
        return Problem(where, "is one of a saved network's three files", f"give their folder: {path.parent}")
    for ending in BESIDE_A_NET:
        net = Path(where[: -len(ending)])
        if where.endswith(ending) and net.is_file():
            return Problem(where, "stands beside a stored net", f"give the net itself: {net}")
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        first = file.read(64)
    if first.startswith(H5):
        weights = ".weights." in path.name
        kind = "a file of Keras' weights" if weights else "a Keras model (.h5)"
        return Problem(where, f"is {kind}, not a saved network", SAVE_IT)
    if first.startswith(ZIP) and first[30:].startswith(KERAS_MEMBERS):
        return Problem(where, "is a Keras model (.keras), not a saved network", SAVE_IT)
    if first.startswith(ZIP):
        return Problem(where, "is an npz or another zip file, not a stored net", "give what porting build wrote")
    return None
