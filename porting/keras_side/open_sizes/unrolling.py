"""RNN of a cell of a user's own, step after step."""

from __future__ import annotations

from typing import Any

from ..tracing import Untraceable
from .following import FollowedCode


def unrolled(
    code: FollowedCode, step: Any, inputs: Any, initial_states: Any, settings: dict[str, Any], ops: Any, tree: Any
) -> Any:
    """What ``keras.backend.rnn`` returns, one step after the other: the last output, all outputs, the last states.

    Args:
        code: that is followed.
        step, inputs, initial_states, settings: what it is called with.
        ops, tree: the generation's functions of tensors and of structures.
    """
    mask, backwards = settings.get("mask"), settings.get("go_backwards", False)
    graph = code.sizes.graph
    if not graph.is_symbolic(inputs) or settings.get("constants") or settings.get("time_major"):
        raise Untraceable("runs a cell over several tensors, with constants, or with time in front")
    length = graph.shape(inputs)[1]
    if length is None:
        raise Untraceable("runs a cell of its own over an open time", "declare the length in keras.Input")
    if mask is not None and settings.get("unroll"):
        raise Untraceable("unrolls masked steps, whose outputs are others than without", "build it with unroll=False")
    states = [_of_the_data(code, state, inputs, ops) for state in tree.flatten(initial_states)]
    outputs: list[Any] = []
    for at in range(length) if not backwards else reversed(range(length)):
        output, new = step(inputs[:, at], tree.pack_sequence_as(initial_states, states))
        new = tree.flatten(new)
        if mask is not None:
            before = outputs[-1] if outputs and not settings.get("zero_output_for_mask") else ops.zeros_like(output)
            output = _where(mask[:, at], output, before, ops)
            new = [_where(mask[:, at], one, other, ops) for one, other in zip(new, states)]
        outputs.append(output)
        states = new
    return outputs[-1], ops.stack(outputs, axis=1), tree.pack_sequence_as(initial_states, states)


def _of_the_data(code: FollowedCode, state: Any, inputs: Any, ops: Any) -> Any:
    """A state made of the batch's size alone, such as zeros, as a tensor of the data.

    What the first step computes with it and with weights would else be numbers of the time when the network was saved.
    """
    graph = code.sizes.graph
    if not graph.is_symbolic(state) or not code.sizes.made_of_sizes(state) or len(graph.shape(inputs)) != 3:
        return state
    first = ops.cast(inputs[:, 0, :1], state.dtype)
    return ops.add(state, ops.zeros_like(first)) if len(graph.shape(state)) == 2 else state


def _where(mask: Any, one: Any, other: Any, ops: Any) -> Any:
    for _ in range(len(one.shape) - len(mask.shape)):
        mask = ops.expand_dims(mask, -1)
    return ops.where(mask, one, other)
