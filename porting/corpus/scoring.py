"""A table's rows through a network: the good ones scored, the bad ones named."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import pyarrow as pa

from ..errors import Mismatch
from ..network import Array
from ..predicting import Predictor
from .columns import Column, as_column, column_type, read_column
from .columns_chosen import check_names
from .outputs import Output, arrays_in, output_names


@dataclass(frozen=True)
class Scored:
    """A batch of rows after the network.

    Attributes:
        made: by row that is good, in order, its outputs in the order of `Scoring.outputs`.
        bad: by row, what is wrong with it.
    """

    made: Mapping[int, Sequence[Array]]
    bad: Mapping[int, str]

    def column(self, at: int) -> dict[int, Array]:
        """By row, one of the outputs."""
        return {row: values[at] for row, values in self.made.items()}


@dataclass(frozen=True)
class Scoring:
    """How a table is scored.

    Attributes:
        columns: by input, the column that it is read from.
        outputs: the network's.
        batch_size: rows in each batch of the network; its own by default.
        threads: batches run side by side.
    """

    columns: Mapping[str, str]
    outputs: Sequence[Output]
    batch_size: Optional[int] = None
    threads: Optional[int] = 1

    def score(self, net: Predictor, batch: Any) -> Scored:
        """Score a `pyarrow.RecordBatch`. A row that the network does not take is bad, and the rest goes on.

        Rows whose lists differ in length run apart, so none is padded.

        Raises:
            Mismatch: a column of a type that its input cannot be read from.
        """
        inputs = {
            one.name: read_column(batch.column(self.columns[one.name]), one, self.columns[one.name])
            for one in net.network.inputs
        }
        bad: dict[int, str] = {}
        for name, column in inputs.items():
            for row, why in column.bad.items():
                bad.setdefault(row, self._named(name, why, len(inputs)))
        made: dict[int, Sequence[Array]] = {}
        for rows in _by_shape(inputs.values(), [row for row in range(batch.num_rows) if row not in bad]):
            self._predict(net, inputs, rows, made, bad)
        return Scored({row: made[row] for row in sorted(made)}, bad)

    def _named(self, name: str, why: str, inputs: int) -> str:
        return why if inputs == 1 else f"{self.columns[name]}: {why}"

    def _predict(
        self,
        net: Predictor,
        inputs: Mapping[str, Column],
        rows: Sequence[int],
        made: dict[int, Sequence[Array]],
        bad: dict[int, str],
    ) -> None:
        """Rows of one shape; where the network refuses them, the halves are tried until the bad rows are alone."""
        given = {name: column.take(rows) for name, column in inputs.items()}
        try:
            outputs = list(arrays_in(net.predict(given, self.batch_size, self.threads)))
        except Mismatch as error:
            if len(rows) == 1:
                problem = error.problems[0]
                bad[rows[0]] = problem.what if len(inputs) == 1 else f"{problem.where}: {problem.what}"
                return
            middle = len(rows) // 2
            self._predict(net, inputs, rows[:middle], made, bad)
            self._predict(net, inputs, rows[middle:], made, bad)
            return
        names = output_names(net.network.output_refs())
        arrays = [outputs[names.index(one.name)] for one in self.outputs]
        for at, row in enumerate(rows):
            made[row] = [array[at] for array in arrays]


def _by_shape(inputs: Collection[Column], rows: list[int]) -> Iterable[list[int]]:
    """Rows in groups that have one shape."""
    if all(column.is_even for column in inputs):
        return [rows] if rows else []
    groups: dict[Any, list[int]] = {}
    for row in rows:
        groups.setdefault(tuple(column.shape(row) for column in inputs), []).append(row)
    return groups.values()


def beside(batch: Any, scored: Scored, outputs: Sequence[Output], prefix: str = "") -> Any:
    """A `pyarrow.RecordBatch` of the good rows: their columns, and behind them the outputs."""
    kept = list(scored.made)
    own = batch if len(kept) == batch.num_rows else batch.take(pa.array(kept, pa.int64()))
    columns = [as_column(one, scored.column(at), kept) for at, one in enumerate(outputs)]
    schema = joined_schema(batch.schema, outputs, prefix)
    return pa.RecordBatch.from_arrays([*own.columns, *columns], schema=schema)


def joined_schema(schema: Any, outputs: Sequence[Output], prefix: str, where: str = "") -> Any:
    """A table's `pyarrow.Schema` with the outputs behind its columns.

    Raises:
        Mismatch: a column has an output's name.
    """
    check_names(schema.names, [prefix + one.name for one in outputs], where)
    for one in outputs:
        schema = schema.append(pa.field(prefix + one.name, column_type(one)))
    return schema
