"""Names for a layer's weights: Keras' variable names, and for layers held by others the attribute that holds them.

``kernel``, ``forward_layer/recurrent_kernel``, ``cell/cells/0/kernel``, ``query_dense/kernel``. The one cell of an
LSTM, GRU or SimpleRNN has no name of its own. Saving and restoring walk the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .graph import CallGraph
from .held import held_layers
from .keras_api import KerasApi

UNNAMED = re.compile(r"[Vv]ariable(_\d+)?")


def name_weights(layer: Any, api: KerasApi) -> dict[str, Any]:
    """A layer's variables by name, in Keras' order of weights; each variable once."""
    found: dict[str, Any] = {}
    names: dict[int, str] = {}
    _walk(layer, "", api, found, names, set())
    weights = [one for one in getattr(layer, "weights", ()) if api.is_variable(one)]
    for variable in weights:
        if id(variable) not in names:
            _add(_free(api.variable_name(variable), found), variable, found, names)
    return {names[id(variable)]: variable for variable in weights}


def _walk(layer: Any, prefix: str, api: KerasApi, found: dict[str, Any], names: dict[int, str], seen: set[int]) -> None:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    for name, held in held_layers(layer, api):  # first, since some wrappers name their layer's variables as their own
        inner = prefix if name == "cell" and _is_one_cell(layer) else f"{prefix}{name}/"
        _walk(held, inner, api, found, names, seen)
    attributes = {id(value): name.lstrip("_") for name, value in vars(layer).items() if api.is_variable(value)}
    for variable in api.own_variables(layer):
        if id(variable) in names:
            continue
        name = api.variable_name(variable)
        if UNNAMED.fullmatch(name) or f"{prefix}{name}" in found:
            name = attributes.get(id(variable), name)
        _add(_free(f"{prefix}{name}", found), variable, found, names)


def _add(name: str, variable: Any, found: dict[str, Any], names: dict[int, str]) -> None:
    found[name] = variable
    names[id(variable)] = name


def _free(name: str, found: Mapping[str, Any]) -> str:
    free, count = name, 0
    while free in found:
        count += 1
        free = f"{name}_{count}"
    return free


def _is_one_cell(layer: Any) -> bool:
    """Whether it is a recurrent layer of one cell that no user chose: of a class that Keras derives from its RNN."""
    kinds = [kind.__name__ for kind in type(layer).__mro__ if _is_keras(kind)]
    return "RNN" in kinds[1:]


def _is_keras(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in {"keras", "tf_keras"}


@dataclass(frozen=True)
class Weights:
    """A graph's variables by layer and weight name, and which of them are other layers' variables.

    Attributes:
        variables: by layer, then by weight name; arrays where the graph holds constants.
        ties: by layer, then by weight name, the ``layer/weight`` where the variable is kept: under the layer that
            made it, or else under the first that has it.
    """

    variables: Mapping[str, Mapping[str, Any]]
    ties: Mapping[str, Mapping[str, str]]

    def kept(self, layer: str) -> dict[str, Any]:
        """A layer's variables by weight name, but for those that are other layers'."""
        tied = self.ties.get(layer, {})
        return {name: one for name, one in self.variables[layer].items() if name not in tied}

    def full_names(self) -> dict[int, str]:
        """By id, the ``layer/weight`` where a variable is kept."""
        return {id(one): f"{layer}/{name}" for layer in self.variables for name, one in self.kept(layer).items()}


def collect_weights(graph: CallGraph, api: KerasApi) -> Weights:
    """All weights of a walked graph, constants among them."""
    variables: dict[str, dict[str, Any]] = {}
    owner: dict[int, str] = {}
    for name, operation in graph.layers.items():
        variables[name] = {}
        if api.is_layer(operation):
            variables[name] = name_weights(operation, api)
            for variable in api.own_variables(operation):
                owner.setdefault(id(variable), name)
        variables[name].update(graph.constants.get(name, {}))
    used = {id(one) for named in variables.values() for one in named.values()} | graph.computed_ids()
    for name, layer in graph.holders.items():
        own = {id(one) for one in api.own_variables(layer)}
        variables[name] = {
            key: one for key, one in name_weights(layer, api).items() if id(one) in own & used and "/" not in key
        }
        owner.update((id(one), name) for one in variables[name].values())
    return Weights(variables, _find_ties(variables, owner))


def _find_ties(variables: Mapping[str, Mapping[str, Any]], owner: Mapping[int, str]) -> dict[str, dict[str, str]]:
    places = [(id(variable), layer, name) for layer, named in variables.items() for name, variable in named.items()]
    places.sort(key=lambda place: owner.get(place[0]) != place[1])  # stable: makers first, then running order
    keepers: dict[int, str] = {}
    ties: dict[str, dict[str, str]] = {}
    for variable, layer, name in places:
        keeper = keepers.setdefault(variable, f"{layer}/{name}")
        if keeper != f"{layer}/{name}":
            ties.setdefault(layer, {})[name] = keeper
    return ties
