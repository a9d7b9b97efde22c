"""A network for Beam: ``texts | RunInference(PortedModelHandler(net))``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from ..predicting import Predictor
from .carrying import carry
from .rows import predict_each

__all__ = ["PortedModelHandler"]


class PortedModelHandler(ModelHandler[Any, PredictionResult, Any]):  # type: ignore[misc]
    """A `ModelHandler` for `apache_beam.ml.inference.base.RunInference`; the network is live once in a process.

    An example is a text, an array, or a dict by input name; its inference is what `predict` returns for it.

    Args:
        net: the network.
        batch_size, threads: as `PortedNetwork.predict` takes them.
        batching: how many examples Beam brings together: ``min_batch_size``, ``max_batch_size`` and so on.
    """

    def __init__(
        self, net: Predictor, batch_size: Optional[int] = None, threads: Optional[int] = 1, **batching: Any
    ) -> None:
        super().__init__(**batching)
        self.carried = carry(net)
        self.batch_size = batch_size
        self.threads = threads

    def load_model(self) -> Predictor:
        return self.carried.live()

    def run_inference(
        self, batch: Sequence[Any], model: Predictor, inference_args: Optional[Mapping[str, Any]] = None
    ) -> Iterable[Any]:
        """A `PredictionResult` for each example.

        Raises:
            Mismatch: examples that the network does not take.
        """
        made = predict_each(model, batch, self.batch_size, self.threads)
        return [PredictionResult(example, inference) for example, inference in zip(batch, made)]

    def get_num_bytes(self, batch: Sequence[Any]) -> int:
        return sum(len(one) if isinstance(one, (str, bytes)) else getattr(one, "nbytes", 64) for one in batch)

    def get_metrics_namespace(self) -> str:
        return "porting"
