"""Recurrent cells in NeoML: its own fused layers where they can express the cell, archive cells elsewhere.

Masks are honoured inside the net, any mask: right, left, with holes, all masked. An archive cell is given the mask of
every step. A fused layer knows no masks: the valid steps of each row are brought together by a 0/1 matrix made from the
mask, the layer runs over them, and the transposed matrix brings its outputs back; masked steps then repeat the output
before, or are zero. That matrix has a number for every two steps, and pays where nets learn from short rows only: there
a fused layer is a third quicker than a cell up to some fifty steps; in nets that predict it never is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import numpy as np

from ...layers import Refusal
from ...operations import Cell, Weight
from ..graph import Graph, Port
from ..slots import Parameter, Piece, blob_shape, blob_view
from ..values import Wire
from .activations import linear
from .base import Compaction, Part
from .reshaping import cut, flip
from .stepwise import run_stepwise

# Keras' gates i, f, c, o in the order that NeoML's Lstm keeps them: c, f, i, o.
LSTM_GATES = (2, 1, 0, 3)
# NeoML's own hard sigmoid is clip(x/2 + 1/2): other slopes go into the weights.
HARD_SIGMOID_SLOPE = 0.5
# Steps from which on a cell learns from masked rows as quickly as a fused layer does.
LONG = 200
LSTM_RECURRENT_ACTIVATIONS = {"sigmoid", "tanh", "linear", "relu", "hard_sigmoid"}


def compaction(ops: Part, mask: Wire, go_backwards: bool) -> Compaction:
    """Make the matrices, once for every mask and direction."""
    port = mask.to("BH").port
    key = (id(port.node), port.output, go_backwards)
    if key not in ops.compactions:
        ops.compactions[key] = _matrices(ops.graph, port, go_backwards)
    return ops.compactions[key]


def _matrices(g: Graph, m: Port, go_backwards: bool) -> Compaction:
    position = linear(g, g.add("CumSum", m, dimension="height", reverse=go_backwards), 1.0, -1.0)
    steps = linear(g, g.add("CumSum", linear(g, m, 0.0, 1.0), dimension="height"), 1.0, -1.0)

    def across(port: Port) -> Port:
        return g.add("Transpose", port, first_dim="height", second_dim="channels")

    wide = g.add("Broadcast", steps, across(position), across(m), outputs=3).node
    apart = g.add("Abs", g.add("EltwiseSub", Port(wide, 0), Port(wide, 1)))
    spread = g.add("ReLU", linear(g, apart, -1.0, 1.0), threshold=1.0)
    return Compaction(g.add("EltwiseMul", spread, Port(wide, 2)), spread)


def times(ops: Part, matrix: Port, x: Wire, transposed: bool = False) -> Wire:
    """matrix · x over the steps of a time-first sequence."""
    g = ops.graph
    if transposed:
        matrix = g.add("Transpose", matrix, first_dim="height", second_dim="channels")
    images = x.to("BHC")
    return images.made(g.add("MatrixMultiplication", matrix, images.port)).to("BLC")


def recurrent(
    ops: Part,
    cell: Cell,
    x: Wire,
    initial: list[Wire],
    mask: Optional[Wire],
    go_backwards: bool,
    zero_output: bool,
) -> tuple[Wire, Wire, list[Wire]]:
    """See `Operations.recurrent`."""
    xs, kept = dropped(ops, cell, x.to("BLC")) if ops.in_training else ([x.to("BLC")], [])
    compacts = ops.in_training and (x.shape[1] or 0) <= LONG
    if not is_native(cell, bool(initial)) or len(xs) > 1 or kept or not (mask is None or compacts):
        return stepwise(ops, cell, xs, kept, initial, mask, go_backwards, zero_output)
    (x,) = xs
    if mask is None:
        outputs = native(ops, cell, x, initial, go_backwards)
        lasts = [last_step(output, go_backwards) for output in outputs]
        whole = flip(outputs[0], 1) if go_backwards else outputs[0]
        return whole, lasts[0], lasts
    matrices = compaction(ops, mask, go_backwards)
    compact = native(ops, cell, times(ops, matrices.keep, x), initial, False)
    outputs = [times(ops, matrices.spread, output, transposed=True) for output in compact]
    states = [last_step(output, go_backwards) for output in outputs]
    sequence = times(ops, matrices.keep, compact[0], transposed=True) if zero_output else outputs[0]
    last = last_step(sequence, go_backwards)
    if initial:
        states = [_state_of_empty_rows(ops, state, start, mask) for state, start in zip(states, initial)]
    return (flip(sequence, 1) if go_backwards else sequence), last, states


def stepwise(
    ops: Part,
    cell: Cell,
    xs: list[Wire],
    kept: list[Wire],
    initial: list[Wire],
    mask: Optional[Wire],
    go_backwards: bool,
    zero_output: bool,
) -> tuple[Wire, Wire, list[Wire]]:
    """A cell that no fused layer computes: one node that holds a step, masks and all.

    `xs`, `kept`: see `dropped`.
    """
    x = xs[0]
    m = None if mask is None else ops.expand_dims(mask, 2).to("BLC").port
    starts = [state.to("BC").port for state in initial]
    inputs, factors = [one.port for one in xs], [one.port for one in kept]
    output, afters = run_stepwise(
        ops.graph,
        cell,
        inputs,
        mask=m,
        initial=starts,
        kept=factors,
        reverse=go_backwards,
        training=ops.in_training,
    )
    sequence = _sequence(x, output, cell.units)
    states = [last_step(_sequence(x, port, cell.units), go_backwards) for port in afters]
    if mask is not None and zero_output:
        sequence = ops.multiply(sequence, ops.cast(ops.expand_dims(mask, 2), "float32"))
    last = last_step(sequence, go_backwards)
    return (flip(sequence, 1) if go_backwards else sequence), last, states


def dropped(ops: Part, cell: Cell, x: Wire) -> tuple[list[Wire], list[Wire]]:
    """What training leaves of the inputs and, as factors, of the state: for each gate, or once for all of them."""
    if 1.0 in (cell.dropout, cell.recurrent_dropout):
        raise Refusal("drops all of its inputs or of its state in training", "give a rate below 1")
    gates = cell.gates if cell.dropped_by_gate else 1
    xs, kept = [x], []
    if cell.dropout:
        xs = [ops.dropout(x, cell.dropout, whole_features=True).to("BLC") for _ in range(gates)]
    if cell.recurrent_dropout:
        ones = _ones(ops, x, cell.units)
        kept = [ops.dropout(ones, cell.recurrent_dropout).to("BC") for _ in range(gates)]
    return xs, kept


def _ones(ops: Part, x: Wire, units: int) -> Wire:
    """(batch, units), for the batch of a sequence."""
    first = ops.squeeze(ops.slice(x, 1, 0, 1), 1).to("BC")
    parameters = {
        "weights": Parameter.fixed(np.zeros((units, first.size(1)), np.float32), "BC"),
        "free_term": Parameter.fixed(np.ones(units, np.float32), "C"),
    }
    port = ops.graph.add("FullyConnected", first.port, element_count=units, parameters=parameters, label="ones")
    return first.made(port, (first.shape[0], units), "float32", "BC")


def _state_of_empty_rows(ops: Part, state: Wire, start: Wire, mask: Wire) -> Wire:
    """A row without a valid step keeps its initial state; its computed state is zero."""
    empty = ops.cast(ops.logical_not(ops.reduce(mask, "any", (1,), keepdims=True)), "float32")
    return ops.add(state, ops.multiply(start.to(state.layout), empty.to(state.layout)))


def last_step(sequence: Wire, go_backwards: bool) -> Wire:
    """The step that was computed last, of a sequence in time order."""
    one = cut(
        replace(sequence, shape=(sequence.shape[0], None, sequence.shape[2])),
        1,
        *((0, 1) if go_backwards else (-1, None)),
    )
    return replace(one, shape=(one.shape[0], one.shape[2]), layout=one.layout[0] + one.layout[2], forms={})


# ---- NeoML's own layers


def is_native(cell: Cell, starts: bool = False) -> bool:
    """Whether a fused NeoML layer computes this cell exactly; `starts`: it is given an initial state."""
    name, arguments = cell.activation
    gate, gate_arguments = cell.recurrent_activation
    if cell.kind == "lstm":
        fits = gate in LSTM_RECURRENT_ACTIVATIONS and gate_arguments.get("offset", 0.5) == 0.5
        return (name, arguments) == ("tanh", {}) and fits
    if cell.kind == "gru":
        return not cell.reset_after and (name, gate) == ("tanh", "sigmoid")
    return (name, arguments) == ("relu", {}) and not starts


def native(ops: Part, cell: Cell, x: Wire, initial: list[Wire], go_backwards: bool) -> list[Wire]:
    """The layer's outputs at every step in time order: h, and c for an LSTM."""
    build = {"lstm": _lstm, "gru": _gru, "simple_rnn": _simple_rnn}[cell.kind]
    starts = [state.to("BC") for state in initial]
    return build(ops, cell, x, starts, go_backwards)


