"""Recurrent cells on arrays, step by step, with masks as Keras has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Optional

import numpy as np

from ..network import Array
from ..operations import Cell
from .activations import ACTIVATIONS, sigmoid

Function = Callable[[Array], Array]

# So many rows, with all gates of a step, stay in the cache.
ROWS = 128


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
    gates_of = by_gate(one_matrix(kernel, bias, recurrent_kernel), units)[[0, 1, 3, 2]]

    def step(seen: Array, h: Array, c: Array) -> tuple[Array, ...]:
        gates = seen @ gates_of
        i_f_o = recurrent_activation(gates[:3])
        kept = i_f_o[1] * c
        added = activation(gates[3])
        added *= i_f_o[0]
        kept += added
        return i_f_o[2] * activation(kept), kept

    return run_steps(step, x, gates_of, [units, units], **options)


def one_matrix(kernel: Array, bias: Optional[Array], recurrent_kernel: Array) -> Array:
    """One matrix for the inputs, a 1 and the state beside each other."""
    biases = np.zeros(kernel.shape[1:], kernel.dtype) if bias is None else bias
    return np.concatenate([kernel, biases[None], recurrent_kernel])


def by_gate(weights: Array, units: int) -> Array:
    """(inputs, gates · units) to (gates, inputs, units), so that each gate of some rows is one piece of memory."""
    return np.ascontiguousarray(weights.reshape(len(weights), -1, units).swapaxes(0, 1))


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
    features, units = len(kernel), len(recurrent_kernel)
    biases = np.zeros((2, kernel.shape[1]), kernel.dtype) if bias is None else bias
    whole = one_matrix(kernel, biases[0], recurrent_kernel)
    whole[features, : 2 * units] += biases[1, : 2 * units]
    gates_of, candidate_of = by_gate(whole[:, : 2 * units], units), whole[:, 2 * units :]
    from_inputs = np.ascontiguousarray(candidate_of[: features + 1])
    from_state = np.concatenate([biases[1:, 2 * units :], candidate_of[features + 1 :]])

    def step(seen: Array, h: Array) -> tuple[Array, ...]:
        z, r = recurrent_activation(seen @ gates_of)
        r *= seen[:, features:] @ from_state
        r += seen[:, : features + 1] @ from_inputs
        return (between(z, h, activation(r)),)

    return run_steps(step, x, gates_of, [units], **options)


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
    whole = one_matrix(kernel, bias, recurrent_kernel)
    gates_of, candidate_of = by_gate(whole[:, : 2 * units], units), np.ascontiguousarray(whole[:, 2 * units :])

    def step(seen: Array, h: Array) -> tuple[Array, ...]:
        z, r = recurrent_activation(seen @ gates_of)
        reset = seen.copy()
        reset[:, -units:] *= r
        return (between(z, h, activation(reset @ candidate_of)),)

    return run_steps(step, x, gates_of, [units], **options)


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
    """(batch, time, features) to the outputs of every step and the last states; see `run_steps`."""
    weights = one_matrix(kernel, bias, recurrent_kernel)
    return run_steps(lambda seen, h: (activation(seen @ weights),), x, weights, [len(recurrent_kernel)], **options)


def run_steps(
    step: Callable[..., tuple[Array, ...]],
    x: Array,
    weights: Array,
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
        step: makes the next states of the inputs, a 1 and the first state beside each other, and of the states; all
            are (rows, numbers).
        weights: of the dtype that it computes in.
    """
    if go_backwards:
        x, mask = x[:, ::-1], None if mask is None else mask[:, ::-1]
    rows, steps = x.shape[:2]
    valid = np.ones((rows, steps), bool) if mask is None else mask
    dtype = np.result_type(x, weights)
    outputs = np.zeros((rows, steps, sizes[0]), dtype)
    states = [np.zeros((rows, size), dtype) for size in sizes]
    for state, given in zip(states, initial_state or []):
        state[:] = given
    counts = valid.sum(axis=1)
    order = np.argsort(-counts, kind="stable") if (counts[1:] > counts[:-1]).any() else None
    if order is not None:
        x, valid, states = x[order], valid[order], [state[order] for state in states]
    for start in range(0, rows, ROWS):
        block = slice(start, start + ROWS)
        run_block(step, x[block], valid[block], outputs[block], [state[block] for state in states], zero_output)
    if order is None:
        return (outputs, *states)
    back = np.argsort(order)
    return (outputs[back], *(state[back] for state in states))


def run_block(
    step: Callable[..., tuple[Array, ...]],
    x: Array,
    valid: Array,
    outputs: Array,
    states: Sequence[Array],
    zero_output: bool,
) -> None:
    """Run the steps of rows that run together, and write their outputs and last states; see `run_steps`."""
    rows, _, features = x.shape
    seen = np.ones((rows, features + 1 + states[0].shape[1]), states[0].dtype)
    h = seen[:, features + 1 :]
    h[:] = states[0]
    counts, firsts, lasts = valid.sum(axis=0), valid.argmax(axis=0), rows - valid[::-1].argmax(axis=0)
    for t, (count, first, last) in enumerate(zip(counts.tolist(), firsts.tolist(), lasts.tolist())):
        if t and not zero_output and count < rows:
            outputs[:, t] = outputs[:, t - 1]
        if not count:
            continue
        some = slice(first, last)
        seen[some, :features] = x[some, t]
        made = step(seen[some], h[some], *(state[some] for state in states[1:]))
        where = True if count == last - first else valid[some, t, None]
        for kept, new in zip((outputs[:, t], h, *states[1:]), (made[0], *made)):
            np.copyto(kept[some], new, where=where)
    states[0][:] = h


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
