"""A network for Spark: ``frame.mapInPandas(predict, predict.schema(frame.schema))`` with ``predict = Predict(net)``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import InitVar, dataclass
from typing import Any, Optional

import pandas as pd

from ..predicting import Predictor
from .carrying import carry
from .columns_chosen import check_names, choose_columns
from .frames import score_frame
from .outputs import outputs_of

__all__ = ["Predict"]


@dataclass(eq=False)
class Predict:
    """A function as `pyspark.sql.DataFrame.mapInPandas` takes them. The network is live once in a Python worker.

    Args:
        net: the network.
        column: of a network with one input; None for the columns called as the inputs.
        prefix: stands in front of the outputs' names.
        batch_size, threads: as `PortedNetwork.predict` takes them.
    """

    net: InitVar[Predictor]
    column: Optional[str] = None
    prefix: str = ""
    batch_size: Optional[int] = None
    threads: Optional[int] = 1

    def __post_init__(self, net: Predictor) -> None:
        self.carried = carry(net)
        self.inputs = net.network.inputs
        self.outputs = outputs_of(net)

    def __call__(self, frames: Iterable[Any]) -> Iterator[Any]:
        """Frames of pandas with the outputs beside their columns.

        Raises:
            Mismatch: rows that the network does not take, by their labels.
        """
        net = self.carried.live()
        for frame in frames:
            columns = choose_columns(self.inputs, self.column, list(frame.columns), "the frame")
            made = score_frame(frame, net, columns, self.outputs, self.batch_size, self.threads)
            for one in self.outputs:
                if not one.is_scalar:
                    made[one.name] = [cell.tolist() for cell in made[one.name]]
            yield pd.concat([frame, made.add_prefix(self.prefix)], axis=1)

    def schema(self, given: Any) -> Any:
        """The schema of what comes out: a frame's `pyspark.sql.types.StructType` and the outputs.

        Raises:
            Mismatch: columns that are not there, or called as outputs are.
        """
        from pyspark.sql import types

        choose_columns(self.inputs, self.column, given.names, "the frame")
        check_names(given.names, [self.prefix + one.name for one in self.outputs], "the frame")
        made = types.StructType(list(given.fields))
        kinds = {"f4": types.FloatType, "f8": types.DoubleType, "b1": types.BooleanType, "O": types.StringType}
        for one in self.outputs:
            kind: Any = kinds.get(one.dtype.str.strip("<>|="), types.LongType)()
            for _ in () if one.is_scalar else one.shape:
                kind = types.ArrayType(kind)
            made = made.add(self.prefix + one.name, kind)
        return made
