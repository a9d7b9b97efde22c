"""ConvLSTM: an LSTM whose products are convolutions, step by step."""

from __future__ import annotations

from typing import Any, Optional

from ..network import Shape
from ..operations import Operations, Tensor
from .activations import activation
from .convolutions import as_configured, channels_last, padding, steps
from .recurrent import RUNNERS, flat_states, mask_of_sequence
from .recurrent_steps import each_step, one_behind_the_other, run_steps
from .rule import Config, LayerView, WeightShapes, rule
from .weight_shapes import features_of
from .windows import per_axis

SILENT = ("filters", "kernel_size", "unit_forget_bias", "unroll")


def convolutional_weights(config: Config, inputs: list[Shape]) -> WeightShapes:
    filters = config["filters"]
    window = per_axis(config["kernel_size"], len(inputs[0]) - 3)
    return {
        "kernel": (*window, features_of(config, inputs[0], in_front=2), 4 * filters),
        "recurrent_kernel": (*window, filters, 4 * filters),
        "bias": (4 * filters,),
    }


@rule(
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    mask=mask_of_sequence,
    weights=convolutional_weights,
    note="NeoML needs a time of fixed size",
    learns={"ConvLSTM3D": "not dilated"},
)
def conv_lstm(
    layer: LayerView, sequences: Tensor, ops: Operations, mask: Optional[Tensor] = None, initial_state: Any = None
) -> Any:
    output, states = run_conv_lstm(layer, sequences, ops, mask, initial_state)
    return [output, *states] if layer.config["return_state"] else output


def run_conv_lstm(
    layer: LayerView, sequences: Tensor, ops: Operations, mask: Optional[Tensor], initial_state: Any
) -> tuple[Tensor, list[Tensor]]:
    """Its output, of every step or the last, and its last states."""
    config = layer.config
    layer.irrelevant("return_state", *SILENT)
    if any([config.get("dropout"), config.get("recurrent_dropout")]) and ops.training:
        raise layer.refuse("dropout inside a ConvLSTM is not handled in training", "use Dropout before it")
    if config.get("stateful"):
        raise layer.refuse("stateful=True is not handled", "pass the states on: return_state and initial_state")
    if mask is not None and len(mask.shape) > 2 and config["data_format"] == "channels_first":
        raise layer.refuse("a mask of each place is not handled with the channels first", "put the channels last")
    inputs = input_gates(layer, sequences, ops)
    states = [channels_last(layer, state, ops) for state in flat_states(initial_state)]
    if mask is not None and not states:
        units = layer.weight("recurrent_kernel").shape[-2]
        states = [ops.full_like(ops.slice(inputs[0], -1, 0, units), 0.0)] * 2
    order = {key: bool(config.get(key)) for key in ("go_backwards", "zero_output_for_mask")}
    made = run_steps(lambda given, before: step(layer, given, before, ops), inputs, states, mask, ops, **order)
    outputs, states = ([as_configured(layer, one, ops) for one in part] for part in made)
    return (one_behind_the_other(outputs, ops) if config["return_sequences"] else outputs[-1]), states


RUNNERS.update(dict.fromkeys(("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), run_conv_lstm))


def input_gates(layer: LayerView, sequences: Tensor, ops: Operations) -> list[Tensor]:
    """What every step's input gives to all gates: one convolution over all steps."""
    kernel = layer.weight("kernel")
    strides, dilation = steps(layer, len(kernel.shape) - 2)
    frames = ops.convolution(
        channels_last(layer, ops.time_to_batch(sequences), ops),
        kernel,
        layer.weight("bias", if_config="use_bias"),
        strides=strides,
        padding=padding(layer),
        dilation=dilation,
    )
    return each_step(ops.batch_to_time(frames, like=sequences), ops)


def step(layer: LayerView, inputs: Tensor, states: list[Tensor], ops: Operations) -> list[Tensor]:
    """Hidden and carry state after one step; there are none before the first, which begins from zeros."""

    def active(x: Tensor, key: str) -> Tensor:
        return channels_last(layer, activation(layer, as_configured(layer, x, ops), ops, key), ops)

    kernel = layer.weight("recurrent_kernel")
    gates = inputs
    if states:
        once = (1,) * (len(kernel.shape) - 2)
        from_hidden = ops.convolution(states[0], kernel, strides=once, padding="same", dilation=once)
        gates = ops.add(inputs, from_hidden)
    units = kernel.shape[-2]
    i, f, c, o = (ops.slice(gates, -1, at * units, (at + 1) * units) for at in range(4))
    carry = ops.multiply(active(i, "recurrent_activation"), active(c, "activation"))
    if states:
        carry = ops.add(ops.multiply(active(f, "recurrent_activation"), states[1]), carry)
    hidden = ops.multiply(active(o, "recurrent_activation"), active(carry, "activation"))
    return [hidden, carry]
