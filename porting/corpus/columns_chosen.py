"""Which columns of a table the inputs are read from, and what outputs may be called beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ..errors import Mismatch, Problem
from ..network import Input

WAY_OUT = "name one of them: column='NAME'"


def choose_columns(inputs: Sequence[Input], column: Optional[str], have: Sequence[str], where: str) -> dict[str, str]:
    """By input, the column that it is read from: the one that was named, or those of the inputs' names.

    Args:
        inputs: the network's.
        column: of a network with one input; None for the input's own name, or the only column there is.
        have: the columns.
        where: the file or table, for the message.

    Raises:
        Mismatch: columns that are not there.
    """
    if column is not None and len(inputs) > 1:
        names = ", ".join(one.name for one in inputs)
        what = f"one column is named, the network takes {len(inputs)} inputs: {names}"
        raise Mismatch(where, what, "name no column; the columns called as the inputs are read")
    chosen = {one.name: column or one.name for one in inputs}
    if column is None and len(inputs) == 1 and inputs[0].name not in have and len(have) == 1:
        chosen = {inputs[0].name: have[0]}
    shown = ", ".join(have) or "none"
    problems = [
        Problem(where, f"has {have.count(name) or 'no'} column{'s' * (name in have)} {name!r}; it has {shown}", WAY_OUT)
        for name in chosen.values()
        if have.count(name) != 1
    ]
    Mismatch.raise_for(problems)
    return chosen


def check_names(have: Sequence[str], outputs: Sequence[str], where: str) -> None:
    """Raises Mismatch where a column has an output's name."""
    way_out = "set the outputs apart: prefix='score_'"
    taken = [name for name in outputs if name in have]
    if taken:
        raise Mismatch([Problem(where, f"has a column {name!r}, as an output is called", way_out) for name in taken])
