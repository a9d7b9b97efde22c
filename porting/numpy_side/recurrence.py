"""Recurrent cells on arrays, step by step, with masks as Keras has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Optional

import numpy as np

from ..network import Array
from ..operations import Cell
from .activations import ACTIVATIONS, sigmoid

__all__ = ["run_cell"]

Function = Callable[[Array], Array]


def lstm(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Optional[Array] = None,
    *,
    activation: Callable[[Array], Array] = np.tanh,
    recurrent_activation: Callable[[Array], Array] = sigmoid,
    **options: Any,
) -> tuple[Array, ...]:
    """(batch, time, features) to the outputs of every step and the last states h and c; see `run_steps`."""
    units = len(recurrent_kernel)

    def step(projected: Array, h: Array, c: Array) -> tuple[Array, ...]:
        gates = h @ recurrent_kernel
        gates += projected
        i_and_f = recurrent_activation(gates[:, : 2 * units])
        kept = i_and_f[:, units:] * c
        kept += i_and_f[:, :units] * activation(gates[:, 2 * units : 3 * units])
        return recurrent_activation(gates[:, 3 * units :]) * activation(kept), kept

    return run_steps(step, x, kernel, bias, [units, units], **options)


def gru(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Optional[Array] = None,
    *,
    activation: Callable[[Array], Array] = np.tanh,
    recurrent_activation: Callable[[Array], Array] = sigmoid,
    **options: Any,
) -> tuple[Array, ...]:
    """(batch, time, features) to every output and the last state; the reset gate works after the product."""
    units = len(recurrent_kernel)
    input_bias, recurrent_bias = (None, None) if bias is None else bias

    def step(projected: Array, h: Array) -> tuple[Array, ...]:
        recurrent = h @ recurrent_kernel
        if recurrent_bias is not None:
            recurrent += recurrent_bias
        z_and_r = recurrent_activation(projected[:, : 2 * units] + recurrent[:, : 2 * units])
        z, r = z_and_r[:, :units], z_and_r[:, units:]
        return (z * h + (1 - z) * activation(projected[:, 2 * units :] + r * recurrent[:, 2 * units :]),)

    return run_steps(step, x, kernel, input_bias, [units], **options)


def gru_reset_before(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Optional[Array] = None,
    *,
    activation: Callable[[Array], Array] = np.tanh,
    recurrent_activation: Callable[[Array], Array] = sigmoid,
    **options: Any,
) -> tuple[Array, ...]:
    """(batch, time, features) to every output and the last state; the reset gate works before the product."""
    units = len(recurrent_kernel)
    gates_kernel, candidate_kernel = np.split(recurrent_kernel, [2 * units], axis=1)

    def step(projected: Array, h: Array) -> tuple[Array, ...]:
        z_and_r = recurrent_activation(projected[:, : 2 * units] + h @ gates_kernel)
        z, r = z_and_r[:, :units], z_and_r[:, units:]
        return (z * h + (1 - z) * activation(projected[:, 2 * units :] + (r * h) @ candidate_kernel),)

    return run_steps(step, x, kernel, bias, [units], **options)


def simple_rnn(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Optional[Array] = None,
    *,
    activation: Callable[[Array], Array] = np.tanh,
    **options: Any,
) -> tuple[Array, ...]:
    """(batch, time, features) to the outputs of every step and the last state; see `run_steps`."""

    def step(projected: Array, h: Array) -> tuple[Array, ...]:
        return (activation(projected + h @ recurrent_kernel),)

    return run_steps(step, x, kernel, bias, [len(recurrent_kernel)], **options)


def run_steps(
    step: Callable[..., tuple[Array, ...]],
    x: Array,
    kernel: Array,
    bias: Optional[Array],
    sizes: Sequence[int],
    *,
    mask: Optional[Array] = None,
    initial_state: Optional[Sequence[Array]] = None,
    go_backwards: bool = False,
    zero_output: bool = False,
) -> tuple[Array, ...]:
    """Step after step over (batch, time, features); `mask` is (batch, time), `sizes` are of the states.

    A masked step keeps the states, and repeats the output before it or gives zeros.
    """
    if go_backwards:
        x, mask = x[:, ::-1], None if mask is None else mask[:, ::-1]
    projected = np.ascontiguousarray(x.swapaxes(0, 1)) @ kernel
    if bias is not None:
        projected += bias
    states = tuple(initial_state or [np.zeros((len(x), size), projected.dtype) for size in sizes])
    output = nothing = np.zeros_like(states[0])
    outputs = np.empty((*x.shape[:2], sizes[0]), projected.dtype)
    valid = np.ones(x.shape[:2], bool) if mask is None else mask
    for t, (every, some) in enumerate(zip(valid.all(axis=0), valid.any(axis=0))):
        if every:
            states = step(projected[t], *states)
            output = states[0]
        elif some:
            kept, new = valid[:, t, None], step(projected[t], *states)
            output = np.where(kept, new[0], nothing if zero_output else output)
            states = tuple(np.where(kept, after, before) for after, before in zip(new, states))
        elif zero_output:
            output = nothing
        outputs[:, t] = output
    return (outputs, *states)


KINDS: dict[str, Callable[..., tuple[Array, ...]]] = {
    "lstm": lstm,
    "gru": gru,
    "gru_reset_before": gru_reset_before,
    "simple_rnn": simple_rnn,
}


def kind_of(cell: Cell) -> str:
    """The function that computes a cell."""
    return "gru_reset_before" if cell.kind == "gru" and not cell.reset_after else cell.kind


def _function(name: str, arguments: dict[str, float]) -> Function:
    return (lambda x: x) if name == "linear" else partial(ACTIVATIONS[name], **arguments)


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
    functions = {"activation": _function(*cell.activation)}
    if cell.kind != "simple_rnn":
        functions["recurrent_activation"] = _function(*cell.recurrent_activation)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        outputs, *states = KINDS[kind_of(cell)](
            x,
            cell.kernel.value,
            cell.recurrent_kernel.value,
            None if cell.bias is None else cell.bias.value,
            mask=mask,
            initial_state=initial_state,
            go_backwards=go_backwards,
            zero_output=zero_output_for_mask,
            **functions,
        )
    return outputs, outputs[:, -1], states
