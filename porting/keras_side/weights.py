"""Names for a layer's weights: Keras' variable names, and for layers held by others the attribute that holds them.

``kernel``, ``forward_layer/recurrent_kernel``, ``cell/cells/0/kernel``, ``query_dense/kernel``. The one cell of an
LSTM, GRU or SimpleRNN has no name of its own. Saving and restoring walk the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .front import Front

__all__ = ["find_ties", "name_weights"]

# Keras' bookkeeping, which also refers to layers.
BOOKKEEPING = frozenset({"_layers", "_tracker", "_inbound_nodes", "_outbound_nodes", "_metrics", "_functional"})
UNNAMED = re.compile(r"variable(_\d+)?")
# Recurrent layers made of one cell that no user chose.
ONE_CELL = ("LSTM", "GRU", "SimpleRNN", "ConvLSTM", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")


def name_weights(layer: Any, front: Front) -> dict[str, Any]:
    """A layer's variables by name, in Keras' order of weights; each variable once."""
    found: dict[str, Any] = {}
    names: dict[int, str] = {}
    _walk(layer, "", front, found, names, set())
    weights = list(getattr(layer, "weights", ()))
    for variable in weights:
        if id(variable) not in names:
            _add(_free(front.variable_name(variable), found), variable, found, names)
    return {names[id(variable)]: variable for variable in weights}


def _walk(layer: Any, prefix: str, front: Front, found: dict[str, Any], names: dict[int, str], seen: set[int]) -> None:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    attributes = {id(value): name.lstrip("_") for name, value in vars(layer).items() if front.is_variable(value)}
    for variable in front.own_variables(layer):
        if id(variable) in names:
            continue
        name = front.variable_name(variable)
        if UNNAMED.fullmatch(name) or f"{prefix}{name}" in found:
            name = attributes.get(id(variable), name)
        _add(_free(f"{prefix}{name}", found), variable, found, names)
    for name, held in _held(layer, front):
        inner = prefix if name == "cell" and _is_one_cell(layer) else f"{prefix}{name}/"
        _walk(held, inner, front, found, names, seen)


def _add(name: str, variable: Any, found: dict[str, Any], names: dict[int, str]) -> None:
    found[name] = variable
    names[id(variable)] = name


def _free(name: str, found: Mapping[str, Any]) -> str:
    free, count = name, 0
    while free in found:
        count += 1
        free = f"{name}_{count}"
    return free


def _held(layer: Any, front: Front) -> Iterator[tuple[str, Any]]:
    """The layers that a layer holds, by attribute; lists by place, dicts by key."""
    for name, value in list(vars(layer).items()):
        if name not in BOOKKEEPING and not name.startswith("_self_") and not front.is_variable(value):
            yield from _held_in(name.lstrip("_"), value, front)


def _held_in(name: str, value: Any, front: Front) -> Iterator[tuple[str, Any]]:
    if front.is_layer(value):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _held_in(f"{name}/{index}", part, front)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            if isinstance(key, (str, int)):
                yield from _held_in(f"{name}/{key}", part, front)


def _is_one_cell(layer: Any) -> bool:
    return any(kind.__name__ in ONE_CELL and _is_keras(kind) for kind in type(layer).__mro__)


def _is_keras(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in {"keras", "tf_keras"}


def find_ties(weights: Mapping[str, Mapping[str, Any]], owned: Mapping[int, str]) -> dict[str, dict[str, str]]:
    """Which weights are other layers' variables.

    Args:
        weights: variables by layer and weight name.
        owned: by id of a variable, the layer that made it, where that is a layer of the network.

    Returns:
        By layer and weight name, the ``layer/weight`` where the variable is kept: under the layer that made it,
        or else under the first that has it.
    """
    keepers: dict[int, str] = {}
    for layer, named in weights.items():
        for name, variable in named.items():
            if owned.get(id(variable)) == layer:
                keepers.setdefault(id(variable), f"{layer}/{name}")
    for layer, named in weights.items():
        for name, variable in named.items():
            keepers.setdefault(id(variable), f"{layer}/{name}")
    ties: dict[str, dict[str, str]] = {}
    for layer, named in weights.items():
        for name, variable in named.items():
            if keepers[id(variable)] != f"{layer}/{name}":
                ties.setdefault(layer, {})[name] = keepers[id(variable)]
    return ties
