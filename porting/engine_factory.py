"""Which engine a network runs on."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any, Optional

from .engine import Engine
from .errors import Problem, Unsupported
from .layers import RULES, Rule
from .network import Network
from .preprocessing.engine import FrontedEngine
from .preprocessing.front import split_front
from .text.functions import functions_in

__all__ = ["make_engine"]


def make_engine(network: Network, engine: Optional[str], device: Any, rules: Mapping[str, Rule] = RULES) -> Engine:
    """The engine of that name for a network; by default NeoML where it is installed, else numpy.

    Raises:
        Unsupported: an unknown engine or device, or a network that the engine cannot express.
    """
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
