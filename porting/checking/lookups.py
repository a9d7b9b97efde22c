"""Every id of a table, whether a reference looks it up or not: what a lookup gives is a row as it was saved."""

from __future__ import annotations

from typing import Optional

import numpy as np

from ..dtypes import counted
from ..engine import Engine
from ..network import Array, Call, Network
from .tolerance import difference, equal_bits

# Of a table with more numbers, rows with so many are looked up, spread from the first to the last.
MOST = 1 << 22


def wrong_rows(network: Network, engine: Engine, call: Call) -> Optional[str]:
    """In words, the first of a table's rows that a call gives otherwise than it was saved; None where it does not.

    Raises:
        PortingError: the call cannot be run on these ids.
    """
    layer = network.layers[call.layer]
    rule = engine.rules.get(layer.class_name)
    if rule is None or not rule.picks or call.arguments:
        return None
    kept_as = layer.tied.get(rule.picks, f"{layer.name}/{rule.picks}")
    (ref,), table = call.reads(), network.weights()[kept_as]
    given = [case.inputs.get(ref.call, case.outputs.get(ref)) for case in network.cases]
    like = next((array for array in given if array is not None and array.size), None)
    if like is None:
        return None
    ids = _ids(table, like)
    (made, *_), _ = engine.run_alone(call, {ref: ids}, {})
    wanted = table[ids.astype(np.int64)]
    if equal_bits(made, wanted):
        return None
    return f"looking up {len(np.unique(ids))} of its {len(table)} ids: {difference(made, wanted)}"


def _ids(table: Array, like: Array) -> Array:
    """Ids from the first to the last, in an array like one that was recorded."""
    rows, columns = table.shape
    rows = min(rows, counted(like.dtype.name))
    count = min(rows, max(MOST // columns, 1))
    width = int(np.prod(like.shape[1:]))
    picked = np.linspace(0, rows - 1, count).round()
    return np.resize(picked, (-(-count // width), *like.shape[1:])).astype(like.dtype)
