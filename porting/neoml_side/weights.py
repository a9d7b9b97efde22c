"""Reading Keras' weights back from a live NeoML net, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..network import Array, Network
from .build import read_slot
from .graph import Parameter

__all__ = ["read_weights"]


def read_weights(runner: Any, network: Network) -> dict[str, Array]:
    """All weights by ``layer/weight``, in Keras' orientation.

    A weight whose slots still hold what was packed is given as it was saved; one that the net does not use
    (a layer that only training needs) likewise.
    """
    originals = network.weights()
    found = {name: np.array(array) for name, array in originals.items()}
    layers = runner.dnn.layers
    seen: set[tuple[str, str]] = set()
    for node in runner.nodes:
        for slot, parameter in node.parameters.items():
            if parameter.unpack is None or not parameter.weights:
                continue
            if all((weight.name, slot) in seen for weight in parameter.weights):
                continue
            seen.update((weight.name, slot) for weight in parameter.weights)
            _restore(found, parameter, slot_of(runner, layers, node.name, slot))
    return found


def slot_of(runner: Any, layers: Any, name: str, slot: str) -> Array:
    if slot == "blob":
        blob: Array = runner.data[name]
        return blob
    return read_slot(layers[name], slot)


def _restore(found: dict[str, Array], parameter: Parameter, slot: Array) -> None:
    assert parameter.unpack is not None
    if not parameter.exact and slot.tobytes() == parameter.pack().tobytes():
        return
    for name, place, values in parameter.unpack(slot):
        found[name][place] = values
