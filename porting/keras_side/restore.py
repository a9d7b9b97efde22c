"""Weights of a saved network back into a Keras model: the walk of `save`, backwards."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import Mismatch, Problem, Unsupported
from ..network import Array, Network
from ..text import LAYERS as PREPROCESSING
from ..text import PACKERS, TOKENIZERS
from .graph import CallGraph
from .keras_api import KerasApi
from .save import check_is_graph
from .text import preprocessing_weights
from .walking import walk
from .weights import Weights, collect_weights
from .which_keras import keras_api_of

log = logging.getLogger(__name__)

SAME_NAMES = "name the model's layers as the saved ones"


def restore(folder: Network | str | os.PathLike[str], model: Any) -> int:
    """Put the weights of a saved network into a Keras model of the same layers, bit by bit. Needs Keras.

    Args:
        folder: a saved network's folder, for instance one that `PortedNetwork.save` wrote after training; or a network.
        model: a built Keras model whose layers have the names and shapes of the saved ones.

    Returns:
        How many weights were set.

    Raises:
        Mismatch: layers, weights, shapes, dtypes or ties that differ, all of them listed; the model is unchanged.
        Unsupported: the model is none that `save` takes.
        BadArchive: the folder is not a sound saved network.
    """
    network = folder if isinstance(folder, Network) else _read(folder)
    api = keras_api_of(model)
    check_is_graph(model, api)
    graph = walk(model, api, whole=_kept_whole(network))
    Unsupported.raise_for(graph.problems)
    network, problems = _without_preprocessing(network, graph, api)
    found = _in_saved_names(network, collect_weights(graph, api), graph, api)
    computed = bool(graph.computed)  # constants made of weights follow them
    problems += [*_name_problems(network, found), *_fit_problems(network, found, api, computed)]
    problems += _tie_problems(network, found)
    Mismatch.raise_for(problems)
    return _assign(network, found, graph, api)


def _kept_whole(network: Network) -> set[str]:
    """The classes that were not unfolded; a user's own class may be called as one of Keras' is."""
    called = {call.layer for call in network.calls}
    unfolded = {layer.class_name for name, layer in network.layers.items() if name not in called}
    return {network.layers[name].class_name for name in called} - unfolded


def _read(folder: str | os.PathLike[str]) -> Network:
    from ..archive import read_network

    return read_network(folder)


def _without_preprocessing(network: Network, graph: CallGraph, api: KerasApi) -> tuple[Network, list[Problem]]:
    """The network without its layers of text and categories, whose tables are compared and not set."""
    problems: list[Problem] = []
    layers = dict(network.layers)
    for name, layer in network.layers.items():
        if layer.class_name not in PREPROCESSING:
            continue
        del layers[name]
        if layer.class_name in TOKENIZERS or layer.class_name in PACKERS:
            continue  # keras-hub's stand in front of a model, and are no part of it
        if name not in graph.layers or api.class_name(graph.layers[name]) != layer.class_name:
            problems.append(Problem(f"layer {name!r}", "is not in the model", SAME_NAMES))
            continue
        here = preprocessing_weights(graph.layers[name])
        for key, array in layer.weights.items():
            if key not in here or not np.array_equal(here[key], array):
                way_out = "build the layer with the saved one's table; it is set when the layer is made"
                problems.append(Problem(f"table {name}/{key}", "differs from the saved one", way_out))
    return replace(network, layers=layers), problems


def _in_saved_names(network: Network, found: Weights, graph: CallGraph, api: KerasApi) -> Weights:
    """The model's weights under the saved layer names, where Keras numbered the same layers otherwise.

    A model that is made twice in one process has ``dense`` the first time and ``dense_1`` the second. Where names
    differ but the layers in running order have the same classes and weights, the order counts.
    """
    saved = [layer for layer in network.layers.values() if layer.weights or layer.tied]
    here = [name for name, variables in found.variables.items() if variables]
    if {layer.name for layer in saved} == set(here) or len(saved) != len(here):
        return found
    for layer, name in zip(saved, here):
        shapes = {key: tuple(variable.shape) for key, variable in found.kept(name).items()}
        ties = set(found.ties.get(name, ()))
        same = api.class_name(graph.operation(name)) == layer.class_name and ties == set(layer.tied)
        if not same or shapes != {key: array.shape for key, array in layer.weights.items()}:
            return found
    renamed = {name: layer.name for layer, name in zip(saved, here)}
    log.warning("layers are named otherwise in the model; matched in running order, as their classes and weights agree")
    return Weights({renamed[name]: found.variables[name] for name in here}, _rename_ties(found, renamed))


def _rename_ties(found: Weights, renamed: Mapping[str, str]) -> dict[str, dict[str, str]]:
    keepers = {
        f"{name}/{key}": f"{renamed[name]}/{key}" for name, variables in found.variables.items() for key in variables
    }
    return {renamed[name]: {key: keepers[keeper] for key, keeper in tied.items()} for name, tied in found.ties.items()}


def _name_problems(network: Network, found: Weights) -> Iterator[Problem]:
    for layer in network.layers.values():
        known = {*layer.weights, *layer.tied}
        if layer.name not in found.variables:
            if known:
                yield Problem(f"layer {layer.name!r}", "is not in the model", SAME_NAMES)
            continue
        for name in sorted(known - set(found.variables[layer.name])):
            yield Problem(
                f"weight {layer.name}/{name}", "is not in the model", "build the layer with the same settings"
            )
        for name in sorted(set(found.variables[layer.name]) - known):
            yield Problem(
                f"weight {layer.name}/{name}", "is not in the saved network", "build the layer as it was saved"
            )
    for name, variables in found.variables.items():
        if variables and name not in network.layers:
            yield Problem(f"layer {name!r}", "is not in the saved network", SAME_NAMES)


def _fit_problems(network: Network, found: Weights, api: KerasApi, computed: bool) -> Iterator[Problem]:
    for layer, name, array, variable in _pairs(network, found):
        where = f"weight {layer}/{name}"
        if tuple(variable.shape) != array.shape:
            what = f"has shape {tuple(variable.shape)} in the model, {array.shape} in the saved network"
            yield Problem(where, what, "build the layer with the same sizes")
            continue
        here = api.to_numpy(variable)
        if here.dtype != array.dtype:
            what = f"is {here.dtype} in the model, {array.dtype} in the saved network"
            yield Problem(where, what, "build the model under the dtype policy 'float32'")
        elif not (
            computed or api.is_variable(variable) or np.array_equal(here, array, equal_nan=here.dtype.kind == "f")
        ):
            yield Problem(where, "is a constant of the graph with other values", "build the model with these constants")


def _tie_problems(network: Network, found: Weights) -> Iterator[Problem]:
    for layer in network.layers.values():
        ties = found.ties.get(layer.name, {})
        for name, keeper in layer.tied.items():
            if name in found.variables.get(layer.name, {}) and ties.get(name) != keeper:
                way_out = f"hand the layer that makes {keeper} to {layer.name!r}, so that both use one variable"
                yield Problem(
                    f"weight {layer.name}/{name}", f"is one with {keeper} when saved, not in the model", way_out
                )
        for name in set(ties) & set(layer.weights):
            what = f"is one with {ties[name]} in the model, but a weight of its own when saved"
            yield Problem(f"weight {layer.name}/{name}", what, "build the model without the tie")


def _pairs(network: Network, found: Weights) -> Iterator[tuple[str, str, Array, Any]]:
    for layer in network.layers.values():
        variables: Mapping[str, Any] = found.variables.get(layer.name, {})
        for name, array in layer.weights.items():
            if name in variables:
                yield layer.name, name, array, variables[name]


def _assign(network: Network, found: Weights, graph: CallGraph, api: KerasApi) -> int:
    count = 0
    for _, _, array, variable in _pairs(network, found):
        if api.is_variable(variable):
            variable.assign(array)
            count += 1
    for layer in graph.layers.values():
        if hasattr(layer, "finalize_state"):  # Normalization computes with a copy of its weights
            layer.finalize_state()
    return count
