"""LSTM, GRU and SimpleRNN one step at a time, for what NeoML's fused layers cannot express.

A cell becomes one ``Recurrent`` node whose body computes a step as Keras' cell does: any activations, a GRU's reset
gate before or after its matrix product, masks, initial states. Products with the kernel are made for all steps at
once, outside. Sequences are time-first (layout ``BLC``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Optional

import numpy as np

from ...operations import Cell, Weight
from ..graph import CellBody, Graph, Port
from ..slots import Parameter
from .activations import TRAINABLE, activate, keep

# Layers over whose output no product writes before their own gradient is computed from it.
KEPT = frozenset({"Sigmoid", "Tanh"})

BOUNDED = frozenset({"tanh", "sigmoid", "softsign", "hard_sigmoid", "hard_tanh", "sparse_sigmoid"})

# From a step's projected input, the states before, and the state before as the gates get it.
Step = Callable[[Graph, Cell, Port, list[Port], list[Port]], list[Port]]


def input_name(number: int) -> str:
    """The name under which NeoML hands the layers of a cell its input of that number."""
    return f"CompositeSource.{number}"


def run_stepwise(
    graph: Graph,
    cell: Cell,
    xs: Sequence[Port],
    *,
    mask: Optional[Port] = None,
    initial: Sequence[Port] = (),
    kept: Sequence[Port] = (),
    reverse: bool = False,
    training: bool = False,
) -> tuple[Port, list[Port]]:
    """Run a cell over the steps of a sequence; see `porting.operations.Operations.recurrent`.

    Arguments:
        xs: (time, batch, features), for each gate or once for all.
        mask: (time, batch, 1): 1 where a step is valid, 0 where it keeps the states and repeats the output.
        initial: the first state or states, each (batch, units); zeros without.
        kept: factors of the state before, (batch, units), for each gate or once for all; where it is dropped.
        reverse: time runs from its end, the mask's too.
        training: the cell learns.

    Returns:
        The output of every step and the states after it, (time, batch, units) each, in the order of `xs`: with
        `reverse` the last step to be computed stands first. The output is the first state unless both a mask
        and initial states are given.
    """
    inputs = [project(graph, cell, xs)]
    if mask is not None:
        inputs.append(widen(graph, mask, cell.units))
    first_state = len(inputs)
    inputs += initial
    kept_inputs = range(len(inputs), len(inputs) + len(kept))
    inputs += kept
    body = cell_body(in_steps(cell, training), mask is not None, first_state if initial else None, reverse, kept_inputs)
    # Learning kills the process where an output is unread and a later one read; the last may be unread.
    to_consume = max(1, len(body.outputs) - 1)
    node = graph.add("Recurrent", *inputs, label="recurrent", outputs=to_consume, body=body).node
    ports = [Port(node, number) for number in range(len(body.outputs))]
    return ports[0], ports[-cell.states :]


# ---- outside the cell


def project(graph: Graph, cell: Cell, xs: Sequence[Port]) -> Port:
    """x · kernel + bias for every step at once."""
    return by_gates(graph, cell, xs, cell.kernel, cell.bias, 0 if cell.reset_after else None, "kernel")


def by_gates(
    graph: Graph,
    cell: Cell,
    xs: Sequence[Port],
    kernel: Weight,
    bias: Optional[Weight],
    row: Optional[int],
    label: str,
    gates: slice = slice(None),
) -> Port:
    """x · kernel + bias of these gates, x being another for each gate where there are several.

    `row`: of the bias, where it has two.
    """

    def columns(first: int, last: int) -> slice:
        return slice(first * cell.units, last * cell.units)

    def place(chosen: slice) -> Any:
        return chosen if row is None else (row, chosen)

    first, last, _ = gates.indices(cell.gates)
    if len(xs) == 1:
        chosen = columns(first, last)
        return dense(graph, xs[0], kernel, chosen, bias, place(chosen), label=label)
    parts = []
    for number in range(first, last):
        chosen = columns(number, number + 1)
        parts.append(dense(graph, xs[number], kernel, chosen, bias, place(chosen), label=f"{label}_{number}"))
    return parts[0] if len(parts) == 1 else graph.add("ConcatChannels", *parts)


def widen(graph: Graph, mask: Port, units: int) -> Port:
    """The mask in every channel; unlike a Broadcast it lets gradients pass by."""
    ones = Parameter.fixed(np.ones((units, 1), np.float32), "BC")
    return graph.add("FullyConnected", mask, label="mask", element_count=units, parameters={"weights": ones})


def dense(
    graph: Graph,
    x: Port,
    kernel: Weight,
    columns: slice,
    bias: Optional[Weight] = None,
    row: Any = ...,
    label: str = "",
) -> Port:
    """x · kernel[:, columns] + bias[row]."""
    parameters = {"weights": Parameter.laid_out(kernel, "CB", (slice(None), columns))}
    if bias is not None:
        parameters["free_term"] = Parameter.laid_out(bias, "C", row)
    return graph.add(
        "FullyConnected",
        x,
        label=label,
        element_count=kernel.value[:, columns].shape[1],
        parameters=parameters,
    )


# ---- inside the cell


def in_steps(cell: Cell, training: bool) -> Cell:
    """The cell with the functions that its steps compute with.

    A gate is NeoML's own Sigmoid, by which a step takes two fifths less, unless what is left of a closed one, 1.2e-7,
    may meet a large number.
    """
    quick = TRAINABLE if training else {"sigmoid": TRAINABLE["sigmoid"]}
    (name, arguments), (gate_name, gate_arguments) = cell.activation, cell.recurrent_activation
    if training or name in BOUNDED:
        gate_name = quick.get(gate_name, gate_name)
    return replace(
        cell, activation=(quick.get(name, name), arguments), recurrent_activation=(gate_name, gate_arguments)
    )


def cell_body(
    cell: Cell, masked: bool, first_state: Optional[int], reverse: bool, kept_inputs: Sequence[int] = ()
) -> CellBody:
    """The body of a cell's node.

    Its inputs are the projected sequence, the mask's if `masked`, the initial states from number `first_state` on,
    and those numbered `kept_inputs`: factors of the state before, the same in all steps, which are kept as states
    that never change. It puts out the states; before them the output, where that is not the first state.
    """
    graph = Graph()
    names = ["h", "c"][: cell.states]
    projected = graph.add("Source", name=input_name(0))
    before = [graph.add("Source", name=name) for name in names]
    factors = [graph.add("Source", name=f"kept {number}") for number in range(len(kept_inputs))]
    after = STEPS[cell.kind](graph, cell, projected, before, dropped(graph, before[0], factors))
    constant = tuple(
        (f"kept {number}", cell.units, keep(graph, one), start)
        for number, (one, start) in enumerate(zip(factors, kept_inputs))
    )
    starts = [None if first_state is None else first_state + number for number in range(len(names))]
    if not masked:
        states = tuple((name, cell.units, port, start) for name, port, start in zip(names, after, starts))
        return CellBody(graph, (*states, *constant), tuple(after), reverse)
    mask = graph.add("Source", name=input_name(1))
    output = after[0]
    after = [hold(graph, mask, new, old) for new, old in zip(after, before)]
    states = tuple((name, cell.units, port, start) for name, port, start in zip(names, after, starts))
    if first_state is None:
        return CellBody(graph, (*states, *constant), tuple(after), reverse)
    # Keras repeats zeros, not the initial state, until the first valid step.
    output = hold(graph, mask, output, graph.add("Source", name="output"))
    return CellBody(graph, (*states, *constant, ("output", cell.units, output, None)), (output, *after), reverse)


def dropped(graph: Graph, h: Port, factors: Sequence[Port]) -> list[Port]:
    """The state before as each gate gets it, or once as all get it."""
    return [product(graph, h, one) for one in factors] or [h]


def hold(graph: Graph, mask: Port, new: Port, old: Port) -> Port:
    """`new` where the mask is 1 and `old`, to the bit, where it is 0."""
    return graph.add("EltwiseSum", graph.add("EltwiseMul", mask, new), graph.add("EltwiseNegMul", mask, old))


def lstm_step(graph: Graph, cell: Cell, projected: Port, states: list[Port], hs: list[Port]) -> list[Port]:
    c = states[1]
    i, f, candidate, o = split(graph, add(graph, projected, recurrent_dense(graph, cell, hs)), cell.units, 4)
    i, f, o = (gate(graph, cell, port) for port in (i, f, o))
    c = add(graph, product(graph, f, c), product(graph, i, activated(graph, cell, candidate)))
    return [product(graph, o, activated(graph, cell, c)), c]


def gru_step(graph: Graph, cell: Cell, projected: Port, states: list[Port], hs: list[Port]) -> list[Port]:
    (h,) = states
    units = cell.units
    x_z, x_r, x_h = split(graph, projected, units, 3)
    if cell.reset_after:
        h_z, h_r, h_h = split(graph, recurrent_dense(graph, cell, hs), units, 3)
    else:
        gates = by_gates(graph, cell, hs, cell.recurrent_kernel, None, None, "recurrent_kernel_gates", slice(2))
        h_z, h_r = split(graph, gates, units, 2)
    z = factor(graph, gate(graph, cell, add(graph, x_z, h_z)))
    r = gate(graph, cell, add(graph, x_r, h_r))
    if cell.reset_after:
        from_state = product(graph, r, h_h)
    else:
        reset, columns = product(graph, r, hs[-1]), slice(2 * units, None)
        from_state = dense(graph, reset, cell.recurrent_kernel, columns, label="recurrent_kernel_candidate")
    candidate = activated(graph, cell, add(graph, x_h, from_state))
    return [add(graph, graph.add("EltwiseMul", z, h), graph.add("EltwiseNegMul", z, candidate))]


def simple_rnn_step(graph: Graph, cell: Cell, projected: Port, states: list[Port], hs: list[Port]) -> list[Port]:
    return [activated(graph, cell, add(graph, projected, recurrent_dense(graph, cell, hs)))]


STEPS: dict[str, Step] = {"lstm": lstm_step, "gru": gru_step, "simple_rnn": simple_rnn_step}


def recurrent_dense(graph: Graph, cell: Cell, hs: Sequence[Port]) -> Port:
    """h · recurrent_kernel, and the bias that a GRU with reset_after adds inside its step."""
    bias = cell.bias if cell.reset_after else None
    return by_gates(graph, cell, hs, cell.recurrent_kernel, bias, 1, "recurrent_kernel")


def split(graph: Graph, x: Port, units: int, parts: int) -> list[Port]:
    node = graph.add("SplitChannels", x, outputs=parts, sizes=[units] * (parts - 1)).node
    return [Port(node, part) for part in range(parts)]


def gate(graph: Graph, cell: Cell, x: Port) -> Port:
    return activate(graph, x, *cell.recurrent_activation)


def activated(graph: Graph, cell: Cell, x: Port) -> Port:
    return activate(graph, x, *cell.activation)


def add(graph: Graph, a: Port, b: Port) -> Port:
    return graph.add("EltwiseSum", a, b)


def factor(graph: Graph, x: Port) -> Port:
    """The values as the first operand of a product that must have right gradients."""
    return x if x.node.kind in KEPT else keep(graph, x)


def product(graph: Graph, a: Port, b: Port) -> Port:
    return graph.add("EltwiseMul", factor(graph, a), b)
