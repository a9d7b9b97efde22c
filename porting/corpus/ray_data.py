"""A network for Ray Data: ``dataset.map_batches(Predict, fn_constructor_args=(net,), concurrency=2)``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from ..network import Array
from ..predicting import Predictor
from .columns_chosen import check_names, choose_columns
from .outputs import arrays_in, output_names

__all__ = ["Predict"]


@dataclass(eq=False)
class Predict:
    """A callable class as `ray.data.Dataset.map_batches` takes them: Ray makes one in each of its actors.

    Args:
        net: the network; Ray pickles it, once for all actors.
        column: of a network with one input; None for the columns called as the inputs.
        prefix: stands in front of the outputs' names.
        batch_size, threads: as `PortedNetwork.predict` takes them.
    """

    net: Predictor
    column: Optional[str] = None
    prefix: str = ""
    batch_size: Optional[int] = None
    threads: Optional[int] = 1

    def __call__(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        """A batch of columns (Ray's batch format ``numpy``) with the outputs beside them.

        Raises:
            Mismatch: rows that the network does not take, columns that are not there, or called as outputs are.
        """
        network = self.net.network
        columns = choose_columns(network.inputs, self.column, list(batch), "the batch")
        given = {name: batch[column] for name, column in columns.items()}
        arrays = arrays_in(self.net.predict(given, self.batch_size, self.threads))
        made = dict(zip(output_names(network.output_refs()), arrays))
        check_names(list(batch), [self.prefix + name for name in made], "the batch")
        return {**batch, **{self.prefix + name: array for name, array in made.items()}}
