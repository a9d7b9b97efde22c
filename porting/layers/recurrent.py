"""LSTM, GRU, SimpleRNN, RNN of their cells, and the layers that wrap them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Optional

from ..network import Shape
from ..operations import Cell, Operations, Tensor
from .activations import ELEMENTWISE, activation_named, is_known
from .operation_shapes import picked
from .recurrent_steps import run_by_steps
from .rule import Config, LayerView, WeightShapes, rule
from .weight_shapes import held_weights

Tensors = list[Tensor]


def treats_units_alone(layer: LayerView) -> bool:
    """Whether every activation of a cell is a function of `keras.activations` that treats each unit alone."""
    values = [layer.config[key] for key in ("activation", "recurrent_activation") if key in layer.config]
    return all(is_known(value) and activation_named(value)[0] in {"linear", *ELEMENTWISE} for value in values)


def gated_dropping(layer: LayerView) -> dict[str, Any]:
    """What of a `Cell` says how training drops: gate by gate where the state is dropped, or where Keras is told to.

    Keras takes a rate of 1 for none here.
    """
    rates = dropping_rates(layer)
    by_gate = layer.config.get("implementation", 2) == 1 or rates["recurrent_dropout"] > 0
    return {**{key: rate % 1.0 for key, rate in rates.items()}, "dropped_by_gate": by_gate}


def dropping_rates(layer: LayerView) -> dict[str, Any]:
    return {key: min(1.0, max(0.0, layer.config.get(key) or 0.0)) for key in ("dropout", "recurrent_dropout")}


def cell(kind: str, layer: LayerView, **more: Any) -> Cell:
    layer.irrelevant("units")
    kernels = layer.weight("kernel"), layer.weight("recurrent_kernel")
    bias = layer.weight("bias", if_config="use_bias")
    return Cell(kind, *kernels, bias, activation_named(layer.config["activation"]), **more)


def gated_cell(kind: str, layer: LayerView, **more: Any) -> Cell:
    gates = activation_named(layer.config["recurrent_activation"])
    return cell(kind, layer, recurrent_activation=gates, **gated_dropping(layer), **more)


def lstm_cell(layer: LayerView) -> Cell:
    layer.irrelevant("unit_forget_bias")
    return gated_cell("lstm", layer)


def gru_cell(layer: LayerView) -> Cell:
    return gated_cell("gru", layer, reset_after=layer.config["reset_after"])


def simple_rnn_cell(layer: LayerView) -> Cell:
    layer.irrelevant("implementation")
    return cell("simple_rnn", layer, **dropping_rates(layer))


CELLS: dict[str, Callable[[LayerView], Cell]] = {
    "LSTM": lstm_cell,
    "GRU": gru_cell,
    "SimpleRNN": simple_rnn_cell,
    "LSTMCell": lstm_cell,
    "GRUCell": gru_cell,
    "SimpleRNNCell": simple_rnn_cell,
}


def cells_of(layer: LayerView) -> list[LayerView]:
    """The cells that run one above the other in a recurrent layer."""
    if layer.class_name in CELLS:
        return [layer]
    if layer.class_name == "RNN":
        return cells_of(layer.inner("cell"))
    if layer.class_name == "StackedRNNCells":
        return [
            cell
            for at in range(len(layer.config["cells"]))
            for cell in cells_of(layer.inner("cells", f"cells/{at}", at))
        ]
    raise layer.refuse(f"cell {layer.class_name} is not handled", "use LSTMCell, GRUCell or SimpleRNNCell")


def run_cell(layer: LayerView, x: Tensor, ops: Operations, states: Tensors, **settings: Any) -> tuple[Any, ...]:
    """What `Operations.recurrent` returns, and the states that are left for the cells above."""
    count = 2 if layer.class_name.startswith("LSTM") else 1
    settings["initial_state"] = states[:count] or None
    if treats_units_alone(layer):
        return *ops.recurrent(CELLS[layer.class_name](layer), x, **settings), states[count:]
    return *run_by_steps(layer, x, ops, **settings), states[count:]


def run_recurrent(
    layer: LayerView, x: Tensor, ops: Operations, mask: Optional[Tensor], initial_state: Any
) -> tuple[Tensor, Tensors]:
    """Run a recurrent layer; its output (of every step or the last) and its last states."""
    config = layer.config
    layer.irrelevant("return_state")
    if config.get("stateful"):
        what = "stateful=True: its answer depends on the calls before, which batches run side by side do not have"
        raise layer.refuse(what, "hand the states in and out of the network: initial_state and return_state")
    if config.get("time_major"):
        raise layer.refuse("time_major=True is not handled", "put the batch first")
    initial = flat_states(initial_state)
    states: Tensors = []
    last = x
    cells = cells_of(layer)
    zero_output, unroll = bool(config.get("zero_output_for_mask")), config.get("unroll")
    # Unrolled, Keras zeroes the outputs, which stand in processing order, with the mask in time order.
    zero_by = mask if zero_output and unroll and config["go_backwards"] else None
    for number, cell in enumerate(cells):
        top = number == len(cells) - 1
        x, last, made, initial = run_cell(
            cell,
            x,
            ops,
            initial,
            mask=mask,
            go_backwards=config["go_backwards"] and number == 0,
            zero_output_for_mask=zero_output and zero_by is None and top,
        )
        if number == 0 and config["go_backwards"] and mask is not None:
            mask = ops.flip(mask, 1)
        states += made
    if zero_by is not None:
        kept = ops.cast(ops.expand_dims(zero_by, 2), "float32")
        x, last = ops.multiply(x, kept), ops.multiply(last, picked(kept, 1, 0, ops))
    return (x if config["return_sequences"] else last), states


# How the layers of a class run one way, where they are no plain cell: (layer, x, ops, mask, initial_state).
Runner = Callable[[LayerView, Tensor, Operations, Optional[Tensor], Any], tuple[Tensor, Tensors]]
RUNNERS: dict[str, Runner] = {}


def run_one_way(
    layer: LayerView, x: Tensor, ops: Operations, mask: Optional[Tensor], initial_state: Any
) -> tuple[Tensor, Tensors]:
    return RUNNERS.get(layer.class_name, run_recurrent)(layer, x, ops, mask, initial_state)


def flat_states(states: Any) -> Tensors:
    if states is None:
        return []
    if isinstance(states, (list, tuple)):
        return [tensor for part in states for tensor in flat_states(part)]
    return [states]


def mask_of_sequence(layer: LayerView, x: Any, mask: Any, ops: Operations) -> Any:
    mask = flat_states(mask)[0] if isinstance(mask, (list, tuple)) else mask
    return mask if layer.config["return_sequences"] else None


def gates(count: int) -> Callable[[Config, list[Shape]], WeightShapes]:
    """Kernels whose gates stand side by side."""

    def weights(config: Config, inputs: list[Shape]) -> WeightShapes:
        units = config["units"]
        width = count * units
        bias = (2, width) if config.get("reset_after") else (width,)
        return {"kernel": (inputs[0][-1], width), "recurrent_kernel": (units, width), "bias": bias}

    return weights


def weights_of_cells(config: Config, inputs: list[Shape]) -> WeightShapes:
    shapes: WeightShapes = {}
    for number, cell in enumerate(config["cells"]):
        shapes.update(held_weights(f"cells/{number}", cell, inputs))
        inputs = [(*inputs[0][:-1], cell["config"]["units"])]
    return shapes


def weights_of_both(config: Config, inputs: list[Shape]) -> WeightShapes:
    forward = held_weights("forward_layer", config["layer"], inputs)
    return {**forward, **held_weights("backward_layer", config["backward_layer"], inputs)}


WEIGHTS = {"LSTM": gates(4), "GRU": gates(3), "SimpleRNN": gates(1)}


@rule(
    "LSTM",
    "GRU",
    "SimpleRNN",
    "RNN",
    mask=mask_of_sequence,
    note="with an activation of your own or a softmax NeoML needs a time of fixed size; stateful is refused",
    weights={**WEIGHTS, "RNN": lambda config, inputs: held_weights("cell", config["cell"], inputs)},
    sizes="steps kept",
)
def recurrent(
    layer: LayerView,
    sequences: Tensor,
    ops: Operations,
    mask: Optional[Tensor] = None,
    initial_state: Any = None,
) -> Any:
    output, states = run_recurrent(layer, sequences, ops, mask, initial_state)
    return [output, *states] if layer.config["return_state"] else output


@rule(
    "LSTMCell",
    "GRUCell",
    "SimpleRNNCell",
    "StackedRNNCells",
    mask="stop",
    note="called on one step and its states",
    weights={**{f"{name}Cell": shapes for name, shapes in WEIGHTS.items()}, "StackedRNNCells": weights_of_cells},
)
def cells_alone(layer: LayerView, inputs: Tensor, states: Any, ops: Operations) -> list[Tensor]:
    given = flat_states(states)
    made: Tensors = []
    steps, output = ops.expand_dims(inputs, 1), inputs
    for cell in cells_of(layer):
        steps, output, new, given = run_cell(cell, steps, ops, given)
        made += new
    return [output, *made]


def mask_of_both(layer: LayerView, x: Any, mask: Any, ops: Operations) -> Any:
    mask = flat_states(mask)[0] if isinstance(mask, (list, tuple)) else mask
    if not layer.config["layer"]["config"]["return_sequences"]:
        return None
    return [mask, mask] if layer.config["merge_mode"] is None else mask


MERGES: dict[str, Callable[[Operations, Tensor, Tensor], Tensor]] = {
    "concat": lambda ops, a, b: ops.concatenate([a, b], -1),
    "sum": lambda ops, a, b: ops.add(a, b),
    "ave": lambda ops, a, b: ops.multiply(ops.add(a, b), 0.5),
    "mul": lambda ops, a, b: ops.multiply(a, b),
}


@rule("Bidirectional", mask=mask_of_both, weights=weights_of_both, sizes="steps kept")
def bidirectional(
    layer: LayerView,
    sequences: Tensor,
    ops: Operations,
    mask: Optional[Tensor] = None,
    initial_state: Optional[Sequence[Tensor]] = None,
) -> Any:
    forward_layer = layer.inner("layer", "forward_layer")
    backward_layer = layer.inner("backward_layer")
    half = len(initial_state) // 2 if initial_state else 0
    forward, forward_states = run_one_way(forward_layer, sequences, ops, mask, (initial_state or [])[:half])
    backward, backward_states = run_one_way(backward_layer, sequences, ops, mask, (initial_state or [])[half:])
    if forward_layer.config["return_sequences"]:
        backward = ops.flip(backward, 1)
    mode = layer.config["merge_mode"]
    merged = [forward, backward] if mode is None else [MERGES[mode](ops, forward, backward)]
    if forward_layer.config["return_state"]:
        return [*merged, *forward_states, *backward_states]
    return merged
