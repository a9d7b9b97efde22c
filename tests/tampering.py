"""Saved networks spoilt on purpose: what a check must find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from porting.network import Array, Network

__all__ = ["with_config", "with_weight"]


def with_weight(network: Network, layer: str, name: str, change: Callable[[Array], Array]) -> Network:
    """The network with one weight changed."""
    old = network.layers[layer]
    new = replace(old, weights={**old.weights, name: change(old.weights[name]).astype(old.weights[name].dtype)})
    return replace(network, layers={**network.layers, layer: new})


def with_config(network: Network, layer: str, /, **settings: Any) -> Network:
    """The network with settings of one layer changed."""
    old = network.layers[layer]
    return replace(network, layers={**network.layers, layer: replace(old, config={**old.config, **settings})})
