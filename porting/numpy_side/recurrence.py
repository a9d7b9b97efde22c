"""Recurrent cells on arrays, step by step, with masks as Keras has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

from ..network import Array
from ..operations import Cell
from .activations import activate

__all__ = ["run_cell"]

Step = Callable[[Array, list[Array]], list[Array]]


def lstm_step(cell: Cell) -> Step:
    recurrent, units = cell.recurrent_kernel.value, cell.units

    def step(projected: Array, states: list[Array]) -> list[Array]:
        h, c = states
        i, f, candidate, o = _gates(projected + h @ recurrent, units)
        i, f, o = (activate(gate, *cell.recurrent_activation) for gate in (i, f, o))
        c = f * c + i * activate(candidate, *cell.activation)
        return [o * activate(c, *cell.activation), c]

    return step


def gru_step(cell: Cell) -> Step:
    recurrent, units = cell.recurrent_kernel.value, cell.units
    recurrent_bias = 0 if cell.bias is None or not cell.reset_after else cell.bias.value[1]

    def reset_after(projected: Array, states: list[Array]) -> list[Array]:
        (h,) = states
        x_z, x_r, x_h = _gates(projected, units)
        h_z, h_r, h_h = _gates(h @ recurrent + recurrent_bias, units)
        z = activate(x_z + h_z, *cell.recurrent_activation)
        r = activate(x_r + h_r, *cell.recurrent_activation)
        return [z * h + (1 - z) * activate(x_h + r * h_h, *cell.activation)]

    def reset_before(projected: Array, states: list[Array]) -> list[Array]:
        (h,) = states
        x_z, x_r, x_h = _gates(projected, units)
        h_z, h_r = _gates(h @ recurrent[:, : 2 * units], units)
        z = activate(x_z + h_z, *cell.recurrent_activation)
        r = activate(x_r + h_r, *cell.recurrent_activation)
        return [z * h + (1 - z) * activate(x_h + (r * h) @ recurrent[:, 2 * units :], *cell.activation)]

    return reset_after if cell.reset_after else reset_before


def simple_rnn_step(cell: Cell) -> Step:
    recurrent = cell.recurrent_kernel.value

    def step(projected: Array, states: list[Array]) -> list[Array]:
        return [activate(projected + states[0] @ recurrent, *cell.activation)]

    return step


STEPS: dict[str, Callable[[Cell], Step]] = {"lstm": lstm_step, "gru": gru_step, "simple_rnn": simple_rnn_step}


def _gates(values: Array, units: int) -> list[Array]:
    return [values[:, at : at + units] for at in range(0, values.shape[1], units)]


def project(cell: Cell, x: Array) -> Array:
    """Every step's product with the kernel at once: (time, batch, gates·units)."""
    projected = np.ascontiguousarray(x.swapaxes(0, 1)) @ cell.kernel.value
    if cell.bias is not None:
        projected += cell.bias.value[0] if cell.reset_after else cell.bias.value
    return projected


def run_cell(
    cell: Cell,
    x: Array,
    initial_state: Optional[Sequence[Array]],
    mask: Optional[Array],
    go_backwards: bool,
    zero_output_for_mask: bool,
) -> tuple[Array, Array, list[Array]]:
    """See `Operations.recurrent`; `x` is (batch, time, features), `mask` (batch, time)."""
    if mask is not None and mask.shape != x.shape[:2]:
        raise ValueError(f"a mask of shape {mask.shape} over steps of shape {x.shape[:2]}")
    if go_backwards:
        x = x[:, ::-1]
        mask = None if mask is None else mask[:, ::-1]
    projected = project(cell, x)
    steps, batch = projected.shape[:2]
    nothing = np.zeros((batch, cell.units), projected.dtype)
    states = list(initial_state) if initial_state else [nothing] * cell.states
    step = STEPS[cell.kind](cell)
    outputs = np.empty((batch, steps, cell.units), projected.dtype)
    output = nothing
    for t in range(steps):
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            new = step(projected[t], states)
        if mask is None:
            states, output = new, new[0]
        else:
            kept = mask[:, t, None]
            output = np.where(kept, new[0], nothing if zero_output_for_mask else output)
            states = [np.where(kept, after, before) for after, before in zip(new, states)]
        outputs[:, t] = output
    return outputs, output, states
