"""Columns of Arrow as a network's inputs, and its outputs as columns of Arrow.

A column has a row's value in each cell: a text, a number, or a list (of lists) of numbers. Lists may differ in length
from row to row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional, Union

import numpy as np
import pyarrow as pa

from ..errors import Mismatch
from ..network import Array, Input
from .columns_chosen import WAY_OUT
from .outputs import Output

Cells = Union[Array, list[Any]]


@dataclass(frozen=True)
class Column:
    """An input's values.

    Attributes:
        cells: an array whose first axis is the rows, or a list of a value for each row.
        bad: by row, why it has no value.
    """

    cells: Cells
    bad: dict[int, str] = field(default_factory=dict)

    @property
    def is_even(self) -> bool:
        """Whether all rows have one shape, to be seen at once."""
        return isinstance(self.cells, np.ndarray)

    def shape(self, row: int) -> tuple[int, ...]:
        """The shape of a row's value; texts have none."""
        if isinstance(self.cells, np.ndarray):
            return self.cells.shape[1:]
        return np.shape(self.cells[row]) if isinstance(self.cells[row], np.ndarray) else ()

    def take(self, rows: Sequence[int]) -> Array:
        """The values of rows that have one shape, as one array."""
        if isinstance(self.cells, np.ndarray):
            return self.cells[np.asarray(rows)]
        values = [self.cells[row] for row in rows]
        if isinstance(values[0], np.ndarray):
            return np.stack(values)
        texts = np.empty(len(values), object)
        texts[:] = values
        return texts


