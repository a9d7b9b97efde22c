"""Which engine a network runs on."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Optional

from .engine import Engine
from .errors import Unsupported, did_you_mean
from .front import split_front
from .layers import RULES, Rule
from .network import Network
from .padding import padding_of
from .preprocessing.engine import FrontedEngine
from .text.functions import functions_in

ENGINES = ("neoml", "numpy")


def make_engine(network: Network, engine: Optional[str], device: Any, rules: Mapping[str, Rule] = RULES) -> Engine:
    """The engine of that name for a network; by default NeoML where it is installed, else numpy.

    Raises:
        Unsupported: an unknown engine or device, or a network that the engine cannot express.
    """
    if engine is None:
        engine = "neoml" if importlib.util.find_spec("neoml") else "numpy"
    front, core = split_front(network, functions_in(rules))
    made = _make_engine(core, engine, device, rules)
    made.prove = padding_of
    return made if front is None else FrontedEngine(front, made, network)


def _make_engine(network: Network, engine: str, device: Any, rules: Mapping[str, Rule]) -> Engine:
    if engine == "numpy":
        if device not in (None, "cpu"):
            raise Unsupported(f"device {device!r}", "the numpy engine runs on the cpu", "use engine='neoml'")
        from .numpy_side.engine import NumpyEngine

        return NumpyEngine(network, rules)
    if engine == "neoml":
        return _neoml_engine(network, device or "cpu", rules)
    raise Unsupported(f"engine {engine!r}", "is not known", f"{did_you_mean(engine, ENGINES)}use 'neoml' or 'numpy'")


def _neoml_engine(network: Network, device: Any, rules: Mapping[str, Rule]) -> Engine:
    """A NeoML engine; for inputs of any length where they may be cut, whatever length the network declares."""
    from .neoml_side.engine import NeomlEngine

    padding = padding_of(network, rules)
    inputs = tuple(
        replace(one, shape=(one.shape[0], None, *one.shape[2:])) if one.name in padding.inputs else one
        for one in network.inputs
    )
    found = None
    if inputs != network.inputs:
        with suppress(Unsupported):
            found = NeomlEngine(replace(network, inputs=inputs), rules, device)
    if found is None or found.hangs_on_sizes is not None:
        found = NeomlEngine(network, rules, device)
    found.proved = padding
    return found
