"""What a network needs of the engine that runs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional, Protocol

from .network import Array, Call, TensorRef

__all__ = [
    "Engine",
]


class Engine(Protocol):
    """Runs a network on checked arrays.

    Attributes:
        name: ``neoml`` or ``numpy``.
        device: ``cpu``, ``gpu`` …
        default_batch_size: rows a run, where the user names none.
        id_limits: by input name, the number of rows of the smallest table that its values pick from.
    """

    name: str
    default_batch_size: int

    @property
    def device(self) -> Any: ...

    @property
    def id_limits(self) -> Mapping[str, int]: ...

    def run(
        self, inputs: Mapping[str, Array], wanted: Optional[Iterable[TensorRef]] = None
    ) -> dict[TensorRef, Array]: ...

    def run_alone(
        self, call: Call, tensors: Mapping[TensorRef, Array], masks: Mapping[TensorRef, Array]
    ) -> tuple[list[Array], list[Optional[Array]]]: ...

    def weights(self) -> dict[str, Array]: ...