def _sequence(x: Wire, port: Port, units: int) -> Wire:
    return x.made(port, (*x.shape[:2], units), "float32", "BLC")


def _lstm(ops: Part, cell: Cell, x: Wire, initial: list[Wire], go_backwards: bool) -> list[Wire]:
    gate, arguments = cell.recurrent_activation
    scale = 1.0
    if gate == "hard_sigmoid":
        scale = arguments.get("slope", 1 / 6) / HARD_SIGMOID_SLOPE
    port = ops.graph.add(
        "Lstm",
        x.port,
        *(state.port for state in reversed(initial)),
        hidden_size=cell.units,
        activation=gate,
        reverse_seq=go_backwards,
        parameters=lstm_parameters(cell, scale),
    )
    return [_sequence(x, port, cell.units), _sequence(x, Port(port.node, 1), cell.units)]


def lstm_parameters(cell: Cell, scale: float) -> dict[str, Parameter]:
    """Keras' LSTM weights in NeoML's gate order; gates but the candidate are multiplied by `scale`."""
    units = cell.units

    def gates(weight: Weight) -> Parameter:
        """(…, 4·units) in Keras' order as rows in NeoML's."""
        rows = [_gate(weight, units, row, 1.0 if row == 0 else scale) for row in range(len(LSTM_GATES))]
        return Parameter.of(blob_shape(weight.shape, "CB"[: len(weight.shape)]), *rows)

    zeros = np.zeros(len(LSTM_GATES) * units, np.float32)
    parameters = {
        "input_weights": gates(cell.kernel),
        "recurrent_weights": gates(cell.recurrent_kernel),
        "input_free_term": Parameter.fixed(zeros, "C"),
        "recurrent_free_term": Parameter.fixed(zeros, "C"),
    }
    if cell.bias is not None:
        parameters["input_free_term"] = gates(cell.bias)
    return parameters


