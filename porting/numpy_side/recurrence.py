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

# So many rows, with all gates of a step, stay in the cache.
ROWS = 96


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
    kernel, recurrent_kernel, bias = (side_by_side(one, units) for one in (kernel, recurrent_kernel, bias))
    from_state = np.ascontiguousarray(recurrent_kernel.T)

    def step(gates: Array, h: Array, c: Array) -> tuple[Array, ...]:
        gates += from_state @ h
        i_f_o = recurrent_activation(gates[: 3 * units])
        kept = i_f_o[units : 2 * units] * c
        added = activation(gates[3 * units :])
        added *= i_f_o[:units]
        kept += added
        return i_f_o[2 * units :] * activation(kept), kept

    return run_steps(step, x, kernel, bias, [units, units], **options)


def side_by_side(weights: Optional[Array], units: int) -> Any:
    """The weights of an LSTM with its gates beside each other: input, forget, output, and the candidate behind them."""
    if weights is None:
        return None
    i_and_f, candidate, o = np.split(weights, [2 * units, 3 * units], axis=-1)
    return np.concatenate([i_and_f, o, candidate], axis=-1)


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
    from_state = np.ascontiguousarray(recurrent_kernel.T)

    def step(gates: Array, h: Array) -> tuple[Array, ...]:
        recurrent = from_state @ h
        if recurrent_bias is not None:
            recurrent += recurrent_bias[:, None]
        gates[: 2 * units] += recurrent[: 2 * units]
        z_and_r = recurrent_activation(gates[: 2 * units])
        recurrent[2 * units :] *= z_and_r[units:]
        gates[2 * units :] += recurrent[2 * units :]
        return (between(z_and_r[:units], h, activation(gates[2 * units :])),)

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
    gates_from_state, candidate_from_state = np.split(np.ascontiguousarray(recurrent_kernel.T), [2 * units])

    def step(gates: Array, h: Array) -> tuple[Array, ...]:
        gates[: 2 * units] += gates_from_state @ h
        z_and_r = recurrent_activation(gates[: 2 * units])
        gates[2 * units :] += candidate_from_state @ (z_and_r[units:] * h)
        return (between(z_and_r[:units], h, activation(gates[2 * units :])),)

    return run_steps(step, x, kernel, bias, [units], **options)


def between(share: Array, a: Array, b: Array) -> Array:
    """share · a + (1 − share) · b"""
    return share * a + (1 - share) * b


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
    from_state = np.ascontiguousarray(recurrent_kernel.T)

    def step(gates: Array, h: Array) -> tuple[Array, ...]:
        gates += from_state @ h
        return (activation(gates),)

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

    A masked step keeps the states, and repeats the output before it or gives zeros. Rows run together by how many of
    their steps count, so that at most steps those that count stand beside each other.

    Args:
        step: makes the next states of what the inputs add to all gates, which it may change, and of the states;
            all are (numbers, rows).
    """
    if go_backwards:
        x, mask = x[:, ::-1], None if mask is None else mask[:, ::-1]
    rows, steps = x.shape[:2]
    valid = np.ones((rows, steps), bool) if mask is None else mask
    order = np.arange(rows) if mask is None else np.argsort(-valid.sum(axis=1), kind="stable")
    dtype = np.result_type(x, kernel)
    outputs = np.zeros((rows, steps, sizes[0]), dtype)
    states = [np.zeros((rows, size), dtype) for size in sizes]
    starts = [np.broadcast_to(given, state.shape) for given, state in zip(initial_state or states, states)]
    weights = np.ascontiguousarray(kernel.T), None if bias is None else bias[:, None]
    for start in range(0, rows, ROWS):
        block = order[start : start + ROWS]
        before = [np.ascontiguousarray(given[block].T, dtype) for given in starts]
        outputs[block], *after = run_block(step, x[block], valid[block], weights, before, zero_output)
        for state, new in zip(states, after):
            state[block] = new.T
    return (outputs, *states)


def run_block(
    step: Callable[..., tuple[Array, ...]],
    x: Array,
    valid: Array,
    weights: tuple[Array, Optional[Array]],
    states: Sequence[Array],
    zero_output: bool,
) -> tuple[Array, ...]:
    """What `run_steps` makes of rows that run together: outputs as (rows, time, numbers), states as (numbers, rows)."""
    by_step = np.ascontiguousarray(x.transpose(1, 2, 0))
    outputs = np.zeros((len(by_step), *states[0].shape), states[0].dtype)
    firsts, lasts = valid.argmax(axis=0), len(x) - valid[::-1].argmax(axis=0)
    for t, some in enumerate(valid.any(axis=0)):
        if t and not zero_output:
            outputs[t] = outputs[t - 1]
        if not some:
            continue
        rows = slice(firsts[t], lasts[t])
        gates = weights[0] @ by_step[t, :, rows]
        if weights[1] is not None:
            gates += weights[1]
        new = step(gates, *(state[:, rows] for state in states))
        counts = True if valid[rows, t].all() else valid[rows, t]
        for kept, made in zip((outputs[t], *states), (new[0], *new)):
            np.copyto(kept[:, rows], made, where=counts)
    return (outputs.transpose(2, 0, 1), *states)


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
