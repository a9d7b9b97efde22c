"""Training data from npz files: inputs, labels and sample weights by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ..errors import Mismatch, Problem
from ..network import Array
from .arguments import real_number

WEIGHT = "sample_weight"


@dataclass(frozen=True)
class Examples:
    """What `fit` takes: inputs by name, labels and sample weights by output."""

    inputs: Mapping[str, Array]
    labels: Mapping[str, Array]
    weights: Optional[Mapping[str, Array]]

    @property
    def rows(self) -> int:
        return len(next(iter(self.inputs.values())))

    def part(self, rows: slice) -> Examples:
        """Some of the rows."""

        def cut(arrays: Mapping[str, Array]) -> dict[str, Array]:
            return {name: array[rows] for name, array in arrays.items()}

        return Examples(cut(self.inputs), cut(self.labels), None if self.weights is None else cut(self.weights))

    def split(self, share: float) -> tuple[Examples, Examples]:
        """The first rows, and the last `share` of them, as Keras' ``validation_split`` cuts.

        Raises:
            Unsupported: a share that is not a number from 0 to 1.
            Mismatch: a part would be empty.
        """
        at = int(np.floor(self.rows * (1 - real_number("validation_split", share, 0, 1))))
        if not 0 < at < self.rows:
            raise Mismatch("validation_split", f"{share} of {self.rows} rows leaves a part empty")
        return self.part(slice(None, at)), self.part(slice(at, None))


def read_examples(path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> Examples:
    """Read an npz whose arrays are named after the network's inputs and outputs.

    With one input it may also be called ``x``, with one output ``y``. ``sample_weight`` counts for every output,
    ``OUTPUT.sample_weight`` for one.

    Raises:
        Mismatch: no npz of plain arrays, or names that fit nothing, or are missing, all at once.
    """
    arrays = _read(path)
    given = {name: _of(arrays, name, "x" if len(inputs) == 1 else None) for name in inputs}
    labels = {name: _of(arrays, name, "y" if len(outputs) == 1 else None) for name in outputs}
    own = {name: arrays.pop(f"{name}.{WEIGHT}") for name in outputs if f"{name}.{WEIGHT}" in arrays}
    for_all = arrays.pop(WEIGHT, None)
    problems = [Problem(f"{path}: {name!r}", "is missing") for name, array in given.items() if array is None]
    if all(array is None for array in labels.values()):
        problems.append(Problem(f"{path}: labels", "are missing", f"name an array after an output: {list(outputs)}"))
    known = ", ".join([*inputs, *outputs, WEIGHT])
    problems += [Problem(f"{path}: {name!r}", "fits nothing in the network", f"it knows {known}") for name in arrays]
    Mismatch.raise_for(problems)
    if for_all is not None:
        own = {**dict.fromkeys(outputs, for_all), **own}
    return Examples(
        {name: array for name, array in given.items() if array is not None},
        {name: array for name, array in labels.items() if array is not None},
        own or None,
    )


def _of(arrays: dict[str, Array], name: str, other: Optional[str]) -> Optional[Array]:
    return arrays.pop(name) if name in arrays else arrays.pop(other, None) if other is not None else None


def _read(path: Path) -> dict[str, Array]:
    try:
        loaded: Any = np.load(path, allow_pickle=False)
        with loaded:
            return dict(loaded)
    except Exception as error:
        raise Mismatch(str(path), f"holds no arrays: {error}", "give an npz file") from error
