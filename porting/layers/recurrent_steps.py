"""Cells that the engines do not have, step by step: activations of a user's own, or over all units together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional

from ..operations import Operations, Tensor
from .activations import activation
from .operation_shapes import picked
from .rule import LayerView, Refusal

Tensors = list[Tensor]
# What the inputs give to all gates in one step, and the states before it, to the states after it.
Step = Callable[[Tensor, Tensors], Tensors]


def run_steps(
    step: Step,
    inputs: Sequence[Tensor],
    states: Tensors,
    mask: Optional[Tensor],
    ops: Operations,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[Tensors, Tensors]:
    """The outputs of all steps in processing order, and the last states; see `Operations.recurrent`.

    Args:
        states: before the first step; may be none where there is no mask.
        mask: (batch, time), or with as many of the axes behind as it is for.
    """
    outputs: Tensors = []
    order = range(len(inputs))
    for at in reversed(order) if go_backwards else order:
        made = step(inputs[at], states)
        output = made[0]
        if mask is not None:
            counts = ops.slice(mask, 1, at, at + 1) if len(mask.shape) == 2 else picked(mask, 1, at, ops)
            while len(counts.shape) < len(output.shape):
                counts = ops.expand_dims(counts, len(counts.shape))
            before = outputs[-1] if outputs and not zero_output_for_mask else ops.full_like(output, 0.0)
            output = ops.where(counts, output, before)
            made = [ops.where(counts, new, old) for new, old in zip(made, states)]
        outputs.append(output)
        states = made
    return outputs, states


def each_step(x: Tensor, ops: Operations) -> Tensors:
    """The steps of (batch, time, …). Raises Refusal where the time is open."""
    if x.shape[1] is None:
        what = f"its steps are built one by one, but the time of shape {x.shape} is open"
        raise Refusal(what, "fix the time in keras.Input")
    return [picked(x, 1, at, ops) for at in range(x.shape[1])]


def one_behind_the_other(steps: Tensors, ops: Operations) -> Tensor:
    return ops.concatenate([ops.expand_dims(step, 1) for step in steps], 1)


def run_by_steps(
    layer: LayerView,
    x: Tensor,
    ops: Operations,
    initial_state: Optional[Sequence[Tensor]] = None,
    mask: Optional[Tensor] = None,
    **order: bool,
) -> tuple[Tensor, Tensor, Tensors]:
    """A cell over (batch, time, features); see `Operations.recurrent`."""
    layer.irrelevant("units", "unit_forget_bias", "implementation")
    if any([layer.config.get("dropout"), layer.config.get("recurrent_dropout")]) and ops.training:
        what = "dropout inside a cell with an activation of your own is not handled in training"
        raise layer.refuse(what, "use Dropout before it")
    step, bias = STEPS[layer.class_name.replace("Cell", "")], layer.weight("bias", if_config="use_bias")
    kernel, units = layer.weight("kernel"), layer.weight("recurrent_kernel").shape[0]
    inputs = each_step(ops.dense(x, kernel, bias if bias is None or len(bias.shape) == 1 else None), ops)
    zeros = ops.full_like(ops.slice(inputs[0], -1, 0, units), 0.0)
    first = list(initial_state or [zeros] * (2 if step is lstm_step else 1))
    outputs, states = run_steps(
        lambda given, before: step(layer, given, before, ops), inputs, first, mask, ops, **order
    )
    return one_behind_the_other(outputs, ops), outputs[-1], states


def _from_state(layer: LayerView, h: Tensor, ops: Operations) -> Tensor:
    return ops.dense(h, layer.weight("recurrent_kernel"))


def _gates(x: Tensor, count: int, ops: Operations) -> Tensors:
    units = (x.shape[-1] or 0) // count
    return [ops.slice(x, -1, at * units, (at + 1) * units) for at in range(count)]


def lstm_step(layer: LayerView, inputs: Tensor, states: Tensors, ops: Operations) -> Tensors:
    h, c = states
    i, f, new, o = _gates(ops.add(inputs, _from_state(layer, h, ops)), 4, ops)
    i, f, o = (activation(layer, gate, ops, "recurrent_activation") for gate in (i, f, o))
    c = ops.add(ops.multiply(f, c), ops.multiply(i, activation(layer, new, ops)))
    return [ops.multiply(o, activation(layer, c, ops)), c]


def gru_step(layer: LayerView, inputs: Tensor, states: Tensors, ops: Operations) -> Tensors:
    (h,) = states
    hidden = _from_state(layer, h, ops)
    after, bias = layer.config["reset_after"], layer.weight("bias", if_config="use_bias")
    if after and bias is not None:  # one for what comes from the inputs, one for what comes from the state
        both = ops.add(ops.concatenate([ops.expand_dims(one, 1) for one in (inputs, hidden)], 1), bias)
        inputs, hidden = picked(both, 1, 0, ops), picked(both, 1, 1, ops)
    (x_z, x_r, x_new), (h_z, h_r, h_new) = _gates(inputs, 3, ops), _gates(hidden, 3, ops)
    z, r = (activation(layer, ops.add(a, b), ops, "recurrent_activation") for a, b in ((x_z, h_z), (x_r, h_r)))
    reset = ops.multiply(r, h_new) if after else _gates(_from_state(layer, ops.multiply(r, h), ops), 3, ops)[2]
    new = activation(layer, ops.add(x_new, reset), ops)
    return [ops.add(ops.multiply(z, h), ops.multiply(ops.subtract(1.0, z), new))]


def simple_rnn_step(layer: LayerView, inputs: Tensor, states: Tensors, ops: Operations) -> Tensors:
    return [activation(layer, ops.add(inputs, _from_state(layer, states[0], ops)), ops)]


STEPS: dict[str, Callable[[LayerView, Tensor, Tensors, Operations], Tensors]] = {
    "LSTM": lstm_step,
    "GRU": gru_step,
    "SimpleRNN": simple_rnn_step,
}
