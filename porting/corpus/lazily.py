"""`predict` on dask's arrays, bags and dataframes: lazy, a partition at a time, by a network that travels once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..inputs import by_name, check_inputs
from ..network import Array, map_tensors
from ..predicting import Predictor
from .carrying import CarriedBytes, carry
from .outputs import Output, arrays_in, output_names, outputs_of
from .rows import predict_each


def is_dask(inputs: Any, count: int = 1) -> bool:
    """Whether inputs are one of dask's collections, or as many in a list or dict, one of which is. Imports nothing."""
    dask = sys.modules.get("dask")
    if dask is None:
        return False
    if isinstance(inputs, Mapping):
        inputs = list(inputs.values())
    if not isinstance(inputs, (list, tuple)):
        return bool(dask.is_dask_collection(inputs))
    # A long list is rows; it is not looked through.
    return len(inputs) == count and any(dask.is_dask_collection(part) for part in inputs)


def predict_lazily(net: Predictor, inputs: Any, batch_size: Optional[int] = None, threads: int = 1) -> Any:
    """What `predict` gives for each partition, computed when dask computes it.

    The network travels as it is now; what it learns later does not show. A bag's or a frame's partition is one call of
    `predict`, an array's chunk of rows too.

    Args:
        net: the network.
        inputs: a dask array, a list of them in model order or a dict by name; a bag of rows; a dataframe with columns
            called as the inputs; a series for a network with one input.
        batch_size, threads: as `predict` takes them, for a partition.

    Returns:
        Arrays: what `predict` returns, as dask arrays. A bag: a bag of the outputs of each row. A dataframe or a
        series: a dataframe with a column for each output and the same index.

    Raises:
        Mismatch: inputs of another count, name, shape or dtype, as far as they are known before anything is computed.
    """
    partition = _Partition(carry(net), batch_size, threads)
    kind = _kind_of(inputs)
    if kind == "bag":
        return inputs.map_partitions(_bag_rows, partition.lazy())
    if kind == "frame":
        return _frame(net, inputs, partition)
    return _arrays(net, inputs, partition)


def _kind_of(inputs: Any) -> str:
    """By the module of its type: dask's own collections are told apart without importing them all."""
    for one in type(inputs).__mro__:
        if one.__module__.startswith("dask.bag"):
            return "bag"
        if one.__module__.startswith(("dask.dataframe", "dask_expr")):
            return "frame"
        if one.__module__.startswith("dask.array"):
            return "array"
    if isinstance(inputs, (list, tuple, Mapping)):
        return "array"
    what = f"a {type(inputs).__module__}.{type(inputs).__name__} is none of dask's arrays, bags and dataframes"
    raise Mismatch("inputs", what, "give one of these")


@dataclass(frozen=True)
class _Partition:
    """A network, and how it is run on a partition."""

    carried: CarriedBytes
    batch_size: Optional[int]
    threads: int

    def lazy(self) -> Any:
        """A node of dask's graph, so that a worker is sent the network once, whatever partitions it is given."""
        import dask

        name = f"network-{self.carried.digest}-{self.batch_size}-{self.threads}"
        return dask.delayed(self, name=name, pure=True, traverse=False)

    def predict(self, inputs: Any) -> Any:
        return self.carried.live().predict(inputs, self.batch_size, self.threads)


# ---- arrays


def _arrays(net: Predictor, inputs: Any, partition: _Partition) -> Any:
    import dask.array as da

    named = {name: _one_chunk_a_row(name, value) for name, value in by_name(inputs, net.network.inputs).items()}
    made = _shapes_made(net, named)
    arguments: list[Any] = []
    for at, value in enumerate(named.values()):
        arguments += [value, ("rows", *(f"input {at} axis {axis}" for axis in range(1, value.ndim)))]
    # The outputs of a chunk are one element, from which each output is then picked: the network runs once for all.
    runs = da.blockwise(
        *(_run_chunk, ("rows",), *arguments, partition.lazy(), None, list(named), None, made, None),
        concatenate=True,
        dtype=object,
        meta=np.empty(0, object),
    )
    picked = {}
    for ref, (at, one) in zip(net.network.output_refs(), enumerate(made)):
        axes = {f"output axis {axis}": size for axis, size in enumerate(one.shape)}
        picked[ref] = da.blockwise(
            *(_pick, ("rows", *axes), runs, ("rows",), at, None),
            new_axes=axes,
            dtype=one.dtype,
            meta=np.empty((0,) * (1 + len(axes)), one.dtype),
        )
    return map_tensors(net.network.outputs, picked.__getitem__)


