"""What a network puts out for a row: names, dtypes, sizes; known before anything is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import Mismatch
from ..network import Array, Case, Input, Shape, TensorRef
from ..predicting import Predictor

# Sizes of open axes that are tried, two at a time, where no references show which axes of outputs are open.
SIZES_TRIED = ((16, 24), (4, 6), (2, 3), (1, 1))


@dataclass(frozen=True)
class Output:
    """An output of the network.

    Attributes:
        name: the call that makes it, and ``call:1`` for a further output of one.
        dtype: numpy's; object for strings.
        shape: of a row; None where it hangs on the inputs.
    """

    name: str
    dtype: np.dtype[Any]
    shape: Shape

    @property
    def is_scalar(self) -> bool:
        """Whether a row has one number."""
        return all(size == 1 for size in self.shape)


def output_names(refs: Sequence[TensorRef]) -> list[str]:
    return [str(ref) if ref.output else ref.call for ref in refs]


def arrays_in(outputs: Any) -> Iterator[Array]:
    """The arrays of what `predict` returns, in the order of `Network.output_refs`."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if isinstance(outputs, (list, tuple)):
        for part in outputs:
            yield from arrays_in(part)
    else:
        yield outputs


def _blank_row(inputs: Sequence[Input], open_size: int) -> dict[str, Array]:
    """A row of zeros and empty texts; open axes have that size."""
    made = {}
    for one in inputs:
        shape = (1, *(open_size if size is None else size for size in one.shape[1:]))
        made[one.name] = np.full(shape, "", object) if one.dtype == "string" else np.zeros(shape, one.dtype)
    return made


def outputs_of(net: Predictor) -> tuple[Output, ...]:
    """A network's outputs, each once; from its references, else from runs over blank rows.

    Raises:
        Mismatch: it has no references and takes no blank rows.
    """
    refs = net.network.output_refs()
    shown = [found for case in net.network.cases if (found := _shown(case, refs)) is not None]
    if not shown:
        shown = _tried(net)
    made = {}
    for name, arrays in zip(output_names(refs), zip(*shown)):
        sizes = [set(at) for at in zip(*(array.shape[1:] for array in arrays))]
        dtype = arrays[0].dtype if arrays[0].dtype.kind not in "SU" else np.dtype(object)
        made[name] = Output(name, dtype, tuple(one.pop() if len(one) == 1 else None for one in sizes))
    return tuple(made.values())


def _shown(case: Case, refs: Sequence[TensorRef]) -> list[Array] | None:
    known = {**{TensorRef(name): array for name, array in case.inputs.items()}, **case.outputs}
    return [known[ref] for ref in refs] if all(ref in known for ref in refs) else None


def _tried(net: Predictor) -> list[list[Array]]:
    inputs = net.network.inputs
    for at, pair in enumerate(SIZES_TRIED):
        try:
            return [list(arrays_in(net.predict(_blank_row(inputs, size)))) for size in pair]
        except Mismatch:
            if at == len(SIZES_TRIED) - 1:
                raise
    raise AssertionError