def read_column(values: Any, one: Input, name: str) -> Column:
    """A column's cells as an input takes them, those without a value marked.

    Args:
        values: a `pyarrow.Array`.
        one: the input.
        name: the column's, for the message.

    Raises:
        Mismatch: a column of a type that the input cannot be read from.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_null(values.type):
        return Column([None] * len(values), dict.fromkeys(range(len(values)), "is null"))
    if one.dtype == "string":
        column = _texts(values, one)
    elif _is_text(values.type):
        column = _parsed(values)
    else:
        column = _numbers(values)
    if column is None:
        needed = "texts" if one.dtype == "string" else f"{one.dtype} numbers"
        raise Mismatch(f"column {name!r}", f"holds {values.type}, the network takes {needed}", WAY_OUT)
    return _as_rows(column, one)


def check_type(kind: Any, one: Input, name: str, where: str) -> None:
    """Raises Mismatch where an input cannot be read from columns of a `pyarrow.DataType`."""
    try:
        read_column(pa.array([], kind), one, name)
    except Mismatch as error:
        raise Mismatch([replace(each, where=f"{where}: {each.where}") for each in error.problems]) from None


def _as_rows(column: Column, one: Input) -> Column:
    """One number or text a row, for an input of columns."""
    if one.shape[1:] == (1,) and isinstance(column.cells, np.ndarray) and column.cells.ndim == 1:
        return Column(column.cells[:, None], column.bad)
    return column


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _texts(values: Any, one: Input) -> Optional[Column]:
    if _is_text(values.type):
        bad = _not_utf8(values)
        values = values.cast(pa.large_binary() if pa.types.is_large_string(values.type) else pa.binary())
    elif pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        bad = {}
    elif _is_list(values.type):
        return _listed_texts(values)
    else:
        return None
    texts = np.empty(len(values), object)
    texts[:] = values.to_pylist()
    bad.update(dict.fromkeys(np.flatnonzero(_nulls(values)).tolist(), "is null"))
    return Column(texts, bad)


def _listed_texts(values: Any) -> Optional[Column]:
    cells: list[Any] = []
    bad: dict[int, str] = {}
    for row, cell in enumerate(values.to_pylist()):
        texts = np.array(cell, object) if cell is not None else None
        if texts is None or any(text is None for text in texts.flat):
            bad[row] = "is null" if texts is None else "holds null"
        elif not all(isinstance(text, (str, bytes)) for text in texts.flat):
            return None
        cells.append(texts)
    return Column(cells, bad)


def _not_utf8(values: Any) -> dict[int, str]:
    try:
        values.validate(full=True)
        return {}
    except pa.ArrowInvalid:
        pass
    bad = {}
    for row in range(len(values)):
        try:
            values[row : row + 1].validate(full=True)
        except pa.ArrowInvalid:
            bad[row] = "is not UTF-8"
    return bad


def _parsed(values: Any) -> Column:
    """Numbers that are written as texts, as JSON is: 3, 2.5, [1, 2, 3]."""
    cells: list[Any] = []
    bad: dict[int, str] = {}
    for row, text in enumerate(values.to_pylist()):
        value = None
        if text is None:
            bad[row] = "is null"
        else:
            value, why = _number_in(text)
            if why:
                bad[row] = why
        cells.append(value)
    return Column(cells, bad)


def _number_in(text: str) -> tuple[Optional[Array], str]:
    try:
        value = np.array(json.loads(text))
    except (ValueError, RecursionError):
        return None, f"holds {text!r:.60}, no number"
    return (value, "") if value.dtype.kind in "fiub" else (None, f"holds {text!r:.60}, no number")


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _nulls(values: Any) -> Array:
    return np.asarray(values.is_null().to_numpy(zero_copy_only=False), bool)


def _numbers(values: Any) -> Optional[Column]:
    """Numbers, or lists (of lists) of them: an array where all rows have one shape, else an array a row."""
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        nulls = _nulls(values)
        filled = values if not nulls.any() else values.fill_null(False if pa.types.is_boolean(kind) else 0)
        return Column(filled.to_numpy(zero_copy_only=False), dict.fromkeys(np.flatnonzero(nulls).tolist(), "is null"))
    if not _is_list(kind):
        return None
    child = _numbers(values.flatten())
    if child is None:
        return None
    nulls = _nulls(values)
    lengths = np.where(nulls, 0, _lengths(values))
    ends = np.cumsum(lengths)
    starts = ends - lengths
    bad = dict.fromkeys(np.flatnonzero(nulls).tolist(), "is null")
    for row in np.searchsorted(ends, sorted(child.bad), side="right").tolist():
        bad.setdefault(row, "holds null")
    if isinstance(child.cells, np.ndarray) and len(set(lengths.tolist())) == 1 and not bad:
        return Column(child.cells.reshape(len(values), lengths[0], *child.cells.shape[1:]), bad)
    cells = [
        None if row in bad else _stacked(child.cells[a:b], bad, row) for row, (a, b) in enumerate(zip(starts, ends))
    ]
    return Column(cells, bad)


def _lengths(values: Any) -> Array:
    if pa.types.is_fixed_size_list(values.type):
        return np.full(len(values), values.type.list_size)
    return np.diff(values.offsets.to_numpy())


def _stacked(cells: Cells, bad: dict[int, str], row: int) -> Optional[Array]:
    if isinstance(cells, np.ndarray):
        return cells
    if len({np.shape(cell) for cell in cells}) > 1:
        bad[row] = "holds lists of different lengths"
        return None
    return np.stack(cells) if cells else np.zeros(0, np.float32)


# ---- outputs


def column_type(output: Output) -> Any:
    """The Arrow type of an output's column: a number where a row has one, else lists (of lists)."""
    kind = pa.string() if output.dtype.kind == "O" else pa.from_numpy_dtype(output.dtype)
    for _ in () if output.is_scalar else output.shape:
        kind = pa.list_(kind)
    return kind


def as_column(output: Output, rows: Mapping[int, Array], kept: Sequence[int]) -> Any:
    """An output's values for the rows that are kept, as a `pyarrow.Array`.

    Args:
        output: which.
        rows: by row, its value.
        kept: the rows, in order.
    """
    kind = column_type(output)
    values = [rows[row] for row in kept]
    if not values or output.dtype.kind == "O":
        return pa.array([_plain(value, output) for value in values], kind)
    if output.is_scalar:
        return pa.array(np.array(values).reshape(len(values)), kind)
    return _nested(values, kind)


def _plain(value: Array, output: Output) -> Any:
    texts = np.array([one.decode() if isinstance(one, bytes) else one for one in value.flat], object)
    return texts.item() if output.is_scalar else texts.reshape(value.shape).tolist()


def _nested(values: Sequence[Array], kind: Any) -> Any:
    """Arrays of one rank as lists of lists, level by level from the outside."""
    lengths = np.array([len(value) for value in values])
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    if values[0].ndim == 1:
        child = pa.array(np.concatenate(values), kind.value_type)
    else:
        child = _nested([part for value in values for part in value], kind.value_type)
    return pa.ListArray.from_arrays(offsets, child)