def _one_chunk_a_row(name: str, value: Any) -> Any:
    """The array cut between rows alone."""
    if not (hasattr(value, "dask") and hasattr(value, "rechunk")):
        what = f"is a {type(value).__name__} beside dask arrays"
        raise Mismatch(f"input {name!r}", what, "make it one with dask.array.from_array")
    if value.ndim == 0:
        raise Mismatch(f"input {name!r}", "has no axis of rows", "give an array whose axis 0 is the rows")
    if any(size != size for size in value.shape[1:]):
        what = f"has shape {value.shape}, of which dask knows only rows to be open"
        raise Mismatch(f"input {name!r}", what, "call compute_chunk_sizes() on it first")
    return value.rechunk(dict.fromkeys(range(1, value.ndim), -1)) if value.ndim > 1 else value


def _shapes_made(net: Predictor, named: Mapping[str, Any]) -> list[Output]:
    """The outputs at the arrays' sizes, from a run over a blank row, which is checked as inputs are."""
    network = net.network
    counts = {name: value.shape[0] for name, value in named.items() if value.shape[0] == value.shape[0]}
    if len(set(counts.values())) > 1:
        raise Mismatch("inputs", f"batches differ: {counts}")
    blanks = {
        one.name: _blank(named[one.name], one.dtype == "string" and named[one.name].dtype.kind in "OUST")
        for one in network.inputs
    }
    outputs = list(arrays_in(net.predict(check_inputs(blanks, network.inputs))))
    front = net.engine.front
    if front is not None and front.pads_to_longest and any(None in one.shape for one in outputs_of(net)):
        what = "its outputs are as long as the longest text of a partition, which no array can be"
        raise Unsupported(network.name, what, "give a bag, or set output_sequence_length in the vectorizer")
    names = output_names(network.output_refs())
    return [Output(name, array.dtype, array.shape[1:]) for name, array in zip(names, outputs)]


def _blank(value: Any, text: bool) -> Array:
    shape = (1, *value.shape[1:])
    return np.full(shape, "", object) if text else np.zeros(shape, value.dtype)


def _run_chunk(*given: Any) -> Array:
    """All outputs of a chunk of rows as one element of an array of objects."""
    *blocks, partition, names, made = given
    chunk = np.empty(1, object)
    if len(blocks[0]):
        chunk[0] = list(arrays_in(partition.predict(dict(zip(names, blocks)))))
    else:
        chunk[0] = [np.empty((0, *one.shape), one.dtype) for one in made]
    return chunk


def _pick(chunk: Array, at: int) -> Array:
    return chunk[0][at]


# ---- bags


def _bag_rows(rows: Any, partition: _Partition) -> list[Any]:
    return predict_each(partition.carried.live(), list(rows), partition.batch_size, partition.threads)


# ---- dataframes


def _frame(net: Predictor, inputs: Any, partition: _Partition) -> Any:
    import pandas as pd

    from .columns_chosen import choose_columns

    outputs = outputs_of(net)
    series = inputs.ndim == 1
    have = [str(inputs.name)] if series else [str(name) for name in inputs.columns]
    columns = choose_columns(net.network.inputs, have[0] if series else None, have, "the dataframe")
    meta = pd.DataFrame(
        {one.name: pd.Series([], dtype=one.dtype if one.is_scalar else object) for one in outputs},
        index=inputs._meta.index[:0],
    )
    _check_dtypes(net, inputs._meta.to_frame(name=have[0]) if series else inputs._meta, columns)
    return inputs.map_partitions(_frame_rows, partition.lazy(), columns, outputs, meta=meta)


def _check_dtypes(net: Predictor, meta: Any, columns: Mapping[str, str]) -> None:
    """Refuse columns that hold the wrong kind, before anything is computed; object columns may hold anything."""
    inputs: Union[tuple[Any, ...], Any] = net.network.inputs
    problems = []
    for one in inputs:
        dtype = meta[columns[one.name]].dtype
        kind = dtype.kind
        if (one.dtype == "string") == (kind in "fiubmMc"):
            if kind != "O":
                needed = "texts" if one.dtype == "string" else f"{one.dtype} numbers"
                what = f"holds {dtype}, the network takes {needed}"
                problems.append(Problem(f"column {columns[one.name]!r}", what, "convert it first"))
    Mismatch.raise_for(problems)


def _frame_rows(frame: Any, partition: _Partition, columns: Mapping[str, str], outputs: tuple[Output, ...]) -> Any:
    from .frames import score_frame

    return score_frame(frame, partition.carried.live(), columns, outputs, partition.batch_size, partition.threads)
