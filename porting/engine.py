"""What a network needs of the engine that runs it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from typing import Any, Optional, Protocol

from .errors import Problem, Unsupported
from .layers import RULES, Rule
from .network import Array, Call, Network, TensorRef

__all__ = ["Engine", "make_engine"]


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


def make_engine(network: Network, engine: Optional[str], device: Any, rules: Mapping[str, Rule] = RULES) -> Engine:
    """The engine of that name for a network; by default NeoML where it is installed, else numpy.

    Raises:
        Unsupported: an unknown engine or device, or a network that the engine cannot express.
    """
    from .preprocessing import FrontedEngine, functions_in, split_front

    if engine is None:
        engine = "neoml" if importlib.util.find_spec("neoml") else "numpy"
    front, core = split_front(network, functions_in(rules))
    made = _make_engine(core, engine, device, rules)
    return made if front is None else FrontedEngine(front, made, network)


def _make_engine(network: Network, engine: str, device: Any, rules: Mapping[str, Rule]) -> Engine:
    if engine == "numpy":
        if device not in (None, "cpu"):
            raise Unsupported(Problem(f"device {device!r}", "the numpy engine runs on the cpu", "use engine='neoml'"))
        from .numpy_side.engine import NumpyEngine

        return NumpyEngine(network, rules)
    if engine == "neoml":
        from .neoml_side.engine import NeomlEngine

        return NeomlEngine(network, rules, device or "cpu")
    raise Unsupported(Problem(f"engine {engine!r}", "is not known", "use 'neoml' or 'numpy'"))