def _gate(weight: Weight, units: int, row: int, factor: float) -> Piece:
    """A gate's columns of a weight, in NeoML's row of it."""
    gate = LSTM_GATES[row]
    rows = (len(LSTM_GATES), units, *weight.shape[:-1])
    return Piece(weight, lambda slot: slot.reshape(rows)[row].T, (..., slice(gate * units, (gate + 1) * units)), factor)


def _gru(ops: Part, cell: Cell, x: Wire, initial: list[Wire], go_backwards: bool) -> list[Wire]:
    forward = (flip(x, 1) if go_backwards else x).to("BLC")
    port = ops.graph.add(
        "Gru",
        forward.port,
        *(state.port for state in initial),
        hidden_size=cell.units,
        parameters=gru_parameters(cell),
    )
    y = _sequence(x, port, cell.units)
    return [flip(y, 1) if go_backwards else y]


def gru_parameters(cell: Cell) -> dict[str, Parameter]:
    """NeoML keeps z and r in one matrix over [x, h], the candidate in another over [x, r·h]."""
    units, width = cell.units, cell.kernel.shape[0]
    parameters: dict[str, Parameter] = {}
    for name, columns in (("gate", slice(0, 2 * units)), ("main", slice(2 * units, 3 * units))):
        rows = columns.stop - columns.start
        shape = blob_shape((width + units, rows), "CB")
        place = (slice(None), columns)
        parameters[f"{name}_weights"] = Parameter.of(
            shape,
            Piece(cell.kernel, lambda slot: blob_view(slot, "CB")[:width], place),
            Piece(cell.recurrent_kernel, lambda slot: blob_view(slot, "CB")[width:], place),
        )
        bias = cell.bias
        zeros = Parameter.fixed(np.zeros(rows, np.float32), "C")
        parameters[f"{name}_free_term"] = zeros if bias is None else Parameter.laid_out(bias, "C", columns)
    return parameters


def _simple_rnn(ops: Part, cell: Cell, x: Wire, initial: list[Wire], go_backwards: bool) -> list[Wire]:
    port = ops.graph.add(
        "Irnn",
        x.port,
        hidden_size=cell.units,
        reverse_seq=go_backwards,
        parameters=irnn_parameters(cell),
    )
    return [_sequence(x, port, cell.units)]


def irnn_parameters(cell: Cell) -> dict[str, Parameter]:
    zeros = Parameter.fixed(np.zeros(cell.units, np.float32), "C")
    return {
        "input_weights": Parameter.laid_out(cell.kernel, "CB"),
        "recurrent_weights": Parameter.laid_out(cell.recurrent_kernel, "CB"),
        "input_free_term": zeros if cell.bias is None else Parameter.whole(cell.bias),
        "recurrent_free_term": zeros,
    }
