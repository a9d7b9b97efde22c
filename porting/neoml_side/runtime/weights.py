"""Reading Keras' weights back from a live NeoML net, to the bit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

import numpy as np

from ...errors import Mismatch, Problem
from ...network import Array, Network
from ..graph import Node
from ..slots import Parameter
from .archives import stored
from .build import read_slot
from .cells import cell_parameters


def read_weights(dnn: Any, nodes: Iterable[Node], network: Network) -> dict[str, Array]:
    """All weights by ``layer/weight``, in Keras' orientation.

    A weight that the net does not use (of a layer that only training needs) is given as it was saved, and so is
    one whose packing cannot be undone exactly, as long as its slot holds what was packed.

    Args:
        dnn: the live `neoml.Dnn.Dnn`.
        nodes: what it was built from.
        network: whose weights they are.
    """
    saved = network.weights()
    found: dict[str, Array] = {}
    layers = dnn.layers
    # A layer's further calls hold its weights again; the slots of one call may hold a part each.
    scope_of: dict[tuple[str, str], str] = {}
    archive: Optional[bytes] = None
    for node in nodes:
        slots: dict[str, Array] = {}
        parameters = dict(node.parameters)
        if node.body is not None:
            archive = archive or stored(dnn)
            for (inner, slot), array in cell_parameters(archive, node).items():
                slots[f"{inner}/{slot}"] = array
            parameters = {
                f"{inner.name}/{slot}": parameter
                for inner in node.body.graph.nodes
                for slot, parameter in inner.parameters.items()
            }
        for slot, parameter in parameters.items():
            keys = [(weight.name, slot) for weight in parameter.weights]
            if not (parameter.pieces or parameter.computed) or all(
                scope_of.setdefault(key, node.scope) != node.scope for key in keys
            ):
                continue
            array = slots[slot] if slot in slots else read_slot(layers[node.name], slot)
            _restore(found, saved, parameter, array)
    return {name: found[name] if name in found else np.array(array) for name, array in saved.items()}


def _restore(found: dict[str, Array], saved: Mapping[str, Array], parameter: Parameter, slot: Array) -> None:
    if not parameter.is_exact and slot.tobytes() == parameter.pack().tobytes():
        return
    if parameter.computed:
        names = ", ".join(weight.name for weight in parameter.weights)
        what = "were joined into one layer for inference, and that layer was changed"
        raise Mismatch(Problem(names, what, "change them through a net that is built for training"))
    for piece in parameter.pieces:
        name, values = piece.weight.name, piece.read(slot)
        whole = piece.place is ... and values.shape == saved[name].shape and values.dtype == saved[name].dtype
        if whole and values.flags.carray and np.shares_memory(values, slot):
            found[name] = values  # no second copy of a large table: the slot was read for this
            continue
        if name not in found:
            found[name] = np.array(saved[name])
        found[name][piece.place] = values
