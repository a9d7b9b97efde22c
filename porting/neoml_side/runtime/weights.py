"""Reading Keras' weights back from a live NeoML net, to the bit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

import numpy as np

from ...errors import Mismatch
from ...network import Array, Network
from ..graph import Node
from ..slots import Parameter
from .archives import stored
from .build import read_slot
from .cells import cell_parameters

# Numbers that are compared at once.
PART = 2**20


def read_weights(dnn: Any, nodes: Iterable[Node], network: Network) -> dict[str, Array]:
    """All weights by ``layer/weight``, in Keras' orientation.

    A weight that the net does not use (of a layer that only training needs) is given as it was saved, and so is
    one whose packing cannot be undone exactly, as long as its slot holds what was packed. Of a layer that is called
    twice, or built step by step, the net holds copies: one that was changed is given.

    What the net holds as it was saved is the network's own array, so that large weights need no memory again.

    Args:
        dnn: the live `neoml.Dnn.Dnn`.
        nodes: what it was built from.
        network: whose weights they are.
    """
    saved = network.weights()
    changed: dict[str, Array] = {}
    layers = dnn.layers
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
            if parameter.pieces or parameter.computed:
                held = slots.get(slot)
                # Handed on without a name, so that no two large slots are in memory at once.
                _note_changes(changed, saved, parameter, read_slot(layers[node.name], slot) if held is None else held)
    return {**saved, **changed}


def _note_changes(changed: dict[str, Array], saved: Mapping[str, Array], parameter: Parameter, slot: Array) -> None:
    """Note weights that a slot, which may hold a part of them, holds otherwise than they were saved."""
    parameter = parameter.as_held(slot)
    if not parameter.is_exact and slot.tobytes() == parameter.pack().tobytes():
        return
    if parameter.computed:
        names = ", ".join(weight.name for weight in parameter.weights)
        what = "were joined into one layer for inference, and that layer was changed"
        raise Mismatch(names, what, "change them through a net that is built for training")
    for piece in parameter.pieces:
        name, values = piece.weight.name, piece.read(slot)
        if not _same(values, saved[name][piece.place]):
            if name not in changed:
                changed[name] = np.array(saved[name])
            changed[name][piece.place] = values


def _same(values: Array, kept: Array) -> bool:
    """Whether numbers are the same, the sign of zero included; part by part, since a table may be large."""
    values, kept = np.atleast_1d(values), np.atleast_1d(kept)
    step = max(1, PART // max(1, values[:1].size))
    parts = ((values[at : at + step], kept[at : at + step]) for at in range(0, len(values), step))
    return values.shape == kept.shape and all(
        np.array_equal(one, other) and np.array_equal(np.signbit(one), np.signbit(other)) for one, other in parts
    )
